"""The examples of every command's help: each is right usage, and each runs here unless a reason is given."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from asr.cli.main import called_command, cli, every_command

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "speech" / "hello.flac"
SAID = "the old man walked along the river and said that he had never seen such a beautiful morning"

LARGE = "needs data that is not here; `tests/forecast` runs it on a part"
SLOW = "trains networks for minutes; the command's own tests train small ones"
DOWNLOADS = "downloads"
CORPUS = "needs a corpus; tests/data/test_importers.py makes small ones"
NOT_RUN = {
    "asr forecast many": LARGE,
    "asr forecast windows": LARGE,
    "asr forecast backtest": LARGE,
    "asr forecast compare": SLOW,
    "asr forecast fit": SLOW,
    "asr inspect memory": SLOW,
    "asr inspect mackey-glass": SLOW,
    "asr inspect gates": "the English model without its graph; tests/analysis runs it on a tiny one",
    "asr inspect attribution": "the English model without its graph; tests/analysis runs it on a tiny one",
    "asr train --config": "examples/train_small.sh trains a small one",
    "asr adapt": "minutes of CPU; tests/recognizer/test_adaptation.py adapts a tiny model",
    "asr serve": "serves until it is stopped; tests/serve starts one",
    "asr nlp tag": "needs books and a tagger; tests/nlp/test_tagging.py makes both",
    "asr vad train": "half an hour of CPU; tests/activity trains a small one",
    "asr data download": DOWNLOADS,
    "asr evaluate": DOWNLOADS,
    "asr data import": CORPUS,
    "asr lm text": "needs books; tests/data/test_books.py makes small ones",
    "asr tokens subwords": "needs the extra subwords and text of thousands of words",
    "asr tokens spell": "a tiny untrained model hears nothing",
    "asr transcribe --stream": "needs a microphone or a stream; tests/cli/test_live.py has both",
    "asr checkpoint pack english": "needs a lexicon of the English model's phones",
    "asr tune": "a tiny untrained model hears nothing",
}
FIRST = [  # what the others need, in this order
    "asr tokens words", "asr tokens lexicon", "asr tokens characters", "asr lm ngram", "asr lm train", "asr nlp train",
]  # fmt: skip


def examples() -> list[tuple[tuple[str, ...], str]]:
    """Each example of a help text, with the names of the command whose help has it."""
    found = []
    for names, command in [*every_command(), ((), cli)]:
        for line in re.findall(r"^\s*(?:Examples?:\s*)?(asr [a-z].*)$", command.help or "", re.M):
            found.append((names, line.strip()))
    return found


def words_of(example: str) -> list[str]:
    """The arguments of an example, without what the shell does with its output."""
    words = shlex.split(example, comments=True)[1:]
    end = min((words.index(sign) for sign in (">", "|", "&&") if sign in words), default=len(words))
    return words[:end]


def order(example: str) -> int:
    """When an example runs."""
    return next((number for number, start in enumerate(FIRST) if example.startswith(start)), len(FIRST))


@pytest.mark.parametrize("names", [names for names, _ in every_command()], ids=" ".join)
def test_every_command_has_an_example_of_itself(names):
    own = [example for of, example in examples() if of == names]
    assert any(words_of(example)[: len(names)] == list(names) for example in own)


def check_usage(example: str) -> None:
    """Raise click's UsageError for options and values that the command does not take."""
    words = words_of(example)
    command = called_command(words)
    depth = next(number for number in range(len(words) + 1) if called_command(words[:number]) is command)
    if isinstance(command, click.Group):
        raise click.UsageError(f"no such command: {' '.join(words)}")
    with suppress(click.exceptions.Exit):  # of options that print something and end, such as --show-config
        command.make_context(" ".join(words[:depth]), words[depth:])


@pytest.mark.parametrize("example", sorted({example for _, example in examples()}))
def test_an_example_is_right_usage(example):
    check_usage(example)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))], ids=lambda path: path.name)
def test_commands_of_a_page_are_right_usage(page):
    """Also of blocks that no test runs."""
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```$", page.read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in lines:
        if line.startswith("asr "):
            check_usage(line)


def test_a_wrong_example_is_noticed():
    for wrong in ("asr score only-one", "asr score a b --no-such-option", "asr tune-up", "asr lm"):
        with pytest.raises(click.UsageError):
            check_usage(wrong)


def test_every_reason_belongs_to_an_example():
    lines = [example for _, example in examples()]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []


def _speech(folder: Path) -> None:
    samples, rate = soundfile.read(SPEECH)
    soundfile.write(folder / "talk.wav", samples, rate)
    soundfile.write(folder / "talk.mp3", samples, rate)
    soundfile.write(folder / "call.wav", np.stack([samples, samples[::-1]], axis=1), rate)
    for name in ("lectures", "archive"):
        (folder / name).mkdir()
        shutil.copy(SPEECH, folder / name / "monday.flac")
    (folder / "talk.txt").write_text(SAID)
    rows = [
        {"id": f"u{n}", "audio_filepath": "talk.wav", "duration": len(samples) / rate, "text": SAID, "speaker": f"s{n}"}
        for n in range(4)
    ]
    for name, some in (("all", rows), ("train", rows[:3]), ("dev", rows[3:]), ("more", rows[3:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    (folder / "hyp.trn").write_text(f"{SAID.replace('river', 'reverse')} (u3)\n")
    words = [{"word": word, "start": 0.0, "end": 0.1, "confidence": 0.9} for word in SAID.split()]
    (folder / "recognised.jsonl").write_text(
        json.dumps({"id": "u3", "text": SAID, "score": 0.0, "words": words}) + "\n"
    )


def _text(folder: Path) -> None:
    with gzip.open(folder / "text.txt.gz", "wt") as file:
        file.write(f"{SAID}\nthe old man said that he had seen the river\na bad cab\ndab\n" * 20)
    for name in ("dev.txt", "heldout.txt"):
        (folder / name).write_text("the man walked along the river\n")
    (folder / "cmudict.dict").write_text(
        "".join(f"{word} {' '.join(word.upper())}\n" for word in sorted(set(SAID.split())))
    )
    reviews = [f"{number % 7} {word} film,{label}" for number in range(20) for word, label in (("good", 1), ("bad", 0))]
    for name in ("reviews.csv", "test.csv", "new.csv"):
        (folder / name).write_text("\n".join(["text,label", *reviews]) + "\n")
    months = [f"{2015 + n // 12}-{n % 12 + 1:02d},{100 + n + 10 * np.sin(n * np.pi / 6):.2f}" for n in range(72)]
    (folder / "passengers.csv").write_text("\n".join(["month,passengers", *months]) + "\n")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_model):
    """A folder that has what the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    _speech(folder)
    _text(folder)
    for name in ("exp/model", "exp/run1", "exp/run2", "exp/5h", "model-to-export"):
        shutil.copytree(tiny_model, folder / name)
    (folder / "conf").mkdir()
    sizes = "embedding_size = 8\nhidden_size = 8\nnum_layers = 1\ncutoffs = []\n"
    (folder / "conf" / "lstm.toml").write_text(f"[model]\n{sizes}[train]\nepochs = 1\n")
    (folder / "tuned.json").write_text('{"lm_weight": 0.8, "word_score": 0.0, "beam_size": 20}')
    np.savez(folder / "F.npz", u3=np.log(np.full((30, 28), 1 / 28, np.float32)))
    return folder


def _before(example: str, folder: Path, run) -> None:
    """Put in place what one example makes and another one expects under a different name."""
    if example.startswith("asr decode --log-probs"):
        letters = sorted({letter for word in SAID.split() for letter in word})
        (folder / "lexicon.txt").write_text("".join(f"{w}\t{' '.join(w)} |\n" for w in sorted(set(SAID.split()))))
        tokens = ["<blank>", "|", *letters]
        (folder / "tokens.txt").write_text("\n".join(tokens) + "\n")
        np.savez(folder / "F.npz", u3=np.log(np.full((30, len(tokens)), 1 / len(tokens), np.float32)))
    if example.startswith("asr score"):  # `asr data split` has written another dev.jsonl
        name = json.loads((folder / "dev.jsonl").read_text().splitlines()[0])["id"]
        (folder / "hyp.trn").write_text(f"{SAID.replace('river', 'reverse')} ({name})\n")
    if example.startswith("asr lm interpolate prose"):
        for name in ("prose.arpa.gz", "letters.arpa.gz"):
            shutil.copy(folder / "lm.arpa.gz", folder / name)
    if example.startswith("asr lm interpolate a."):
        for name in "ab":
            (folder / f"{name}.arpa").write_bytes(gzip.decompress((folder / "lm.arpa.gz").read_bytes()))
            (folder / f"{name}.txt").write_text(SAID + "\n")
    for name in ("lstm", "exp/lstm"):
        if (
            re.match(r"asr (lm (sample|pack|interpolate lm)|checkpoint average lstm)", example)
            and not (folder / name).exists()
        ):
            shutil.copytree(folder / "lm", folder / name)
    if example.startswith("asr checkpoint average lstm"):
        shutil.copytree(folder / "lstm", folder / "lstm-small", dirs_exist_ok=True)
    if example.startswith("asr checkpoint"):
        shutil.rmtree(folder / "model", ignore_errors=True)
        if "export" in example:
            shutil.copytree(folder / "model-to-export", folder / "model")
    if re.match(r"asr nlp (predict|evaluate)", example):
        shutil.rmtree(folder / "model", ignore_errors=True)
        shutil.copytree(folder / "classifier", folder / "model")


def test_the_examples_run(prepared, run, monkeypatch):
    monkeypatch.chdir(prepared)
    lines = sorted({example for _, example in examples()}, key=lambda example: (order(example), example))
    failed = []
    for example in lines:
        if any(example.startswith(start) for start in NOT_RUN):
            continue
        _before(example, prepared, run)
        code, _, err = run(*words_of(example))
        if code != 0:
            failed.append(f"{example}: exit {code}\n{err[-1500:]}")
        if example.startswith("asr nlp train"):
            shutil.rmtree(prepared / "classifier", ignore_errors=True)
            (prepared / "model").rename(prepared / "classifier")
    assert failed == [], "\n".join(failed)
    assert (prepared / "out" / "monday.srt").read_text().startswith("1\n")
    assert (prepared / "talk.ctm").exists()
    assert (prepared / "lstm-small" / "model.safetensors").exists()
