"""Which sentences the model reads, and which name goes with which quotation."""

from __future__ import annotations

import pytest
from fakes import WordEmbedder

from ingest.chunk import passage_spans
from rag.archive import Archive
from rag.cite import link
from rag.evidence import Candidate, Evidence, expected, gather, holds, missing_anchors, share_of
from rag.schema import Article, Hit, Passage
from rag.text import sentence_spans

DEBATE = Article(
    id="debate",
    title="Four leaders meet in the hall",
    language="en",
    text=(
        "Tobias Renner replied that households kept receipts too. "
        "“Show yours to a family filling the tank,” he said.\n\n"
        "Imogen Thrale kept a careful distance from both. The accord had saved the fleet. "
        "“You cannot freeze a town for six weeks and call it conservation.”"
    ),
)


def _hits(article: Article) -> list[Hit]:
    spans = passage_spans(article)
    return [
        Hit(passage=Passage(article=article, number=n, start=s, end=e), score=1.0) for n, (s, e) in enumerate(spans)
    ]


def _candidates(article: Article) -> list[Candidate]:
    return [
        Candidate(hit.passage, hit.passage.start + s, hit.passage.start + e, score=0.5)
        for hit in _hits(article)
        for s, e in sentence_spans(hit.passage.text)
    ]


def _gathered(question: str, archive: Archive, budget: int = 300) -> Evidence:
    return gather(question, "en", _hits(DEBATE), archive, WordEmbedder(), budget)


def test_a_quotation_brings_the_sentence_that_names_its_speaker(stored: Archive) -> None:
    evidence = _gathered("Who said you cannot freeze a town and call it conservation?", stored, budget=60)
    shown = evidence.excerpts[-1][1]
    assert "call it conservation" in shown
    assert "Imogen Thrale" in shown


def test_the_likeliest_sentence_stands_next_to_the_question(stored: Archive) -> None:
    evidence = _gathered("Who said you cannot freeze a town and call it conservation?", stored)
    assert evidence.excerpts[-1][1].endswith("call it conservation.”")


def test_evidence_stays_within_its_budget(stored: Archive) -> None:
    small = _gathered("Who said you cannot freeze a town?", stored, budget=40)
    large = _gathered("Who said you cannot freeze a town?", stored, budget=400)
    assert 1 <= len(small.chosen) < len(large.chosen)


def test_a_quotation_is_not_given_to_the_speaker_of_another_paragraph() -> None:
    text = "Tobias Renner said that you cannot freeze a town for six weeks and call it conservation."
    quotes, reason = link(text, _candidates(DEBATE), language="en", question="Who said you cannot freeze a town?")
    assert "Renner" in reason or "Tobias" in reason
    assert quotes


def test_a_quotation_is_given_to_the_speaker_of_its_own_paragraph() -> None:
    text = "Imogen Thrale said that you cannot freeze a town for six weeks and call it conservation."
    quotes, reason = link(text, _candidates(DEBATE), language="en", question="Who said you cannot freeze a town?")
    assert reason == ""
    assert {q.text for q in quotes} == {
        "Imogen Thrale kept a careful distance from both.",
        "“You cannot freeze a town for six weeks and call it conservation.”",
    }


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many people drowned?", "number"),
        ("What percentage voted?", "number"),
        ("¿Cuántos metros tendrá el muelle?", "number"),
        ("When do the talks start?", "date"),
        ("On which day did it happen?", "date"),
        ("¿Cuándo empiezan?", "date"),
        ("Who won the final?", "name"),
        ("¿Quién ganó?", "name"),
        ("Why did it fail?", ""),
    ],
)
def test_the_kind_of_words_asked_for_is_read_from_the_question(question: str, kind: str) -> None:
    assert expected(question) == kind


def test_a_number_of_the_question_itself_is_no_answer() -> None:
    assert holds("number", "In 2025 eleven people drowned.", "How many drowned in 2025?")
    assert not holds("number", "In 2025 people drowned.", "How many drowned in 2025?")


def test_a_name_that_no_article_has_is_missing() -> None:
    assert missing_anchors("What did Angela Merkel promise Renner?", [DEBATE]) == ["angela", "merkel"]


def test_a_name_that_only_a_teaser_has_is_missing() -> None:
    teaser = "Related articles\n\nOctavia Bloom wins the cup"
    article = Article(id="t", title="Rain", text=f"It rained.\n\n{teaser}", uncitable=((12, 12 + len(teaser)),))
    assert missing_anchors("What did Octavia win?", [article]) == ["octavia"]


def test_rare_words_weigh_more_in_a_share() -> None:
    # "town" weighs 3 of 4, and only it is there: .75
    assert share_of({"town": 3.0, "said": 1.0}, "The town sleeps.", "en") == pytest.approx(0.75)
    assert share_of({}, "anything", "en") == 0.0
