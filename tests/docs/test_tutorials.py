"""The commands of the tutorials run as they are written."""

import re
import shlex
from pathlib import Path

import soundfile

from tests.conftest import noise_burst

DOCS = Path(__file__).parents[2] / "docs"
# What makes the tutorial's training a matter of seconds, on clips of two noises.
TINY = {
    "model.hidden_size": 16, "model.num_layers": 1, "model.conv_channels": 8, "model.input_size": 16,
    "model.block_kernel": 0, "model.dropout": 0.0, "model.weight_dropout": 0.0, "model.features.num_mel_bins": 20,
    "augment.freq_masks": 0, "augment.noise_probability": 0, "augment.reverb_probability": 0,
    "augment.speeds": [0.95, 1.0, 1.05], "data.batch_seconds": 1.9, "criterion.kind": "ctc", "train.epochs": 40,
    "train.threads": 1, "train.peak_lr": 0.01, "train.device": "cpu", "train.average": 2,
}  # fmt: skip


def _commands(page: str) -> list[list[str]]:
    """The commands in a page's blocks of shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def _clips(folder: Path) -> None:
    """Clips of two words, bursts of low or of high noise, and their table."""
    (folder / "clips").mkdir()
    rows = ["path,text,speaker"]
    for number in range(8):
        word, band = ("Hi!", slice(80, 900)) if number % 2 else ("low", slice(1600, 6000))
        soundfile.write(folder / "clips" / f"{number}.wav", noise_burst(band, number), 16000)
        rows.append(f"clips/{number}.wav,{word},s{number // 2}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    (folder / "cmudict.dict").write_text("hi HH AY1\nlow L OW1\n")


def test_the_tutorial_on_training_runs_from_a_table_to_text(run, tmp_path, monkeypatch):
    _clips(tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = _commands("train-your-own.md")
    assert [command[:2] for command in commands[:2]] == [["asr", "data"]] * 2
    outputs = {}
    for command in commands:
        assert command[0] == "asr"
        tiny = TINY if command[1] == "train" else {}
        code, out, errors = run(*command[1:], *(f"--set={key}={value}" for key, value in tiny.items()))
        assert code == 0, (command, errors)
        outputs[command[1]] = out
    assert outputs["transcribe"] == "low\n"
    assert "0.00%" in outputs["score"]


def test_the_page_on_adapting_names_options_that_there_are(run):
    help_text = run("adapt", "--help")[1]
    for command in _commands("adapt.md"):
        if command[:2] == ["asr", "adapt"]:
            for option in (part for part in command if part.startswith("--")):
                assert option in help_text, option
