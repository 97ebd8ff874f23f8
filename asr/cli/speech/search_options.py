"""Options of the search that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from asr.backends.open import BACKENDS
from asr.decode.build import AUTO, NONE, SearchOptions
from asr.decode.hotwords import HOTWORD_BOOST, NEW_WORD_BOOST, as_hotwords, parse_hotword, read_hotwords
from asr.errors import ConfigError
from asr.model_package import ModelPackage
from asr.shipped import model_folder, neural_lm_path
from asr.text.tokens import Tokens

backend_option = click.option(
    "--backend", type=click.Choice(BACKENDS), default="auto", show_default=True,
    help="What runs the acoustic model; auto takes ONNX Runtime on the CPU where the model has a graph for it.",
)  # fmt: skip
MODEL_HELP = "Model folder, or a shipped model by name (english, digits, an4)."

Command = Callable[..., Any]

beam_threshold_option = click.option(
    "--beam-threshold", type=click.FloatRange(min=0), help="Drop hypotheses this many nats below the best."
)

_LANGUAGE = (
    click.option("--lm", help="N-grams (.arpa, .ngrams, or KenLM's binary), or 'none'.  [default: the model's own]"),
    click.option(
        "--neural-lm", metavar="FOLDER",
        help="LSTM language model: a folder, 'shipped', or 'none' (faster).  [default: the model's own, unless another"
        " n-gram or lexicon is given]",
    ),
    click.option(
        "--neural-share", type=click.FloatRange(0, 1),
        help="Share of the LSTM in the mixture with the n-gram.  [default: as tuned, else 0.5]",
    ),
    click.option(
        "--rescore", default=0, metavar="N", type=click.IntRange(min=0),
        help="Let the LSTM score the N best hypotheses instead of joining the search.",
    ),
    click.option(
        "--hotword", "hotwords", multiple=True, metavar="PHRASE[=BOOST][=PRONUNCIATION]",
        help=f"Favour a phrase, by BOOST nats (default {HOTWORD_BOOST:g}; {NEW_WORD_BOOST:g} for words that the lexicon"
        " lacks). Any words in any case; how they are said may be given in the model's tokens, as in"
        " 'Kneser=k n ey z er'. May be repeated.",
    ),
    click.option(
        "--hotwords", "hotword_file", type=click.Path(path_type=Path),
        help="File of such phrases, one a line, with tabs: PHRASE[<TAB>BOOST][<TAB>PRONUNCIATION]...",
    ),
    click.option(
        "--beam-size", type=click.IntRange(min=1), help="Hypotheses kept by the search.  [default: as tuned]"
    ),
)  # fmt: skip

_SEARCH = (
    click.option("--lexicon", help="lexicon.txt, or 'none'.  [default: the model's own]"),
    click.option("--lm-weight", type=float, help="Weight of the language model's natural logs."),
    click.option("--word-score", type=float, help="Added for every word, in nats."),
    beam_threshold_option,
    click.option("--greedy", is_flag=True, help="Best path only, without lexicon and language model."),
)


def language_options(command: Command) -> Command:
    """Options of language models and hotwords; the command takes them together, as `search: SearchOptions`."""
    return _collected(command, _LANGUAGE)


def search_options(command: Command) -> Command:
    """`language_options` and those of lexicon, weights and pruning."""
    return _collected(command, (*_LANGUAGE, *_SEARCH))


def _collected(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    names = ("lexicon", "lm", "neural_lm", "neural_share", "rescore", "hotwords", "hotword_file", "beam_size",
             "lm_weight", "word_score", "beam_threshold", "greedy")  # fmt: skip

    @wraps(command)
    def collecting(**values: Any) -> Any:
        chosen = {name: values.pop(name) for name in names if name in values}
        return command(search=_options(**chosen), **values)

    decorated: Command = collecting
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _options(
    *, lexicon: str | None = None, lm: str | None = None, neural_lm: str | None = None,
    neural_share: float | None = None, rescore: int = 0, hotwords: Sequence[str] = (), hotword_file: Path | None = None,
    beam_size: int | None = None, lm_weight: float | None = None, word_score: float | None = None,
    beam_threshold: float | None = None, greedy: bool = False,
) -> SearchOptions:  # fmt: skip
    """The search that the options ask for. Raises ConfigError, CheckpointError, TextError, or a usage error."""
    if greedy and not {lm, lexicon} <= {None, NONE, AUTO}:
        raise click.UsageError("--greedy takes the best path alone; leave it out, or --lm and --lexicon.")
    phrases = [parse_hotword(text) for text in hotwords]
    if hotword_file is not None:
        phrases += read_hotwords(hotword_file)
    settings = {
        "beam_size": beam_size, "lm_weight": lm_weight, "word_score": word_score, "threshold": beam_threshold,
    }  # fmt: skip
    return SearchOptions(
        lexicon=lexicon,
        lm=lm,
        neural_lm=neural_lm_path(neural_lm),
        neural_share=neural_share,
        rescore=rescore,
        hotwords=as_hotwords(phrases),
        settings=settings,
        greedy=greedy,
    )


class BeamWidth(click.ParamType[dict[str, float]]):
    """SIZE or SIZE:NATS, as settings of the search."""

    name = "SIZE[:NATS]"

    def convert(
        self, value: str | dict[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, float]:
        """The settings `beam_size` and, where given, `threshold`."""
        if isinstance(value, dict):
            return value
        size, _, nats = value.partition(":")
        try:
            settings = {"beam_size": int(size)} | ({"threshold": float(nats)} if nats else {})
        except ValueError:
            self.fail(f"'{value}' is not a beam size, nor a size and nats such as 1600:16", param, ctx)
        if min(settings.values()) <= 0:
            self.fail(f"'{value}' must be above 0", param, ctx)
        return settings


def open_emitter(model: str | None, tokens: Path | None) -> ModelPackage | Tokens:
    """What log-probabilities are of: a model, by folder or name, or where none is given the tokens of their columns."""
    if model is not None:
        return ModelPackage.open(model_folder(model))
    if tokens is None:
        raise ConfigError("--log-probs needs --tokens, the file that names its columns.")
    return Tokens.read(tokens)
