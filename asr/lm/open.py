"""Opening language models of any kind: LSTM folders, n-grams in ARPA files or in columns, KenLM binaries."""

from __future__ import annotations

from pathlib import Path

from asr.lm.word_model import VocabularyModel


def load_word_model(path: str | Path, score_unknown: bool = False, quick: bool = False) -> VocabularyModel:
    """An LSTM language model's folder, a file of n-grams, or a KenLM binary. Raises TextError or CheckpointError.

    score_unknown: words outside the vocabulary get ln P(<unk>) instead of NaN, where the model has it. quick: let an
    LSTM whose weights are stored in 8 bits multiply in 8 bits, in a third of single precision's time.
    """
    path = Path(path)
    if path.is_dir():
        from asr.lm.lstm.folder import load_lm
        from asr.lm.lstm.scorer import LstmScorer

        folder = load_lm(path)
        scorer = LstmScorer(folder, score_unknown, in_bytes=quick and folder.in_bytes)
        if folder.units is None:
            return scorer
        from asr.lm.lstm.unit_scorer import UnitScorer

        return UnitScorer(scorer, folder.units)
    from asr.lm.ngram.kenlm_binary import KenlmBinary, is_kenlm_binary

    if is_kenlm_binary(path):
        return KenlmBinary(path, score_unknown)
    from asr.lm.ngram.tables import NgramWordModel, load_ngram

    return NgramWordModel(load_ngram(path), score_unknown)
