from __future__ import annotations

import shutil
from datetime import date
from math import log
from pathlib import Path

import pytest

from rag.archive.archive import Archive
from rag.archive.indexes import keyword_index
from rag.archive.indexes.keyword_index import TERMS, TantivyWords
from rag.archive.tables.passages import StoredPassage
from rag.errors import StorageError
from rag.schema import Article, Filters, Passage


@pytest.fixture(scope="module")
def words(stored: Archive, tmp_path_factory: pytest.TempPathFactory) -> TantivyWords:
    """The ten articles in an index of their own."""
    index = TantivyWords(tmp_path_factory.mktemp("words"))
    index.put(one for article in stored.catalog.articles() for one in stored.catalog.passages_of(article.id))
    return index


def found(
    archive: Archive, index: TantivyWords, question: str, *languages: str, filters: Filters = Filters()
) -> list[str]:
    """The articles found, best first."""
    by_author = archive.catalog.article_ids(filters) if filters.authors else []
    keys = [key for key, _ in index.search(question, 20, languages or ("en", "es"), filters, by_author)]
    known = archive.catalog.passages(keys)
    return [known[key].article.id for key in keys]


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("Who declared the measles over?", "a7"),
        ("declaring outbreaks over", "a7"),  # stems: declar, outbreak
        ("¿Cuándo ampliarán el muelle?", "a5"),  # ampliarán and ampliará share a stem
        ("ibanez", "a5"),  # without the accent
        ("IBÁÑEZ", "a5"),
        ("新線通車", "a6"),  # pairs of characters
        ("捷運", "a6"),
        ("lighthouse paint", "a8"),
        ("Almenara amplía", "a5"),  # in the headline alone
        ("February 2026 levy", "a4"),  # the month of publication counts as a word of the headline
    ],
)
def test_the_best_hit_shares_words_stems_or_pairs(
    stored: Archive, words: TantivyWords, question: str, best: str
) -> None:
    assert found(stored, words, question)[0] == best


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("ibanes", "a5"),  # a wrong letter of six
        ("Almenra", "a5"),  # a missing one
        ("lihgthouse", "a8"),  # two exchanged
        ("lighthosue pianter", "a8"),
        ("meazles", "a7"),
    ],
)
def test_a_word_that_no_article_holds_finds_what_it_may_be_meant_for(
    stored: Archive, words: TantivyWords, question: str, best: str
) -> None:
    assert found(stored, words, question)[0] == best
    hits = dict(words.search(question, 20, ("en", "es"), Filters(), []))
    assert words.scores(question, ("en", "es"), list(hits)) == pytest.approx(hits)


@pytest.mark.parametrize(
    ("question", "foreign"),
    [
        ("Who declared the measles over?", False),
        ("¿Cuándo ampliarán el muelle?", False),
        ("Wer erklärte die Masern für beendet?", True),
        ("麻疹の流行が終わったと宣言したのは誰ですか", True),
        ("Кто объявил о конце вспышки кори?", True),
        ("lighthosue pianter", False),  # two words are too few to tell
        ("?", False),
    ],
)
def test_a_question_is_foreign_when_the_articles_hold_few_of_its_words(
    words: TantivyWords, question: str, foreign: bool
) -> None:
    assert words.is_foreign(question, ("en", "es")) is foreign


def test_words_of_another_language_are_not_taken_for_misspelt_ones(stored: Archive, words: TantivyWords) -> None:
    assert found(stored, words, "lighthouze")
    assert not found(stored, words, "lighthouze welcher bezahlte")


def test_a_known_word_is_not_taken_for_another_and_a_close_one_scores_less(tmp_path: Path) -> None:
    index = TantivyWords(tmp_path / "words")
    index.put([one(1, "a", "Merkel spoke"), one(2, "b", "Merkle spoke"), one(3, "c", "nobody came")])
    exact = index.search("Merkel", 5, ("en",), Filters(), [])
    assert [key for key, _ in exact] == [1]
    close = index.search("Merkfel", 5, ("en",), Filters(), [])
    assert {key for key, _ in close} == {1}
    assert 0 < close[0][1] < exact[0][1]
    assert index.unknown(["merkel", "merkfel", "spoken", "spoke"], "en") == {"merkfel", "spoken"}


def test_single_characters_find_less_than_pairs(stored: Archive, words: TantivyWords) -> None:
    scores = {q: words.search(q, 1, ("zh",), Filters(), [])[0][1] for q in ("捷運", "運捷")}
    assert scores["捷運"] > scores["運捷"]  # the same characters, but only one pair of them stands in the text


@pytest.mark.parametrize("question", ["", "?!", "zebra", "Zebra Lunada", "   ", "1200000"])
def test_nothing_is_found_for_no_words_for_unknown_ones_and_for_teasers(
    stored: Archive, words: TantivyWords, question: str
) -> None:
    assert found(stored, words, question) == []


def test_a_question_of_stop_words_alone_still_searches_for_them(stored: Archive, words: TantivyWords) -> None:
    assert found(stored, words, "what is it") != []


@pytest.mark.parametrize(
    "question",
    ['"quoted', "a AND (b", "title:ferry OR", "ferry~2", "*", "-ferry", "ferry^5", "[1 TO 2]", "\\", "ferry\0"],
)
def test_no_question_is_read_as_query_syntax(stored: Archive, words: TantivyWords, question: str) -> None:
    assert set(found(stored, words, question)) <= {a.id for a in stored.catalog.articles()}


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(), {"a9", "a10"}),
        (Filters(since=date(2025, 2, 7)), {"a10"}),
        (Filters(until=date(2025, 2, 6)), {"a9"}),
        (Filters(since=date(2025, 2, 6), until=date(2026, 2, 5)), {"a9", "a10"}),
        (Filters(outlets=("corvane ledger",)), {"a9", "a10"}),
        (Filters(outlets=("The Tide",)), set()),
        (Filters(languages=("EN",)), {"a9", "a10"}),
        (Filters(languages=("es",)), set()),
        (Filters(authors=("LUND",)), {"a9", "a10"}),
        (Filters(authors=("benitez",)), set()),
        (Filters(authors=("nobody",)), set()),
    ],
)
def test_filters_let_through_what_they_say(
    stored: Archive, words: TantivyWords, filters: Filters, ids: set[str]
) -> None:
    assert set(found(stored, words, "Governor Mercer", filters=filters)) == ids


def test_an_undated_article_is_in_no_range_of_days(stored: Archive, words: TantivyWords) -> None:
    assert found(stored, words, "lighthouse") == ["a8"]
    assert found(stored, words, "lighthouse", filters=Filters(until=date(2099, 1, 1))) == []
    assert found(stored, words, "lighthouse", filters=Filters(since=date(1900, 1, 1))) == []


def test_filters_change_no_scores(stored: Archive, words: TantivyWords) -> None:
    free = dict(words.search("Governor Mercer", 20, ("en",), Filters(), []))
    within = dict(words.search("Governor Mercer", 20, ("en",), Filters(languages=("en",)), []))
    assert within == free


def test_rarity_is_the_inverse_document_frequency_of_bm25(stored: Archive, words: TantivyWords) -> None:
    n = words.count()
    rarity = words.rarity(["selwyn", "mercer", "zebra"], "en")
    # a1 and a2 say Selwyn, a9 and a10 Mercer, nobody (but a teaser) zebra
    assert rarity["selwyn"] == rarity["mercer"] == pytest.approx(log(1 + (n - 2 + 0.5) / 2.5))
    assert rarity["zebra"] == pytest.approx(log(1 + (n + 0.5) / 0.5))


def one(key: int, article_id: str, text: str) -> StoredPassage:
    article = Article(id=article_id, title="", text=text, language="en")
    return StoredPassage(key, Passage(article=article, number=0, start=0, end=len(text)), "hash")


def test_dropping_takes_all_passages_of_an_article_and_clearing_all(tmp_path: Path) -> None:
    index = TantivyWords(tmp_path / "words")
    index.put([one(1, "a", "rain"), one(2, "a", "snow"), one(3, "a-b", "rain and hail")])
    index.drop_articles(["a", "unknown"])
    assert index.keys() == {3}  # ids are compared whole: "a-b" is another article
    assert [key for key, _ in index.search("rain", 5, ("en",), Filters(), [])] == [3]
    index.clear()
    assert (index.keys(), index.count()) == (set(), 0)


def test_words_elsewhere_in_the_article_lift_its_passages(tmp_path: Path) -> None:
    index = TantivyWords(tmp_path / "words")
    index.put([one(1, "a", "rain on the coast"), one(2, "a", "a ferry ran aground"), one(3, "b", "rain on the coast")])
    scores = dict(index.search("rain ferry", 5, ("en",), Filters(), []))
    assert scores[1] > scores[3]  # the same words, but a's other passage tells of the ferry
    alone = dict(index.search("rain", 5, ("en",), Filters(), []))
    assert alone[1] < alone[3]  # both say rain once, and b is shorter
    index.drop_articles(["a"])
    index.put([one(4, "a", "rain on the coast")])
    again = dict(index.search("rain ferry", 5, ("en",), Filters(), []))
    assert again[3] == pytest.approx(again[4])  # what the article no longer says lifts nothing


def test_an_index_of_an_earlier_program_or_without_its_articles_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    TantivyWords(folder).put([one(1, "a", "rain")])
    shutil.rmtree(folder / "articles")
    with pytest.raises(StorageError, match="no index of their articles.*dateline rebuild"):
        TantivyWords(folder)


def test_an_index_made_by_other_rules_is_reported_and_an_empty_one_takes_the_new(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    TantivyWords(folder).put([one(1, "a", "rain")])
    for earlier in ("1", None):
        (folder / "terms").write_text(earlier) if earlier else (folder / "terms").unlink()
        with pytest.raises(
            StorageError, match=r"terms have version 1, this program needs version \d+\. No article is lost"
        ):
            TantivyWords(folder)
    (folder / "terms").write_text(TERMS)
    TantivyWords(folder).clear()
    (folder / "terms").write_text("1")
    TantivyWords(folder).put([one(1, "a", "rain")])
    assert TantivyWords(folder).count() == 1


def test_a_question_finds_the_other_spelling(tmp_path: Path) -> None:
    index = TantivyWords(tmp_path / "words")
    index.put([one(1, "a", "Sceptics criticised the labour programme"), one(2, "b", "rain")])
    assert [key for key, _ in index.search("skeptics", 5, ("en",), Filters(), [])] == [1]
    assert [key for key, _ in index.search("criticized labor programs", 5, ("en",), Filters(), [])] == [1]


def test_another_index_on_the_same_folder_reads_what_was_committed(tmp_path: Path) -> None:
    writer, reader = TantivyWords(tmp_path / "words"), TantivyWords(tmp_path / "words")
    writer.put([one(1, "a", "rain")])
    assert reader.count() == 1
    assert [key for key, _ in reader.search("rain", 5, ("en",), Filters(), [])] == [1]


@pytest.mark.parametrize("file", ["meta.json", ".managed.json"])
def test_a_damaged_folder_is_reported(tmp_path: Path, file: str) -> None:
    TantivyWords(tmp_path / "words").put([one(1, "a", "rain")])
    (tmp_path / "words" / file).write_text("{")
    with pytest.raises(StorageError, match="No article is lost: dateline rebuild"):
        TantivyWords(tmp_path / "words")


def test_the_words_of_an_article_are_gathered_once_whatever_articles_stand_beside_it(tmp_path: Path) -> None:
    together, alone = TantivyWords(tmp_path / "together"), TantivyWords(tmp_path / "alone")
    stored = [
        one(1, "a", "rain on the coast"),
        one(2, "a", "a ferry ran aground"),
        one(3, "b", "hail"),
        one(4, "c", "fog"),
    ]
    together.put(stored)
    for article_id in ("a", "b", "c"):
        alone.put([each for each in stored if each.passage.article.id == article_id])
    for question in ("rain ferry", "hail", "fog on the coast"):
        assert together.search(question, 5, ("en",), Filters(), []) == alone.search(question, 5, ("en",), Filters(), [])


def test_a_search_ranks_by_the_words_as_they_are_written_among_what_their_stems_find(tmp_path: Path) -> None:
    index = TantivyWords(tmp_path / "words")
    index.put(
        [one(n, f"a{n}", "the painting of a harbour" if n == 70 else "they paint a harbour") for n in range(1, 81)]
    )
    found = index.search("painting", 80, ("en",), Filters(), [])
    assert {key for key, _ in found} == set(range(1, 81))  # the stems are the same
    assert found[0][0] == 70
    assert index.search("painting", 3, ("en",), Filters(outlets=("no such",)), []) == []


@pytest.mark.parametrize("term_by_term", [False, True])
def test_passages_get_the_same_score_whether_they_are_searched_for_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, term_by_term: bool
) -> None:
    monkeypatch.setattr(keyword_index, "_TERM_BY_TERM_FROM", 0 if term_by_term else 1 << 30)
    index, words = TantivyWords(tmp_path / "words"), "rain hail ferry harbour mayor budget storm rail".split()
    index.put([one(n, f"a{n // 3}", " ".join(words[n % 5 : n % 7 + 2])) for n in range(1, 51)])
    long = " ".join(words + [f"unheard{n}" for n in range(60)])  # of more terms than are asked for one by one
    for question in ("rain at the harbour", "rain at the harbuor", "nothing of it", long):
        found = dict(index.search(question, 50, ("en",), Filters(), []))
        assert bool(found) == (question != "nothing of it")
        assert index.scores(question, ("en",), [*range(1, 51), 999]) == pytest.approx(found)


def test_a_query_is_asked_term_by_term_from_so_many_documents_for_each_term_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyword_index, "_TERM_BY_TERM_FROM", 10)
    index, words = TantivyWords(tmp_path / "words"), "rain hail ferry harbour mayor budget storm rail".split()
    index.put([one(n, f"a{n // 3}", " ".join(words[n % 5 : n % 7 + 2])) for n in range(1, 51)])
    terms = index._weighted({("words", word): 1.0 for word in words}, index._schema)
    chosen = index._any_of(index._schema, "key", range(1, 51))

    def scored(documents: int) -> tuple[str, dict[int, float]]:
        query = index._among(terms, chosen, documents)
        return str(query), dict(index._found(index._searcher(index._index), query, 50, "key"))

    (few, at_once), (many, one_by_one) = scored(10 * len(terms) - 1), scored(10 * len(terms))
    assert few != many
    assert str(index._among(terms[1:], chosen, 10 * len(terms) - 1)) != str(index._among(terms[1:], chosen, 1))
    assert at_once
    assert one_by_one == pytest.approx(at_once)
