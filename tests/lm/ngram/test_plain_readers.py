"""The compiled readers of ARPA files and lexicons give what the readers in Python give, or leave the file to them."""

import gzip
import io
import random
import re
from itertools import pairwise

import numpy as np
import pytest

from asr._native import ArpaReader, LexiconReader
from asr.decode.search.trie import build_trie, load_trie, read_plain_lexicon
from asr.errors import TextError
from asr.lm.ngram import arpa
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens

PLAIN = (
    "made by hand\n\n\\data\\\nngram 1=5\nngram 2=3\nngram 3=1\n\n\\1-grams:\n-1.5\t<unk>\n-99\t<s>\t-0.301\n"
    "-1.853\t</s>\n-0.123457\tmüde\t-1e-05\n-2.5E+0 a -0\n\n\\2-grams:\n-0.1\t<s> a\t-.5\n-7.\ta müde\n-0.25\ta </s>\n"
    "\n\\3-grams:\n-1.25\t<s> a </s>\n\n\\end\\\n"
)
ODD = ["\r\n", "\r", "\x0b", "\x00", "\xa0", "\u2028", "\x85", " ", "\t", "\n", "\\", "x", "9", "-", "e", "nan", "1_0"]
SIGNS = "".join(sorted(set(PLAIN)))


def _by_lines(path, checked=False):
    """What the reader in Python gives: a model or an error. checked: its values, as `read_arpa` checks them."""
    try:
        with io.TextIOWrapper(arpa._open(path), encoding="utf-8") as file:
            model = arpa._parse(path, enumerate(file, 1))
        if checked:
            arpa.check_values(path, model)
        return model
    except TextError as error:
        return str(error)


def _read(path):
    try:
        return arpa.read_arpa(path)
    except TextError as error:
        return str(error)


def _same(left, right):
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    arrays = zip(
        left.grams + left.log_probs + left.backoffs, right.grams + right.log_probs + right.backoffs, strict=True
    )
    return left.words == right.words and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in arrays
    )


def _damaged(text, choices, rng):
    """The text with a few characters replaced, removed or put in."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(choices) + text[at + rng.choice([0, 0, 1, 3]) :]
    return text if rng.random() < 0.9 else text[: rng.randrange(len(text))]


def test_a_plain_arpa_file_is_read_by_the_compiled_reader(tmp_path):
    for ends in ("\n", "\r\n"):
        path = tmp_path / "lm.arpa.gz"
        path.write_bytes(gzip.compress(PLAIN.replace("\n", ends).encode()))
        model = arpa._read_plain(path)
        assert model is not None
        assert _same(model, _by_lines(path))
        assert model.grams[2].tolist() == [[1, 4, 2]]
        assert model.backoffs[0][3] == np.float32(-1e-05) * np.float32(np.log(10))


def test_blocks_may_end_anywhere():
    whole, byte_by_byte = ArpaReader(), ArpaReader()
    assert not whole.feed(PLAIN.encode())
    for byte in PLAIN.encode():
        byte_by_byte.feed(bytes([byte]))
    left, right = whole.finish(), byte_by_byte.finish()
    assert left[0] == right[0]
    for a, b in zip(left[1], right[1], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_damaged_arpa_files_give_the_model_or_the_error_of_the_reader_in_python(tmp_path):
    rng, path, models = random.Random(5), tmp_path / "lm.arpa", 0
    for _ in range(1500):
        path.write_bytes(_damaged(PLAIN, [*ODD, *SIGNS], rng).encode())
        plain, expected = arpa._read_plain(path), _by_lines(path)
        assert plain is None or _same(plain, expected), path.read_bytes()
        assert _same(_read(path), _by_lines(path, checked=True)), path.read_bytes()
        models += plain is not None
    assert 100 < models < 1400


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_packed_arpa_file_cut_short_is_named(tmp_path, cut):
    data = gzip.compress(PLAIN.encode())
    (tmp_path / "lm.arpa.gz").write_bytes(data[: int(cut * len(data))])
    with pytest.raises(TextError, match="damaged or cut short"):
        arpa.read_arpa(tmp_path / "lm.arpa.gz")


def test_numbers_are_rounded_as_python_rounds_them(tmp_path):
    rng = random.Random(3)
    numbers = [f"{rng.uniform(-9, 9):.{rng.randrange(14)}f}" for _ in range(3000)]
    numbers += [f"{rng.uniform(-9, 9):.{rng.randrange(9)}e}" for _ in range(500)]
    numbers += [f"{rng.uniform(-9, 9) * 10 ** rng.randrange(-12, 12):.8g}" for _ in range(500)]
    lines = "".join(f"{number}\tw{index}\n" for index, number in enumerate(numbers))
    path = tmp_path / "lm.arpa"
    path.write_text(f"\\data\\\nngram 1={len(numbers)}\n\n\\1-grams:\n{lines}\n\\end\\\n")
    model = arpa._read_plain(path)
    expected = np.array([float(number) for number in numbers]).astype(np.float32) * np.float32(arpa.LN10)
    assert model is not None
    assert model.log_probs[0].tobytes() == expected.tobytes()


LEXICON = "a\tA |\nab\tA B |\nab\tB B |\nöl\tB\na\tA |\nzu\tB A B |\n\nab\tA A |\nab\tA B |\n"


def test_lexicons_give_the_tree_and_words_of_the_reader_in_python(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tokens = Tokens(["<blank>", "|", "A", "B"])
    rng, path, plain = random.Random(7), tmp_path / "lexicon.txt", 0
    choices = [*ODD, *LEXICON, "\tA", "\nab\tA\n"]
    for trial in range(1500):
        text = LEXICON if trial == 0 else _damaged(LEXICON, choices, rng)
        path.write_bytes(text.encode())
        plain += read_plain_lexicon(path, tokens) is not None
        try:
            expected, words = build_trie(Lexicon.read(path), tokens)
        except TextError as error:
            with pytest.raises(TextError, match=f"^{re.escape(str(error))}$"):
                load_trie(Lexicon.later(path), tokens)
            continue
        trie, names = load_trie(Lexicon.later(path), tokens)
        assert list(names) == words, text
        assert all(np.array_equal(left, right) for left, right in zip(trie, expected, strict=True)), text
        for cache in (tmp_path / "cache").rglob("*.tables"):
            cache.unlink()
    assert 100 < plain < 1400


def test_a_lexicon_in_blocks():
    reader = LexiconReader(["<blank>", "|", "A", "B"])
    assert all(reader.feed(bytes([byte])) for byte in LEXICON.encode())
    words, flat, offsets, owners = reader.finish()
    assert words.decode().split("\n") == ["a", "ab", "öl", "zu"]
    spelled = [flat[start:end].tolist() for start, end in pairwise(offsets)]
    assert spelled == [[2, 1], [2, 3, 1], [3, 3, 1], [2, 2, 1], [3], [3, 2, 3, 1]]
    assert owners.tolist() == [0, 1, 1, 1, 2, 3]
