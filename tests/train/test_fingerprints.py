"""What a run that is continued knows its data by, of every kind of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asr.acoustic.config import AcousticConfig
from asr.acoustic.run import AcousticRun, AcousticRunConfig
from asr.activity.config import ActivityConfig
from asr.activity.network import ActivityNetwork
from asr.activity.run import ActivityRunConfig, activity_task
from asr.data.manifest import Manifest, Utterance
from asr.lm.lstm.network import LstmLmConfig
from asr.lm.lstm.run import LmRun, LmRunConfig
from asr.lm.lstm.sentence_task import TextConfig
from asr.nlp.model import ClassifierConfig, TextClassifier
from asr.nlp.tagging.config import TaggerConfig
from asr.nlp.tagging.network import TagNetwork
from asr.nlp.tagging.task import SequenceConfig, TagTask
from asr.nlp.tagging.text import PROSE_OUTPUTS, read_prose
from asr.nlp.task import BatchConfig, ClassifierTask
from asr.train.fingerprint import fingerprint

TRAIN, DEV = "training data", "validation data"


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys() == {TRAIN, DEV}
    return {name for name, found in before.items() if after[name] != found}


def test_a_fingerprint_is_of_values_types_shapes_and_order():
    parts = [
        [["a", "b"]], ["a", "b"], ["b", "a"], [["ab"]], [np.arange(4)], [np.arange(4, dtype=np.int32)],
        [np.arange(4).reshape(2, 2)], [list(range(4))], [np.arange(2), np.arange(2, 4)], [],
    ]  # fmt: skip
    assert len({fingerprint(*part) for part in parts}) == len(parts)
    assert fingerprint(np.arange(4)[::2]) == fingerprint(np.array([0, 2]))


def test_manifests_are_told_by_their_texts_and_order_not_by_where_files_lie(tmp_path):
    config = AcousticRunConfig(model=AcousticConfig(hidden_size=4, num_layers=1, conv_channels=1, input_size=4))
    items = [
        Utterance(f"u{number}", f"/a/{number}.wav", 2.0, text) for number, text in enumerate(["one", "two", "ten"])
    ]

    def found(train, dev=items[:1]):
        return AcousticRun(config, Manifest(train, []), Manifest(dev, []), tmp_path).task.fingerprints()

    before = found(items)
    assert (
        _changed(before, found([replace(item, audio_filepath="/b" + item.audio_filepath) for item in items])) == set()
    )
    assert _changed(before, found([*items[:2], replace(items[2], text="net")])) == {TRAIN}
    assert _changed(before, found(items[::-1])) == {TRAIN}
    assert _changed(before, found([*items[:2], replace(items[2], offset=1.0)])) == {TRAIN}
    assert _changed(before, found(items, items[1:2])) == {DEV}


@pytest.mark.parametrize("running", [False, True])
def test_texts_of_language_models_are_told(tmp_path, running):
    def found(train, dev):
        for name, text in (("train", train), ("dev", dev)):
            (tmp_path / name).write_text(text)
        text = TextConfig(running=running, streams=1)
        config = LmRunConfig(model=LstmLmConfig(4, 4, 1, cutoffs=()), text=text)
        return LmRun(config, [tmp_path / "train"], tmp_path / "dev", tmp_path).task.fingerprints()

    before = found("a b b\nb a b\n", "a b\n")
    assert _changed(before, found("a b b\nb a b\n", "a b\n")) == set()
    assert _changed(before, found("b a b\na b b\n", "a b\n")) == {TRAIN}
    assert _changed(before, found("a b b\nb a b\n", "b a\n")) == {DEV}


def test_texts_and_labels_of_classifiers_are_told():
    model = TextClassifier(ClassifierConfig(embedding_size=2, hidden_size=2), 5, 2)

    def found(train, labels, dev_labels):
        dev = np.array(dev_labels)
        return ClassifierTask(model, train, np.array(labels), [[2]], dev, BatchConfig()).fingerprints()

    before = found([[2], [3, 4]], [0, 1], [0])
    assert _changed(before, found([[2], [4, 3]], [0, 1], [0])) == {TRAIN}
    assert _changed(before, found([[2], [3, 4]], [1, 0], [0])) == {TRAIN}
    assert _changed(before, found([[2], [3, 4]], [0, 1], [1])) == {DEV}


def test_texts_of_taggers_are_told(tmp_path):
    network = TagNetwork(TaggerConfig(outputs=PROSE_OUTPUTS), 4)

    def found(*lines):
        texts = []
        for line in lines:
            (tmp_path / "text").write_text(line)
            texts.append(read_prose([tmp_path / "text"]))
        return TagTask(network, ["<pad>", "<unk>", "a", "man"], *texts, SequenceConfig()).fingerprints()

    before = found("A man, a man.", "A man.")
    assert _changed(before, found("A man. A man.", "A man.")) == {TRAIN}
    assert _changed(before, found("A cat, a man.", "A man.")) == {TRAIN}
    assert _changed(before, found("A man, a man.", "A man?")) == {DEV}


def test_manifests_of_detectors_are_told():
    items = [Utterance("u", "/a.wav", 2.0, extra={"spoken": [[0.5, 1.0]]})]

    def found(train):
        return activity_task(ActivityRunConfig(), ActivityNetwork(ActivityConfig()), train, items).fingerprints()

    assert _changed(found(items), found([replace(items[0], audio_filepath="/b.wav")])) == set()
    assert _changed(found(items), found([replace(items[0], extra={"spoken": [[0.5, 1.5]]})])) == {TRAIN}
