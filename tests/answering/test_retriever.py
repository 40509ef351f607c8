from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fakes import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.retrieval.retriever import Candidate, Retriever, fuse, select
from rag.archive.archive import Archive
from rag.errors import StorageError
from rag.models.cards import E5_SMALL
from rag.schema import Article, Filters, Passage
from rag.settings import Settings


def retriever(archive: Archive, **settings: object) -> Retriever:
    return Retriever(archive, WordEmbedder(), Settings(data_dir=archive.folder, **settings))  # type: ignore[arg-type]


def passage(article: Article, number: int = 0) -> Passage:
    return Passage(article=article, number=number, start=0, end=len(article.text))


def test_fusion_is_a_weighted_sum_of_scores_over_their_maximum() -> None:
    # dense: 1 -> .8/.8 = 1, 2 -> .4/.8 = .5, 3 -> below zero counts as 0. sparse: 2 -> 6/6 = 1, 4 -> 3/6 = .5
    # weight .4: 1 = .4, 2 = .4 * .5 + .6 * 1 = .8, 3 = 0, 4 = .6 * .5 = .3
    ranked = fuse({1: 0.8, 2: 0.4, 3: -0.2}, {2: 6.0, 4: 3.0}, 0.4)
    assert ranked == [(2, pytest.approx(0.8)), (1, pytest.approx(0.4)), (4, pytest.approx(0.3)), (3, 0.0)]


@pytest.mark.parametrize(
    ("dense", "sparse", "weight", "ranked"),
    [
        ({}, {}, 0.4, []),
        ({1: 0.5}, {}, 0.4, [(1, 0.4)]),
        ({}, {1: 5.0}, 0.4, [(1, 0.6)]),
        ({1: -0.5, 2: 0.0}, {}, 0.4, [(1, 0.0), (2, 0.0)]),  # no division by a best score of zero
        ({1: 5e-324}, {1: 1.0}, 0.5, [(1, 1.0)]),  # the smallest number: half of it is rounded to all of it or nothing
        ({1: 5e-324}, {1: 1.0}, 0.75, [(1, 1.0)]),
        ({2: 0.5, 1: 0.5}, {}, 1.0, [(1, 1.0), (2, 1.0)]),  # ties: the older passage first, the same every time
    ],
)
def test_fusion_at_its_edges(
    dense: dict[int, float], sparse: dict[int, float], weight: float, ranked: list[tuple[int, float]]
) -> None:
    assert fuse(dense, sparse, weight) == ranked


@given(
    st.dictionaries(st.integers(0, 9), st.floats(-1, 1)),
    st.dictionaries(st.integers(0, 9), st.floats(0.01, 50)),
    st.floats(0, 1),
)
def test_fused_scores_lie_between_0_and_1_best_first(
    dense: dict[int, float], sparse: dict[int, float], weight: float
) -> None:
    ranked = fuse(dense, sparse, weight)
    scores = [score for _, score in ranked]
    assert {key for key, _ in ranked} == dense.keys() | sparse.keys()
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)


def text_of(words: int, first: int = 0) -> str:
    """Different words, so that every run of five is different: n words have n - 4 of them."""
    return " ".join(f"w{i}" for i in range(first, first + words))


def article(article_id: str, text: str) -> Article:
    return Article(id=article_id, title=article_id, text=text)


def test_no_article_has_more_hits_than_allowed() -> None:
    long, other = article("long", text_of(100)), article("other", text_of(100, 500))
    ranked = [Candidate(passage(long, n), 1 - n / 10) for n in range(5)] + [Candidate(passage(other), 0.1)]
    assert [h.passage.id for h in select(ranked, top_k=4, per_article=2)] == ["long#0", "long#1", "other#0"]
    assert [h.passage.id for h in select(ranked, top_k=2, per_article=9)] == ["long#0", "long#1"]


def test_a_copy_with_another_number_is_a_hit_beside_the_story() -> None:
    told = "A fire at the paper mill killed {} workers on Sunday night, the fire service said. " + text_of(90)
    ids = ["story", "copy", *(f"false{n}" for n in range(5)), *(f"other{n}" for n in range(5))]
    killed = ["three", "three", *["thirty"] * 5, "forty", "fifty", "sixty", "seventy", "eighty"]
    ranked = [
        Candidate(passage(article(name, told.format(dead))), 1 - n / 20, frozenset(ids) - {name})
        for n, (name, dead) in enumerate(zip(ids, killed, strict=True))
    ]
    hits = select(ranked, top_k=8, per_article=2)
    assert [hit.passage.article.id for hit in hits] == ["story", "false0", "other0"]  # MOST_VARIANTS of one text
    assert [one.id for one in hits[1].copies] == ["false1", "false2", "false3", "false4"]
    assert [one.id for one in hits[0].copies] == ["copy", "other1", "other2", "other3", "other4"]


def test_copies_are_folded_into_the_best_hit_and_named_there() -> None:
    story, copy, other = (
        article("story", text_of(100)),
        article("copy", text_of(95)),
        article("other", text_of(100, 500)),
    )
    ranked = [
        Candidate(passage(story), 0.9, frozenset({"copy"})),
        Candidate(passage(copy), 0.8, frozenset({"story"})),
        Candidate(passage(copy, 1), 0.7, frozenset({"story"})),
        Candidate(passage(other), 0.6),
        Candidate(passage(story, 1), 0.5, frozenset({"copy"})),
    ]
    hits = select(ranked, top_k=8, per_article=2)
    assert [(h.passage.id, [c.id for c in h.copies]) for h in hits] == [
        ("story#0", ["copy"]),  # the copy is named once, though two passages of it were found
        ("other#0", []),
        ("story#1", ["copy"]),
    ]


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_either_index_alone_and_both_together_find_the_article(stored: Archive, weight: float) -> None:
    hits = retriever(stored).retrieve("Measles outbreak over in Harrow Bay", dense_weight=weight)
    assert hits[0].passage.article.id == "a7"
    assert hits[0].score == pytest.approx(1.0)  # best in both: weight + (1 - weight)


def test_the_wire_copy_is_named_beside_the_story(stored: Archive) -> None:
    hits = retriever(stored).retrieve("ferry Castellan sandbank lifeboats")
    assert {hits[0].passage.article.id, *(c.id for c in hits[0].copies)} == {"a1", "a2"}
    assert [h.passage.article.id for h in hits].count("a1") + [h.passage.article.id for h in hits].count("a2") == 1


def test_filters_reach_both_indexes(stored: Archive) -> None:
    hits = retriever(stored).retrieve("key rate", Filters(outlets=("Corvane Ledger",)), top_k=50)
    assert {h.passage.article.id for h in hits} == {"a9", "a10"}


def test_top_k_bounds_the_hits_even_beyond_fetch_k(stored: Archive) -> None:
    small = retriever(stored, fetch_k=1)
    assert len(small.retrieve("the", top_k=3)) == 3


def test_a_hit_behind_many_passages_of_another_article_is_reached(archive: Archive) -> None:
    from ingest.pipeline import ingest

    story = " ".join(f"The zeppelin passed over mile {mile} of the valley at noon." for mile in range(400))
    rest = " ".join(f"Clause {number} concerns the drains of the town hall." for number in range(30))
    ingest(
        [Article(id="long", title="", text=story), Article(id="late", title="", text=f"{rest} A zeppelin too.")],
        archive, WordEmbedder(),
    )  # fmt: skip
    assert len(archive.catalog.passages_of("long")) > 2 * 2  # more than are read at once for two hits
    hits = retriever(archive).retrieve("zeppelin", top_k=2, per_article=1, dense_weight=0)
    assert [hit.passage.article.id for hit in hits] == ["long", "late"]


def test_withdrawn_articles_are_not_found(archive: Archive) -> None:
    from ingest.pipeline import ingest

    gone = archive.catalog.article("a7")
    assert gone is not None
    ingest([replace(gone, status="withdrawn")], archive, WordEmbedder())
    assert "a7" not in [h.passage.article.id for h in retriever(archive).retrieve("measles outbreak over", top_k=50)]


@pytest.mark.parametrize(
    ("question", "languages"),
    [
        (
            "¿Cuándo empezarán las obras en el puerto de Almenara?",
            ["es", "en"],
        ),  # its own first, then the frequent ones
        ("When did the bank lower its key rate again?", ["en", "es"]),
        ("ok", ["en", "es"]),
        ("Wann hat die Bank den Leitzins zuletzt gesenkt?", ["en", "es"]),  # no article is in German
    ],
)
def test_a_question_is_stemmed_in_its_language_and_those_of_the_archive(
    stored: Archive, question: str, languages: list[str]
) -> None:
    assert sorted(retriever(stored).languages(question)) == sorted(languages)
    assert retriever(stored).languages(question)[0] == languages[0]


def test_every_candidate_has_the_scores_of_both_indexes(stored: Archive) -> None:
    question, found = "measles outbreak ferry harbour", retriever(stored)
    languages, vector = found.languages(question), found.embedder.embed_queries([question])[0]
    dense = dict(stored.search_vectors(vector, 100, Filters()))
    words = dict(stored.search_words(question, 100, languages, Filters()))
    assert len(dense) > 5
    assert stored.cosines(vector, list(dense)) == pytest.approx(dense, abs=1e-3)  # stored in 16 bits
    assert stored.word_scores(question, languages, list(dense)) == pytest.approx(words)
    assert stored.cosines(vector, [10**9]) == stored.word_scores(question, languages, [10**9]) == {}


def test_scores_do_not_depend_on_how_many_passages_each_index_gave(
    stored: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hit that a single index fetched lost the share of the other; on two sets of six that cost the first place."""
    whole, few = retriever(stored, fetch_k=100), retriever(stored)
    questions = [f"{one.title} {two.text[:200]}" for one, two in pairwise(stored.catalog.articles(limit=-1))]
    expected = [{hit.passage.id: hit.score for hit in whole.retrieve(one, top_k=20)} for one in questions]
    vectors, words = Archive.search_vectors, Archive.search_words
    monkeypatch.setattr(Archive, "search_vectors", lambda self, vector, k, rest: vectors(self, vector, 2, rest)[1:])
    monkeypatch.setattr(Archive, "search_words", lambda self, text, k, *more: words(self, text, 1, *more))
    found = [few.retrieve(question) for question in questions]
    assert max(len(hits) for hits in found) == 2  # one of each index
    for hits, scores in zip(found, expected, strict=True):
        for hit in hits:
            assert hit.score == pytest.approx(scores[hit.passage.id], abs=1e-3)


def test_cosines_count_from_that_of_unrelated_texts(stored: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (stored.catalog.passages_of(name)[0].key for name in ("a1", "a5", "a7"))
    cosines = [(first, 0.865), (second, 0.815), (third, 0.7)]  # multilingual-e5-small: .765 is unrelated
    monkeypatch.setattr(Archive, "search_vectors", lambda *_: cosines)
    monkeypatch.setattr(Archive, "model", None)  # as a new archive, which takes any embedder
    named = Retriever(stored, WordEmbedder(E5_SMALL.name), Settings(data_dir=stored.folder))
    scores = [hit.score for hit in named.retrieve("zeppelin", dense_weight=1, per_article=9)]
    assert scores == pytest.approx([1.0, 0.5, 0.0])


def test_the_weight_of_the_vectors_is_the_models_unless_it_is_set(stored: Archive) -> None:
    def weight(name: str, question: str = "zeppelin", **settings: float) -> float:
        """The fused score of the passage whose cosine is best and that holds no word of the question."""
        found = Retriever(stored, WordEmbedder(name), Settings(data_dir=stored.folder, **settings))  # type: ignore[arg-type]
        key = stored.catalog.passages_of("a1")[0].key
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Archive, "model", None)  # as a new archive, which takes any embedder
            patched.setattr(Archive, "search_vectors", lambda *_: [(key, 0.9)])
            patched.setattr(Archive, "word_scores", lambda *_: {})
            patched.setattr(Archive, "search_words", lambda *_: [])
            return found.retrieve(question)[0].score

    assert weight(E5_SMALL.name) == pytest.approx(0.5)
    assert weight("fake/words") == pytest.approx(0.3)
    assert weight(E5_SMALL.name, dense_weight=0.2) == pytest.approx(0.2)
    german = "Welcher Bürgermeister bezahlte den neuen Leuchtturm?"
    assert weight(E5_SMALL.name, german) == pytest.approx(0.8)
    assert weight("fake/words", german) == pytest.approx(0.3)
    assert weight(E5_SMALL.name, german, dense_weight=0.2) == pytest.approx(0.2)


def test_searching_both_indexes_at_once_gives_what_one_after_the_other_gives(
    stored: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [
        "ferry Castellan sandbank lifeboats",
        "Measles outbreak over in Harrow Bay",
        "key rate",
        "台北捷運",
        "?",
    ]
    with ThreadPoolExecutor(8) as threads:  # more searches than the archive has threads for their steps
        at_once = list(threads.map(lambda question: retriever(stored).retrieve(question, top_k=20), questions * 5))

    @contextmanager
    def in_this_thread(self: Archive, call: Callable[[], object]) -> Iterator[Callable[[], object]]:
        yield call

    monkeypatch.setattr(Archive, "beside", in_this_thread)
    assert at_once == [retriever(stored).retrieve(question, top_k=20) for question in questions] * 5


def test_a_question_that_cannot_be_embedded_fails_and_the_next_one_is_searched(stored: Archive) -> None:
    class Failing(WordEmbedder):
        def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
            raise StorageError("no memory")

    for _ in range(9):  # more than there are threads for steps, none of which may be left waiting
        with pytest.raises(StorageError, match="no memory"):
            Retriever(stored, Failing(), Settings(data_dir=stored.folder)).retrieve("ferry")
    assert retriever(stored).retrieve("ferry")


@pytest.mark.parametrize("step", ["search_vectors", "search_words", "cosines", "word_scores"])
def test_a_step_that_fails_makes_the_search_fail_with_its_error(
    stored: Archive, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def failing(*_: object) -> None:
        raise StorageError(f"{step} failed")

    with monkeypatch.context() as patched:
        patched.setattr(Archive, step, failing)
        with pytest.raises(StorageError, match=f"^{step} failed$"):
            retriever(stored).retrieve("ferry")
    assert retriever(stored).retrieve("ferry")
