"""One's own model of a model: by texts, by word lists, by recordings, each alone or together."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.callbacks import Note
from asr.data.manifest import BadItem, Manifest, read_manifest, shared_utterances, write_manifest
from asr.errors import ConfigError, ManifestError
from asr.lm.ngram.files import write_ngrams
from asr.model_package import ModelPackage
from asr.recognizer.adaptation.acoustic import Recordings, divide, fine_tune, said, with_texts
from asr.recognizer.adaptation.language import Adapted, TuneLm, adapt_language
from asr.recognizer.packing import Replacements, check_place, pack_model
from asr.score.report import SystemScore, compare, score_system
from asr.score.statistics import PairedTest
from asr.score.text_files import Texts

LM = "lm.ngrams.gz"
KEEP, TUNE = "keep", "tune"
LSTM_CHOICES = (KEEP, TUNE)


@dataclass(frozen=True)
class Outcome:
    """What an adaptation changed."""

    language: Adapted | None
    before: SystemScore | None  # of the recordings that were held out
    after: SystemScore | None
    test: PairedTest | None
    network_changed: bool
    bad: list[BadItem] = field(default_factory=list)  # recordings that were not trained on or measured with


def adapt(
    source: Path, output: Path, *, texts: Sequence[Path] = (), audio: Path | None = None, dev: Path | None = None,
    words: Sequence[Path] = (), lstm: str = KEEP, device: str = "auto", threads: int = 0, note: Note,
) -> Outcome:  # fmt: skip
    """Write to `output` the model in `source`, adapted.

    texts: of the domain, one sentence a line, or manifests. audio: a manifest of recordings with texts. dev: one to
    measure on; by default a fifth of `audio`. words: lists of words, as `asr.decode.hotwords.read_hotwords` has them.
    lstm: whether the LSTM language model is fine-tuned on the texts ("tune") or stays ("keep"). threads: of the CPU, 0
    for all cores.

    Raises ConfigError where there is nothing to adapt to; TextError, ManifestError or CheckpointError for what cannot
    be used; MissingPackageError where torch is needed and not there.
    """
    if not texts and not words and audio is None:
        raise ConfigError("there is nothing to adapt to: give `texts`, `audio` or `words`.")
    if lstm not in LSTM_CHOICES:
        raise ConfigError(f"`lstm` is {' or '.join(LSTM_CHOICES)}, not '{lstm}'.")
    package = ModelPackage.open(source)
    if lstm == TUNE and (not texts or package.lm_path is None or package.neural_lm_path is None):
        missing = "`texts`" if not texts else "a model with an n-gram and an LSTM language model"
        raise ConfigError(f"`lstm = tune` needs {missing}.")
    check_place(output)  # and the manifests are read before the work, which may take hours
    measured = _measured(dev) if dev is not None else None
    recordings = divide(read_manifest(audio, check_audio=True), measured) if audio is not None else None
    held_out = recordings.held_out if recordings is not None else measured
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.adapt.", dir=output.parent) as name:
        folder = Path(name)
        tune_lm = _lm_tuner(folder / "lstm", (device, threads)) if lstm == TUNE else None
        language = adapt_language(package, texts, words, note, tune_lm) if texts or words else None
        changes = _changes(language, folder, note)
        trained, bad = None, list(held_out.bad) if held_out is not None else []
        if recordings is not None:
            trained = folder / "trained"
            bad += _fine_tuned(package, recordings, language, trained, (device, threads), note)
        if held_out is None:
            pack_model(source, output, changes, note)
            return Outcome(language, None, None, None, False)
        before = _scored(source, held_out, folder / "held-out.jsonl", threads, note)
        adapted = replace(changes, network=trained)
        pack_model(source, folder / "adapted", adapted, note)
        after = _scored(folder / "adapted", held_out, folder / "held-out.jsonl", threads, note)
        better = after.words.errors < before.words.errors
        if trained is not None and not better:
            note("the recordings held out have no fewer errors: the acoustic model stays as it was")
            pack_model(source, output, changes, note)
            after = before if language is None else _scored(output, held_out, folder / "held-out.jsonl", threads, note)
        else:
            pack_model(source, output, adapted, note)
        return Outcome(language, before, after, compare(before, after), trained is not None and better, bad)


def _lm_tuner(output: Path, where: tuple[str, int]) -> TuneLm:
    """What fine-tunes an LSTM language model into the folder `output`. where: device and threads."""
    from asr.recognizer.adaptation.neural import fine_tune_lm

    return lambda source, train, held_out: fine_tune_lm(source, train, held_out, output, *where)


def _changes(language: Adapted | None, folder: Path, note: Note) -> Replacements:
    """The replacements that the language needs."""
    if language is None:
        return Replacements()
    if language.lm is not None:
        note("writing the language model …")
        write_ngrams(folder / LM, language.lm)
    share = language.neural_share
    return Replacements(
        lexicon=language.lexicon,
        lm=folder / LM if language.lm is not None else None,
        neural_lm=language.neural_lm,
        search={"neural_share": round(share, 3)} if share is not None else None,
    )


def _fine_tuned(
    package: ModelPackage, recordings: Recordings, language: Adapted | None, output: Path, where: tuple[str, int],
    note: Note,
) -> list[BadItem]:  # fmt: skip
    """Fine-tune the network into the folder `output`; what could not be trained on, with the reason.

    where: device, and threads of the CPU.
    """
    if shared := shared_utterances(recordings.train, recordings.held_out):
        note(f"{shared} of {len(recordings.held_out.utterances)} recordings to measure on are trained on, too")
    said(recordings, note)
    lexicon = language.lexicon if language is not None else None
    return recordings.train.bad + fine_tune(package, recordings, lexicon, output, None, *where)


def _measured(path: Path) -> Manifest:
    """The utterances to measure on, those with texts. Raises ManifestError if there are none."""
    manifest = with_texts(read_manifest(path, check_audio=True))
    if not manifest.utterances:
        raise ManifestError(f"no utterance of {path} has a text to measure on.")
    return manifest


def _scored(model: Path, manifest: Manifest, path: Path, threads: int, note: Note) -> SystemScore:
    """The errors of a model on recordings."""
    from asr.decode.build import open_decoder
    from asr.recognizer.bulk import compute_log_probs, decode_all
    from asr.text.normalize import normalize_english

    write_manifest(path, manifest.utterances)
    computed = compute_log_probs(model, path, threads=threads)
    best, _ = decode_all(open_decoder(computed.backend.package, note=note), computed.arrays)
    references = {utterance.id: normalize_english(utterance.text or "") for utterance in manifest.utterances}
    said = {name: hypothesis.text.lower() for name, hypothesis in best.items()}
    speakers = {utterance.id: utterance.speaker for utterance in manifest.utterances if utterance.speaker}
    return score_system(Texts(references, speakers), Texts(said, {}))
