from __future__ import annotations

import pytest

from asr.text.prose import decoded, paragraphs, sentences, spoken_words

ENGLISH = "It was the best of the days that he had seen, and all of them knew that it was so."


def test_a_book_is_cut_out_of_its_collection():
    book = (
        "The Project Gutenberg EBook of Something\r\n\r\nThis eBook is for the use of anyone anywhere.\r\n\r\n"
        "*** START OF THIS PROJECT GUTENBERG EBOOK SOMETHING ***\r\n\r\n\r\nProduced by the hands of many.\r\n\r\n"
        "CHAPTER I\r\n\r\nCONTENTS\r\n   One        9\r\n   Two       12\r\n\r\n"
        "It was the best of the days that he\r\nhad seen, and all of _them_ knew[1] that it was so.\r\n\r\n"
        "[Illustration: the man in the moon, and his dog.]\r\n\r\n"
        '"Who are you?" said he.\r\n\r\n'
        "End of the Project Gutenberg EBook\r\n\r\nThe licence of the book that you have is this.\r\n"
    )
    assert paragraphs(decoded(book.encode())) == ["Produced by the hands of many.", ENGLISH, '"Who are you?" said he.']


def test_markdown_is_taken_off():
    text = (
        f"# Title: A Book\n\n## CHAPTER I\n\n-------\n\n{ENGLISH}\n\n> *He* had been to [the sea](http://x.y), and she"
    )
    text += " to the hills.\n"
    assert paragraphs(text) == [ENGLISH, "He had been to the sea, and she to the hills."]


@pytest.mark.parametrize(
    "text",
    [
        "Il y avait une fois un roi et une reine qui etaient si faches de ne point avoir d'enfants.",
        "Es war einmal ein Koenig, der hatte eine Tochter, die war so schoen, dass die Sonne selber sich wunderte.",
        "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani, tertiam qui Celtae.",
    ],
)
def test_other_languages_are_left_out_as_books_and_as_paragraphs(text):
    assert paragraphs(text) == []
    assert paragraphs("\n\n".join([ENGLISH] * 9 + [text])) == [ENGLISH] * 9


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("He came. She went! Did they?", ["He came.", "She went!", "Did they?"]),
        ('"Go," said Mr. J. B. Smith. "Now!" He went.', ['"Go," said Mr. J. B. Smith.', '"Now!"', "He went."]),
        ('"What?" said he, "no?" Then he left.', ['"What?" said he, "no?"', "Then he left."]),
        ("It cost 3.50 in St. James's Street. 40 men came.", ["It cost 3.50 in St. James's Street.", "40 men came."]),
        ("So am I. You are not.", ["So am I.", "You are not."]),
        ("No end here", ["No end here"]),
    ],
)
def test_sentences_end_at_marks_but_not_at_abbreviations(paragraph, expected):
    assert sentences(paragraph) == expected
    assert "".join("".join(expected).split()) == "".join(paragraph.split())


def test_single_quotation_marks_go_and_apostrophes_within_words_stay():
    said = [
        "'I am the man that you saw,' said he, 'and it was not a dream.'",
        "'Tis the dog's house, and they won't be in it,' said the man.",
    ]
    found = paragraphs("\n\n".join(said * 8))
    assert [spoken_words(block) for block in found[:2]] == [
        "i am the man that you saw said he and it was not a dream",
        "tis the dog's house and they won't be in it said the man",
    ]
    double = "\"He was one o' them that 'ad to be the first of the lot,\" said she."
    assert paragraphs(double) == [double]


def test_dashes_part_words():
    assert spoken_words("He--the man\u2014came well-dressed.") == "he the man came well dressed"


def test_titles_without_full_stops_are_spelled_out_and_stray_quotation_marks_go():
    assert spoken_words("Mr Smith and Mrs. Jones saw Dr Who") == "mister smith and missus jones saw doctor who"
    sentence = "He said, 'I will go; and then 'e did, 'as I live!"
    assert spoken_words(sentence) == "he said i will go and then e did as i live"


def test_bytes_of_either_encoding_are_read():
    assert decoded("caf\u00e9\r\n".encode()) == decoded("caf\u00e9\r\n".encode("cp1252")) == "caf\u00e9\n"


def test_a_word_of_a_hundred_thousand_letters_takes_no_longer_than_others():
    """The search for ends of sentences once tried every beginning of a word at each of its letters."""
    for sign in ("a", "!", '."'):
        long = sign * (100_000 // len(sign))
        found = sentences(f"{long} He said so. She did not.")
        assert " ".join(found) == f"{long} He said so. She did not."
        assert found[-1] == "She did not."
