from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr.errors import TextError
from asr.lm.ngram.arpa import read_arpa, write_arpa
from asr.lm.ngram.counts import blocks_of_histories, count
from asr.lm.ngram.disk_arrays import DiskArray, Workspace, count_places, gather
from asr.lm.ngram.kneser_ney import Corpus, estimate, estimate_on_disk
from tests.lm.ngram import in_memory_kneser_ney as in_memory
from tests.lm.ngram.test_ngram import _wide_sentences


def _same(left, right) -> None:
    assert left.words == right.words
    for name in ("grams", "log_probs", "backoffs"):
        for ours, theirs in zip(getattr(left, name), getattr(right, name), strict=True):
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs), name


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(("cutoffs", "threshold"), [((), 0.0), ((0, 1, 2), 0.0), ((), 1e-6), ((0, 0, 1), 1e-5)])
@pytest.mark.parametrize("limited", [False, True])
def test_estimates_on_disk_in_little_memory_equal_those_in_memory_bit_for_bit(
    tmp_path, order, cutoffs, threshold, limited
):
    sentences = [*_wide_sentences(1500), *(f"w1 w{number}" for number in range(3000))]  # a history of 3000 words
    vocabulary = [*(f"w{index}" for index in range(300)), "never"] if limited else None
    space = Workspace(memory=1 << 10, folder=tmp_path)
    corpus = Corpus(sentences, vocabulary, limited, space)
    assert len(corpus.tokens) > 10 * 1024  # many runs, blocks and windows
    found = estimate_on_disk(corpus, order, cutoffs, threshold=threshold).in_memory()
    expected = in_memory.estimate(in_memory.Corpus(sentences, vocabulary, limited), order, cutoffs, threshold=threshold)
    _same(found, expected)
    if threshold and order > 1:
        whole = in_memory.estimate(in_memory.Corpus(sentences, vocabulary, limited), order, cutoffs)
        assert len(found.grams[-1]) < len(whole.grams[-1])


def test_a_model_is_written_from_disk_as_from_memory(tmp_path):
    corpus = Corpus(_wide_sentences(300), space=Workspace(memory=1 << 10, folder=tmp_path))
    model = estimate_on_disk(corpus, 3)
    write_arpa(tmp_path / "disk.arpa", model)
    write_arpa(tmp_path / "memory.arpa", model.in_memory())
    assert (tmp_path / "disk.arpa").read_bytes() == (tmp_path / "memory.arpa").read_bytes()
    assert read_arpa(tmp_path / "disk.arpa").words == model.words


def test_a_longer_text_has_no_more_files_open(monkeypatch):
    """A process may have a thousand; each run once had five."""

    def files(sentences: int) -> int:
        made = []
        with monkeypatch.context() as patch:
            patch.setattr(DiskArray, "__init__", lambda self, *rest: made.append(self) or begin(self, *rest))
            corpus = Corpus(_wide_sentences(sentences), space=Workspace(memory=1 << 10))
            estimate_on_disk(corpus, 3)
        assert len(corpus.tokens) > 2 * sentences
        return len(made)

    begin = DiskArray.__init__
    assert files(200) == files(2000)


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path):
    corpus = Corpus(_wide_sentences(200), space=Workspace(memory=1 << 10, folder=tmp_path))
    assert len(corpus.tokens)
    estimate(corpus, 3, threshold=1e-6)
    assert list(tmp_path.iterdir()) == []  # files without names: so it is while the estimate runs, too


def test_all_blocks_together_are_all_n_grams_with_whole_histories(tmp_path):
    space = Workspace(memory=1 << 10, folder=tmp_path)
    corpus = Corpus([*_wide_sentences(500), *(f"w1 w{number}" for number in range(3000))], space=space)
    levels = count(corpus, 3)
    for lower, level in itertools.pairwise(levels):
        rows = histories = 0
        for block, range_of_histories in blocks_of_histories(space, level, len(lower)):
            assert block.start == rows
            assert range_of_histories.start == histories
            history, _ = level.history_and_last(block.start, block.stop)
            assert np.all((history >= range_of_histories.start) & (history < range_of_histories.stop))
            rows, histories = block.stop, range_of_histories.stop
        assert (rows, histories) == (len(level), len(lower))


def test_gathering_and_counting_in_windows_equal_numpys(tmp_path):
    space, random_numbers = Workspace(memory=1 << 10, folder=tmp_path), np.random.default_rng(1)
    values, places = random_numbers.random(5000), random_numbers.integers(0, 5000, 12345)
    on_disk, places_on_disk = space.array(np.float64), space.array(np.uint32)
    on_disk.append(values)
    places_on_disk.append(places)
    assert len(list(space.windows(5000, 8))) > 3
    assert np.array_equal(gather(space, on_disk, places_on_disk)[:], values[places])
    assert np.array_equal(count_places(space, places_on_disk, 5000)[:], np.bincount(places, minlength=5000))


def test_a_disk_array_is_read_and_written_in_pieces(tmp_path):
    array = DiskArray(tmp_path, np.int32, 2)
    array.append(np.arange(10).reshape(5, 2))
    array.write(1, np.array([[7, 8]]))
    array.append(np.array([[1, 1]]))
    assert array[:].tolist() == [[0, 1], [7, 8], [4, 5], [6, 7], [8, 9], [1, 1]]
    assert array[4:100].tolist() == [[8, 9], [1, 1]]
    assert array[3:3].shape == (0, 2)
    with pytest.raises(ValueError, match="step"):
        array[::2]


def test_the_sign_of_a_sentence_in_the_text_is_named():
    for sign in ("<s>", "</s>", "<unk>"):
        with pytest.raises(TextError, match=sign):
            Corpus(["a b", f"a {sign} b"])


def test_progress_ends_with_all_done():
    last = {}
    estimate_on_disk(
        Corpus(_wide_sentences(300)), 3, threshold=1e-6, steps=lambda label, *done: last.update({label: done})
    )
    assert len(last) > 8
    assert all(done == total for done, total in last.values())


_PEAK = """
import random, sys
from asr.lm.ngram.disk_arrays import Workspace
from asr.lm.ngram.kneser_ney import Corpus, estimate_on_disk

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))

draw = random.Random(1)
words = [f"w{number}" for number in range(3000)]
before = peak()
texts = (" ".join(draw.choices(words, k=30)) for _ in range(50_000))
estimate_on_disk(Corpus(texts, space=Workspace(memory=int(sys.argv[1]))), 3)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_memory_is_a_setting():
    """One and a half million different trigrams."""
    peaks = [
        float(subprocess.run([sys.executable, "-c", _PEAK, size], check=True, capture_output=True, text=True).stdout)
        for size in ("20000000", "1000000000")
    ]
    assert peaks[0] < 90  # megabytes: with a million words as Python reads them
    assert peaks[1] > 2 * peaks[0]
