from __future__ import annotations

import random

import numpy as np
import pytest

from asr.data.books import RUN, Collector, RunTable, find_books, read_book, read_books, run_hashes, without_listed
from asr.errors import TextError

WORDS = [f"{a}{b}{c}" for a in "bdfkz" for b in "aeiou" for c in "lmnrst"]


def _prose(seed: int, number: int = 12) -> list[str]:
    """Paragraphs of made-up English: nonsense words and function words by turns."""
    draw = random.Random(seed)
    made = []
    for _ in range(number):
        sentences = []
        for _ in range(draw.randint(5, 7)):
            pairs = [(draw.choice(WORDS), draw.choice(["the", "of", "and", "to"])) for _ in range(draw.randint(6, 9))]
            words = [word for pair in pairs for word in pair]
            sentences.append(" ".join([words[0].capitalize(), *words[1:], draw.choice(WORDS)]) + ".")
        made.append(" ".join(sentences))
    return made


def _write(path, blocks):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(blocks) + "\n")
    return path


def test_equal_runs_of_words_and_no_others_have_equal_hashes():
    words = random.Random(1).choices(WORDS[:3], k=3000)
    hashes = run_hashes(words)
    runs = [tuple(words[place : place + RUN]) for place in range(len(words) - RUN + 1)]
    assert len(hashes) == len(runs)
    assert len(set(hashes.tolist())) == len(set(runs)) < len(runs)
    assert len({(run, value) for run, value in zip(runs, hashes.tolist(), strict=True)}) == len(set(runs))
    assert len(run_hashes(words[: RUN - 1])) == 0


def test_the_table_of_runs_forgets_none_and_makes_few_up():
    table, numbers = RunTable(20), np.random.default_rng(1).integers(0, 1 << 63, 20_000).astype(np.uint64)
    table.add(numbers[:10_000])
    assert table.has(numbers[:10_000]).all()
    assert 0.002 < table.has(numbers[10_000:]).mean() < 0.02  # a hundredth of the bits are set


def test_a_second_edition_is_left_out_and_so_are_its_paragraphs_in_other_books(tmp_path):
    one, two = _prose(1), _prose(2)
    edition = ["A preface to the second edition of the book, by the author.", *one[1:]]
    anthology = [*two, one[5]]
    paths = [
        _write(tmp_path / name, blocks) for name, blocks in (("a.txt", one), ("b.txt", edition), ("c.txt", anthology))
    ]
    collector = Collector()
    texts = [collector.take(book)[1] for book in read_books(paths)]
    assert len(texts[0]) == sum(block.count(".") for block in one)
    assert texts[1] == []
    assert collector.tally.doubles == [paths[1]]
    assert len(texts[2]) == sum(block.count(".") for block in two)
    assert collector.tally.doubled_words == sum(len(s.split()) for s in one[5].split(". "))
    assert collector.tally.words == sum(len(line.split()) for text in texts for line in text)


def test_text_that_is_already_had_is_not_taken_again(tmp_path):
    blocks = _prose(3)
    collector = Collector()
    collector.know([sentence.upper() for block in blocks for sentence in block.replace(".", "").split("\n")])
    assert collector.take(read_book(_write(tmp_path / "a.txt", blocks))) == ([], [])


def test_no_run_of_words_is_shared_with_a_text_kept_apart(tmp_path):
    blocks, other = _prose(4, 40), _prose(5, 40)
    apart = " ".join(blocks[7].split()[3:14])  # a reference in the middle of a paragraph
    book = read_book(_write(tmp_path / "a.txt", blocks))
    collector = Collector([apart])
    kept = collector.take(book)[1]
    runs = run_hashes(apart.lower().replace(".", "").split())
    assert np.isin(runs, book.runs).all()
    assert not np.isin(run_hashes(" ".join(kept).split()), runs).any()
    assert 0 < len(book.spoken) - len(kept) <= 4
    assert collector.tally.apart_words > 0
    collector = Collector(other)  # the book itself: all of it goes
    assert collector.take(read_book(_write(tmp_path / "b.txt", other))) == ([], [])
    assert [path.name for path in collector.tally.apart] == ["b.txt"]


def test_a_blank_line_stands_between_printed_paragraphs(tmp_path):
    blocks = _prose(6, 5)
    printed, spoken = Collector().take(read_book(_write(tmp_path / "a.txt", blocks)))
    assert "\n".join(printed) == "\n\n".join(block.replace(". ", ".\n") for block in blocks)
    assert spoken[0] == printed[0].lower().rstrip(".")


def test_several_processes_read_the_same(tmp_path):
    paths = [_write(tmp_path / f"{number}.txt", _prose(number)) for number in range(6)]
    for left, right in zip(read_books(paths), read_books(paths, 2), strict=True):
        assert left.path == right.path
        assert left.spoken == right.spoken
        assert np.array_equal(left.runs, right.runs)


def test_books_are_found_by_suffix_and_left_out_by_the_end_of_their_path(tmp_path):
    for name in ("a/one.txt", "a/two.md", "b/one.txt", "b/picture.png"):
        _write(tmp_path / name, ["x"])
    books = find_books([tmp_path])
    assert [str(book.relative_to(tmp_path)) for book in books] == ["a/one.txt", "a/two.md", "b/one.txt"]
    stay, gone = without_listed(books, ["a/one.txt", "", "two.md"])
    assert [str(book.relative_to(tmp_path)) for book in stay] == ["b/one.txt"]
    assert len(gone) == 2
    with pytest.raises(TextError, match="no book"):
        find_books([tmp_path / "b" / "nothing"])
