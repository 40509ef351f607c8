"""The demo archive reads as it was written, and every gold label names what is in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import WordEmbedder

from eval.datasets import demo as demo_set
from eval.datasets import editor as editor_set
from eval.metrics.answers import contains_answer, says
from ingest.pipeline import IngestReport, ingest
from ingest.readers.files import ReadOptions, read
from rag.answering.sentence_selection import citable
from rag.archive.archive import Archive
from rag.schema import Article
from rag.settings import Settings


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, IngestReport]]:
    """The demo archive under a fake embedder: text and labels need no model."""
    archive = Archive(Settings(data_dir=tmp_path_factory.mktemp("demo")))
    yield archive, ingest(read([demo_set.ARCHIVE], ReadOptions()), archive, WordEmbedder())
    archive.close()


@pytest.fixture(scope="module")
def articles(demo: tuple[Archive, IngestReport]) -> dict[str, Article]:
    """Live articles by id."""
    return {a.id: a for a in demo[0].catalog.articles(limit=-1)}


def _words(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()


def test_every_file_is_read_and_none_rejected(demo: tuple[Archive, IngestReport]) -> None:
    report = demo[1]
    assert not report.rejections
    # One article corrected (same address, other text), one withdrawn after it was published.
    assert (report.updated, report.withdrawn) == (1, 1)


def test_the_archive_is_as_large_and_varied_as_it_claims(articles: dict[str, Article]) -> None:
    assert len(articles) >= 80
    languages = Counter(a.language for a in articles.values())
    assert languages["en"] >= 70
    assert languages["es"] >= 10
    assert len({a.outlet for a in articles.values() if a.outlet}) >= 10
    days = sorted(a.day for a in articles.values() if a.day)
    assert (days[-1] - days[0]).days >= 480  # about 17 months between the first and the last


def test_the_same_input_again_changes_nothing(demo: tuple[Archive, IngestReport]) -> None:
    again = ingest(read([demo_set.ARCHIVE], ReadOptions()), demo[0], WordEmbedder())
    assert (again.kept, again.embedded, again.withdrawn) == (0, 0, 0)
    assert again.unchanged == again.read


def test_every_question_is_labelled_with_live_articles_that_hold_its_answer(articles: dict[str, Article]) -> None:
    questions = demo_set.load()
    assert len(questions) >= 150
    for question in questions:
        assert question.articles <= set(articles), question.id
        assert bool(question.articles) == question.answerable, question.id
        if question.answerable:
            texts = " ".join(f"{a.title} {citable(a)}" for a in articles.values() if a.id in question.articles)
            assert all(_words(s) in _words(texts) for s in question.sentences), question.id


def test_no_answer_to_an_unanswerable_question_was_written_by_accident() -> None:
    assert all(not q.answers and not q.sentences for q in demo_set.load() if not q.answerable)


def test_the_facts_of_the_editors_questions_are_in_their_articles(articles: dict[str, Article]) -> None:
    questions = editor_set.load()
    for question in questions:
        assert question.articles <= set(articles), question.id
        printed = " ".join(f"{articles[key].title} {citable(articles[key])}" for key in question.articles)
        for fact in question.facts:
            assert fact.derived or says(printed, fact.wordings), (question.id, fact.wordings)
        assert bool(question.articles) == any(not fact.derived for fact in question.facts) or question.kind == "archive"


def test_what_is_labelled_false_is_no_fact_of_the_same_question() -> None:
    for question in editor_set.load():
        right = " ".join(fact.wordings[0] for fact in question.facts)
        told = [one.says for one in question.false if says(right, one.says) and not says(right, one.unless)]
        assert not told, question.id


def test_the_editors_questions_are_as_many_and_varied_as_they_claim() -> None:
    questions = editor_set.load()
    assert len(questions) >= 90
    assert min(Counter(q.kind for q in questions).values()) >= 6
    for language in ("es", "de", "fr"):
        own = [q.kind for q in questions if q.language == language]
        assert len(own) >= 6
        assert len(set(own)) >= 5


def test_facts_about_the_archive_are_those_of_the_archive(
    demo: tuple[Archive, IngestReport], articles: dict[str, Article]
) -> None:
    coverage, outlets = demo[0].catalog.coverage(), Counter(a.outlet for a in articles.values())
    assert coverage.first
    assert coverage.last
    told = (
        f"{coverage.articles} articles, {coverage.first:%-d %B %Y} to {coverage.last:%-d %B %Y}, "
        f"in {' and '.join({'en': 'English', 'es': 'Spanish'}[a.language] for a in articles.values())}, "
        f"from {', '.join(outlets)}: {outlets['The Tide']} articles of The Tide"
    )
    for question in (q for q in editor_set.load() if q.kind == "archive"):
        for fact in question.facts:
            assert fact.derived
            assert says(told, fact.wordings), (question.id, fact.wordings)


def test_a_withdrawn_article_is_kept_and_cannot_be_found(demo: tuple[Archive, IngestReport]) -> None:
    catalog = demo[0].catalog
    withdrawn = [a for a in catalog.articles(limit=-1, live=False) if a.status == "withdrawn"]
    assert len(withdrawn) == 1
    assert len(catalog.versions(withdrawn[0].id)) == 2
    assert catalog.passages_of(withdrawn[0].id) == []


def test_a_hidden_instruction_in_a_page_does_not_reach_the_text(articles: dict[str, Article]) -> None:
    page = next(Path(demo_set.ARCHIVE).glob("b05*")).read_text(encoding="utf-8")
    assert re.search(r"ignore|instruction|AI (system|assistant)", page, re.I)
    stored = next(a for a in articles.values() if a.source.endswith(next(Path(demo_set.ARCHIVE).glob("b05*")).name))
    assert not re.search(r"ignore (all|any|previous)|AI (system|assistant)", stored.text, re.I)


def test_an_accepted_answer_is_found_at_word_boundaries_only() -> None:
    assert contains_answer("They paid 1,200 crowns on March 3rd.", ["1200"])
    assert contains_answer("They paid 1,200 crowns on March 3rd.", ["March 3"])
    assert not contains_answer("They paid 11,200 crowns.", ["1200"])
    for written in ("71.4%", "71.4 %", "71.4 per cent", "71.4 percent", "71.4 por ciento"):
        assert contains_answer(f"It prevented {written} of illness.", ["71.4"])
        assert contains_answer(f"It prevented {written} of illness.", ["71.4%"])
    assert not contains_answer("It prevented 71.4% of illness.", ["1.4", "71", "71.4% in adults"])
