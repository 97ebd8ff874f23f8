"""Books as sentences: plain text or Markdown of Project Gutenberg and similar collections.

Headers, licences, tables of contents, notes in brackets and marks of emphasis go; what is left is running English prose
and verse, with the case and punctuation of the book. `normalize_english` makes the words a recogniser writes of it.
"""

from __future__ import annotations

import re

from asr.text.normalize import normalize_english

_FREQUENT = """
    the of and to a in that it is was i he his with as for had you not be her on at by which have or from this him but
    all she they were are my me one their so an said them we who would been will no when there if more out up into do
    your"""
FUNCTION_WORDS = frozenset(_FREQUENT.split())
# Their share is 0.45 to 0.6 in English of the last four centuries, below 0.1 in other languages and lists of names.
ENGLISH_SHARE, ENGLISH_SHARE_OF_PARAGRAPH = 0.35, 0.2
JUDGED_WORDS = 15  # shorter paragraphs are not judged for their language

_START = re.compile(
    r"^\W*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n|^\*END\*?THE SMALL PRINT![^\n]*\n", re.M
)
_END = re.compile(
    r"^\W*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|^\W*End of (?:the |this )?Project Gutenberg|"
    r"^\W*START: FULL LICENSE",
    re.M | re.I,
)
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
_LICENCE = re.compile(r"gutenberg|e-?text|proofread|transcriber'?s? note|www\.|http|copyright|\bisbn\b", re.I)
_BRACKETS = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}")
_MARKDOWN = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_TAGS = re.compile(r"</?[a-zA-Z][^<>]{0,80}>")
_EMPHASIS = re.compile(r"[_*=~^|\\]+")
_PARAGRAPH_END = re.compile(r"[.!?:;,\-\u2014\u2026][\"'\u201d\u2019)\]]*$")
_LETTER, _CAPITAL = re.compile(r"[^\W\d_]+"), re.compile("[A-Z\u00c0-\u00de]+")
_NUMBERED = re.compile(r"^\(?(?:\d{1,3}|[IVXLC]{1,6})[.)]\s+")

_SENTENCE_END = re.compile(
    r"(?<![.!?\u2026])(?P<mark>[.!?\u2026]+)[\"'\u201d\u2019)]*(?P<gap>\s+|--+|\u2014)(?=[\"'\u201c\u2018(]*[A-Z\d\u00c0-\u00de])"
)
LONGEST_BEFORE = 64  # characters of the word before a mark: no abbreviation has more
_SHORTENED = """
    mr mrs messrs dr st co jr sr maj gen rev lt hon sgt capt col ft esq prof mme mlle mons no vol vols p pp ch chap
    fig viz cf etc i.e e.g gov sen rep pres supt adj cpl pvt mt vs jan feb aug sept oct nov dec"""
ABBREVIATED = frozenset(_SHORTENED.split())
_OPENING_QUOTE = re.compile(r"(?<![A-Za-z\d])['\u2018](?=[A-Za-z])")
_CLOSING_QUOTE = re.compile(r"[,.!?;:\-]['\u2019](?![A-Za-z])")
_DOUBLE_QUOTE = re.compile('["\u201c]')
_GRAVE_QUOTE = re.compile(r"(?<![A-Za-z])`(?=[A-Za-z])")
_DOCTOR = re.compile(r"\bDr\b(?!\.)")
_ELISION = re.compile(
    r"['\u2018](?=(?:t(?:is|was|were|will|would|ain't|isn't|wasn't)|em|im|er|ere|un|bout|cause|nough|neath|midst|gainst|"
    r"mongst|twixt|round|way)\b)",
    re.I,
)  # fmt: skip


def decoded(data: bytes) -> str:
    """The text of a file of a book, its lines ended by \\n: UTF-8, else Windows' Latin."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace").replace("\ufffd", " ")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def paragraphs(text: str) -> list[str]:
    """The paragraphs of English prose or verse of a book, each in one line; none of a book in another language."""
    blocks = (_clean(block) for block in _BLANK_LINES.split(_body(text)))
    kept = [block for block in blocks if _is_text(block)]
    words = [word for block in kept for word in _words(block)]
    if _english_share(words) < ENGLISH_SHARE:
        return []
    if _quotes_are_single(kept):
        kept = [_without_single_quotes(block) for block in kept]
    return kept


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, in its case and punctuation."""
    parts, begin, after = [], 0, 0
    for match in _SENTENCE_END.finditer(paragraph):
        # The word before the mark, not sought by the pattern, which would try all its beginnings at each place.
        last = paragraph[max(after, match.start() - LONGEST_BEFORE) : match.start()]
        before = "" if not last or last[-1].isspace() else last.split()[-1]
        before = before.rsplit("-", 1)[-1].strip("\"'\u201c\u2018([")
        after = match.end()
        if match["mark"] == "." and (before.lower() in ABBREVIATED or (len(before) == 1 and before not in "I")):
            continue
        parts.append(paragraph[begin : match.start("gap")].strip())
        begin = match.end("gap")
    parts.append(paragraph[begin:].strip())
    return [part for part in parts if part]


def spoken_words(sentence: str) -> str:
    """A sentence as a recogniser writes it: `normalize_english` of it, dashes apart, titles without full stops too."""
    return normalize_english(_DOCTOR.sub("Dr.", sentence.replace("--", " ").replace("\u2014", " ")))


def _body(text: str) -> str:
    """A book without what Project Gutenberg put before and after it."""
    starts = [match.end() for match in _START.finditer(text)]
    if starts and starts[-1] < len(text) / 2:
        text = text[starts[-1] :]
    end = next((match.start() for match in _END.finditer(text) if match.start() > len(text) / 3), len(text))
    return text[:end]


def _clean(block: str) -> str:
    lines = [line.strip() for line in block.split("\n")]
    block = " ".join(line for line in lines if line and not line.startswith(("#", "---", "***", "|")))
    block = _GRAVE_QUOTE.sub("'", _MARKDOWN.sub(r"\1", block))
    block = _BRACKETS.sub(" ", block)
    block = _TAGS.sub(" ", block)
    block = _EMPHASIS.sub(" ", block) if "*" in block or "\\" in block else _EMPHASIS.sub("", block)
    block = " ".join(_NUMBERED.sub("", block.lstrip("> ")).split())
    return re.sub(r" ([,.;:!?])", r"\1", block)


def _is_text(block: str) -> bool:
    """Whether a paragraph is prose or verse: no heading, no table, no licence, no other language."""
    if not _PARAGRAPH_END.search(block[-8:]) or _LICENCE.search(block):
        return False
    letters = len(block) - len(_LETTER.sub("", block))
    if letters < 2 or letters < 0.65 * len(block):
        return False
    if len(block) - len(_CAPITAL.sub("", block)) > 0.4 * letters and letters > 3:
        return False
    words = _words(block)
    return len(words) < JUDGED_WORDS or _english_share(words) >= ENGLISH_SHARE_OF_PARAGRAPH


def _words(block: str) -> list[str]:
    return _LETTER.findall(block.lower())


def _english_share(words: list[str]) -> float:
    return sum(word in FUNCTION_WORDS for word in words) / max(1, len(words))


def _quotes_are_single(blocks: list[str]) -> bool:
    """Whether a book writes what is said in single quotation marks, which look like apostrophes."""
    single = sum(len(_CLOSING_QUOTE.findall(block)) for block in blocks)
    double = sum(len(_DOUBLE_QUOTE.findall(block)) for block in blocks)
    return single > 10 and single > double


def _without_single_quotes(block: str) -> str:
    """Single quotation marks as double ones; apostrophes stay."""
    block = _ELISION.sub("\x00", block)
    block = _OPENING_QUOTE.sub('"', block)
    block = _CLOSING_QUOTE.sub(lambda match: match[0][0] + '"', block)
    return block.replace("\x00", "'")
