"""Who did what when: sentences whose every word is cited, and that say something else all the same."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.answering.check.alignment import _leap, _least_leaps, align
from rag.answering.check.verdicts import Finding, judged
from rag.answering.check.words import words_of
from rag.answering.citations import link
from rag.answering.sentence_selection import Candidate
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage

SHOT = "On Tuesday the minister Ada Quill accused Noel Renner of taking 40,000 crowns from the harbour fund."


def candidates(text: str, language: str, name: str = "a") -> list[Candidate]:
    """The sentences of an article of this text, published on Thursday 5 March 2026."""
    article = Article(id=name, title="", text=text, language=language, published=datetime(2026, 3, 5))
    passage = Passage(article=article, number=0, start=0, end=len(text))
    return [Candidate(passage, start, end) for start, end in sentence_spans(text)]


def verdict(sentence: str, text: str, language: str = "en") -> Finding:
    """What is found on a sentence beside an article."""
    quotes, lacking = link(sentence, candidates(text, language), language=language)
    return judged(sentence, quotes, lacking, language)


@pytest.mark.parametrize(
    ("language", "text", "true", "false"),
    [
        ("en", "Ada Quill beat Noel Renner by 45 votes in Harrow Bay.", "Ada Quill beat Noel Renner in Harrow Bay.",
         "Noel Renner beat Ada Quill by 45 votes in Harrow Bay."),
        ("en", "Ada Quill beat Noel Renner by 45 votes.", "Ada Quill beat Noel Renner.",
         "Ada Quill did not beat Noel Renner by 45 votes."),
        ("es", "Ada Quiroga venció a Noel Renedo por 45 votos.", "Ada Quiroga venció a Noel Renedo.",
         "Ada Quiroga no venció a Noel Renedo."),
        ("fr", "Ada Colbert a battu Noel Renard de 45 voix.", "Ada Colbert a battu Noel Renard.",
         "Ada Colbert n’a pas battu Noel Renard."),
        ("de", "Ada Quell besiegte Noel Renner mit 45 Stimmen.", "Ada Quell besiegte Noel Renner.",
         "Ada Quell besiegte Noel Renner nicht."),
        ("it", "Ada Conti ha battuto Noel Renzi per 45 voti.", "Ada Conti ha battuto Noel Renzi.",
         "Ada Conti non ha battuto Noel Renzi."),
        ("pt", "Ada Queiroz venceu Noel Renato por 45 votos.", "Ada Queiroz venceu Noel Renato.",
         "Ada Queiroz não venceu Noel Renato."),
        ("nl", "Ada Kwint versloeg Noel Renders met 45 stemmen.", "Ada Kwint versloeg Noel Renders.",
         "Ada Kwint versloeg Noel Renders niet."),
        ("en", "The inquiry found no evidence of fraud at the harbour.", "The inquiry found no evidence of fraud.",
         "The inquiry found evidence of fraud at the harbour."),
        ("en", "The fund pays 45 crowns. The harbour fund lost 312 crowns in March.",
         "The harbour fund lost 312 crowns.", "The harbour fund lost 45 crowns in March."),
        ("en", "Ada Quill spoke first. The jury in Harrow Bay found Noel Renner guilty of theft on Friday.",
         "The jury found Noel Renner guilty.", "The jury in Harrow Bay found Ada Quill guilty of theft on Friday."),
    ],
)  # fmt: skip
def test_the_opposite_is_contradicted_and_the_same_supported(language: str, text: str, true: str, false: str) -> None:
    assert verdict(true, text, language) == Finding("supported", verdict(true, text, language).quotes)
    found = verdict(false, text, language)
    assert found.verdict == "contradicted"
    assert found.reason
    assert [quote.text in text for quote in found.quotes] == [True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("The council will close the library on Friday.", "The council closed the library on Friday."),
        ("The council plans to close the old library.", "The council has closed the old library."),
        ("The council closed the old library.", "The council may have closed the old library."),
    ],
)
def test_an_intention_is_no_fact_and_a_fact_no_possibility(text: str, sentence: str) -> None:
    found = verdict(sentence, text)
    assert (found.verdict, found.quotes) == ("unsupported", ())


def test_a_passive_says_the_same_with_its_names_exchanged() -> None:
    text = "Ada Quill defeated Noel Renner in Harrow Bay."
    assert verdict("Noel Renner was defeated by Ada Quill in Harrow Bay.", text).verdict == "supported"
    assert verdict("Noel Renner defeated Ada Quill in Harrow Bay.", text).verdict == "contradicted"


def test_a_relative_day_is_the_date_that_it_means() -> None:
    assert verdict(SHOT.replace("On Tuesday", "On 3 March 2026"), SHOT).verdict == "supported"
    assert verdict(SHOT.replace("On Tuesday", "On 3 March 2024"), SHOT).verdict != "supported"


def test_facts_of_two_events_are_no_one_sentence() -> None:
    flood = candidates("The Orr flooded 2,060 homes in Millford.", "en", "flood")
    storm = candidates("Harriet Nwosu measured 81 millimetres.", "en", "storm")
    assert judged("Harriet Nwosu flooded 2,060 homes.", [*flood, *storm], "", "en").verdict == "unsupported"


def test_what_the_words_lack_stays_the_reason() -> None:
    found = verdict("A comet was seen over Castellan.", SHOT)
    assert (found.verdict, found.quotes) == ("unsupported", ())


def test_quotations_in_another_language_are_left_to_the_comparison_of_words() -> None:
    sentence = "Ada Quiroga, Noel Renedo and Harrow Bay got 44."
    quoted = "Ada Quiroga, Noel Renedo y Harrow Bay lograron 45."
    assert judged(sentence, candidates(quoted, "en"), "", "en").verdict == "contradicted"
    assert judged(sentence, candidates(quoted, "es"), "", "en").verdict == "supported"


def test_a_sentence_word_for_word_is_supported_whatever_else_is_quoted() -> None:
    quotes = candidates("Noel Renner beat Ada Quill. Ada Quill beat Noel Renner.", "en")
    assert judged("Ada Quill beat Noel Renner.", quotes, "", "en").verdict == "supported"


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=80), st.sampled_from(["en", "de", "zh", ""]))
def test_a_sentence_of_an_article_is_supported_by_itself(text: str, language: str) -> None:
    quotes = candidates(text, language)[:1]
    if quotes:
        assert judged(quotes[0].text, quotes, "", language).verdict == "supported"


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_word_is_aligned_with_itself_or_with_nothing(one: str, other: str) -> None:
    own = words_of(one, "en")
    found = align(own, words_of(other, "en"))
    assert len(found.places) == len(own.content)
    assert all(-1 <= place < len(found.quotation.content) for place in found.places)
    assert align(own, own).share == (1.0 if own.content else 0.0)


@example([[0, 20], [28]])
@given(st.lists(st.one_of(st.just([-1]), st.sets(st.integers(0, 30), min_size=1, max_size=4).map(sorted)), max_size=5))
def test_no_other_alignment_has_less_leaps(options: list[list[int]]) -> None:
    def leaps(places: tuple[int, ...]) -> float:
        there = [place for place in places if place >= 0]
        return sum(_leap(*pair) for pair in zip(there, there[1:], strict=False))

    found = tuple(_least_leaps(options))
    assert all(place in places for place, places in zip(found, options, strict=True))
    assert leaps(found) == min(map(leaps, product(*options)))


@pytest.mark.parametrize("unit", ["ferry ", "5 ", "Anna saw Bert while ", "Anna, "])
def test_a_sentence_of_many_same_words_is_judged_in_time(unit: str) -> None:
    text = "x " + unit * (600 // len(unit.split()))
    quotes = [Candidate(candidates(text, "en")[0].passage, 0, len(text))]
    began = time.process_time()
    judged(f"{text} ends", quotes, "", "en")
    # On a slow and busy machine. Without the bound, 200 words and two quotations took 23 s.
    assert time.process_time() - began < 10
