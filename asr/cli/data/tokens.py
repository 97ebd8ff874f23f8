"""`asr tokens`: make token sets, word lists and lexicons."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from asr.atomic_file import write_atomically, write_text
from asr.cli.case_option import CASE
from asr.cli.console import Progress, list_bad, note, report, warn
from asr.cli.shared_options import check_output, device_option, json_option, quiet_option, threads_option
from asr.data.manifest import BadItem, read_manifest, sentences
from asr.errors import ConfigError, TextError
from asr.text.lexicon import Lexicon, read_cmudict, with_boundary, with_states
from asr.text.lm_units import subword_tokens, train_subwords
from asr.text.normalize import CASES
from asr.text.pronounce import pronounce
from asr.text.tokens import BLANK, BOUNDARY, ENGLISH_CHARACTERS, Tokens


@click.group()
def command() -> None:
    """Make token sets, word lists and lexicons.

    \b
    Example: asr tokens lexicon --words words.txt --dictionary cmudict.dict --output lexicon.txt --tokens tokens.txt
    """


@command.command("characters", short_help="Write a token set of characters.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Token file to write (tokens.txt).")
@click.option("--characters", default=ENGLISH_CHARACTERS, show_default=True, help="The characters, without separators.")
@json_option()
@quiet_option
def characters(output: Path, characters: str, as_json: bool) -> None:
    """Write a token set of characters: blank, word boundary, then the characters.

    \b
    Example: asr tokens characters --output tokens.txt
    """
    if not characters:
        raise ConfigError("--characters is empty; name the characters, one after the other.")
    tokens = Tokens.characters(characters)
    write_atomically(output, tokens.to_text().encode())
    report(f"{output}: {len(tokens)} tokens", as_json, output=output, tokens=len(tokens))


@command.command("words", short_help="Write the word list of texts.")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Word list to write, most frequent first."
)
@click.option("--vocab", type=click.Path(path_type=Path), help="Keep only words of this list; case is ignored.")
@click.option(
    "--min-count",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Keep only words that occur at least so often.",
)
@click.option(
    "--most", default=0, type=click.IntRange(0), help="Keep only so many words, the most frequent ones.  [default: all]"
)
@CASE
@json_option()
@quiet_option
def words(
    texts: tuple[Path, ...], output: Path, vocab: Path | None, min_count: int, most: int, case: str, as_json: bool
) -> None:
    """Write the words of TEXTS, most frequent first: text files (plain, .gz, .bz2, .xz) or manifests (.jsonl).

    \b
    Example: asr tokens words text.txt.gz train.jsonl --min-count 3 --output words.txt
    """
    check_output(output, *texts, vocab)
    change = CASES[case]
    counts: Counter[str] = Counter()
    for path in texts:
        for line in sentences(path):
            counts.update(change(line).split())
    if vocab is not None:
        allowed = {change(line.strip()) for line in sentences(vocab)}
        counts = Counter({word: count for word, count in counts.items() if word in allowed})
    ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    selected = [word for _, word in ranked][: most or None]
    if not selected:
        raise TextError("no word is left; check --vocab and --min-count.")
    write_atomically(output, "".join(f"{word}\n" for word in selected).encode())
    coverage = sum(counts[word] for word in selected) / max(1, counts.total())
    text = f"{output}: {len(selected)} words, {coverage:.2%} of the text"
    report(text, as_json, output=output, words=len(selected), coverage=round(coverage, 5))


@command.command("subwords", short_help="Train a sentencepiece model, or make its pieces tokens.")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--size", default=5000, show_default=True, type=click.IntRange(3), help="Number of subwords.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="sentencepiece model (.model) or tokens (.txt) to write.",
)
@CASE
@json_option()
@quiet_option
def subwords(texts: tuple[Path, ...], size: int, output: Path, case: str, as_json: bool) -> None:
    """Train a sentencepiece unigram model on TEXTS, for the key `units` of `asr lm train`; or, if the output ends in
    .txt, make of its pieces the tokens of an acoustic model, for the key `tokens` of `asr train`.

    \b
    Examples:
      asr tokens subwords text.txt.gz --size 5000 --output subwords.model
      asr tokens subwords train.jsonl --size 500 --output tokens.txt
    """
    if output.suffix not in (".model", ".txt"):
        raise ConfigError(f"{output} must end in .model or .txt.")
    check_output(output, *texts)
    change = CASES[case]
    lines = (change(line) for path in texts for line in sentences(path))
    if output.suffix == ".model":
        write_atomically(output, train_subwords(lines, size))
    else:
        write_atomically(output, subword_tokens(lines, size).to_text().encode())
    report(f"{output}: {size} subwords", as_json, output=output, subwords=size)


@command.command("lexicon", short_help="Write a lexicon of phones.")
@click.option(
    "--words",
    "sources",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Word list, text or manifest whose words to spell; may be repeated.",
)
@click.option(
    "--dictionary",
    required=True,
    type=click.Path(path_type=Path),
    help="Pronouncing dictionary in the form of CMUdict.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Lexicon to write (lexicon.txt or .gz).")
@click.option(
    "--tokens", "tokens_path", type=click.Path(path_type=Path), help="Token file of the phones to write as well."
)
@click.option(
    "--variants",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="Pronunciations of the dictionary to keep for a word.",
)
@click.option(
    "--states",
    default=0,
    type=click.IntRange(0),
    help="Spell with so many hidden Markov states for each phone, for model.kind = 'gaussian'.",
)
@json_option()
@quiet_option
def lexicon(
    sources: tuple[Path, ...], dictionary: Path, output: Path, tokens_path: Path | None, variants: int, states: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the spellings of words in phones: from a dictionary, or by letter-to-sound for words that it lacks.

    \b
    Example: asr tokens lexicon --words train.jsonl --dictionary cmudict.dict --output lexicon.txt --tokens tokens.txt
    """
    check_output(output, *sources, dictionary)
    check_output(tokens_path, *sources, dictionary)
    entries = read_cmudict(dictionary)
    words = {word for path in sources for line in sentences(path) for word in line.lower().split()}
    progress = Progress("pronouncing")
    pronounced = pronounce(words, entries, variants, note, progress)
    progress.close()
    ways = pronounced.pronunciations
    made = with_states(ways, states) if states else with_boundary(ways)
    write_text(output, made.to_text())
    if tokens_path is not None:
        phones = sorted({phone for ways in entries.values() for way in ways for phone in way})
        names = [BOUNDARY, *phones]
        if states:
            names = [f"{phone}.{state}" for phone in phones for state in range(1, states + 1)]
        write_atomically(tokens_path, Tokens([BLANK, *names]).to_text().encode())
    if pronounced.without:
        shown = " ".join(pronounced.without[:10])
        warn(f"{len(pronounced.without)} words with letters unknown to the dictionary were left out: {shown}")
    text = f"{output}: {len(made)} words, {pronounced.by_rule} by rule"
    without = list(pronounced.without)
    report(text, as_json, output=output, words=len(made), by_rule=pronounced.by_rule, left_out=without)


@command.command("letter-to-sound", short_help="Learn how words are pronounced that no dictionary lists.")
@click.option(
    "--dictionary",
    required=True,
    type=click.Path(path_type=Path),
    help="Pronouncing dictionary in the form of CMUdict.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write (letter_to_sound.xz).")
@json_option()
@quiet_option
def letter_to_sound(dictionary: Path, output: Path, as_json: bool) -> None:
    """Learn from a pronouncing dictionary how words are pronounced, for a model folder: about a minute.

    \b
    Example: asr tokens letter-to-sound --dictionary cmudict.dict --output letter_to_sound.xz
    """
    from asr.text.letter_to_sound import SMALL, LetterToSound
    from asr.text.letter_to_sound_file import write_letter_to_sound

    entries = {word: ways[:1] for word, ways in read_cmudict(dictionary).items()}
    write_letter_to_sound(output, LetterToSound.train(entries, *SMALL))
    size = output.stat().st_size
    text = f"{output}: learned from {len(entries)} words, {size / 1000:.0f} kB"
    report(text, as_json, output=output, words=len(entries), bytes=size)


@command.command("spell", short_help="Choose the pronunciations that were spoken.")
@click.option("--model", required=True, help="Model folder, or name of a shipped model, that chooses.")
@click.option("--manifest", required=True, type=click.Path(path_type=Path), help="Manifest of utterances with texts.")
@click.option(
    "--lexicon",
    "lexicon_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Lexicon with several pronunciations of words.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Spellings to write (spelled.txt).")
@device_option
@threads_option
@json_option()
@quiet_option
def spell(
    model: str, manifest: Path, lexicon_path: Path, output: Path, device: str, threads: int, as_json: bool
) -> int:
    """Write each text in the pronunciations that were spoken, by the best alignment with the audio.

    `asr train --set spelled=spelled.txt` then trains on these, not on the first pronunciation of each word.

    \b
    Example: asr tokens spell --model exp/5h --manifest train.jsonl --lexicon lexicon.txt --output spelled.txt
    """
    from asr.decode.alignment import align
    from asr.recognizer.bulk import compute_log_probs
    from asr.text.spelling import Speller

    texts = {utterance.id: utterance.text for utterance in read_manifest(manifest).utterances if utterance.text}
    progress = Progress("acoustic model")
    computed = compute_log_probs(model, manifest, device=device, threads=threads, progress=progress)
    progress.close()
    log_probs, unreadable, tokens = computed.arrays, computed.bad, computed.backend.package.tokens
    speller = Speller(tokens, Lexicon.read(lexicon_path), note=note)
    lines, unaligned, words, variants = [], [], 0, 0
    for name, text in texts.items():
        if name not in log_probs:
            continue
        try:
            ways = [speller.spell(word) for word in text.split()]
            places = align(log_probs[name], ways, tokens.boundary)
        except TextError as error:
            unaligned.append(BadItem(name, str(error).rstrip(".")))
            continue
        ids = [token for way, place in zip(ways, places, strict=True) for token in way[place.spelling]]
        lines.append(f"{name} {' '.join(tokens.names[token] for token in ids)}\n")
        words, variants = words + len(places), variants + sum(place.spelling > 0 for place in places)
    write_atomically(output, "".join(lines).encode())
    text = f"{output}: {len(lines)} utterances; {variants} of {words} words not in their first pronunciation"
    report(text, as_json, output=output, utterances=len(lines), words=words, variants=variants)
    list_bad(unaligned, "keep the first pronunciations of the lexicon")
    list_bad(unreadable)
    return 1 if unreadable else 0
