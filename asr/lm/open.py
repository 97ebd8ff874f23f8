"""Opening language models of any kind: LSTM folders, ARPA files, KenLM binaries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.lm.word_model import VocabularyModel


def load_word_model(
    path: str | Path, score_unknown: bool = False, byte_product: Callable[[Any], Any] | None = None
) -> VocabularyModel:
    """An LSTM language model's folder, an ARPA file, or a KenLM binary. Raises TextError or CheckpointError.

    score_unknown: words outside the vocabulary get ln P(<unk>) instead of NaN, where the model has it. byte_product:
    what multiplies by the weights of an LSTM of 8 bits, faster than in single precision (`asr.lm.lstm.int8`).
    """
    path = Path(path)
    if path.is_dir():
        from asr.lm.lstm.folder import load_lm
        from asr.lm.lstm.scorer import LstmScorer, single_product

        folder = load_lm(path)
        quick = byte_product if folder.in_bytes else None
        scorer = LstmScorer(folder, score_unknown, quick or single_product)
        if folder.units is None:
            return scorer
        from asr.lm.lstm.unit_scorer import UnitScorer

        return UnitScorer(scorer, folder.units)
    from asr.lm.ngram.kenlm_binary import KenlmBinary, is_kenlm_binary

    if is_kenlm_binary(path):
        return KenlmBinary(path, score_unknown)
    from asr.lm.ngram.tables import NgramWordModel, load_ngram

    return NgramWordModel(load_ngram(path), score_unknown)
