"""Questions about the articles of an archive: which of them are counted, and what is said."""

from dataclasses import replace
from datetime import date

import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.answering.compose.about_archive import compose
from rag.answering.kinds.holdings import asks_for_articles, asks_for_withdrawn, names_articles, read, topic_of
from rag.schema import Filters, TimeWindow

OUTLETS = ("The Tide", "Orr Courier", "Orr Courier Weekly", "Diario del Estrecho", "The Spanish Gazette")
TODAY = date(2026, 6, 18)


@pytest.mark.parametrize(
    ("question", "outlets", "languages", "rest"),
    [
        ("how many articles from the tide", ("The Tide",), (), "how many articles from"),
        ("How many pieces from Orr Courier Weekly?", ("Orr Courier Weekly",), (), "How many pieces from ?"),
        ("The Spanish Gazette: how many articles?", ("The Spanish Gazette",), (), ": how many articles?"),
        ("¿Cuántos artículos en español hay?", (), ("es",), "¿Cuántos artículos en hay?"),
        ("Wie viele spanische Artikel gibt es?", (), ("es",), "Wie viele Artikel gibt es?"),
        ("Combien d'articles allemands depuis mars 2026 ?", (), ("de",), "Combien d'articles ?"),
        ("How many articles about tides?", (), (), "How many articles about tides?"),
    ],
)
def test_outlets_and_languages_are_found_in_a_question(question, outlets, languages, rest):
    found = read(question, OUTLETS, TODAY)
    assert (found.outlets, found.languages, found.rest) == (outlets, languages, rest)


def test_the_newest_and_the_oldest_article_are_asked_for_in_four_languages():
    newest = ["newest article", "el artículo más reciente", "der neueste Artikel", "l'article le plus récent"]
    oldest = ["the oldest article", "el artículo más antiguo", "der älteste Artikel", "l'article le plus ancien"]
    assert all(asks_for_articles(one) and names_articles(one) for one in (*newest, *oldest))
    assert all(read(one, (), None).newest and not read(one, (), None).oldest for one in newest)
    assert all(read(one, (), None).oldest and not read(one, (), None).newest for one in oldest)


def said(stored, question, window=None, filters=Filters()):
    catalog = stored.catalog
    return [one.text for one in compose(catalog, filters, read(question, catalog.outlets(), TODAY), window)]


def test_articles_of_an_outlet_are_counted(stored):
    assert said(stored, "How many articles from Corvane Ledger?") == [
        "The archive holds 2 articles from Corvane Ledger. They date from 6 February 2025 to 5 February 2026."
    ]


def test_articles_of_days_are_counted_and_undated_ones_are_not(stored):
    assert said(stored, "How many articles since 2026?", TimeWindow(first=date(2026, 2, 1))) == [
        "The archive holds 2 articles published since 1 February 2026. "
        "They date from 5 February 2026 to 12 February 2026.",
        "1 article of an unknown day is not counted.",
    ]


def test_articles_in_a_language_that_the_archive_lacks_are_none(stored):
    assert said(stored, "Wie viele deutsche Artikel?") == ["The archive holds no articles in German."]


def test_the_newest_and_the_oldest_article_of_an_outlet_are_named(stored):
    told = said(stored, "What are the oldest and the newest article from Corvane Ledger?")
    assert told[1:] == [
        "The newest article is of 5 February 2026: “Bank keeps its key rate” (Corvane Ledger).",
        "The oldest article is of 6 February 2025: “Bank lowers its key rate” (Corvane Ledger).",
    ]


def test_the_filters_of_the_caller_stay(stored):
    filters = Filters(outlets=("The Tide",), since=date(2025, 12, 1))
    told = said(stored, "How many articles from Corvane Ledger?", filters=filters)
    assert told == [
        "The archive holds 1 article from The Tide, published since 1 December 2025. It dates from 19 December 2025."
    ]


def test_the_whole_archive_is_told_with_outlets_and_languages(stored):
    told = said(stored, "How many articles are there?")
    assert told[0].startswith("The archive holds 10 articles from ")
    assert "Corvane Ledger (2)" in told[1]
    assert "English (8), " in told[2]


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("what do we have on libraries?", "libraries?"),
        ("Which articles are there about the dock strike", "the dock strike"),
        ("¿Qué tienes sobre la huelga?", "la huelga?"),
        ("How big is this archive?", ""),
        ("Articles on articles?", ""),
        ("What do we have on file?", ""),
        ("What do we have on file sharing?", "file sharing?"),
    ],
)
def test_what_articles_are_to_be_about_is_read(question, topic):
    assert topic_of(question) == topic


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Which reports were withdrawn?", True),
        ("¿Qué noticias fueron retiradas?", True),
        ("Welche Artikel wurden zurückgezogen?", True),
        ("Was the report on the ferry fee withdrawn?", False),
        ("Which troops were withdrawn?", False),
    ],
)
def test_withdrawn_articles_are_asked_for(question, asks):
    assert asks_for_withdrawn(question) is asks


def test_withdrawn_articles_are_listed_within_what_the_question_names(archive):
    live = next(one for one in archive.catalog.articles(limit=-1) if one.outlet == "Corvane Ledger")
    ingest([replace(live, status="withdrawn", title="Withdrawn: a report")], archive, WordEmbedder())
    told = said(archive, "Which articles were withdrawn?")
    assert told[0] == "The archive knows of 1 article that was withdrawn; what it said is not cited."
    assert told[1].startswith("“Withdrawn: a report”, Corvane Ledger")
    assert said(archive, "Which articles from Corvane Ledger were withdrawn?") == told
    other = next(one for one in archive.catalog.outlets() if one != "Corvane Ledger")
    assert said(archive, f"Which articles from {other} were withdrawn?") == [
        f"The archive knows of no withdrawn article from {other}."
    ]
