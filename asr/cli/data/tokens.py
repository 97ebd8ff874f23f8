"""`asr tokens`: make token sets and lexicons."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click

from asr.atomic_file import write_atomically, write_text
from asr.cli.console import Progress, list_bad, note
from asr.data.manifest import BadItem, read_manifest, sentences
from asr.errors import ConfigError, TextError
from asr.text.letter_to_sound import LetterToSound
from asr.text.lexicon import Lexicon, read_cmudict, with_boundary, with_states
from asr.text.lm_units import train_subwords
from asr.text.normalize import CASES
from asr.text.tokens import BLANK, BOUNDARY, ENGLISH_CHARACTERS, Tokens


@click.group()
def command() -> None:
    """Make token sets and lexicons.

    \b
    Example: asr tokens lexicon --words words.txt --dictionary cmudict.dict --output lexicon.txt --tokens tokens.txt
    """


@command.command("characters")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="tokens.txt to write.")
@click.option("--characters", default=ENGLISH_CHARACTERS, show_default=True, help="The characters, run together.")
def characters(output: Path, characters: str) -> None:
    """Write a character token set: blank, word boundary, the characters."""
    tokens = Tokens.characters(characters)
    write_atomically(output, tokens.to_text().encode())
    note(f"{output}: {len(tokens)} tokens")


@command.command("words")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Word list to write, most frequent first."
)
@click.option("--vocab", type=click.Path(path_type=Path), help="Keep only words of this list (case is ignored).")
@click.option("--min-count", default=1, show_default=True, help="Keep words that occur as often.")
@click.option("--most", default=0, help="Keep only so many, the most frequent.")
@click.option("--case", type=click.Choice(list(CASES)), default="lower", show_default=True)
def words(texts: tuple[Path, ...], output: Path, vocab: Path | None, min_count: int, most: int, case: str) -> None:
    """Count the words of texts (plain, .gz, .bz2) and manifests (.jsonl) into a word list."""
    change = CASES[case]
    counts: Counter[str] = Counter()
    for path in texts:
        for line in sentences(path):
            counts.update(change(line).split())
    if vocab is not None:
        allowed = {change(line.strip()) for line in sentences(vocab)}
        counts = Counter({word: count for word, count in counts.items() if word in allowed})
    ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    kept = [word for _, word in ranked][: most or None]
    if not kept:
        raise TextError("no word is left; check --vocab and --min-count.")
    write_atomically(output, "".join(f"{word}\n" for word in kept).encode())
    note(f"{output}: {len(kept)} words, {sum(counts[w] for w in kept) / max(1, sum(counts.values())):.2%} of the text")


@command.command("subwords")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--size", default=5000, show_default=True, type=click.IntRange(10), help="Subwords to make.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="sentencepiece model to write (.model).")
@click.option("--case", type=click.Choice(list(CASES)), default="lower", show_default=True)
def subwords(texts: tuple[Path, ...], size: int, output: Path, case: str) -> None:
    """Divide the words of texts into subwords, for `units` of `asr lm train` (sentencepiece, unigram model).

    \b
    Example: asr tokens subwords text.txt.gz --size 5000 --output subwords.model
    """
    if output.suffix != ".model":
        raise ConfigError(f"{output} must end in .model.")
    change = CASES[case]
    write_atomically(output, train_subwords((change(line) for path in texts for line in sentences(path)), size))
    note(f"{output}: {size} subwords")


@command.command("lexicon")
@click.option(
    "--words",
    "sources",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Word list, text or manifest.",
)
@click.option(
    "--dictionary", required=True, type=click.Path(path_type=Path), help="CMUdict-like pronouncing dictionary."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="lexicon.txt (or .gz) to write.")
@click.option("--tokens", "tokens_path", type=click.Path(path_type=Path), help="Also write the phones as tokens.txt.")
@click.option("--variants", default=2, show_default=True, help="Pronunciations a word may keep.")
@click.option(
    "--states",
    default=0,
    type=click.IntRange(0),
    help="Spell in that many states of each phone, for model.kind = 'gaussian'.",
)
def lexicon(
    sources: tuple[Path, ...], dictionary: Path, output: Path, tokens_path: Path | None, variants: int, states: int
) -> None:  # fmt: skip
    """Spell words in phones: from a dictionary, and by letter-to-sound rules learned from it for the rest.

    \b
    Example: asr tokens lexicon --words train.jsonl --dictionary cmudict.dict --output lexicon.txt --tokens tokens.txt
    """
    known = read_cmudict(dictionary)
    wanted = sorted({word for path in sources for line in sentences(path) for word in line.lower().split()})
    missing = [word for word in wanted if word not in known]
    found = {word: known[word][:variants] for word in wanted if word in known}
    unsayable = []
    if missing:
        note(f"learning letter-to-sound rules for {len(missing)} of {len(wanted)} words (about a minute)")
        rules = LetterToSound({word: ways[:1] for word, ways in known.items()})
        progress = Progress("pronouncing")
        for number, word in enumerate(missing, 1):
            phones = _from_parts(word, known) or rules.pronounce(word)
            if phones is None:
                unsayable.append(word)
            else:
                found[word] = [phones]
            progress(number, len(missing))
        progress.close()
    made = with_states(found, states) if states else with_boundary(found)
    write_text(output, made.to_text())
    if tokens_path is not None:
        phones_used = sorted({phone for ways in known.values() for way in ways for phone in way})
        names = [BOUNDARY, *phones_used]
        if states:
            names = [f"{phone}.{state}" for phone in phones_used for state in range(1, states + 1)]
        write_atomically(tokens_path, Tokens([BLANK, *names]).to_text().encode())
    if unsayable:
        note(f"{len(unsayable)} words with letters unknown to the dictionary were left out: {' '.join(unsayable[:10])}")
    note(f"{output}: {len(made)} words, {len(missing) - len(unsayable)} by rule")


def _from_parts(word: str, known: dict[str, list[tuple[str, ...]]]) -> tuple[str, ...] | None:
    """A possessive from its noun: `'s` and a closing apostrophe follow English spelling regularly."""
    match = re.fullmatch(r"(.+?)('s|s'|')", word)
    if not match or match[1] not in known:
        return None
    base = known[match[1]][0]
    if match[2] == "'":
        return base
    if base[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return (*base, "IH", "Z")
    return (*base, "S" if base[-1] in ("P", "T", "K", "F", "TH") else "Z")


@command.command("spell")
@click.option("--model", required=True, help="Model folder or shipped model that chooses.")
@click.option("--manifest", required=True, type=click.Path(path_type=Path), help="Utterances with texts.")
@click.option("--lexicon", "lexicon_path", required=True, type=click.Path(path_type=Path), help="With variants.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="spelled.txt to write.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def spell(model: str, manifest: Path, lexicon_path: Path, output: Path, device: str) -> int:
    """Which of a word's pronunciations was said: each text in the tokens of the likeliest path through its audio.

    To train with what was said, not with each word's first pronunciation: `asr train --set spelled=spelled.txt`.

    \b
    Example: asr tokens spell --model exp/5h --manifest train.jsonl --lexicon lexicon.txt --output spelled.txt
    """
    from asr.decode.alignment import align
    from asr.recognizer.aligner import Speller
    from asr.recognizer.bulk import compute_log_probs

    texts = {utterance.id: utterance.text for utterance in read_manifest(manifest).utterances if utterance.text}
    progress = Progress("acoustic model")
    computed = compute_log_probs(model, manifest, device=device, progress=progress)
    progress.close()
    log_probs, unreadable, tokens = computed.arrays, computed.bad, computed.backend.package.tokens
    speller = Speller(tokens, Lexicon.read(lexicon_path), note)
    lines, strange, words, others = [], [], 0, 0
    for name, text in texts.items():
        if name not in log_probs:
            continue
        try:
            ways = [speller.spell(word) for word in text.split()]
            places = align(log_probs[name], ways, tokens.boundary)
        except TextError as error:
            strange.append(BadItem(name, str(error).rstrip(".")))
            continue
        ids = [token for way, place in zip(ways, places, strict=True) for token in way[place.spelling]]
        lines.append(f"{name} {' '.join(tokens.names[token] for token in ids)}\n")
        words, others = words + len(places), others + sum(place.spelling > 0 for place in places)
    write_atomically(output, "".join(lines).encode())
    note(f"{output}: {len(lines)} utterances; {others} of {words} words not in their first pronunciation")
    list_bad(strange, "keep the lexicon's first pronunciations")
    list_bad(unreadable)
    return 1 if unreadable else 0
