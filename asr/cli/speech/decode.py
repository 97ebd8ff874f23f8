"""`asr decode`: a manifest through a model, or stored log-probabilities of any CTC system, to texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from asr.atomic_file import write_atomically
from asr.cli.console import Progress, list_bad, note
from asr.cli.speech.search_options import beam_threshold_option, extras, hotword_options, neural_options
from asr.data.manifest import BadItem
from asr.decode.hypothesis import Hypothesis
from asr.errors import ConfigError
from asr.recognizer.bulk import LogProbs, compute_log_probs, decode_all, read_log_probs, write_log_probs
from asr.recognizer.decoding import NO_LM, make_decoder, search_settings
from asr.score.text_files import format_texts
from asr.text.lexicon import Lexicon
from asr.text.tokens import Tokens


@click.command()
@click.option("--model", help="Model folder or shipped model to compute log-probs with.")
@click.option("--manifest", type=click.Path(path_type=Path), help="What to decode with --model.")
@click.option("--save-log-probs", type=click.Path(path_type=Path), help="Also store the log-probs as .npz (float16).")
@click.option("--log-probs", "stored", type=click.Path(path_type=Path), help=".npz of (frames, tokens) arrays by id.")
@click.option("--tokens", "tokens_path", type=click.Path(path_type=Path), help="tokens.txt of --log-probs.")
@click.option("--lexicon", "lexicon_path", help="lexicon.txt, or 'none'.  [default: the model's own]")
@click.option("--lm", help="ARPA language model, or 'none'.  [default: the model's own]")
@neural_options
@hotword_options
@click.option("--lm-weight", type=float, help="Weight of the language model's natural logs.")
@click.option("--word-score", type=float, help="Added for every word.")
@click.option("--beam-size", type=click.IntRange(min=1), help="Hypotheses kept.")
@beam_threshold_option
@click.option("--greedy", is_flag=True, help="Best path only, without lexicon and language model.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Utterances decoded at once.")
@click.option("--limit", default=0, help="Only the first N utterances by id.")
@click.option("--output", type=click.Path(path_type=Path), help="Write texts: 'ID text' lines, or .trn by the name.")
@click.option("--json", "as_json", is_flag=True, help="Print a line for each utterance and one of timing, as JSON.")
@click.option("--frame-seconds", type=float, help="Seconds a frame, for word times.  [default: the model's, else 0.04]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def command(
    model: str | None, manifest: Path | None, save_log_probs: Path | None, stored: Path | None,
    tokens_path: Path | None, lexicon_path: str | None, lm: str | None, neural_lm: str, neural_share: float | None,
    rescore: int, hotwords: tuple[str, ...], hotword_file: Path | None, lm_weight: float | None,
    word_score: float | None, beam_size: int | None, beam_threshold: float | None, greedy: bool, threads: int,
    limit: int, output: Path | None, as_json: bool, frame_seconds: float | None, device: str,
) -> int:  # fmt: skip
    """Decode a manifest with a model, or stored log-probabilities of any CTC system.

    \b
    Examples:
      asr decode --model english --manifest dev.jsonl --output dev.trn
      asr decode --log-probs F.npz --tokens tokens.txt --lexicon lexicon.txt --lm lm.arpa.gz --beam-size 50
    """
    more = extras(neural_lm, neural_share, rescore, hotwords, hotword_file)
    if (stored is None) == (model is None):
        raise ConfigError("give either --model with --manifest, or --log-probs with --tokens.")
    settings: dict[str, Any] = {
        "lm_weight": lm_weight, "word_score": word_score, "beam_size": beam_size, "threshold": beam_threshold,
    }  # fmt: skip
    lexicon: Lexicon | None = None
    chosen: str | Path | None = lm
    bad: list[BadItem] = []
    if stored is not None:
        if tokens_path is None:
            raise ConfigError("--log-probs needs --tokens, the file that names its columns.")
        tokens = Tokens.read(tokens_path)
        log_probs = read_log_probs(stored, limit)
    else:
        if manifest is None:
            raise ConfigError("--model needs --manifest, what to decode.")
        progress = Progress("acoustic model")
        log_probs, bad, backend = compute_log_probs(model, manifest, device, limit, progress)
        progress.close()
        package = backend.package
        tokens, lexicon = package.tokens, package.lexicon
        more = more.resolved(package.folder if lm is None and lexicon_path is None and not greedy else None)
        settings = search_settings(dict(package.search), settings, more)
        frame_seconds = frame_seconds or backend.seconds_per_frame
        chosen = lm or package.lm_path
        if save_log_probs is not None:
            write_log_probs(save_log_probs, log_probs)
    if lexicon_path is not None:
        lexicon = None if lexicon_path == "none" else Lexicon.later(lexicon_path)
    if greedy:
        lexicon, chosen = None, None
    decoder = make_decoder(tokens, lexicon, None if chosen == NO_LM else chosen, settings, note, more)
    progress = Progress("searching")
    found, seconds = decode_all(decoder, log_probs, threads, progress)
    progress.close()
    if as_json:
        _print_json(found, log_probs, seconds, frame_seconds or 0.04)
    texts = {name: hypothesis.text for name, hypothesis in found.items()}
    if output is not None:
        write_atomically(output, format_texts(texts, output.suffix == ".trn").encode())
    elif not as_json:
        click.echo(format_texts(texts, False), nl=False)
    list_bad(bad)
    return 1 if bad else 0


def _print_json(found: dict[str, Hypothesis], log_probs: LogProbs, seconds: float, frame: float) -> None:
    for name, hypothesis in found.items():
        words = [
            {
                "word": word.word,
                "start": round(word.start_frame * frame, 3),
                "end": round(word.end_frame * frame, 3),
                "confidence": word.confidence,
            }
            for word in hypothesis.words
        ]
        score = round(hypothesis.score, 4) if np.isfinite(hypothesis.score) else None
        click.echo(
            json.dumps({"id": name, "text": hypothesis.text, "score": score, "words": words}, ensure_ascii=False)
        )
    frames = sum(len(array) for array in log_probs.values())
    click.echo(json.dumps({"decode_seconds": round(seconds, 6), "audio_frames": frames, "utterances": len(found)}))
