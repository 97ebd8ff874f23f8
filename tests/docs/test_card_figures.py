"""Every number in the text of a model's card is that of its files or of the results (tables: `test_figures`)."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path

import pytest

from asr.model_folder import SCALE
from tests.docs.test_figures import AN4, DIGITS, LM, MINI, SPEED, WILD, is_from, lines_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "asr" / "models"
VAD, MARKS = "recipes/vad/RESULTS.md", "recipes/marks/RESULTS.md"
NO_FIGURE = re.compile(  # names, licences and versions
    r"`[^`]*`|CC BY(?:-SA)? \d\.\d|CC0|Apache-2\.0|BSD|[Tt]rain-clean-\d+|test-clean|AN4|MInDS-14|ESC-10|CTC|F1"
    r"|Silero [\d.]+|\d-gram|ISO \d+"
)


def configuration(name: str) -> dict[str, object]:
    return json.loads((MODELS / name / "config.json").read_text())["model"]


def parameters(name: str) -> int:
    """The number of weights in a folder, the scales of those in 8 bits not counted."""
    with (MODELS / name / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    tensors = {key: entry for key, entry in header.items() if key != "__metadata__" and not key.endswith(SCALE)}
    return sum(math.prod(entry["shape"]) for entry in tensors.values())


def words(name: str) -> int:
    """The number of different first columns of a lexicon or a list of words."""
    path = MODELS / name
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return len({line.split("\t")[0] for line in text.splitlines()})


def of_network(name: str) -> list[float]:
    """The figures of a network that may be told: sizes, millions of parameters, bits, features."""
    values = configuration(name)
    features = values.get("features", {})
    shift = features.get("frame_shift_ms", 0)
    return [
        values["hidden_size"], values["num_layers"], values.get("attention_heads", 0), parameters(name) / 1e6,
        8, *(features.get(key, 0) for key in ("num_mel_bins", "low_freq", "high_freq", "sample_rate")),
        shift, shift * values.get("subsampling", 1), shift * values.get("delay", 0),
    ]  # fmt: skip


# By card and by the bold words that begin a part of it: numbers of the model's files, and lines of results.
SOURCES: dict[str, dict[str, list[float | tuple[str, str]]]] = {
    "an4": {
        "What": [*of_network("an4"), words("an4/lexicon.txt")],
        "Trained on": [(AN4, "on the AN4 audio alone"), (AN4, "utterances; 99 of other"), (AN4, "948 training texts")],
        "Measured": [(AN4, "| `blocks-crf-dev` | test"), (AN4, "Of the 130 texts of test")],
    },
    "digits": {
        "What": of_network("digits"),
        "Trained on": [(DIGITS, "takes 5 and later"), configuration("digits")["features"]["high_freq"] / 475],
        "Measured": [(DIGITS, "that are wrong: 1 and 7")],
    },
    "english": {
        "What": [*of_network("english"), len((MODELS / "english/tokens.txt").read_text().split()) - 2],
        "Trained on": [
            *((MINI, "dev-full-band too (8.71 h)"), (WILD, "(8.7 h of 36 readers)"), (WILD, "12.5 h, 30% of it")),
            *((WILD, "867 utterances of 240 speakers"), (WILD, "1.88 h of MInDS-14"), (WILD, ": 20.8 h.")),
            *((WILD, "1 to 23 dB), on 28.9 h"), 2.5),  # 2.55 h, said shortly
            *((WILD, "- 7.20 h, 4,271 clips"), (WILD, "- 0.41 h of synthetic speech")),
            *((WILD, "`wide-5` is, with a share of 0.4"), (WILD, "share of 0.42, at 0 to 22 dB")),
        ],
        "Lexicon": [words("english/lexicon.txt.gz"), (SPEED, "Letter-to-sound, 1,500 words")],
        "Language models": [
            *((LM, "before it is 268.8 million words"), (LM, "With the 20.4 million words from")),
            *(words("english/lstm/words.txt"), (LM, "one decimal (ships)")),
            *((LM, "5.57 M words of film reviews"), (LM, "went through 15.8 M words")),
            (LM, "In all 55 M words"),
        ],
        "Command": [0, 8],  # stages
        "Measured": [(WILD, "40 clips of dogs, the surest"), (WILD, "confidence 0.35 (`wide-5` 6")],
    },
    "english/lstm": {
        "What": [
            *(*of_network("english/lstm"), configuration("english/lstm")["input_words"]),
            words("english/lstm/words.txt"),
        ],
        "Trained on": [
            *((LM, "of public-domain prose to train on"), (LM, "went through 15.8 M words")),
            *((LM, "0.35 and 0.65 (shipped before)"), (LM, "In all 55 M words"), (LM, "0.7 and 0.3 (ships)")),
            2.0,  # of a licence's name
        ],
        "Measured": [(LM, "0.7 and 0.3 (ships)")],
    },
    "english/marks": {
        "What": of_network("english/marks"),
        "Trained on": [
            *(5.3 + 3 * 10.6, 100 - 64),  # passes over millions of words; what is not books
            *((MARKS, "three times a pass of"), (MARKS, "(64%)"), (MARKS, "285 sentences")),
        ],
    },
    "english/vad": {
        "What": [*of_network("english/vad"), round(parameters("english/vad"), -3)],
        "Trained on": [(VAD, "2,073 utterances")],
        "Measured": [(VAD, "| this one |"), (VAD, "| Silero"), (VAD, "where 5% of speech is missed")],
    },
}  # fmt: skip


def parts_of(text: str) -> list[tuple[str, str]]:
    """The parts of a card (its list's items) by their bold words, without tables."""
    lines = [line for line in text.split("---\n", 2)[2].splitlines() if not line.lstrip().startswith(("|", "#"))]
    return re.findall(r"^- \*\*(.+?)\*\*(.*?)(?=^- \*\*|\Z)", "\n".join(lines), re.M | re.S)


def figures_of(text: str) -> list[str]:
    return re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)", NO_FIGURE.sub(" ", text))


@pytest.mark.parametrize("card", sorted(path.parent for path in MODELS.rglob("README.md")), ids=lambda card: card.name)
def test_numbers_of_a_card_have_a_source(card):
    entries, wrong, used = SOURCES[str(card.relative_to(MODELS))], [], set()
    for name, text in parts_of((card / "README.md").read_text()):
        figures = figures_of(text)
        if not figures:
            continue
        used.add(name)
        sources = entries.get(name, [])
        known = {f"{source:.6f}" for source in sources if not isinstance(source, tuple)}
        for line in lines_of([source for source in sources if isinstance(source, tuple)]):
            known.update(figures_of(line))
        wrong += [f"{name}: {figure}" for figure in figures if not is_from(figure, known)]
    assert wrong == [], f"{card}: numbers that are neither of the model's files nor of the results named here: {wrong}"
    assert used == set(entries), f"entries without a number: {set(entries) - used}"


def test_a_wrong_number_is_noticed():
    (part,) = parts_of("---\n---\n# x\n- **What**: 81,193 words, 3-gram (CC BY 4.0);\n  2 x 128\n| 3 |\n")
    assert part[0] == "What"
    assert figures_of(part[1]) == ["81,193", "2", "128"]
    assert not is_from("81,193", {"81150"})
