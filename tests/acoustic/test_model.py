from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn.functional import ctc_loss

from asr.acoustic.checkpoint import load_checkpoint, save_checkpoint
from asr.acoustic.config import AcousticConfig
from asr.acoustic.criteria.consistency import Consistency, disagreement
from asr.acoustic.criteria.ctc import Ctc, frames_needed
from asr.acoustic.encoders import CONTEXT, FeedForward, SelfAttention
from asr.acoustic.inference import batch_log_probs
from asr.acoustic.network import AcousticModel
from asr.acoustic.task import CtcTask
from asr.atomic_file import write_text
from asr.audio.augment import AugmentConfig
from asr.audio.feature_config import FeatureConfig
from asr.data.audio_store import AudioStore
from asr.data.config import DataConfig
from asr.data.manifest import Utterance
from asr.errors import CheckpointError, ConfigError, TextError
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from tests.conftest import speech_like, tiny_checkpoint

CPU = torch.device("cpu")


@pytest.mark.parametrize("subsampling", [1, 2, 3, 4, 6])
def test_padding_does_not_change_log_probs(subsampling):
    model = tiny_checkpoint(subsampling=subsampling).model
    pieces = [speech_like(seconds, seed=seed) for seed, seconds in enumerate((1.3, 0.4, 0.9, 0.026))]
    together = batch_log_probs(model, pieces, CPU)
    for piece, found in zip(pieces, together, strict=True):
        alone = batch_log_probs(model, [piece], CPU)[0]
        assert found.shape == alone.shape
        assert np.abs(found - alone).max() < 1e-5
        frames = (len(piece) - 400) // 160 + 1
        assert len(found) == -(-frames // subsampling)


@pytest.mark.parametrize(
    "settings",
    [
        {"conv_channels": 0},
        {"conv_channels": 0, "subsampling": 3, "kind": "feedforward", "num_layers": 3},
        {"kind": "gru", "bidirectional": False, "conv_channels": 0},
        {"attention_heads": 4},
        {"block_kernel": 5, "input_size": 12, "num_layers": 2, "attention_heads": 3},
        {"block_kernel": 3, "kind": "gru", "bidirectional": False},
        {"kind": "feedforward", "attention_heads": 2},
    ],
)
def test_models_of_every_make_ignore_padding_and_are_read_back(tmp_path, settings):
    sizes = {"hidden_size": 8, "num_layers": 1, "input_size": 8, "conv_channels": 2} | settings
    torch.manual_seed(0)
    model = AcousticModel(AcousticConfig(**sizes, features=FeatureConfig(num_mel_bins=20)), 5).eval()
    pieces = [speech_like(seconds, seed=seed) for seed, seconds in enumerate((1.3, 0.4, 0.026))]
    together = batch_log_probs(model, pieces, CPU)
    for piece, found in zip(pieces, together, strict=True):
        alone = batch_log_probs(model, [piece], CPU)[0]
        assert found.shape == alone.shape
        assert np.abs(found - alone).max() < 1e-5
        frames = (len(piece) - 400) // 160 + 1
        assert len(found) == -(-frames // sizes.get("subsampling", 4))
    save_checkpoint(tmp_path / "m", model, Tokens.characters("abc"))
    again = batch_log_probs(load_checkpoint(tmp_path / "m").model, pieces[:1], CPU)[0]
    assert np.abs(again - together[0]).max() < 1e-5


def test_a_network_without_memory_sees_its_context_and_no_more():
    torch.manual_seed(0)
    network = FeedForward(3, 4, 2, 0.0).eval()
    inputs = torch.randn(1, 40, 3)
    changed = inputs.clone()
    changed[0, 20] += 1.0
    with torch.no_grad():
        moved = (network(inputs, torch.tensor([40])) - network(changed, torch.tensor([40]))).abs().sum(dim=2)[0]
    assert torch.nonzero(moved > 0)[:, 0].tolist() == list(range(20 - CONTEXT, 20 + CONTEXT + 1))


def test_too_short_for_a_frame_gives_no_log_probs():
    model = tiny_checkpoint().model
    found = batch_log_probs(model, [np.zeros(1, np.float32), speech_like(0.5)], CPU)
    assert found[0].shape == (0, 29)
    assert len(found[1]) > 0
    assert batch_log_probs(model, [np.zeros(1, np.float32)], CPU)[0].shape == (0, 29)


def _task(tmp_path, make_wav, texts, seconds=1.0):
    checkpoint = tiny_checkpoint()
    items = []
    for number, text in enumerate(texts):
        path = make_wav(f"{number}.wav", seconds)
        items.append((Utterance(str(number), str(path), seconds, text), checkpoint.tokens.encode(text)))
    return CtcTask(checkpoint.model, items, items, DataConfig(), AugmentConfig(speeds=()), Ctc(checkpoint.tokens))


def test_the_loss_is_torchs_ctc_loss_per_token(tmp_path, make_wav):
    task = _task(tmp_path, make_wav, ["cab", "a bad cab"])
    task.augment = AugmentConfig(speeds=(), freq_masks=0, time_masks_per_second=0)
    task.model.eval()
    batch = task.prepare([0, 1], 0, CPU)
    loss, figures = task.loss(batch)
    total = 0.0
    for index in (0, 1):
        samples = torch.from_numpy(AudioStore(0).read(task.train[index][0]))[None]
        log_probs, lengths = task.model.log_probs(samples, torch.tensor([samples.shape[1]]))
        target = torch.tensor([task.train[index][1]])
        total += float(
            ctc_loss(log_probs.transpose(0, 1), target, lengths, torch.tensor([target.shape[1]]), reduction="sum")
        )
    assert float(loss) == pytest.approx(total / (4 + 10), abs=1e-4)
    assert figures["seconds"] == pytest.approx(2.0)


def test_utterances_with_too_few_frames_are_named_and_the_others_trained_on(tmp_path, make_wav):
    task = _task(tmp_path, make_wav, ["cab", "bad dab cab " * 6])
    loss, figures = task.loss(task.prepare([0, 1], 0, CPU))
    assert torch.isfinite(loss)
    assert task.infeasible == {"1"}
    assert figures["infeasible"] == 1.0
    assert frames_needed([5, 5, 6, 5, 5]) == 7


def test_batches_depend_on_epoch_and_seed_alone(tmp_path, make_wav):
    task = _task(tmp_path, make_wav, ["cab", "bad"])
    task.augment = AugmentConfig()
    first, again, later = (task.prepare([0, 1], epoch, CPU) for epoch in (3, 3, 4))
    assert torch.equal(first.samples, again.samples)
    assert torch.equal(first.mask, again.mask)
    assert first.samples.shape != later.samples.shape or not torch.equal(first.mask, later.mask)


def test_a_file_lost_while_training_is_named_and_left_out(tmp_path, make_wav):
    task = _task(tmp_path, make_wav, ["cab", "bad"])
    (tmp_path / "1.wav").unlink()
    batch = task.prepare([0, 1], 0, CPU)
    assert batch.ids == ["0"]
    assert "does not exist" in task.unreadable["1"]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.0), ("float16", 2e-3)])
def test_a_checkpoint_survives_writing_and_reading(tmp_path, dtype, tolerance):
    checkpoint = tiny_checkpoint()
    save_checkpoint(tmp_path / "m", *checkpoint, search={"lm_weight": 0.5}, lm="lm.arpa", dtype=dtype)
    again = load_checkpoint(tmp_path / "m")
    assert again.model.config == checkpoint.model.config
    assert again.package.tokens.names == checkpoint.tokens.names
    assert again.package.lexicon.spellings == checkpoint.lexicon.spellings
    assert again.package.search == {"lm_weight": 0.5}
    assert again.package.lm_path == tmp_path / "m" / "lm.arpa"
    pairs = zip(checkpoint.model.state_dict().values(), again.model.state_dict().values(), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) <= tolerance


def test_a_folder_keeps_a_packed_lexicon_packed_and_never_two(tmp_path):
    checkpoint = tiny_checkpoint()
    write_text(tmp_path / "words.gz", checkpoint.lexicon.to_text())
    plain, packed = tmp_path / "m" / "lexicon.txt", tmp_path / "m" / "lexicon.txt.gz"
    for lexicon, there, away in [
        (checkpoint.lexicon, plain, packed),
        (Lexicon.read(tmp_path / "words.gz"), packed, plain),
        (checkpoint.lexicon, plain, packed),
    ]:
        save_checkpoint(tmp_path / "m", checkpoint.model, checkpoint.tokens, lexicon)
        assert there.exists()
        assert not away.exists()
        again = load_checkpoint(tmp_path / "m").package.lexicon
        assert again.source == there
        assert again.spellings == checkpoint.lexicon.spellings
    packed.write_bytes(b"cut")
    plain.unlink()
    with pytest.raises(TextError, match=r"lexicon\.txt\.gz"):
        _ = load_checkpoint(tmp_path / "m").package.lexicon.spellings


def test_a_checkpoint_in_bytes_is_off_by_half_a_step_of_each_row_at_most(tmp_path):
    checkpoint = tiny_checkpoint()
    save_checkpoint(tmp_path / "m", *checkpoint, dtype="int8")
    again = load_checkpoint(tmp_path / "m").model.state_dict()
    for name, value in checkpoint.model.state_dict().items():
        if value.ndim > 1:
            largest = value.abs().flatten(1).amax(dim=1).reshape(-1, *[1] * (value.ndim - 1))
            assert float((again[name] - value).abs().max()) > 0.0
            assert ((again[name] - value).abs() <= 0.5001 * largest / 127).all()
        else:
            assert torch.equal(again[name], value.half().float())


def _newer(folder):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"format": 99}))


def _cut(name):
    def cut(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return cut


def _other_tokens(folder):
    text = (folder / "tokens.txt").read_text().replace("\na\nb\n", "\nb\na\n")
    (folder / "tokens.txt").write_text(text)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_cut("model.safetensors"), "cut short"),
        (_cut("config.json"), "cut short"),
        (_other_tokens, "not the one the model was trained with"),
        (_newer, "newer"),
        (lambda folder: (folder / "config.json").unlink(), "no model folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), "does not exist"),
        (lambda folder: (folder / "tokens.txt").unlink(), "cannot be loaded"),
    ],
)
def test_harmed_checkpoints_are_named(tmp_path, harm, message):
    folder = tmp_path / "m"
    save_checkpoint(folder, *tiny_checkpoint())
    harm(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("heads", [0, 2])
def test_a_block_adds_its_layer_its_attention_and_its_convolution_to_what_it_reads(heads):
    torch.manual_seed(0)
    config = AcousticConfig(hidden_size=6, num_layers=2, input_size=8, block_kernel=3, attention_heads=heads)
    stack = AcousticModel(config, 3).encoder.double().eval()
    hidden, lengths = torch.randn(1, 9, 8).double(), torch.tensor([9])
    # Each part by its equation, the convolution as a sum over its taps.
    outputs, _ = stack.layers[0](torch.nn.functional.layer_norm(hidden, (8,)))
    read = hidden + outputs @ stack.projections[0].weight.T + stack.projections[0].bias
    if heads:
        asked, key, value = _per_head(stack.attentions[0], read, heads)
        shares = (asked @ key.transpose(1, 2) / 2).softmax(dim=2)  # 2: the root of a head's four features
        out = stack.attentions[0].attention.out_proj
        read = read + (shares @ value).transpose(0, 1).flatten(1)[None] @ out.weight.T + out.bias
    part = stack.convolutions[0]
    values, gates = (torch.nn.functional.layer_norm(read, (8,)) @ part.gate.weight.T + part.gate.bias).chunk(2, dim=2)
    padded = torch.nn.functional.pad(values * gates.sigmoid(), (0, 0, 1, 1))
    taps = part.depthwise.weight[:, 0, :, 0]
    around = sum(padded[:, tap : tap + 9] * taps[:, tap] for tap in range(3)) + part.depthwise.bias
    around = torch.nn.functional.layer_norm(around, (8,))
    expected = read + (around * around.sigmoid()) @ part.mix.weight.T + part.mix.bias
    found = stack.input_of_layer(1, hidden, lengths)
    assert torch.allclose(found, torch.nn.functional.layer_norm(expected, (8,)), atol=1e-12)


def _per_head(layer, hidden, heads):
    """Queries, keys and values (head, frames, size) of one utterance (1, frames, size)."""
    read = torch.nn.functional.layer_norm(hidden, hidden.shape[2:])[0]
    both = read @ layer.attention.in_proj_weight.T + layer.attention.in_proj_bias
    return [part.unflatten(1, (heads, -1)).transpose(0, 1) for part in both.chunk(3, dim=1)]


def test_self_attention_is_torchs():
    torch.manual_seed(0)
    layer = SelfAttention(12, 3, 0.3).double().eval()
    torch.nn.init.normal_(layer.attention.in_proj_bias)
    hidden, lengths = torch.randn(3, 9, 12).double(), torch.tensor([9, 4, 1])
    beyond = torch.arange(9)[None] >= lengths[:, None]
    read = layer.norm(hidden)
    for rows in (slice(0, 3), slice(0, 1)):  # with padding and without
        expected, _ = layer.attention(read[rows], read[rows], read[rows], key_padding_mask=beyond[rows])
        found = layer(hidden[rows], lengths[rows]) - hidden[rows]
        assert torch.allclose(found, expected, atol=1e-12)


def test_self_attention_with_dropped_weights_says_on_average_what_it_says_without():
    torch.manual_seed(0)
    layer = SelfAttention(12, 3, 0.25).double()
    layer.dropout = torch.nn.Identity()  # what is left to chance is the weights alone
    hidden, lengths = torch.randn(2, 5, 12).double(), torch.tensor([5, 3])
    with torch.no_grad():
        expected = layer.eval()(hidden, lengths)
        drawn = layer.train()(hidden.repeat(8000, 1, 1), lengths.repeat(8000)).view(8000, 2, 5, 12)
    spread = drawn.std(dim=0)
    assert spread[0].min() > 0.01
    assert ((drawn.mean(dim=0) - expected).abs() < 5 * spread / 8000**0.5 + 1e-12).all()


@pytest.mark.parametrize("blocks", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"block_kernel": 3, "num_layers": 2}])
def test_attention_put_into_a_trained_model_changes_nothing_at_first(settings, blocks):
    sizes = {"hidden_size": 4, "num_layers": 1, "input_size": 8, "conv_channels": 2} | settings
    torch.manual_seed(0)
    trained = AcousticModel(AcousticConfig(**sizes, features=FeatureConfig(num_mel_bins=20)), 5).eval()
    layers = blocks if settings else trained.config.num_layers  # blocks more than were given are put in, too
    config = dataclasses.replace(trained.config, attention_heads=2, num_layers=layers)
    model = AcousticModel(config, 5).eval()
    assert np.abs(_of_speech(model) - _of_speech(trained)).max() > 0.01
    model.start_from(trained.state_dict())
    assert np.array_equal(_of_speech(model), _of_speech(trained))
    again = AcousticModel(config, 5).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1  # its attention says something now, and is taken over as it is
    again.start_from(model.state_dict())
    assert np.array_equal(_of_speech(again), _of_speech(model))
    with pytest.raises(RuntimeError):
        trained.start_from(model.state_dict())
    with pytest.raises(RuntimeError):
        model.start_from({name: value for name, value in trained.state_dict().items() if name != "head.bias"})


def test_blocks_put_on_a_trained_model_change_nothing_at_first_and_then_learn():
    sizes = {"hidden_size": 4, "input_size": 8, "conv_channels": 2, "block_kernel": 3, "attention_heads": 2}
    torch.manual_seed(0)
    trained = AcousticModel(AcousticConfig(**sizes, num_layers=3, features=FeatureConfig(num_mel_bins=20)), 5).eval()
    model = AcousticModel(dataclasses.replace(trained.config, num_layers=5), 5).eval()
    model.start_from(trained.state_dict())
    assert np.array_equal(_of_speech(model), _of_speech(trained))
    weights = model.state_dict()
    added = [name for name in weights if name.startswith("recurrent.") and (".3." in name or ".4." in name)]
    zeros = [name for name in added if not weights[name].any()]
    assert len({name.split(".")[-2] for name in zeros} & {"3", "4", "out_proj", "mix"}) == 4  # what is added: nothing
    for name in set(added) - set(zeros):
        assert torch.equal(weights[name], weights[name.replace(".3.", ".1.").replace(".4.", ".2.")])
    log_probs, _ = model(torch.randn(1, 40, 20), torch.tensor([40]))
    log_probs[..., 1].sum().backward()
    for block in model.encoder.convolutions, model.encoder.projections:
        assert all(any(p.grad.abs().max() > 0 for p in block[index].parameters()) for index in (3, 4))
    with pytest.raises(RuntimeError):
        trained.start_from(model.state_dict())  # fewer blocks than given


def _of_speech(model):
    return batch_log_probs(model, [speech_like(0.7)], CPU)[0]


def test_impossible_sizes_are_named():
    with pytest.raises(ConfigError, match="subsampling"):
        AcousticConfig(subsampling=5)
    with pytest.raises(ConfigError, match="feedforward, or gaussian, not 'transformer'"):
        AcousticConfig(kind="transformer")
    with pytest.raises(ConfigError, match="width of 640"):
        AcousticConfig(attention_heads=7)
    with pytest.raises(ConfigError, match="width of 128"):
        AcousticConfig(attention_heads=3, block_kernel=15, input_size=128)
    with pytest.raises(ConfigError, match="block_kernel must be odd"):
        AcousticConfig(block_kernel=4)
    with pytest.raises(ConfigError, match="needs recurrent layers"):
        AcousticConfig(kind="feedforward", block_kernel=3)


def test_disagreement_is_the_divergence_from_the_other_view():
    torch.manual_seed(0)
    log_probs = torch.randn(4, 6, 5).log_softmax(dim=2).requires_grad_()
    lengths = torch.tensor([6, 2, 6, 2])
    found = disagreement(log_probs, lengths)
    total = torch.zeros(())
    for row, other in ((0, 2), (1, 3), (2, 0), (3, 1)):
        own, target = log_probs[row, : lengths[row]], log_probs[other, : lengths[row]].detach()
        total = total + torch.nn.functional.kl_div(own, target, reduction="sum", log_target=True)
    torch.testing.assert_close(found, total)
    (expected,) = torch.autograd.grad(total, log_probs)
    found.backward()
    torch.testing.assert_close(log_probs.grad, expected)


def _with_views(task, weight=0.5):
    return dataclasses.replace(task, criterion=Consistency(task.criterion, weight))


def test_two_equal_views_give_the_loss_of_one(tmp_path, make_wav):
    one = _task(tmp_path, make_wav, ["cab", "bad dab cab " * 6, "a bad cab"])
    one.augment = AugmentConfig(speeds=(), freq_masks=0, time_masks_per_second=0)
    one.model.eval()
    two = _with_views(one)
    loss, figures = two.loss(two.prepare([0, 1, 2], 0, CPU))
    assert figures["disagreement"] == pytest.approx(0.0, abs=1e-6)
    assert figures["infeasible"] == 1.0
    assert float(loss) == pytest.approx(float(one.loss(one.prepare([0, 1, 2], 0, CPU))[0]), abs=1e-5)


def test_views_differ_in_what_is_hidden_and_their_disagreement_counts(tmp_path, make_wav):
    one = _task(tmp_path, make_wav, ["cab", "a bad cab"])
    one.augment = AugmentConfig(speeds=(), time_masks_per_second=2.0)
    one.model.eval()
    two = _with_views(one)
    batch = two.prepare([0, 1], 0, CPU)
    assert batch.mask.shape[0] == 4
    assert torch.equal(batch.mask[:2], one.prepare([0, 1], 0, CPU).mask)
    assert not torch.equal(batch.mask[:2], batch.mask[2:])
    loss, figures = two.loss(batch)
    heavier, _ = _with_views(one, 1000.5).loss(batch)
    assert figures["disagreement"] > 0
    assert float(heavier - loss) == pytest.approx(1000 * figures["disagreement"], rel=1e-3)


def test_utterances_longer_than_a_batch_are_named(tmp_path, make_wav):
    task = _task(tmp_path, make_wav, ["cab", "bad"])
    longer = Utterance("long", str(make_wav("long.wav", 2.0)), 2.0, "cab")
    items = [*task.train, (longer, task.train[0][1])]
    short = dataclasses.replace(task, train=items, data=DataConfig(batch_seconds=1.5))
    assert [utterance.id for utterance, _ in short.train] == ["0", "1"]
    assert [(bad.where, "data.batch_seconds" in bad.reason) for bad in short.too_long] == [("long", True)]
    assert sorted(index for batch in short.plan(3) for index in batch) == [0, 1]
    all_of_them = dataclasses.replace(task, train=items)
    assert all_of_them.too_long == []
    assert sorted(index for batch in all_of_them.plan(3) for index in batch) == [0, 1, 2]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention_heads": 4},
        {"block_kernel": 3},
        {"kind": "feedforward"},
        {"kind": "feedforward", "attention_heads": 2},
    ],
)
def test_files_call_every_encoder_recurrent(settings):
    sizes = {"hidden_size": 8, "num_layers": 1, "input_size": 8, "conv_channels": 2} | settings
    model = AcousticModel(AcousticConfig(**sizes, features=FeatureConfig(num_mel_bins=20)), 5).eval()
    state = model.state_dict()
    own = [name for name, _ in model.named_parameters()]
    parts = {name.split(".")[0] for name in state}
    assert parts == {"front", "recurrent", "head"} | ({"attention"} if "attention_heads" in settings else set())
    assert len(state) == len(own)
    for (name, value), parameter in zip(state.items(), model.parameters(), strict=True):
        assert torch.equal(value, parameter), name  # the order of the parameters is that of the names
    holder = torch.nn.ModuleDict({"a": model, "b": torch.nn.Linear(1, 1)})
    nested = holder.state_dict()
    assert {name.split(".")[1] for name in nested if name.startswith("a.")} == parts
    holder.load_state_dict(nested)
