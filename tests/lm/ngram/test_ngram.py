from __future__ import annotations

import bz2
import gzip
import lzma
import math
import random
import shutil
import subprocess
from collections import Counter, defaultdict

import numpy as np
import pytest

from asr.errors import TextError
from asr.lm.ngram.arpa import LN10, read_arpa, write_arpa
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import NgramWordModel, build_tables, load_ngram


def _sentences(number: int, seed: int = 0) -> list[str]:
    """Sentences of a made-up language with a skewed vocabulary and some order in it."""
    draw = random.Random(seed)
    words = [f"w{index}" for index in range(60)]
    made = []
    for _ in range(number):
        place, sentence = draw.randrange(60), []
        for _ in range(draw.randint(1, 12)):
            place = (place * 7 + 3) % 60 if draw.random() < 0.5 else int(60 * draw.random() ** 3)
            sentence.append(words[place])
        made.append(" ".join(sentence))
    return made


@pytest.fixture(scope="module")
def arpa(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate(Corpus(_sentences(1500)), 4))
    return path


@pytest.mark.parametrize("cutoffs", [(), (0, 1, 2)])
@pytest.mark.parametrize("order", [2, 3, 4])  # KenLM reads no unigram models
def test_every_score_equals_kenlms(tmp_path, order, cutoffs, kenlm):
    path = tmp_path / "lm.arpa"
    write_arpa(path, estimate(Corpus(_sentences(800)), order, cutoffs))
    tables, reference = load_ngram(path), kenlm.Model(str(path))
    for sentence in [*_sentences(60, seed=9), "w1 unknown w2 w3", "unknown unknown w5", ""]:
        expected = [score * LN10 for score, _, _ in reference.full_scores(sentence)]
        assert tables.score_sentence(sentence.split()) == pytest.approx(expected, abs=1e-4)


def test_scores_of_the_bench_model_equal_kenlms_on_real_sentences(data, tmp_path, kenlm):
    bench = data.parent / "bench"
    if not (bench / "lm.arpa.gz").exists():
        pytest.skip("needs bench/lm.arpa.gz beside the data folder")
    (tmp_path / "lm.arpa").write_bytes(gzip.decompress((bench / "lm.arpa.gz").read_bytes()))
    tables, reference = load_ngram(tmp_path / "lm.arpa"), kenlm.Model(str(tmp_path / "lm.arpa"))
    for line in (bench / "refs.txt").read_text().splitlines()[:100]:
        words = line.split()[1:]
        expected = [score * LN10 for score, _, _ in reference.full_scores(" ".join(words))]
        found = tables.score_sentence(words)
        known = [index for index, word in enumerate([*words, "</s>"]) if word == "</s>" or word in tables.words]
        assert [found[i] for i in known] == pytest.approx([expected[i] for i in known], abs=1e-4)


def _brute_force(sentences: list[str], order: int, unseen: int = 0):
    """Interpolated modified Kneser-Ney straight from its definition, over dictionaries; `unseen` words more."""
    counts = [Counter() for _ in range(order + 1)]
    for sentence in sentences:
        words = ("<s>", *sentence.split(), "</s>")
        for n in range(1, order + 1):
            for place in range(len(words) - n + 1):
                counts[n][words[place : place + n]] += 1
    adjusted = [Counter() for _ in range(order + 1)]
    adjusted[order] = counts[order]
    for n in range(1, order):
        before = defaultdict(set)
        for gram in counts[n + 1]:
            before[gram[1:]].add(gram[0])
        for gram in counts[n]:
            adjusted[n][gram] = counts[n][gram] if gram[0] == "<s>" else len(before[gram])
    adjusted[1].pop(("<s>",))
    discounts = []
    for n in range(order + 1):
        kinds = Counter(adjusted[n].values())
        if not n or not min(kinds[1], kinds[2], kinds[3]):
            discounts.append([0, 0.5, 1.0, 1.5])  # lmplz --discount_fallback
            continue
        share = kinds[1] / (kinds[1] + 2 * kinds[2])
        discounts.append([0] + [k - (k + 1) * share * kinds[k + 1] / kinds[k] for k in (1, 2, 3)])
        assert all(0 <= discounts[n][k] <= k for k in (1, 2, 3))
    sums, freed = [Counter() for _ in range(order + 1)], [Counter() for _ in range(order + 1)]
    for n in range(1, order + 1):
        for gram, count in adjusted[n].items():
            sums[n][gram[:-1]] += count
            freed[n][gram[:-1]] += discounts[n][min(count, 3)]
    vocabulary = len(adjusted[1]) + 1 + unseen  # and <unk>

    def probability(word: str, context: tuple[str, ...]) -> float:
        n = len(context) + 1
        lower = 1 / vocabulary if n == 1 else probability(word, context[1:])
        if not sums[n][context]:
            return lower
        count = adjusted[n][(*context, word)]
        direct = (count - discounts[n][min(count, 3)]) / sums[n][context] if count else 0.0
        return direct + freed[n][context] / sums[n][context] * lower

    return probability


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("unseen", [0, 40])
def test_estimates_equal_the_definition_of_modified_kneser_ney(order, unseen):
    sentences, more = _sentences(800), [f"unseen{index}" for index in range(unseen)]
    seen = {word for sentence in sentences for word in sentence.split()}
    corpus = Corpus(sentences, [*seen, *more], unseen=True) if unseen else Corpus(sentences)
    model = build_tables(estimate(corpus, order))
    assert len(model.words) == len(seen) + unseen + 3
    probability = _brute_force(sentences, order, unseen)
    for sentence in [*sentences[:20], *_sentences(20, seed=5), "w1 nothing w2", " ".join(["w2", *more[:1], "w1"])]:
        words = ["<s>", *sentence.split(), "</s>"]
        found = model.score_sentence(words[1:-1])
        for place in range(1, len(words)):
            expected = math.log(probability(words[place], tuple(words[max(0, place - order + 1) : place])))
            assert found[place - 1] == pytest.approx(expected, abs=1e-4)


def _rise_without(model, frequency, context, word, seen):
    """Share by which a model's perplexity rises without one n-gram, all words after its context summed over."""
    words = [other for other in model.words if other != "<s>"]
    scorer = NgramWordModel(model, score_unknown=True)
    ids = tuple(model.words.get(name) for name in reversed(context))
    before = dict(zip(words, np.exp(scorer.score([ids] * len(words), words)[0]), strict=True))
    lower = dict(zip(words, np.exp(scorer.score([ids[:-1]] * len(words), words)[0]), strict=True))
    others = seen - {word}
    weight = (1 - sum(before[name] for name in others)) / (1 - sum(lower[name] for name in others))
    after = {name: before[name] if name in others else weight * lower[name] for name in words}
    assert sum(after.values()) == pytest.approx(1.0, abs=1e-5)
    return math.expm1(frequency * sum(p * math.log(p / after[name]) for name, p in before.items()))


@pytest.mark.parametrize(("size", "threshold"), [(3, 2e-5), (2, 1e-3)])
def test_pruning_leaves_out_what_a_sum_over_all_words_says_is_worth_little(size, threshold):
    sentences = _sentences(60)
    full, pruned = (estimate(Corpus(sentences), 3, threshold=value) for value in (0.0, threshold))
    model = build_tables(full)
    texts = [["<s>", *sentence.split(), "</s>"] for sentence in sentences]
    tokens = sum(map(len, texts))
    names = [{tuple(m.words[i] for i in gram) for order in m.grams for gram in order.tolist()} for m in (full, pruned)]
    grams = [gram for gram in names[0] if len(gram) == size]
    needed = {gram[:-1] for gram in names[1] if len(gram) == size + 1}
    assert 0 < len([gram for gram in names[1] if len(gram) == size]) < len(grams)
    for gram in grams[::3]:
        context = gram[:-1]
        count = sum(tuple(text[place : place + size - 1]) == context for text in texts for place in range(len(text)))
        seen = {other[-1] for other in grams if other[:-1] == context}
        rise = _rise_without(model, count / tokens, context, gram[-1], seen)
        if abs(rise / threshold - 1) > 1e-3:
            assert (gram in names[1]) == (rise >= threshold or gram in needed), gram


@pytest.mark.parametrize("cutoffs", [(), (0, 1, 1), (0, 2, 3)])
@pytest.mark.parametrize("threshold", [0.0, 1e-5, 1e-3])
@pytest.mark.parametrize("vocabulary", [None, [f"w{index}" for index in range(30)], ["w0", "w3", "w5", "unseen"]])
def test_probabilities_after_any_context_sum_to_one(cutoffs, threshold, vocabulary):
    corpus = Corpus(_sentences(500), vocabulary, unseen="unseen" in (vocabulary or ()))
    model = build_tables(estimate(corpus, 3, cutoffs, threshold=threshold))
    words = [word for word in model.words if word not in ("<s>", "</s>")]
    for context in [[], ["w0"], ["w0", "w3"], ["w5", "w5"], ["w59", "w1"]]:
        total = sum(math.exp(model.score_sentence([*context, word], end=False)[-1]) for word in words)
        total += math.exp(model.score_sentence(context)[-1])
        assert total == pytest.approx(1.0, abs=1e-4)


def _wide_sentences(number: int) -> list[str]:
    """Sentences with as many rare words and pairs as real ones, which discounts are estimated from."""
    draw = random.Random(2)
    made = []
    for _ in range(number):
        words = [f"w{int(draw.paretovariate(0.7)) % 20000}" for _ in range(draw.randint(1, 15))]
        made.append(" ".join(word for word in words for _ in range(draw.choice([1, 1, 1, 2]))))
    return made


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="needs KenLM's lmplz on the PATH: tools/build_lmplz.sh")
@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_estimates_equal_lmplz(tmp_path, order, pruned, limited):
    sentences, vocabulary = _wide_sentences(4000), [f"w{index}" for index in range(300)]
    (tmp_path / "text").write_text("\n".join(sentences) + "\n")
    (tmp_path / "vocabulary").write_text(" ".join(vocabulary))
    command = ["lmplz", "-o", str(order), "-S", "200M", "--text", "text", "--arpa", "r.arpa"]
    command += ["--prune", "0", "1", "2"] if pruned else []
    command += ["--limit_vocab_file", "vocabulary"] if limited else []
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    corpus = Corpus(sentences, vocabulary if limited else None)
    found, expected = estimate(corpus, order, [0, 1, 2] if pruned else []), read_arpa(tmp_path / "r.arpa")
    for size in range(order):
        both = []
        for model in (found, expected):
            rows = zip(model.grams[size].tolist(), model.log_probs[size], model.backoffs[size], strict=True)
            both.append({tuple(model.words[i] for i in gram): (p, b) for gram, p, b in rows})
        assert both[0].keys() == both[1].keys()
        for gram, values in both[0].items():
            if gram != ("<s>",):
                assert values == pytest.approx(both[1][gram], abs=1e-4)


@pytest.mark.parametrize("packed", ["plain", "gz", "bz2", "xz"])
def test_packed_files_and_caches_give_the_same_tables(arpa, tmp_path, packed, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = arpa.read_bytes()
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.get(packed, lambda content: content)
    path = tmp_path / f"lm.arpa.{packed}"
    path.write_bytes(pack(data))
    fresh, cached = load_ngram(path), load_ngram(path)
    assert len(list((tmp_path / "cache").rglob("*.tables"))) == 1
    assert not list(tmp_path.glob(".*")), "nothing is written beside the user's file"
    for left, right in zip(fresh.arrays, cached.arrays, strict=True):
        assert np.array_equal(left, right)
    assert fresh.words == cached.words
    write_arpa(path if packed == "gz" else tmp_path / "other.arpa", estimate(Corpus(["x y"]), 2))
    if packed == "gz":
        assert "x" in load_ngram(path).words  # the file changed: the cache is not used


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short|no 2-gram|no 3-gram"),
        (lambda text: text.replace("\\end\\", ""), "cut short"),
        (lambda text: text.replace("ngram 2=", "ngram 2=9"), "promises"),
        (lambda text: "hello\n" + text.replace("\\data\\", ""), "no ARPA"),
        (lambda text: text.replace("\tw0 ", "\tneverseen ", 1), "no 2-gram"),
        (lambda text: "", "no ARPA"),
    ],
)
def test_damaged_models_are_named(arpa, tmp_path, change, message):
    path = tmp_path / "bad.arpa"
    path.write_text(change(arpa.read_text()))
    with pytest.raises(TextError, match=message):
        read_arpa(path)


def test_impossible_estimates_are_named():
    with pytest.raises(TextError, match="no word"):
        Corpus(["", " "])
    with pytest.raises(TextError, match="sign"):
        Corpus(["a </s> b"])
    with pytest.raises(TextError, match="in the vocabulary"):
        Corpus(["a b"], ["A", "B"])
    with pytest.raises(TextError, match="cut-offs"):
        estimate(Corpus(["a b"]), 3, (0, 2, 1))
    notes = []
    estimate(Corpus(["a b", "a c"]), 2, note=notes.append)
    assert "too small" in notes[0]


@pytest.mark.parametrize(("ending", "start"), [("", b"\\data"), (".gz", b"\x1f\x8b"), (".xz", b"\xfd7zXZ")])
def test_an_n_gram_file_is_read_back_as_written(tmp_path, ending, start):
    model = estimate(Corpus(_sentences(300)), 3)
    path = tmp_path / f"a.arpa{ending}"
    write_arpa(path, model)
    assert path.read_bytes().startswith(start)
    again = read_arpa(path)
    assert again.words == model.words
    for order in range(3):
        assert np.array_equal(again.grams[order], model.grams[order])
        assert np.allclose(again.log_probs[order], model.log_probs[order], atol=1e-4)
        assert np.allclose(again.backoffs[order], model.backoffs[order], atol=1e-4)
