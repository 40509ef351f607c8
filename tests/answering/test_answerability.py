from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

import pytest

from rag.answering.answerability import (
    CLEAR,
    CLEAR_LIKENESS,
    LEAST_BELIEF,
    LEAST_FOREIGN_LIKENESS,
    LEAST_PROBABILITY,
    MIXED,
    answer_reason,
    belief_reason,
    evidence_reason,
    is_clear,
    probability,
    refusal,
)
from rag.answering.sentence_selection import Candidate, Evidence
from rag.schema import Article, Citation, Coverage, Hit, Passage, RefusalReason, Sentence

RAIN = Article(id="rain", title="Rain", outlet="The Tide", text="It rained on Monday in Orrin.", language="en")
SNOW = Article(id="snow", title="Snow", text="It snowed.", language="en")


def passage(article: Article) -> Passage:
    return Passage(article=article, number=0, start=0, end=len(article.text))


FOUND = Evidence(candidates=(Candidate(passage(RAIN), 0, 29),), coverage=1.0, likeness=1.0, closeness=2.0)


def said(text: str, *articles: Article) -> Sentence:
    cited = tuple(Citation(number=n, passage=passage(a), start=0, end=10) for n, a in enumerate(articles, start=1))
    return Sentence(text=text, verdict="supported", citations=cited)


# --- the evidence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closeness", "coverage", "refused"),
    [
        (1.5, 1.0, False),
        (0.9, 0.4, False),
        (0.6, 1.0, False),  # the article holds all words, and no sentence is near the question
        (0.3, 0.2, True),
        (0.0, 0.0, True),
    ],
)
def test_evidence_unlike_the_question_in_words_and_vectors_is_refused(
    closeness: float, coverage: float, refused: bool
) -> None:
    found = replace(FOUND, closeness=closeness, coverage=coverage)
    assert evidence_reason(found, rewritten=False) == ("nothing similar enough found" if refused else "")


def test_only_evidence_near_the_question_is_clear() -> None:
    assert is_clear(replace(FOUND, closeness=0.9, coverage=0.4))
    assert not is_clear(replace(FOUND, closeness=0.6, coverage=0.4, likeness=0.6))
    assert is_clear(replace(FOUND, closeness=0.6, coverage=0.0, likeness=0.9))


def test_the_probability_grows_with_both_and_stays_between_0_and_1() -> None:
    of = [probability(replace(FOUND, closeness=c, coverage=v)) for c, v in ((0, 0), (1, 0), (1, 1), (9, 9))]
    assert of == sorted(of)
    assert of[0] == pytest.approx(0.0046, abs=1e-4)
    assert of[2] == pytest.approx(0.584, abs=1e-3)
    assert of[3] <= 1


@pytest.mark.parametrize(
    ("likeness", "refused"), [(LEAST_FOREIGN_LIKENESS, False), (LEAST_FOREIGN_LIKENESS - 0.01, True)]
)
def test_a_question_in_another_language_needs_less_likeness_and_no_name(likeness: float, refused: bool) -> None:
    found = replace(FOUND, likeness=likeness, coverage=0.0, missing=("Untersuchung",))
    assert evidence_reason(found, rewritten=False, foreign=True) == ("nothing similar enough found" if refused else "")
    assert evidence_reason(found, rewritten=False) == "a name or number of the question is in no article found"


def test_the_thresholds_are_those_that_were_set() -> None:
    assert (LEAST_PROBABILITY, CLEAR) == (0.1, 0.3)
    assert (LEAST_FOREIGN_LIKENESS, CLEAR_LIKENESS) == (0.3, 0.85)
    assert (LEAST_BELIEF, MIXED) == (0.39, 0.15)


def test_no_evidence_at_all_is_refused() -> None:
    assert evidence_reason(Evidence(), rewritten=False) == "nothing found"


def test_a_name_that_no_article_has_is_a_reason_unless_the_query_was_rewritten() -> None:
    lacking = replace(FOUND, missing=("merkel",))
    assert evidence_reason(lacking, rewritten=False) == "a name or number of the question is in no article found"
    assert evidence_reason(lacking, rewritten=True) == ""


# --- what the model believes and writes -----------------------------------------------------------------


def test_a_model_that_cannot_judge_is_not_asked_to() -> None:
    assert belief_reason(None) == ""
    assert belief_reason(LEAST_BELIEF) == ""
    assert belief_reason(LEAST_BELIEF - 0.01) == "the model doubts that the excerpts state the answer"


@pytest.mark.parametrize(
    ("sentences", "belief", "reason"),
    [
        ([said("It rained.", RAIN)], None, ""),
        ([], None, "no sentence of the model is supported by the articles"),
        ([Sentence(text="It hailed.", verdict="unsupported")], 1.0,
         "no sentence of the model is supported by the articles"),
        ([said("The excerpts do not say it.", RAIN)], None, "the model says that the excerpts do not answer"),
        ([said("It rained.", RAIN), said("It snowed.", SNOW)], LEAST_BELIEF,
         "the cited words do not answer the question"),
        ([said("It rained.", RAIN), said("It snowed.", SNOW)], LEAST_BELIEF + MIXED, ""),
        ([said("It rained.", RAIN), said("It snowed.", SNOW)], None, ""),
    ],
)  # fmt: skip
def test_a_reply_is_refused_with_its_reason(sentences: list[Sentence], belief: float | None, reason: str) -> None:
    assert answer_reason("Did it rain?", sentences, not_found=False, belief=belief) == reason


def test_the_sentinel_for_not_found_is_a_refusal_of_the_model() -> None:
    reason = answer_reason("Did it rain?", [], not_found=True, belief=None)
    assert reason == "the model found no answer in the excerpts"


def test_the_reasons_are_plain_and_none_is_another() -> None:
    reasons = get_args(RefusalReason)
    assert len(set(reasons)) == len(reasons) == 11
    assert all(reason == reason.strip() and not reason.endswith(".") for reason in reasons)


# --- its text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coverage", "hits", "text"),
    [
        (
            Coverage(articles=1200, first=date(2025, 1, 20), last=date(2026, 2, 12)),
            [Hit(passage=passage(RAIN), score=1.0), Hit(passage=passage(SNOW), score=0.5)],
            "The archive does not answer this. Searched: 1,200 articles from 20 January 2025 to 12 February 2026. "
            "The closest is “Rain” (The Tide).",
        ),
        (
            Coverage(articles=1),
            [Hit(passage=passage(SNOW), score=1.0)],
            "The archive does not answer this. Searched: 1 article. The closest is “Snow”.",
        ),
        (
            Coverage(articles=0),
            [],
            "The archive does not answer this. Searched: 0 articles, as none matches the days, outlets, languages and "
            "authors that were asked for.",
        ),
    ],
)
def test_a_refusal_says_what_was_searched_and_what_came_closest(coverage: Coverage, hits: list[Hit], text: str) -> None:
    assert refusal(coverage, hits) == text
