from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.language.calendar import months, weekdays
from rag.language.identify import detect_language
from rag.language.names import names
from rag.language.numbers import normal_number, numbers
from rag.language.sentences import sentence_spans, without_item_number
from rag.language.stems import content_stems, index_terms, stem
from rag.language.tokens import count_tokens, fold, folded_words, tokens

# Two paragraphs of news, translated, in each of 20 languages; counted with the tokenizer of multilingual-e5-small.
NEWS = json.loads((Path(__file__).parent / "news_paragraphs.json").read_text(encoding="utf-8"))


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Benítez", "benitez"),
        ("BENITEZ", "benitez"),
        ("Straße", "strasse"),
        ("Łódź", "łodz"),  # the stroke of Ł is part of the letter, not an accent
        ("ﬁsh", "fish"),
        ("Ελλάδα", "ελλαδα"),
        ("台北", "台北"),
        ("", ""),
    ],
)
def test_fold_drops_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Putin’s plan", ["Putin", "s", "plan"]),
        ("U.S. troops", ["U.S", "troops"]),
        ("1,200.5 tonnes", ["1,200.5", "tonnes"]),
        ("台北捷運", ["台", "北", "捷", "運"]),
        ("state-owned e-mail", ["state", "owned", "e", "mail"]),
        ("¿Qué? ¡Sí!", ["Qué", "Sí"]),
        ("—…!", []),
        ("हिन्दी में किताबें।", ["हिन्दी", "में", "किताबें"]),  # vowel marks belong to their word
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("ཀ་ခို", ["ཀ", "ခ", "ိ", "ု"]),  # Tibetan words end with a sign, Burmese ones with nothing
    ],
)
def test_tokens_are_the_words_of_a_text(text: str, words: list[str]) -> None:
    assert [token.text for token in tokens(text)] == words


@given(st.text(max_size=60))
def test_tokens_stand_in_order_where_they_say(text: str) -> None:
    found = tokens(text)
    assert all(text[token.start : token.end] == token.text for token in found)
    assert all(one.end <= next_one.start for one, next_one in zip(found, found[1:], strict=False))


@given(st.text(max_size=60) | st.text("aB3.,'_- ", max_size=60) | st.text("aÉß3.,’'_ ́台ไक़", max_size=60))
def test_folded_words_are_those_of_the_tokens(text: str) -> None:
    assert folded_words(text) == [token.folded for token in tokens(text)]


@given(st.text(max_size=60), st.sampled_from(["en", "es", "zh", "ar", "xx", ""]))
def test_no_text_whatever_breaks_what_reads_words(text: str, language: str) -> None:
    folded, stems = index_terms(text, language)
    assert len(folded) == len(stems)
    assert all(isinstance(term, str) and " " not in term for term in folded + stems)
    content_stems(text, language), numbers(text), months(text), weekdays(text), names(text), count_tokens(text)


@pytest.mark.parametrize("text", ["ｶﾞ ﾞ", "ﾞ", "ٴ", "ͺ", "²", "፩ million", "①", "½", "𝟙", "İstanbul", "\u0345a"])
def test_letters_that_fold_to_nothing_or_to_spaces_break_nothing(text: str) -> None:
    folded, _ = index_terms(text, "en")
    assert all(term and " " not in term for term in folded)
    numbers(text), names(text), content_stems(text, "en")


@pytest.mark.parametrize(
    ("word", "language", "expected"),
    [
        ("elections", "en", "elect"),
        ("elected", "en", "elect"),
        ("elecciones", "es", "eleccion"),
        ("häuser", "de", "haus"),
        ("wahlen", "xx", "wahlen"),  # no stemmer: the word itself
        ("1,200", "en", "1200"),
        ("1,200", "he", "1200"),
        ("ומהמשטרה", "he", "משטר"),  # and from the police: the joined particles and the ending go
        ("משטרה", "he", "טרה"),  # by letters alone: a root that begins like a particle loses its first letter
        ("ושל", "he", "ושל"),  # three letters stay
        ("iphones", "he", "iphones"),
        ("δημάρχου", "el", "δημαρχ"),
        ("δήμαρχος", "el", "δημαρχ"),
        ("किताबें", "hi", "किताब"),
    ],
)
def test_stem_joins_inflected_forms(word: str, language: str, expected: str) -> None:
    assert stem(fold(word), language) == expected


@pytest.mark.parametrize(
    ("number", "normal"),
    [
        ("1,200", "1200"),
        ("1.200", "1200"),
        ("1 200", "1200"),
        ("3.5", "3.5"),
        ("3,5", "3.5"),
        ("2,50", "2.50"),
        ("12.", "12"),
    ],
)
def test_numbers_are_written_one_way(number: str, normal: str) -> None:
    assert normal_number(number) == normal


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.2 million euros", {"1200000"}),
        ("2 million", {"2000000"}),
        ("40 millones de euros", {"40000000"}),
        ("three thousand people", {"3000"}),
        ("twelve and doce", {"12"}),
        ("one of them", set()),  # a pronoun, not a number
        ("on 3rd May 2025", {"3", "2025"}),
        ("2,75 per cent", {"2.75"}),
        ("no figures", set()),
    ],
)
def test_numbers_finds_what_is_stated(text: str, found: set[str]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("In May 2025", {5}), ("they may go", set()), ("el 3 de enero", {1}), ("on 4 Mar and 5 September", {3, 9})],
)
def test_months_are_found_when_written_like_months(text: str, found: set[int]) -> None:
    assert months(text) == found


def test_weekdays_are_found_in_both_languages() -> None:
    assert weekdays("On Monday and el sábado") == {0, 5}


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("Yesterday Irene Galt spoke.", False, ["irene", "galt"]),
        ("Galt spoke.", False, []),  # the opening word may be capitalised for its place alone
        ("Galt spoke.", True, ["galt"]),
        ("It rained in March on Monday.", False, []),
        ("FERRY RUNS AGROUND OFF PORT SELWYN", False, []),
    ],
)
def test_names_are_capitalised_words_that_do_not_merely_open_a_sentence(
    text: str, start: bool, found: list[str]
) -> None:
    assert names(text, sentence_start=start) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. It poured.", ["It rained.", "It poured."]),
        ("Dr. Raman met Mr. Galt. They spoke.", ["Dr. Raman met Mr. Galt.", "They spoke."]),
        ("J. K. Prat won. Others lost.", ["J. K. Prat won.", "Others lost."]),
        ("It costs 3.50 euros. Cheap!", ["It costs 3.50 euros.", "Cheap!"]),
        ("“Is it true?” he asked. No.", ["“Is it true?” he asked.", "No."]),
        ("He said: “It is over.” She left.", ["He said: “It is over.”", "She left."]),
        ("Headline without stop\nFirst line.", ["Headline without stop", "First line."]),
        ("新線通車。市長表示!", ["新線通車。", "市長表示!"]),
        ("It was over.The end came.", ["It was over.", "The end came."]),
        ("See dateline.example for more.", ["See dateline.example for more."]),
        ("Wait… what? Yes.", ["Wait… what?", "Yes."]),
        ("Tesla starb am 7. Januar 1943. Er war 86.", ["Tesla starb am 7. Januar 1943.", "Er war 86."]),
        ("Er sagte: „Es ist vorbei.“ Sie ging.", ["Er sagte: „Es ist vorbei.“", "Sie ging."]),
        ("It was over.“We won.” He left.", ["It was over.“We won.”", "He left."]),
        ("Sitz der Bank im 21. Stock. Ja.", ["Sitz der Bank im 21. Stock.", "Ja."]),
        ("I am 12. The law says so.", ["I am 12.", "The law says so."]),
        ("It was chapter 12. The end came.", ["It was chapter 12.", "The end came."]),
        ("Do this:\n1. Ask them.\n 2. Wait.", ["Do this:", "1. Ask them.", "2. Wait."]),
        ("12.", ["12."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_says(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("sentence", "without"),
    [
        ("1. Ask the mayor.", "Ask the mayor."), ("12) Wait.", "Wait."), ("12.", "12."), ("1.5 million came.",) * 2,
        ("3. März 2021.", "3. März 2021."), ("Ask 3. Wait.", "Ask 3. Wait."), ("2021. A year.", "2021. A year."),
    ],
)  # fmt: skip
def test_the_number_of_an_item_is_taken_away_and_no_other(sentence: str, without: str) -> None:
    assert without_item_number(sentence) == without


@pytest.mark.parametrize(
    "parts",
    [
        ["राम आया।", "सीता गई॥", "क्यों?", "पता नहीं।"],
        ["सीता राम.", "राम आया.", "सीता गई."],  # the last letter behind a vowel mark is no initial
        ["ماذا حدث؟", "لا أحد يعرف."],
        ["وہ آیا۔", "وہ گیا۔"],
        ["Նա եկավ։", "Նա գնաց։"],
        ["እሱ መጣ።", "እሷ ሄደች፧", "አዎ።"],
        ["គាត់មក។", "នាងទៅ។"],
        ["သူလာသည်။", "သူသွားသည်။"],
        ["Τι έγινε;", "Κανείς δεν ξέρει· λένε ψέματα."],
        ["I came; Anna saw; Rome fell."],
        ["המחיר 18,000 ש״ח.", "זה יקר."],  # an abbreviation, no initial
        ["ביבי נ. אמר כך."],
    ],
)
def test_the_marks_of_other_scripts_end_sentences(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["「けが人はいなかった。」と船長は話した。", "次の日だ。"],  # the speech goes on with a particle
        ["本当か?", "市長は答えた。", "（終わり。）", "次の日だ。"],
        ["船长说：“没有人受伤。”", "他走了。"],
        ["是吗？！", "他问。"],
    ],
)
def test_sentences_end_without_a_space_behind_ideographs_and_kana(parts: list[str]) -> None:
    assert sentences("".join(parts)) == parts


def test_thai_is_divided_at_spaces_between_clauses_and_not_within_a_name_or_at_a_number() -> None:
    first = "สภาเทศบาลอนุมัติค่าธรรมเนียมที่จอดรถใหม่เมื่อค่ำวันจันทร์ หลังจากอภิปรายกันนานหกชั่วโมง"
    second = "โดยจะนำเงินไปสร้างป้ายรถเมล์สิบเอ็ดแห่งในเขตทางเหนือ นายกเทศมนตรี สุดา วงศ์ไทย กล่าวว่าจะเก็บวันละ 35 บาท"
    assert sentences(f"{first} {second}") == [first, second]


@given(st.text(alphabet=st.sampled_from("aB1 .!?…。।;\n\t”“)」- ,é台とन"), max_size=80))
def test_sentences_are_disjoint_in_order_and_hold_every_character_but_spaces(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= next_one[0] for one, next_one in zip(spans, spans[1:], strict=False))
    outside = "".join(text[a:b] for (_, a), (b, _) in zip([(0, 0), *spans], [*spans, (len(text), 0)], strict=True))
    assert not outside.strip()


def test_pairs_of_characters_are_indexed_for_scripts_without_spaces() -> None:
    # 4 characters give 3 neighbouring pairs; the Latin word gives none
    folded, stems = index_terms("台北捷運 metro", "zh")
    assert folded == ["台", "北", "捷", "運", "metro", "台北", "北捷", "捷運"]
    assert stems == folded


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The council approved the parking levy on Monday evening.", "en"),
        ("El ayuntamiento aprobó el lunes la tasa de aparcamiento.", "es"),
        ("Der Stadtrat hat am Montag die neue Parkgebühr beschlossen.", "de"),
        ("台北捷運新線星期一通車，全長十二公里。市長表示，每日可載客八萬人次。", "zh"),
        ("ok", ""),  # too short to tell
        ("", ""),
    ],
)
def test_language_is_detected_or_left_open(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    ("text", "tokens_counted"),
    [
        ("", 0),
        ("short words here", 3),
        ("internationalisation", 1 + (20 - 5) // 5),  # 20 letters: 1 + 3
        ("1234567", 3),  # three digits at a time
        ("台北市政府", 4),  # .68 a character
        ("สวัสดีครับ", 3),  # .29 a character, marks of vowels and tones among them
        ("a, b.", 4),
        ("हैं।", 2),  # a word with its vowel marks, and its full stop
    ],
)
def test_tokens_are_counted_by_rule(text: str, tokens_counted: int) -> None:
    assert count_tokens(text) == tokens_counted


@given(st.text(st.characters(max_codepoint=127), max_size=200))
@example("1,234,567 of a_b: internationalisation")
@example("5678 \x1c\x7f")
def test_a_text_in_ascii_counts_as_it_does_within_a_text_of_any_script(text: str) -> None:
    assert count_tokens(text) == count_tokens(f"{text}\u00a0")  # a space beyond ASCII


@pytest.mark.parametrize("language", NEWS)
def test_news_in_every_script_counts_about_as_many_tokens_as_the_embedder_reads(language: str) -> None:
    paragraphs = NEWS[language]
    ratios = [count_tokens(one["text"]) / one["xlm_roberta_tokens"] for one in paragraphs]
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.15)
    assert all(0.8 < ratio < 1.25 for ratio in ratios)


@given(st.text(max_size=200))
def test_a_count_of_tokens_is_never_less_for_more_text(text: str) -> None:
    assert count_tokens(text) <= count_tokens(f"{text} more") <= count_tokens(text) + 1
