"""Both spellings of an English word have one stem; words that are no variants keep their families."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language import spelling
from rag.language.spelling import american
from rag.language.stems import stem

PAIRS = """
sceptical skeptical
sceptics skeptics
organisations organizations
recognising recognizing
analysed analyzed
coloured colored
labour labor
labourers laborers
neighbourhoods neighborhoods
behavioural behavioral
honourable honorable
favourites favorites
centre center
centred centered
theatres theaters
kilometres kilometers
travelled traveled
travellers travelers
cancelling canceling
counsellor counselor
defence defense
licences licenses
practised practiced
catalogue catalog
haemorrhage hemorrhage
paediatric pediatric
archaeologists archeologists
foetal fetal
grey gray
judgement judgment
jewellery jewelry
manoeuvred maneuvered
manoeuvring maneuvering
programmes programs
criticise criticize
apologises apologizes
minimising minimizing
mobilisation mobilization
marvellous marvelous
summarised summarized
authorise authorize
ploughed plowed
aluminium aluminum
""".split("\n")[1:-1]


@pytest.mark.parametrize("pair", PAIRS)
def test_both_spellings_have_one_stem(pair: str) -> None:
    british, us = pair.split()
    assert british != us
    assert stem(british, "en") == stem(us, "en")


@pytest.mark.parametrize(
    "family",
    [
        "promise promised promising", "revise revised revision", "supervise supervising supervision",
        "advertising advertised advertisement", "surprise surprising surprised", "exercise exercised exercises",
        "rise rising", "advise advised adviser",
    ],
)  # fmt: skip
def test_families_with_an_s_in_both_spellings_stay_together(family: str) -> None:
    assert len({stem(word, "en") for word in family.split()}) == 1


@pytest.mark.parametrize("word", "hour four tour court source journal glamour crisis basis wise where there".split())
def test_words_that_merely_end_alike_are_left_alone(word: str) -> None:
    assert american(word) == word


def test_other_languages_keep_their_spelling() -> None:
    assert stem("sceptique", "fr").startswith("scept")
    assert stem("programme", "xx") == "programme"


@given(st.text(alphabet="abcdeilmnoprstuvyz", min_size=1, max_size=14))
def test_a_word_is_changed_once(word: str) -> None:
    assert american(american(word)) == american(word)


def by_each_rule_in_turn(word: str) -> str:
    """The word as the first rule that changes it spells it."""
    spelt = (british.sub(american_way, word) for british, american_way in spelling._RULES)
    return next((one for one in spelt if one != word), word)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_word_that_is_told_by_one_search_is_spelt_as_by_each_rule_in_turn(pair: str) -> None:
    british, us = pair.split()
    assert american(british) == by_each_rule_in_turn(british) != british
    assert american(us) == by_each_rule_in_turn(us)


PARTS = "anal armo behavio cent defen hono is ise isation judge labo lice licen mould plough practis programme re scept"
ENDINGS = "ur urs re res ce ement ys yse ysing ising lled lling s e ed ing ogue ogues "


@given(st.sampled_from(PARTS.split()), st.sampled_from(ENDINGS.split(" ")))
def test_any_word_is_spelt_as_by_each_rule_in_turn(part: str, ending: str) -> None:
    assert american(part + ending) == by_each_rule_in_turn(part + ending)


@pytest.mark.parametrize("word", "harbour ferry mayor 2025 straße glamour".split())
def test_a_word_that_no_rule_changes_is_the_word_itself(word: str) -> None:
    assert by_each_rule_in_turn(word) == ("harbor" if word == "harbour" else word)
    assert american(word) == by_each_rule_in_turn(word)
