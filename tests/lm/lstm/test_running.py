"""Language models of running text: sampled sums, carried states, penalties, the cache; training resumed exactly."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.config import to_dict
from asr.errors import ConfigError, TextError
from asr.lm.lstm.folder import save_lm
from asr.lm.lstm.network import LstmLanguageModel, LstmLmConfig
from asr.lm.lstm.running_scores import CacheSettings, RunningScorer
from asr.lm.lstm.running_task import RunningTask, running_ids, running_log_probs
from asr.lm.lstm.sentence_task import TextConfig
from asr.train.checkpoint import read_tensors
from asr.train.config import TrainConfig
from asr.train.log import StepLog
from asr.train.loop import Trainer

CPU = torch.device("cpu")
WORDS = ["</s>", "<unk>", *(f"w{index}" for index in range(38))]
TEXT = TextConfig(running=True, streams=3, steps=12)


def _model(**options):
    torch.manual_seed(2)
    model = LstmLanguageModel(LstmLmConfig(8, 8, 2, **{"dropout": 0.0, **options}), len(WORDS))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def _ids(number=400, seed=1):
    random = np.random.default_rng(seed)
    return random.integers(0, len(WORDS), number).astype(np.int32)


def test_batches_run_through_every_stream_word_by_word():
    ids = _ids(301)
    task = RunningTask(_model(), ids, ids, TEXT)
    parts = [task.prepare(plan, 1, CPU) for plan in task.plan(1)]
    inputs, targets = (torch.cat([getattr(part, name) for part in parts], 1) for name in ("inputs", "targets"))
    assert inputs.tolist() == ids[:300].reshape(3, 100).tolist()
    assert targets.tolist() == ids[1:301].reshape(3, 100).tolist()
    assert task.plan(1) == task.plan(1) != task.plan(2)
    assert len({batch.inputs.shape[1] for batch in parts}) > 2


def test_the_state_is_carried_within_an_epoch_and_not_into_the_next():
    ids = _ids(301)
    task = RunningTask(_model(), ids, ids, TEXT)
    task.model.eval()
    with torch.no_grad():
        for epoch in (0, 1):
            nats = sum(task.loss(task.prepare(plan, epoch, CPU))[1]["nats"] for plan in task.plan(epoch))
            whole, _ = task.model.hidden(torch.from_numpy(ids[:300].reshape(3, 100).astype(np.int64)))
            targets = torch.from_numpy(ids[1:301].astype(np.int64))
            assert nats == pytest.approx(-float(task.model.log_probs(whole.flatten(0, 1), targets).sum()), rel=1e-5)


def test_gradients_end_where_a_batch_begins():
    ids = _ids(301)
    task = RunningTask(_model(), ids, ids, TEXT)
    first, second = task.plan(0)[:2]
    task.loss(task.prepare(first, 0, CPU))
    assert all(state.grad_fn is None for state in task.states)
    task.loss(task.prepare(second, 0, CPU))[0].backward()


def test_penalties_are_mean_squares_of_the_output_and_its_change():
    ids = _ids(301)
    task = RunningTask(_model(), ids, ids, replace(TEXT, activation_penalty=2.0, change_penalty=3.0))
    batch = task.prepare(task.plan(0)[0], 0, CPU)
    outputs, _ = task.model.outputs(batch.inputs)
    loss, figures = task.loss(batch)
    expected = figures["nats"] / figures["words"] + 2 * outputs.square().mean()
    expected += 3 * (outputs[:, 1:] - outputs[:, :-1]).square().mean()
    expected = expected.detach()
    assert float(loss.detach()) == pytest.approx(float(expected * batch.inputs.shape[1] / 12), rel=1e-5)


SOFTMAXES = {"full": ({}, 33), "clusters": ({"cutoffs": (6, 12), "cluster_shrink": 2.0}, len(WORDS) - 12 - 7)}


@pytest.mark.parametrize("kind", SOFTMAXES)
def test_a_sum_over_all_but_one_word_is_nearly_the_softmax_and_on_average_it_is(kind):
    options, nearly_all = SOFTMAXES[kind]
    model = _model(**options, samples=nearly_all, frequent=6)
    hidden, targets = torch.randn(80, 8), torch.arange(80) % len(WORDS)
    exact = model.eval().log_probs(hidden, targets)
    close = model.train().log_probs(hidden, targets)
    assert close.tolist() == pytest.approx(exact.tolist(), abs=0.25)
    assert close.tolist() != exact.tolist()
    few = _model(**options, samples=8, frequent=6).train()
    # ln of a mean of sums: the sum itself is estimated without bias (in expectation over the words drawn)
    draws = torch.stack([(exact.detach() - few.log_probs(hidden, targets).detach()).exp() for _ in range(3000)])
    assert draws.mean(dim=0).tolist() == pytest.approx([1.0] * 80, abs=0.05)


def test_only_the_last_cluster_is_estimated():
    options, nearly_all = SOFTMAXES["clusters"]
    hidden, targets = torch.randn(12, 8), torch.arange(12)
    exact = _model(**options).eval().log_probs(hidden, targets)
    sampled = _model(**options, samples=nearly_all, frequent=1).train().log_probs(hidden, targets)
    assert sampled.tolist() == pytest.approx(exact.tolist(), abs=1e-5)


@pytest.mark.parametrize("kind", SOFTMAXES)
def test_a_sampled_softmax_has_the_full_ones_gradient_when_it_draws_nearly_all(kind):
    options, nearly_all = SOFTMAXES[kind]
    model = _model(**options, samples=nearly_all, frequent=6).train()
    hidden, targets = torch.randn(400, 8), torch.randint(0, len(WORDS), (400,))
    grads = []
    for rows in (model.log_probs(hidden, targets), model.eval().log_probs(hidden, targets)):
        model.zero_grad()
        rows.mean().backward()
        grads.append([value.grad.clone().flatten() for value in model.parameters() if value.grad is not None])
    assert len(grads[0]) == len(grads[1])
    for sampled, whole in zip(*grads, strict=True):
        assert torch.nn.functional.cosine_similarity(sampled, whole, dim=0) > 0.97


def test_dropout_of_words_drops_whole_words():
    model = _model(embedding_dropout=0.5, variational=True).train()
    torch.manual_seed(0)
    seen = model._dropped(torch.ones(2, 5, 8), 0.5)
    assert all((seen[:, 0] == seen[:, step]).all() for step in range(5))  # one mask for all steps
    words = torch.arange(2, 40).repeat_interleave(2)[None]
    embedded = {}
    model.recurrent.register_forward_pre_hook(lambda _, inputs: embedded.update(values=inputs[0]))
    model.outputs(words)
    zero = (embedded["values"][0] == 0).all(dim=1)
    assert torch.equal(zero[::2], zero[1::2])  # the same word is dropped everywhere, or nowhere
    assert 8 < int(zero.sum()) // 2 < 30


SETTINGS = TrainConfig(
    epochs=4, peak_lr=0.5, optimizer="sgd", warmup_share=0.0, final_lr_share=1.0, average_after=1, average=1,
    weight_decay=0.0, checkpoint_seconds=0.0, device="cpu",
)  # fmt: skip


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop", [5, 11, 25])
def test_a_killed_run_on_running_text_with_averaged_weights_ends_as_one_never_killed(tmp_path, stop):
    def trainer(folder, report=None):
        ids = _ids(301)
        torch.manual_seed(1)
        task = RunningTask(_model(dropout=0.2, weight_dropout=0.2, variational=True), ids, _ids(100, 3), TEXT)
        return Trainer(task, SETTINGS, tmp_path / folder, report)

    def kill(entry):
        if isinstance(entry, StepLog) and entry.step == stop:
            raise Killed

    whole = trainer("whole")
    whole.run()
    assert whole.mean is not None
    with pytest.raises(Killed):
        trainer("killed", kill).run()
    again = trainer("killed")
    again.run(resume=True)
    for name in ("best.safetensors", "epochs/epoch-0004.safetensors"):
        left, right = (read_tensors(tmp_path / folder / "training" / name) for folder in ("whole", "killed"))
        assert all(torch.equal(left[key], right[key]) for key in left)


def test_averaging_begins_when_the_figures_rise_and_is_the_mean_of_steps(tmp_path):
    ids = _ids(301)
    trainer = Trainer(RunningTask(_model(), ids, _ids(100, 3), TEXT), SETTINGS, tmp_path)
    seen: list[dict[str, torch.Tensor]] = []
    add = type(trainer)._train_step

    def step(self, share):
        had = self.mean is not None
        add(self, share)
        if had:
            seen.append({name: value.clone() for name, value in self.model.state_dict().items()})
        elif self.mean is None:
            seen[:] = [{name: value.clone() for name, value in self.model.state_dict().items()}]

    type(trainer)._train_step = step
    try:
        trainer.run()
    finally:
        type(trainer)._train_step = add
    assert trainer.mean.steps == len(seen)
    for name, value in trainer.mean.tensors.items():
        assert torch.allclose(value, torch.stack([weights[name] for weights in seen]).mean(dim=0), atol=1e-5)


def _folder(path, model):
    save_lm(path, {k: v.numpy() for k, v in model.state_dict().items()}, to_dict(model.config), WORDS)
    return RunningScorer(path)


def test_scores_of_running_text_do_not_depend_on_where_it_is_cut(tmp_path):
    model = _model().eval()
    scorer = _folder(tmp_path, model)
    ids = _ids(700)
    with torch.inference_mode():
        hidden, _ = model.hidden(torch.from_numpy(ids[None, :-1].astype(np.int64)))
        expected = model.log_probs(hidden[0], torch.from_numpy(ids[1:].astype(np.int64)))
        assert running_log_probs(model, ids, CPU) == pytest.approx(expected.numpy(), abs=1e-5)
    assert scorer.log_probs(ids) == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_cache_equals_its_definition_word_by_word(tmp_path):
    model = _model().eval()
    scorer = _folder(tmp_path, model)
    ids, cache = _ids(600), CacheSettings(size=7, flatness=0.3, share=0.25)
    found, plain = scorer.log_probs(ids, cache), scorer.log_probs(ids)
    with torch.inference_mode():
        hidden = model.hidden(torch.from_numpy(ids[None, :-1].astype(np.int64)))[0][0].double().numpy()
    assert found[0] == pytest.approx(plain[0], abs=1e-9)  # nothing to look back at
    for place in (1, 2, 6, 7, 8, 255, 256, 257, 300, 511, 512, 598):
        before = range(max(0, place - 7), place)
        weights = np.array([math.exp(0.3 * float(hidden[place] @ hidden[other])) for other in before])
        same = np.array([ids[other + 1] == ids[place + 1] for other in before])
        expected = math.log(0.75 * math.exp(plain[place]) + 0.25 * weights[same].sum() / weights.sum())
        assert found[place] == pytest.approx(expected, abs=1e-5)


def test_tuning_finds_that_repeated_text_wants_a_cache(tmp_path):
    scorer = _folder(tmp_path, _model().eval())
    repeated = np.tile(_ids(30, seed=4), 12)
    settings = scorer.tune_cache(repeated, 60)
    assert settings.share > 0.3
    assert scorer.log_probs(repeated, settings).mean() > scorer.log_probs(repeated).mean() + 0.1
    strange = scorer.tune_cache(np.arange(2, 40, dtype=np.int32), 60)  # no word comes twice
    assert strange.share < 0.01


def test_blank_lines_are_ends_of_sentences_in_running_text(tmp_path):
    scorer = _folder(tmp_path, _model())
    assert scorer.ids(["w1 w2", "", " w3 strange"]).tolist() == [0, 3, 4, 0, 0, 5, 1, 0]
    with pytest.raises(TextError, match="no lines"):
        running_ids([])


def test_running_text_is_trained_and_scored_by_commands(run, tmp_path):
    text, config, model = tmp_path / "text.txt", tmp_path / "c.toml", tmp_path / "lm"
    text.write_text("\n".join(" ".join(f"w{(7 * line + place) % 20}" for place in range(6)) for line in range(300)))
    config.write_text(
        "[model]\nembedding_size = 16\nhidden_size = 16\nnum_layers = 1\ntied = true\nsamples = 5\nfrequent = 8\n"
        "[text]\nrunning = true\nstreams = 4\nsteps = 10\n[train]\nepochs = 6\npeak_lr = 0.05\naverage = 1\n"
    )
    code, _, errors = run("lm", "train", text, "--dev", text, "--config", config, "--output", model)
    assert code == 0, errors
    plain = json.loads(run("lm", "score", model, text, "--running", "--json")[1])
    assert plain["perplexity"] < 4
    assert (plain["words"], plain["sentences"]) == (1800, 300)
    cached = json.loads(run("lm", "score", model, text, "--running", "--cache-dev", text, "--cache", 50, "--json")[1])
    assert cached["perplexity"] <= plain["perplexity"] + 0.01
    assert cached["cache"]["size"] == 50
    for options, message in ((("--cache", "5"), "--running"), (("--running", "--with", model), "alone")):
        code, _, errors = run("lm", "score", model, text, *options)
        assert code == 2
        assert message in errors


def test_impossible_settings_are_named():
    with pytest.raises(ConfigError, match="samples"):
        LstmLmConfig(samples=-1)
    with pytest.raises(ConfigError, match="streams"):
        TextConfig(streams=0)
    with pytest.raises(TextError, match="fewer words"):
        RunningTask(_model(), _ids(3), _ids(3), TEXT)
    task = RunningTask(_model(), _ids(301), _ids(301), TEXT)
    with pytest.raises(ConfigError, match="one process"):
        Trainer(task, TrainConfig(accumulate=2), Path("never-made"))
