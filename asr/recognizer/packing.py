"""Model folders made of others: what is not replaced stays, and nothing is written that would not load."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.acoustic.config import AcousticConfig
from asr.atomic_file import naming, temporary_folder, write_text
from asr.callbacks import Note
from asr.config import from_dict
from asr.decode.build import NONE, SearchOptions, open_decoder
from asr.errors import AsrError, CheckpointError, ConfigError
from asr.gmm.config import GAUSSIAN
from asr.lm.lstm.folder import load_lm, save_lm
from asr.lm.ngram.columns import SUFFIX as NGRAMS
from asr.model_folder import BITS, SCALE, from_stored, read_arrays, read_config, to_stored, write_arrays, write_config
from asr.model_package import CARD, GRAPH, LETTER_TO_SOUND, LEXICONS, TYPE, WEIGHTS, ModelPackage
from asr.shipped import DETECTOR_NAME, NEURAL_LM_FOLDER, TAGGER_NAME
from asr.text.lexicon import Lexicon
from asr.unpacking import PACKED

TOKENS = "tokens.txt"
CONFIG = "config.json"


@dataclass(frozen=True, kw_only=True)
class Replacements:
    """What a new model folder has in place of its source's; None keeps the source's, and "none" leaves it out."""

    lexicon: Lexicon | str | Path | None = None
    lm: str | Path | None = None
    neural_lm: str | Path | None = None
    letter_to_sound: str | Path | None = None
    card: str | Path | None = None
    search: Mapping[str, float] | None = None  # settings of the search, over the source's
    dtype: str | None = None  # of the stored weights: float32, float16 or int8; None: as stored, float32 as float16
    network: Path | None = None  # a model folder whose weights to take, of the same sizes and tokens


def pack_model(source: Path, output: Path, new: Replacements, note: Note | None = None) -> ModelPackage:
    """Write the model folder `output`, another form of the one in `source`, and open it; they may be the same folder.

    Raises CheckpointError, ConfigError or TextError, before anything in `output` is changed, for parts that do not fit
    each other.
    """
    package = ModelPackage.open(source)
    check_place(output)
    search = dict(package.search) | dict(new.search or {})
    _check(package, new, search)
    output.parent.mkdir(parents=True, exist_ok=True)
    with naming(output), temporary_folder(output.parent) as folder:
        made = folder / "model"
        made.mkdir()
        _write(package, made, new, search)
        _write_graph(package, made, note)
        ModelPackage.open(made)
        _move(made, output)
    written = ModelPackage.open(output)
    open_decoder(written, SearchOptions())
    return written


def check_place(output: Path) -> None:
    """Raise ConfigError where a model folder would take the place of something else: its files would be lost."""
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file; name a folder for the model.")
    if not output.exists() or not any(output.iterdir()):
        return
    try:
        read_config(output, TYPE)
    except CheckpointError:
        raise ConfigError(f"{output} holds other things than an acoustic model; name a new folder.") from None


def _check(package: ModelPackage, new: Replacements, search: Mapping[str, float]) -> None:
    """Open all parts together, from where they lie."""
    if new.dtype is not None and new.dtype not in BITS:
        raise ConfigError(f"weights are stored as {', '.join(BITS)}, not as '{new.dtype}'.")
    lm = _path(new.lm, package.lm_path)
    if lm is not None and lm.suffix not in (".arpa", NGRAMS, *PACKED):
        raise ConfigError(f"a model folder takes n-grams as .arpa or {NGRAMS}, packed (.gz, .xz) or not, not {lm}.")
    neural = _path(new.neural_lm, package.neural_lm_path)
    lexicon = new.lexicon if new.lexicon is not None else package.lexicon
    known = ModelPackage(**{**package.__dict__, "search": search})
    for neural_lm in {NONE, str(neural) if neural is not None else NONE}:
        open_decoder(known, SearchOptions(lexicon=lexicon, lm=str(lm) if lm else NONE, neural_lm=neural_lm))
    if new.network is not None:
        other = ModelPackage.open(new.network)
        if other.tokens.digest != package.tokens.digest or _sizes(other) != _sizes(package):
            raise CheckpointError(f"{new.network} has other tokens or sizes than {package.folder}.")


def _sizes(package: ModelPackage) -> AcousticConfig | Mapping[str, object]:
    """The settings of a network, with the defaults of those that its folder does not name."""
    return package.network if package.kind == GAUSSIAN else from_dict(AcousticConfig, dict(package.network))


def _path(chosen: str | Path | None, own: Path | None) -> Path | None:
    if chosen is None:
        return own
    return None if str(chosen) == NONE else Path(chosen)


def _write(package: ModelPackage, made: Path, new: Replacements, search: Mapping[str, float]) -> None:
    shutil.copyfile(package.folder / TOKENS, made / TOKENS)
    _write_weights((new.network or package.folder) / WEIGHTS, made / WEIGHTS, new.dtype)
    _write_lexicon(package, made, new.lexicon)
    lm = _path(new.lm, package.lm_path)
    if lm is not None:
        shutil.copyfile(lm, made / lm.name)
    if new.neural_lm is not None and str(new.neural_lm) != NONE:
        model = load_lm(Path(new.neural_lm))
        save_lm(made / NEURAL_LM_FOLDER, model.arrays, model.config, model.words, bits=8, units=model.units)
    elif new.neural_lm is None and package.neural_lm_path is not None:
        shutil.copytree(package.neural_lm_path, made / NEURAL_LM_FOLDER, ignore=shutil.ignore_patterns(".*"))
    for part in (package.tagger_path, package.detector_path):
        if part is not None:
            shutil.copytree(part, made / part.name, ignore=shutil.ignore_patterns(".*", "training"))
    for name, chosen in ((LETTER_TO_SOUND, new.letter_to_sound), (CARD, new.card)):
        own = package.folder / name
        path = _path(chosen, own if own.exists() else None)
        if path is not None:
            shutil.copyfile(path, made / name)
    values = {
        name: value for name, value in read_config(package.folder, TYPE).items() if name not in ("format", "type")
    }
    decoding = dict(search) | ({"lm": lm.name} if lm is not None else {})
    write_config(made, TYPE, {**values, "decoding": decoding})


def _write_weights(source: Path, target: Path, dtype: str | None) -> None:
    stored = read_arrays(source)
    of_floats = {str(value.dtype) for name, value in stored.items() if not name.endswith(SCALE)}
    if dtype is None and of_floats != {"float32"}:
        shutil.copyfile(source, target)
        return
    write_arrays(target, to_stored(from_stored(stored), BITS[dtype or "float16"]))


def _write_lexicon(package: ModelPackage, made: Path, chosen: Lexicon | str | Path | None) -> None:
    """As gzip if the file is, or for a lexicon without one if the model's is."""
    own = package.lexicon.source if package.lexicon is not None else None
    if chosen is None and own is not None:
        shutil.copyfile(own, made / own.name)
    if chosen is None or str(chosen) == NONE:
        return
    lexicon = chosen if isinstance(chosen, Lexicon) else Lexicon.read(chosen)
    source = lexicon.source or own
    write_text(made / LEXICONS[source is not None and source.suffix == ".gz"], lexicon.to_text())


def _write_graph(package: ModelPackage, made: Path, note: Note | None) -> None:
    """Keep the network's graph, which holds no weights, or make one; without one the model runs with torch alone."""
    if package.graph_path is not None:
        shutil.copyfile(package.graph_path, made / GRAPH)
        return
    try:
        from asr.backends.export import export_graph

        export_graph(made)
    except (AsrError, ModuleNotFoundError) as error:
        if note is not None:
            note(f"without {GRAPH}, the model needs torch: {error}")


def _move(made: Path, output: Path) -> None:
    """Put the new files into the folder, config.json last; what a model folder has no more is removed."""
    output.mkdir(exist_ok=True)
    replaced = {WEIGHTS, GRAPH, LETTER_TO_SOUND, CARD, *LEXICONS}
    try:
        old = ModelPackage.open(output).lm_path
        replaced |= {old.name} if old is not None else set()
    except AsrError:
        pass  # no model was there
    names = {path.name for path in made.iterdir()}
    for folder in (NEURAL_LM_FOLDER, TAGGER_NAME, DETECTOR_NAME):
        if (output / folder).is_dir():
            shutil.rmtree(output / folder)
    for name in sorted(names - {CONFIG}):
        (made / name).replace(output / name)
    (made / CONFIG).replace(output / CONFIG)
    for name in replaced - names:
        (output / name).unlink(missing_ok=True)
