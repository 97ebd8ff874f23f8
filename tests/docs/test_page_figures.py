"""Every figure of the tutorials and the other pages is that of the code, of the results, or was measured once.

`test_figures` has the tables of README, benchmarks and the model cards. Here each other line of a page that has a
figure (any number but those of `NO_FIGURE`) needs an entry: `FROM_CODE`,
values computed from the package's constants; `FROM_RESULTS`, lines of committed results; or a row of
tools/bench/pages.csv, which says by which command and on which day a figure was measured that no committed file can
recompute. The prose of a recipe's RESULTS.md repeats its tables and settings, or has a row in pages.csv too; what had
neither when this was first asked for is in tools/bench/without_source.csv, a debt that may only shrink.
`test_card_figures` has the text of the model cards.
"""

from __future__ import annotations

import csv
import datetime
import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from asr.audio import opus, pauses, segment
from asr.backends.stream import STATISTICS_SECONDS
from asr.decode import hotwords
from asr.forecast.intervals import INTERVAL
from asr.model_folder import SCALE
from asr.recognizer import page as html_page
from asr.recognizer.adaptation import acoustic, language
from asr.recognizer.endpoint import BLANK_ALONE
from asr.recognizer.ray_files import SHARD_FILES
from asr.recognizer.stream import StreamSettings
from asr.recognizer.subtitle_rules import RULES
from asr.recognizer.subtitles import DEFAULT_STYLE
from asr.score.text_files import read_texts
from asr.serve.guard import CLIENT_GONE
from asr.serve.live import GOING_AWAY, NORMAL, POLICY, RATE, RATES, VOSK_RATE
from asr.serve.run import MAX_MESSAGE
from asr.serve.settings import ServerSettings
from asr.serve.subtitles import MAX_WORDS
from tests.docs.test_figures import MINI, NAMES, OUTSIDE, SHIPPED, SPEED, WILD, is_from, lines_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MEASURED = ROOT / "tools" / "bench" / "pages.csv"
WITHOUT_SOURCE = ROOT / "tools" / "bench" / "without_source.csv"
GENERATED = {"commands.md", "configuration.md", "api.md"}
TABLES_ELSEWHERE = {"README.md", "benchmarks.md"}  # `test_figures`
# What is no figure: versions, the numbers of a list's entries, names, and the range of a probability.
NO_FIGURE = re.compile(
    r"UTF-8|Apache-2\.0|CC BY(?:-SA)? \d\.\d|Python \d\.\d+|C\+\+17|COVID-19|MInDS-14|ESC-10|November 2026"
    r"|\b(?:19|20)\d\d(?=[;)])|\d\d? Nov(?:ember)?\b|\d-grams?|\d+-bit"
    r"|^ *(?:\*\*)?\d\. |(?:between )?\b0 (?:and|to) 1\b|\]\([^)]*\)"
)
ANY = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")

ENGLISH = json.loads((ROOT / "asr" / "models" / "english" / "config.json").read_text())["model"]
MODEL_MB = sum(path.stat().st_size for path in (ROOT / "asr/models/english").rglob("*") if path.is_file()) / 1e6
LIVE, SERVER, STYLE = StreamSettings(), ServerSettings(), DEFAULT_STYLE
CLEAN_PART = ROOT / f"recipes/mini_librispeech/hyp/{SHIPPED}.dev-clean-part.trn.gz"
AUDIO, FACTOR = 3.6e9, 0.05  # docs/bulk.md: a million hours in seconds, and a core's computing for each

FROM_CODE: dict[str, dict[str, list[float]]] = {
    "README.md": {"a small English model is inside": [MODEL_MB]},
    "adapt.md": {
        "minutes or more": [5],  # advice
        "`=` a number is the boost": [hotwords.HOTWORD_BOOST, hotwords.NEW_WORD_BOOST],
        "at a tenth of the usual rate": [acoustic.EPOCHS[0], acoustic.EPOCHS[-1]],
        "after shuffling with seed": [100, 29],  # how the clips of the table were drawn
        "weights near 0 and 1": [language.EXTREME],
        "0.98. The n-grams": [1 - language.EXTREME],
        "150 times as likely": [language.WORD_GAIN, round(math.exp(language.WORD_GAIN), -1)],
        "words together get at most": [100 * language.MOST_OF_WORDS],
    },
    "architecture.md": {
        "one of 30 ms": [
            ENGLISH["features"]["frame_shift_ms"],
            ENGLISH["features"]["frame_shift_ms"] * ENGLISH["subsampling"],
        ],
    },
    "benchmarks.md": {
        "shared CPU cores of": [2.1],
        "`dev-clean-part` has": [len(read_texts(CLEAN_PART).texts)],
    },
    "bulk.md": {  # the lines themselves: `test_the_arithmetic_of_a_million_hours`
        "workers in shards of": [SHARD_FILES],
        "starts its workers with a niceness": [15],  # its default
        "The table takes": [FACTOR],
        "| audio |": [3600, AUDIO / 1e9],
        "| computing |": [AUDIO / 1e9, FACTOR, 3600, AUDIO * FACTOR / 3600],
        "| machines |": [1000, 16, 16 * 1000],
        "| time |": [AUDIO * FACTOR / 3600, 16 * 1000, 80, 4],
        "| read |": [16, AUDIO / 1e9, 58, 4.0],
        "| read, as MP3": [64, AUDIO / 1e9, 8, 29, 2.0],
        "| written |": [2.5, 75, 675, 100],
        "| memory |": [segment.MAX_SEGMENT_SECONDS, 1],
        "| cost |": [AUDIO * FACTOR / 3600, 0.8, 0.02, 0.05, 1250, 3100],
        "| model |": [round(MODEL_MB), 1000],
        "What breaks first": [4],
        "With recordings of": [36],
        "What a loss costs": [1000],
        "with Ray a shard of": [36, SHARD_FILES],
    },
    "compare.md": {
        "with 95% intervals": [95],
    },
    "formats.md": {"where in the file the utterance begins": [0], "the number of the line, from": [0]},
    "forecast.md": {"90% intervals": [100 * INTERVAL]},
    "language-models.md": {"best hypotheses": [50]},  # as in the example above it
    "install.md": {"and a few small packages": [MODEL_MB]},
    "output-formats.md": {
        "(\"twenty\" shows": [25],  # an example
        "`temperature`) is empty or": [0],  # the only value taken
        "`--frame-rate FPS`": [STYLE.frame_rate],
        "of a transcript against": [len(RULES)],
        "at most two lines of": [STYLE.line_characters],
        "at most 20 characters a second": [STYLE.shortest, STYLE.longest, STYLE.characters_per_second],
        "a cue begins up to": [STYLE.lead],
        "ten thousand pounds": [10_000],  # an example
        "low confidence (below": [html_page.UNSURE],
        "and 0.5), search for words": [html_page.VERY_UNSURE],
        "that browsers play": [html_page.MOST_BYTES / 1e6],
    },
    "server.md": {
        "the upload took longer": [408, SERVER.upload_seconds / 60],
        "the request is larger than": [413, SERVER.max_bytes / 2**20, SERVER.max_audio_seconds / 60],
        "recordings (8) are under way": [429, SERVER.workers, SERVER.max_waiting],
        "the server is stopping": [503, SERVER.request_seconds],
        "`rate` is 16000 if": [RATE],
        "at `rate` Hz": [RATES[0]],
        "an Ogg stream of Opus": [RATES[1]],
        "whatever `rate` says": [opus.RATE],
        "the rate is": [VOSK_RATE],
        "binary messages of any length": [MAX_MESSAGE / 2**20],
        "closes the connection with code": [NORMAL],
        "with code 1008": [POLICY],
        "was heard and closes with": [GOING_AWAY, 429, SERVER.max_streams, 503],
        "another site's page asks": [403],
        "keep up with the": [SERVER.max_streams],
        "what waits gets": [503],
        "says 503": [503],
        "requests by their status": [CLIENT_GONE],
        "characters or more, in the variable": [16],
        "most 50,000 words in order": [MAX_WORDS],
        **{f"| {status} |": [status] for status in (400, 401, 403, 404)},
    },
    "streaming.md": {
        "The model reads pieces of": [LIVE.chunks.piece, LIVE.chunks.left, LIVE.chunks.right],
        "n-gram follows. What it makes": [LIVE.chunks.right],
        "not wait for them. It is shown": [LIVE.show_after],
        "after 0.54 s, and is fixed": [LIVE.show_unsure_after, LIVE.fix_after],
        "2. An utterance ends after": [LIVE.end_silence],
        "of blanks alone; after 10 s": [BLANK_ALONE * LIVE.end_silence, 10, LIVE.end_silence / 2],
        "| set | piece, left, right (s)": [90],
        "Recordings longer than": [segment.MAX_SEGMENT_SECONDS, segment.LONG_PAUSE_SECONDS],
        "at least 0.25 s. No pause": [segment.PAUSE_SECONDS, segment.MIN_SEGMENT_SECONDS, pauses.BELOW_SPEECH_DB],
        "cut in two. Streams cut": [segment.LEAST_CONTEXT_SECONDS, segment.MOST_CONTEXT_SECONDS],
        "either side of every segment": [segment.READ_SECONDS],
        "1, in JSON": [1],  # the first channel
        "of audio at least, flushed": [STATISTICS_SECONDS],
    },
    "subtitles.md": {
        "two lines of": [STYLE.line_characters, STYLE.shortest, STYLE.longest, STYLE.characters_per_second],
    },
    "transcribe.md": {"of words with 0.9": [0.9], "the exit code is": [1]},
    "train-your-own.md": {"are best": [1, 20]},  # advice
}  # fmt: skip
FROM_RESULTS = {
    "faq.md": {
        "errors on LibriSpeech test-clean": OUTSIDE,
        "size of the smallest model": [*OUTSIDE, ("README.md", "machine: a small English model")],  # checked below
        "time on a CPU, of real time": OUTSIDE,
        "its small English model has": OUTSIDE,
        "its chain networks have": [(MINI, "10.6%")],
        "hours where `asr` has": [(MINI, "| `5h-blocks-attention-large-lstm` | dev-full-band")],
    },
    "transcribe.md": {
        "expected calibration error": [
            *(
                (WILD, "language models: cv 2.6%, by telephone"),
                (WILD, "3.2%, telephone 3.2%, noise at 10 dB 3.9%"),
                (WILD, "4.8%, 7.3%, 3.4%"),
            )
        ],
    },
}


def lines_with_figures(page: Path) -> list[tuple[str, list[str]]]:
    """The lines of a page outside of code that have figures, each with them."""
    text = re.sub(r"^ *```.*?^ *```$|<!--.*?-->", "", page.read_text(), flags=re.M | re.S)
    found = []
    for line in text.splitlines():
        plain = NO_FIGURE.sub(" ", NAMES.sub(" ", re.sub(r"`[^`]*`|&#\d+;", "`", line)))
        if line.startswith("|") and page.name in TABLES_ELSEWHERE:
            continue
        if figures := [figure.rstrip(",") for figure in ANY.findall(plain)]:
            found.append((line, figures))
    return found


def measured() -> dict[str, dict[str, list[str]]]:
    """The figures of tools/bench/pages.csv, by page and by words of the line."""
    rows: dict[str, dict[str, list[str]]] = {}
    with MEASURED.open(newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["page"], {})[row["row"]] = row["figures"].split()
    return rows


def sources_of(page: str) -> dict[str, set[str]]:
    """The numbers that a line may have, by words of the line."""
    entries = {words: set(figures) for words, figures in measured().get(page, {}).items()}
    entries |= {words: {f"{value:.6f}" for value in values} for words, values in FROM_CODE.get(page, {}).items()}
    for words, sources in FROM_RESULTS.get(page, {}).items():
        entries[words] = {number for line in lines_of(sources) for number in ANY.findall(line)}
    return entries


RESULTS = sorted(ROOT.glob("recipes/*/RESULTS.md"))
PAGES = [ROOT / "README.md", *(page for page in sorted(DOCS.glob("*.md")) if page.name not in GENERATED)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_of_a_page_have_a_source(page):
    entries, used, wrong = sources_of(page.name), set(), []
    for line, figures in lines_with_figures(page):
        fitting = [words for words in entries if words in line]
        used.update(fitting)
        known = {number for words in fitting for number in entries[words]}
        missing = [figure for figure in figures if not is_from(figure, known)]
        if missing:
            wrong.append(f"{page.name}: {', '.join(missing)} in: {line}")
    assert wrong == [], "add a row to tools/bench/pages.csv or an entry here:\n" + "\n".join(wrong)
    assert used == set(entries), f"entries without a line: {set(entries) - used}"


def without_source(page: Path) -> list[str]:
    """The figures of a recipe's prose that neither its tables, nor its settings, nor pages.csv has."""
    name = str(page.relative_to(ROOT))
    lines = lines_with_figures(page)
    known = {figure for line, figures in lines if line.startswith("|") for figure in figures}
    for settings in (*page.parent.glob("*.sh"), *page.parent.glob("conf/*")):
        known.update(re.findall(r"\d+(?:\.\d+)?", settings.read_text()))
    missing = []
    for line, figures in lines:
        own = {figure for words, row in measured().get(name, {}).items() if words in line for figure in row}
        if not line.startswith("|"):
            missing += [figure for figure in figures if not is_from(figure, known | own)]
    return missing


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.parent.name)
def test_prose_of_recipes_has_sources_but_for_known_figures(page):
    with WITHOUT_SOURCE.open(newline="") as file:
        rows = {row["page"]: row["figures"].split() for row in csv.DictReader(file)}
    name = str(page.relative_to(ROOT))
    missing, known = Counter(without_source(page)), Counter(rows.get(name, []))
    new, gone = (" ".join((a - b).elements()) for a, b in ((missing, known), (known, missing)))
    assert new == "", f"{name}: figures without a source; add a row to tools/bench/pages.csv"
    assert gone == "", f"{name}: no longer there, or with a source; take them out of without_source.csv"


def test_every_measurement_has_a_command_and_a_day():
    with MEASURED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert row["command"], row
        assert datetime.date.fromisoformat(row["date"]) <= datetime.date.today(), row
        assert (ROOT / row["page"]).exists() or (DOCS / row["page"]).exists(), row


def test_the_arithmetic_of_a_million_hours():
    """docs/bulk.md computes; so does this."""
    text = (DOCS / "bulk.md").read_text()
    audio, factor, cores = AUDIO, FACTOR, 16_000
    assert f"| computing | 3.6 × 10⁹ s × 0.05 / 3600 | {audio * factor / 3600:,.0f} core hours |" in text
    assert f"| machines | 1,000 of 16 cores | {1000 * 16:,} cores |" in text
    hours = round(audio * factor / 3600 / cores / 0.8)
    assert f"| {hours} hours |" in text
    seconds = 3600 * hours
    flac, mp3 = audio * 16e3, audio * 8e3
    assert f"{flac / 1e12:.0f} TB; {flac / 1e9 / seconds:.1f} GB/s in all" in text
    assert f"{mp3 / 1e12:.0f} TB; {mp3 / 1e9 / seconds:.1f} GB/s in all" in text
    assert f"{audio * 2.5 * 75 / 1e9:.0f} GB of JSON lines" in text
    low, high = (audio * factor / 3600 / 0.8 * price for price in (0.02, 0.05))
    assert f"{low:,.0f} $ to {round(high, -2):,.0f} $" in text
    assert f"{MODEL_MB:.0f} MB × 1,000 machines, once | {MODEL_MB * 1000 / 1000:.0f} GB" in text
    assert "four fail during the run" in text
    assert hours * 1000 / 1000 == 4  # hours of the run, machines, hours between two failures of one
    assert f"shards of {SHARD_FILES}" in text
    assert f"a shard of {SHARD_FILES} a core, five hours" in text
    assert (round(16 * 36 / 60, -1), round(SHARD_FILES * 16 * 36 / 3600)) == (10, 5)  # minutes, hours
    assert "one for each core" in text


# Figures that are written in words: page, sentence, what it is computed from, and the range that the words stand for.
IN_WORDS = [
    ("ctc-decoder.md", "forty times as fast as pyctcdecode", (SPEED, "| 100 | pyctcdecode |"), 4, (38, 42)),
    ("ctc-decoder.md", "three to five times as fast as flashlight", (SPEED, "| 10 | flashlight-text |"), 4, (2.5, 3.5)),
    ("ctc-decoder.md", "three to five times as fast as flashlight", (SPEED, "| 50 | flashlight-text |"), 4, (4.5, 5.5)),
    ("faq.md", "about one word in eleven is wrong", (MINI, f"| `{SHIPPED}-lstm` | dev-clean-part"), 0, (8.7, 9.5)),
    ("faq.md", "own microphones: more than one in five", (WILD, "| clean speech |"), 0, (20, 25)),
]


@pytest.mark.parametrize(("page", "words", "source", "place", "between"), IN_WORDS)
def test_figures_in_words_are_those_of_the_results(page, words, source, place, between):
    assert words in (DOCS / page).read_text()
    (line,) = lines_of([source])
    figure = float(ANY.findall(line)[place])
    assert between[0] <= figure <= between[1], line


def test_the_size_of_the_model_is_that_of_its_folder():
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/faq.md", "docs/install.md")]
    sizes = re.findall(r"(\d+) MB (?:with its language models|with language models|of\nEnglish model)", "".join(texts))
    assert sizes == [str(round(MODEL_MB))] * 3
    with (ROOT / "asr/models/english/model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    weights = {name: entry for name, entry in header.items() if name != "__metadata__" and not name.endswith(SCALE)}
    count = sum(math.prod(entry["shape"]) for entry in weights.values()) / 1e6
    today = "\n".join(line for line in "\n".join(texts).split("\n") if "model of 27 November, " not in line)  # smaller
    assert set(re.findall(r"(\d\.\d) M parameters", today)) == {f"{count:.1f}"}


def test_a_figure_without_a_source_is_noticed(tmp_path):
    page = tmp_path / "x.md"
    page.write_text(
        "It takes 17.3 s.\n```sh\n9 s\n```\nOf `8 s` nothing.\n1. Of 12 clips, 3-grams.\n| 3 | 4 |\n"
        "Python 3.11: 0.25, or 4,000.\n"
    )
    found = [
        ("It takes 17.3 s.", ["17.3"]),
        ("1. Of 12 clips, 3-grams.", ["12"]),
        ("| 3 | 4 |", ["3", "4"]),
        ("Python 3.11: 0.25, or 4,000.", ["0.25", "4,000"]),
    ]
    assert lines_with_figures(page) == found
