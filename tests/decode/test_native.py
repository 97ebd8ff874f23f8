"""The extension's border: what could lead outside of an array is refused, and any values are survived.

Run with the sanitizers by tools/sanitize.sh, these tests also show that no search reads or writes where it must not.
"""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import numpy as np
import pytest

import asr
from asr import _native
from asr.decode.beam import BeamConfig, BeamDecoder
from asr.decode.search.hotwords import WordEnds, build_hotwords
from asr.decode.search.trie import build_trie
from asr.errors import TextError
from asr.lm.ngram.kneser_ney import Corpus, estimate
from asr.lm.ngram.tables import NgramArrays, NgramModel, build_tables
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens
from asr.text.word_list import WordList
from tests.decode.test_beam import BOUNDED, TEXT, _log_probs
from tests.decode.test_extras import MODEL, TOKENS


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_a_tree_holds_every_spelling_and_no_other():
    random = np.random.default_rng(0)
    tokens = Tokens.characters("abc")
    spellings = {"".join(random.choice(list("abc"), size=random.integers(1, 6))) for _ in range(200)}
    lexicon = Lexicon.of_characters(spellings, tokens)
    trie, words = build_trie(lexicon, tokens)
    spelled = {}

    def walk(node: int, path: tuple[str, ...]) -> None:
        for place in range(trie.word_starts[node], trie.word_starts[node + 1]):
            spelled[words[trie.words[place]]] = path
        for place in range(trie.child_starts[node], trie.child_starts[node + 1]):
            assert place + 1 > node
            walk(place + 1, (*path, tokens.names[trie.child_tokens[place]]))

    walk(0, ())
    assert spelled == {word: ways[0] for word, ways in lexicon.spellings.items()}
    scores = random.normal(size=len(words)).astype(np.float32)
    best = trie.compiled(len(tokens), len(words)).best_below(scores)
    assert best[0] == scores.max()
    for word, path in spelled.items():
        node = 0
        for name in path:
            node = next(
                place + 1
                for place in range(trie.child_starts[node], trie.child_starts[node + 1])
                if trie.child_tokens[place] == tokens.ids[name]
            )
        below = [scores[words.index(other)] for other, way in spelled.items() if way[: len(path)] == path]
        assert best[node] == max(below), word


def test_damaged_trees_are_refused():
    tokens = Tokens.characters("ab")
    arrays, words = build_trie(BOUNDED, tokens)
    arrays.compiled(len(tokens), len(words))
    harms = {
        "child_starts": lambda values: values[::-1],
        "child_tokens": lambda values: values + 9,
        "word_starts": lambda values: values * 2,
        "words": lambda values: values - 1,
    }
    for name, harm in harms.items():
        harmed = arrays._replace(**{name: np.ascontiguousarray(harm(getattr(arrays, name)))})
        with pytest.raises(TextError, match="tree"):
            harmed.compiled(len(tokens), len(words))
    with pytest.raises(ValueError, match="breadth first"):  # nodes 2 and 3 below node 2
        _native.Trie(_ints(0, 1, 1, 3, 3), _ints(1, 1, 1), _ints(0, 0, 0, 0, 0), _ints(), 4, 1)
    with pytest.raises(ValueError, match="offsets"):
        _native.build_trie(_ints(1, 2), np.array([0, 3], np.int64))


def test_damaged_tables_are_refused():
    arrays = build_tables(estimate(Corpus(TEXT), 3)).arrays
    words = WordList.of(["<s>", "</s>"])
    full = arrays.slots.copy()
    full[:, 0] = 7
    for harmed in (
        arrays._replace(order=7),
        arrays._replace(starts=arrays.starts[:-1]),
        arrays._replace(starts=arrays.starts + 1),
        arrays._replace(starts=arrays.starts // 3),
        arrays._replace(slots=arrays.slots[:-1]),
        arrays._replace(slots=full),  # a search for what is not there would not end
        arrays._replace(unigram_backoffs=arrays.unigram_backoffs[1:]),
    ):
        with pytest.raises(TextError, match="damaged"):
            _ = NgramModel(words, harmed, "x.arpa").tables
    tables = _native.NgramTables(*arrays)
    for context, word in (([], 99), ([99], 0), ([0], -2)):
        with pytest.raises(ValueError, match="no word"):
            tables.score(context, word)
    with pytest.raises(ValueError, match="power of two"):
        _native.fill_ngrams(
            np.zeros((4, 2), np.int32), np.zeros(4, np.float32), np.zeros(4, np.float32), np.zeros((4, 2), np.uint64)
        )


def _hotwords(phrases, words):
    return build_hotwords({tuple(phrase.split()): boost for phrase, boost in phrases.items()}, words)


def test_parts_that_do_not_fit_each_other_are_refused():
    trie, listed = build_trie(BOUNDED, TOKENS)
    words = WordList.of(listed)
    compiled = trie.compiled(len(TOKENS), len(words))
    ahead = np.ones(compiled.node_count + 1)
    names = {"lm_weight": 1.0, "word_score": 0.0, "beam_size": 9, "threshold": 9.0, "token_threshold": 9.0}
    settings = _native.SearchSettings(**names, boundary=1, open=False, unknown_score=0.0, letter_score=0.0)
    ids = MODEL.words.numbers(WordList.of([*listed, "<unk>"]))

    def graph(ahead=ahead, language=None, hotwords=None, settings=settings):
        return _native.DecodingGraph(compiled, ahead, language, hotwords, settings)

    graph(
        language=_native.LanguageModel(MODEL.tables, ids, 0, 1, -1.0),
        hotwords=_hotwords({"a": 1}, words).compiled(),
    )
    for parts, message in (
        ({"ahead": ahead[1:]}, "look-ahead"),
        ({"language": _native.LanguageModel(MODEL.tables, ids[1:], 0, 1, -1.0)}, "word ids"),
        ({"language": _native.LanguageModel(MODEL.tables, ids + 99, 0, 1, -1.0)}, "word ids"),
        ({"language": _native.LanguageModel(MODEL.tables, ids, 0, 99, -1.0)}, "</s>"),
        ({"hotwords": _hotwords({"b": 1}, WordList.of(listed[1:])).compiled()}, "hotwords"),
    ):
        with pytest.raises(ValueError, match=message):
            graph(**parts)
    arrays = _hotwords({"a b": 1}, words)
    count, closing, closers = len(arrays.won), np.zeros(len(arrays.won)), np.zeros(len(words) + 1, np.uint8)
    arrays._replace(ends=WordEnds(closing, closers, count - 1)).compiled()
    for harmed in (
        {"ends": WordEnds(closing[1:], closers, 0)}, {"ends": WordEnds(closing, closers[1:], 0)},
        {"ends": WordEnds(closing, closers, count)}, {"ends": WordEnds(closing, closers, -1)},
        {"places": arrays.places - 9}, {"places": arrays.places + 9}, {"failures": arrays.failures + 1},
        {"failures": arrays.failures - 1}, {"starts": arrays.starts + 1}, {"starts": arrays.starts[:-1]},
        {"starts": arrays.starts[::-1].copy()}, {"numbers": arrays.numbers[1:]}, {"won": arrays.won[1:]},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="hotwords"):
            arrays._replace(**harmed).compiled()
    with pytest.raises(ValueError, match="another number of tokens"):
        _native.SearchSession(graph()).advance(np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match="needs a gain"):
        _native.SearchSession(graph()).apply_language_scores([1, 2], [0.0])


def test_paths_of_states_that_there_are_not_are_refused():
    values = np.zeros((4, 3), np.float32)
    good = [_ints(1, 2), _ints(0, 0, 1), _ints(0), _ints(0), _ints(1)]
    assert _native.best_path(values, *good, 9.0).tolist()[-1] == 1
    for place, harmed in enumerate((_ints(1, 3), _ints(0, 0, 2), _ints(2), _ints(-1), _ints(2))):
        with pytest.raises(ValueError, match="that there is not"):
            _native.best_path(values, *good[:place], harmed, *good[place + 1 :], 9.0)
    with pytest.raises(ValueError, match="chain"):
        _native.best_chain_path(values, _ints(1, 5), np.zeros(2, bool))


@pytest.mark.parametrize("seed", range(8))
def test_any_values_and_settings_are_survived(seed):
    random = np.random.default_rng(seed)
    config = BeamConfig(
        lm_weight=float(random.choice([0.0, 0.7, 50.0])),
        word_score=float(random.choice([-100.0, 0.0, 100.0])),
        beam_size=int(random.choice([1, 2, 50, 3000])),
        threshold=float(random.choice([1e-9, 10.0, np.inf])),
        token_threshold=float(random.choice([1e-9, 10.0, np.inf])),
        confidence_evidence=1.0,
        unknown_score=random.choice([None, -1.0, 100.0]),
        letter_score=float(random.choice([-100.0, -1.0, 3.0])),
    )
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, config).with_hotwords({"a b a": 40.0, "ab": -40.0, "b b": 2.0})
    session = decoder.start()
    session.search = _native.SearchSession(session.graph, 1)
    for round_ in range(6):
        values = _log_probs(
            int(random.integers(0, 60)), 4, seed * 10 + round_, sharpness=float(random.choice([0.1, 2, 40]))
        )
        for odd in (-np.inf, np.inf, np.nan, 3e38, -3e38):
            values[random.random(values.shape) < 0.02] = odd
        if len(values) > 4:
            values[random.integers(len(values))] = -np.inf
        session.search.advance(values)
        for batch in session.search.pending(np.inf):
            session.search.apply_language_scores([word.history for word in batch], random.normal(size=len(batch)) * 5)
        _survives(session.partial)
    _survives(lambda: session.finish(7))


def _survives(read):
    """The search answers, or says that its scores are no numbers any more; it does not end the process."""
    message = ""
    try:
        assert read()
    except TextError as error:
        message = str(error)
    assert not message or "leave the range of numbers" in message


def test_a_session_says_so_when_two_threads_use_it_at_once():
    decoder = BeamDecoder(TOKENS, BOUNDED, MODEL, BeamConfig(beam_size=500, threshold=1e3))
    session = _native.SearchSession(decoder.start().graph)
    values, refusals, ready = _log_probs(4000, 4, 0, sharpness=0.5), [], threading.Barrier(2)

    def work() -> None:
        ready.wait()
        try:
            session.advance(values)
        except RuntimeError as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (session.frames, len(refusals)) == (4000, 1)
    assert "two threads" in refusals[0]


def test_arrays_live_as_long_as_what_reads_them():
    import gc

    tokens = Tokens.characters("ab")
    graph = BeamDecoder(tokens, BOUNDED, build_tables(estimate(Corpus(TEXT), 3))).start().graph
    gc.collect()
    waste = [np.full(1 << 16, 99, np.int32) for _ in range(20)]
    session = _native.SearchSession(graph)
    del graph
    gc.collect()
    session.advance(_log_probs(50, 4, 0))
    best = session.results(_native.Confidence(scale=1.0, bias=0.0, slope=1.0, evidence=0.0))
    assert len(best) == 1
    assert len(waste) == 20


def test_stored_tables_are_read_as_they_are():
    arrays = build_tables(estimate(Corpus(TEXT), 3)).arrays
    assert isinstance(arrays, NgramArrays)
    scores = arrays.slots[:, 1:].view(np.float32)  # log-probability and back-off weight of each slot
    used = arrays.slots[:, 0] != 0
    assert used.sum() == sum(map(len, estimate(Corpus(TEXT), 3).grams[1:]))
    assert (scores[used, 0] < 0).all()
    assert (scores[~used] == 0).all()


def test_the_stub_describes_what_there_is():
    tree = ast.parse((Path(asr.__file__).parent / "_native.pyi").read_text())
    stub = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert set(stub) == {name for name in dir(_native) if not name.startswith("_")}
    for name, node in stub.items():
        if isinstance(node, ast.ClassDef):
            members = {member.name for member in node.body if isinstance(member, ast.FunctionDef)} - {"__init__"}
            assert members == {member for member in dir(getattr(_native, name)) if not member.startswith("_")}, name
