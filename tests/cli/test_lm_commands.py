from __future__ import annotations

import gzip
import json
import lzma
import math

import numpy as np
import pytest

from asr.lm.ngram.arpa import read_arpa
from asr.lm.ngram.columns import MAGIC
from asr.lm.ngram.files import read_ngrams

BLOCKS = [
    "It was the best of the days that he had seen, and all of them knew it.",
    "The man who came in said that he had been in the town for a year. He was not of the place.",
    '"What is it to you?" said the man. "I am no friend of his, and he of mine."',
]


def test_books_become_sentences_and_what_is_left_out_is_named(run, tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    for name, blocks in (("a.txt", BLOCKS), ("b.md", ["# Title: B", BLOCKS[0]]), ("c.txt", ["nothing, of, course."])):
        (folder / name).write_text("\n\n".join(blocks) + "\n")
    (tmp_path / "list").write_text("books/b.md\n")
    (tmp_path / "apart").write_text("who came in said that he had been in the town\n")
    code, _, stderr = run(
        "lm", "text", folder, "--leave-out", tmp_path / "list", "--apart", tmp_path / "apart", "--case", "upper",
        "--output", tmp_path / "out.txt.gz", "--printed", tmp_path / "printed.txt",
    )  # fmt: skip
    assert code == 0, stderr
    lines = gzip.decompress((tmp_path / "out.txt.gz").read_bytes()).decode().splitlines()
    assert lines == [
        "IT WAS THE BEST OF THE DAYS THAT HE HAD SEEN AND ALL OF THEM KNEW IT",
        "HE WAS NOT OF THE PLACE",
        "WHAT IS IT TO YOU SAID THE MAN",
        "I AM NO FRIEND OF HIS AND HE OF MINE",
    ]
    printed = (tmp_path / "printed.txt").read_text()
    assert printed.split("\n\n")[0] == BLOCKS[0]
    assert "listed: 1 books" in stderr
    assert "not in English: 1 books" in stderr
    assert f"{sum(len(line.split()) for line in lines)} words in 4 sentences of 1 books" in stderr
    assert "16 words in sentences that share" in stderr


def test_n_grams_are_the_same_whatever_memory_they_may_use(run, tmp_path):
    (tmp_path / "text").write_text("\n".join(block.lower().replace(".", "") for block in BLOCKS) * 40)
    for size in ("1K", "1.5G"):
        code, _, stderr = run(
            "lm", "ngram", tmp_path / "text", "--memory", size, "--temporary", tmp_path, "--output", tmp_path / size
        )
        assert code == 0, stderr
    assert (tmp_path / "1K").read_bytes() == (tmp_path / "1.5G").read_bytes()
    assert read_arpa(tmp_path / "1K").order == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.5G", "1K", "text"]


@pytest.mark.parametrize("size", ["much", "0", "-1G", "4X"])
def test_a_size_of_memory_that_is_none_is_named(run, tmp_path, size):
    (tmp_path / "text").write_text("a b\n")
    code, _, stderr = run("lm", "ngram", tmp_path / "text", f"--memory={size}", "--output", tmp_path / "lm.arpa")
    assert code == 2
    assert f"'{size}' must be a size such as" in stderr


def test_n_grams_are_written_in_columns_and_converted_to_arpa(run, tmp_path):
    (tmp_path / "text.txt").write_text("a b c\nb c a\n" * 5)
    columns, arpa = tmp_path / "lm.ngrams.xz", tmp_path / "lm.arpa"
    assert run("lm", "ngram", tmp_path / "text.txt", "--order", 3, "--output", columns)[0] == 0
    assert lzma.decompress(columns.read_bytes()).startswith(MAGIC)
    code, stdout, _ = run("lm", "convert", columns, "--output", arpa, "--json")
    assert code == 0
    assert json.loads(stdout)["ngrams"] == [len(rows) for rows in read_arpa(arpa).grams]
    assert sorted(read_ngrams(columns).words) == sorted(read_arpa(arpa).words)
    code, _, stderr = run("lm", "convert", columns, "--output", columns)
    assert (code, "would overwrite what is read" in stderr) == (2, True)
    code, _, stderr = run("lm", "convert", tmp_path, "--output", arpa)
    assert (code, "only n-gram models" in stderr) == (2, True)


def _unigrams(path, words):
    """A model of single words without <unk>: the log10 of probabilities by word."""
    lines = [f"{value}\t{word}" for word, value in {"<s>": -99, **words}.items()]
    path.write_text("\n".join(["\\data\\", f"ngram 1={len(lines)}", "", "\\1-grams:", *lines, "", "\\end\\", ""]))


def test_a_word_that_one_model_of_a_mixture_lacks_has_its_share_of_the_others(run, tmp_path):
    _unigrams(tmp_path / "a.arpa", {"</s>": math.log10(0.4), "the": math.log10(0.6)})
    _unigrams(tmp_path / "b.arpa", {"</s>": math.log10(0.5), "lady": math.log10(0.5)})
    (tmp_path / "text").write_text("the lady\nzebra\n")
    asked = ["lm", "score", tmp_path / "a.arpa", tmp_path / "text", "--with", tmp_path / "b.arpa", "--weights", ".8,.2"]
    code, out, errors = run(*asked, "--words", "--json")
    assert code == 0, errors
    shown = json.loads(out)
    chances = [0.8 * 0.6, 0.2 * 0.5, 0.8 * 0.4 + 0.2 * 0.5]
    logs = [pytest.approx(math.log(chance), abs=1e-4) for chance in chances]
    assert [word for word, _ in shown["scores"]] == ["the", "lady", "</s>", "zebra", "</s>"]
    assert [score for _, score in shown["scores"]] == [*logs, None, logs[-1]]
    assert shown["perplexity"] == pytest.approx(math.exp(-np.log([*chances, 0.42]).mean()), abs=0.01)
    assert run(*asked, "--words")[1].split()[:4] == ["-0.7340", "the", "-2.3026", "lady"]


def test_weights_of_a_mixture_are_the_best_of_the_merged_model_though_vocabularies_differ(run, tmp_path):
    """What a model gives all unknown words together was taken for the probability of each of them."""
    small = {"<unk>": 0.6, "</s>": 0.2, "the": 0.2}
    large = {"<unk>": 0.05, "</s>": 0.25, "the": 0.3, "lady": 0.2, "man": 0.1, "river": 0.1}
    for name, words in (("small", small), ("large", large)):
        _unigrams(tmp_path / name, {word: math.log10(chance) for word, chance in words.items()})
    (tmp_path / "dev").write_text("the lady\nthe river\nthe the man zebra\nthe the\n")

    def perplexity(path, *more):
        code, out, errors = run("lm", "score", path, tmp_path / "dev", "--json", *more)
        assert code == 0, errors
        return json.loads(out)["perplexity"]

    models = [tmp_path / "small", tmp_path / "large"]
    code, out, errors = run(
        "lm", "interpolate", *models, "--dev", tmp_path / "dev", "--output", tmp_path / "m", "--json"
    )
    assert code == 0, errors
    found = json.loads(out)
    assert found["perplexity"] == pytest.approx(perplexity(tmp_path / "m"), abs=0.011)
    assert found["alone"] == [perplexity(path) for path in models]

    def merged(share):  # by hand: three words that only the large model has, and one that none has
        chances = [share * small[word] + (1 - share) * large[word] for word in ["the"] * 6 + ["</s>"] * 4 + ["<unk>"]]
        return math.exp(-np.log(chances + [(1 - share) * large[word] for word in ("lady", "river", "man")]).mean())

    best = min(np.linspace(0, 0.99, 100), key=merged)
    assert found["weights"][0] == pytest.approx(best, abs=0.01)
    assert found["perplexity"] == pytest.approx(merged(found["weights"][0]), abs=0.01)
    for share in (0.0, 0.3, 0.9):
        weights = ["--with", models[1], "--weights", f"{share},{1 - share}"]
        assert perplexity(models[0], *weights) == pytest.approx(merged(share), abs=0.01)
    assert perplexity(models[0], "--with", models[1], "--weights", "1,0") == perplexity(models[0])
