"""Every figure in the tables of README, benchmarks and the English model's card stands in the results that it is from.

`tests/recipes` recomputes the results' figures from committed hypotheses. Here each row of a table has an entry: where
its figures are from, as a file and words of the line. A figure that is in none of these lines fails, and so does a row
without an entry. When another model ships: change `SHIPPED` and
RESULTS.md, then the README's table as the failures say.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = "open-modern"  # the shipped model's name in recipes/mini_librispeech/RESULTS.md

MINI = "recipes/mini_librispeech/RESULTS.md"
WILD = "recipes/wild_dev/RESULTS.md"
OFFICIAL = "recipes/librispeech/RESULTS.md"
AN4, DIGITS = "recipes/an4/RESULTS.md", "recipes/digits/RESULTS.md"
LM, WIKI = "recipes/librispeech_lm/RESULTS.md", "recipes/wikitext2/RESULTS.md"
SST, IMDB, TREC = "recipes/sst2/RESULTS.md", "recipes/imdb/RESULTS.md", "recipes/trec/RESULTS.md"
M3, M4, ETT, STOCKS = (f"recipes/{name}/RESULTS.md" for name in ("m3", "m4", "ett", "stocks"))
SPEED = "tools/bench/RESULTS.md"

PUBLISHED = (OFFICIAL, "Published by their makers")
OUTSIDE = [(OFFICIAL, "| `asr`, da3df2f"), (OFFICIAL, "| Whisper tiny.en"), (OFFICIAL, "| pocketsphinx"), PUBLISHED]
CLEAN_PART = [(MINI, f"| `{SHIPPED}-lstm` | dev-clean-part"), (MINI, f"| `{SHIPPED}` | dev-clean-part")]
COMMON_VOICE, VCTK = [(WILD, "| clean speech |")], [(WILD, "| clean speech |")]
TELEPHONE = [(WILD, "| by telephone (simulated) |")]
NOISE = [(WILD, "| with noise at 10 dB |")]
FIVE_HOURS = "`5h-blocks-attention"
AN4_ROWS = [(AN4, "| `blocks-crf"), (AN4, "| `monophone`"), (AN4, "Published")]
ETT_96 = [(ETT, "| ETTh1 | 96 | SegRNN, published"), (ETT, "| ETTh1 | 96 | `segrnn`")]
IMDB_ROWS = [(IMDB, "| `fine-tuned`"), (IMDB, "| tf-idf"), (IMDB, "Published")]

README = {
    "audiobooks: the official test-clean": OUTSIDE,
    "audiobooks as 24 to 40 kbit/s MP3": CLEAN_PART,
    "volunteers with their own microphones": COMMON_VOICE,
    "readers of the British Isles": VCTK,
    "the volunteers over a simulated telephone": TELEPHONE,
    "the volunteers with noise at 10 dB": NOISE,
    "LibriSpeech test-clean": OUTSIDE,
    "AN4 test": AN4_ROWS,
    "search at a beam of 100": [(SPEED, "| 100 | asr |"), (SPEED, "| 100 | pyctcdecode |")],
    "IMDB": IMDB_ROWS,
    "ETTh1, look-back 96": ETT_96,
}
BENCHMARKS = {
    "test-clean, a part": OUTSIDE,
    "test-other, a part": OUTSIDE,
    "CPU time, of real time": OUTSIDE,
    "every eleventh utterance": [(MINI, "11.39% against 40.11%")],
    "dev-full-band: a model trained without it": [
        (MINI, "| `open-blocks-attention-lstm` | dev-full-band"),
        (MINI, "| `open-blocks-attention` | dev-full-band"),
    ],
    "dev-full-band, from 5.3 h": [
        (MINI, f"| {FIVE_HOURS}-lstm` | dev-full-band"),
        (MINI, f"| {FIVE_HOURS}` | dev-full-band"),
        (MINI, "10.6%"),
        (MINI, "12.1%"),
    ],
    "the same after self-training": [(MINI, f"| {FIVE_HOURS}-self` | dev-full-band")],
    "the same with a larger LSTM": [(MINI, f"| {FIVE_HOURS}-large-lstm` | dev-full-band")],
    "five hours by Gaussian mixtures": [
        *((MINI, f"| `5h-{rung}` | dev-full-band") for rung in ("monophone", "bilstm", "bilstm-conv-attention")),
        (MINI, "Kaldi's monophone system"),
        (MINI, "on dev-clean."),
    ],
    "AN4, test": AN4_ROWS,
    "spoken digits": [(DIGITS, "| `bilstm`"), (DIGITS, "that are wrong: 1 and 7 of 300"), (DIGITS, "1 and 7")],
    "held-out books, 3-gram of 268.8 M words": [(LM, "| from 268.8 M words, unpruned")],
    "held-out books, shipped 3-gram": [(LM, "one decimal (ships)"), (LM, "at 0.92e-7 (shipped for a day")],
    "held-out books, shipped LSTM": [
        *((LM, "0.7 and 0.3 (ships)"), (LM, "| LSTM 2 x 512, eight"), (LM, "| Kneser-Ney 3-gram | 81,196")),
    ],
    "WikiText-2": [(WIKI, "| LSTM 2 x 400, tied, 13"), (WIKI, "| AWD-LSTM, published")],
    "SST-2": [(SST, "| `bilstm`"), (SST, "| `fine-tuned`"), (SST, "| tf-idf"), (SST, "Published"), (SST, "GloVe")],
    "IMDB": IMDB_ROWS,
    "TREC-6": [
        (TREC, "| `shipped`"),
        (TREC, "| `shipped-three`"),
        (TREC, "| `shipped-before`"),
        (TREC, "| `bilstm`"),
        (TREC, "| `fine-tuned`"),
        (TREC, "| tf-idf"),
        (TREC, "Published"),
    ],
    "M4 hourly": [(M4, "| hourly | `hybrid`"), (M4, "| hourly | Smyl")],
    "M4 weekly": [(M4, "| weekly | `average`"), (M4, "| weekly | Smyl"), (M4, "| weekly | `hybrid`")],
    "M3 and M4 weekly, 300 series": [
        (SPEED, f"| {name} | ") for name in ("auto", "AutoETS", "AutoARIMA", "AutoTheta", "seasonal-naive")
    ],
    "M3": [(M3, "| `average`"), (M3, "| Theta, published")],
    "ETTh1, look-back 96": ETT_96,
    "ETTh1, look-back 512": [(ETT, "| ETTh1 | 512 | `average`"), (ETT, "| ETTh1 | 512 | PatchTST")],
    "seven stocks": [(STOCKS, "Of 56 comparisons"), (STOCKS, "none with p below")],
}
CARD = {
    "LibriSpeech, dev-clean-part": CLEAN_PART,
    "Common Voice, 400 dev": COMMON_VOICE,
    "VCTK": VCTK,
    "Common Voice over a simulated": TELEPHONE,
    "Common Voice with noise": NOISE,
}  # fmt: skip
PLACES = {"README.md": README, "docs/benchmarks.md": BENCHMARKS, "asr/models/english/README.md": CARD}
DESCRIBING = {"recordings", "what", "task", "set", "command", "date"}  # columns that say what was measured, and how
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")
NAMES = re.compile(
    r"dev-clean-2|tri3|test-clean|M4|M3|SST-2|TREC-6|\d+(?:\.\d+)? M parameters|in 8 bits|\d+ epochs"
    r"|2 x \d+|PatchTST/64"
)


def rows_of(path: str) -> list[tuple[str, list[str]]]:
    """The rows of a page's tables: the first cell, and the cells of columns that hold figures."""
    rows, header = [], None
    for line in (ROOT / path).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.strip().startswith("|") else []
        if not cells:
            header = None
        elif header is None:
            header = cells
        elif not set("".join(cells)) <= set("-:"):
            figures = [cell for name, cell in zip(header, cells, strict=True) if name not in DESCRIBING]
            rows.append((cells[0], figures))
    return rows


def numbers_in(text: str) -> list[str]:
    """The figures of a cell or a line, without those that are part of a name."""
    return NUMBER.findall(NAMES.sub(" ", text))


def is_from(number: str, known: set[str]) -> bool:
    """Whether a number of the sources, rounded to as many decimals, is this one; a half may go either way."""
    half = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
    value = float(number.replace(",", ""))
    return any(abs(float(other.replace(",", "")) - value) <= half for other in known)


def lines_of(sources: list[tuple[str, str]]) -> list[str]:
    """The lines of the results that the entries name. Each entry must name at least one."""
    lines = []
    for path, words in sources:
        found = [line for line in (ROOT / path).read_text().splitlines() if words in line]
        assert found, f"{path} has no line with: {words}"
        lines += found
    return lines


@pytest.mark.parametrize("path", PLACES)
def test_figures_follow_from_results(path):
    entries = PLACES[path]
    rows = [row for row in rows_of(path) if any(numbers_in(cell) for cell in row[1])]
    assert rows
    used, wrong = set(), []
    for name, cells in rows:
        fitting = [entry for entry in entries if name.startswith(entry)]
        if not fitting:
            wrong.append(f"{path}: '{name}' has no entry here")
            continue
        used.update(fitting)
        entry = max(fitting, key=len)
        lines = lines_of(entries[entry])
        known = {number for line in lines for number in NUMBER.findall(line)}
        for number in (number for cell in cells for number in numbers_in(cell)):
            if not is_from(number, known):
                wrong.append(f"{path}: '{name}' has {number}; its results are\n  " + "\n  ".join(lines))
    assert wrong == [], "\n".join(wrong)
    assert used == set(entries), f"entries without a row: {set(entries) - used}"


def test_a_figure_that_differs_is_noticed():
    assert is_from("10.5", {"10.53"})
    assert is_from("84,943", {"84943"})
    assert not is_from("10.6", {"10.53"})
    assert not is_from("10.53", {"10.5"})


def test_figures_in_the_text_of_readme_are_few_and_known():
    """Percentages and seconds belong into tables, where they are checked."""
    text = "\n".join(line for line in (ROOT / "README.md").read_text().splitlines() if not line.startswith("|"))
    assert re.findall(r"\d[\d.,]*\s?(?:%|s\b|ms\b)", text) == []


def test_measurements_of_speed_have_a_command_and_a_day():
    for name, cells in rows_of("docs/benchmarks.md"):
        assert len(cells) <= 2, name
    for line in (ROOT / "docs/benchmarks.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| what"):
            command, day = [cell.strip() for cell in line.strip("|").split("|")][-2:]
            assert command.startswith("`"), line
            assert 24 <= int(day) <= 30, line
