"""Keyword search over passages with BM25 (tantivy). Terms are stemmed here, by the language of each article.

The folder holds two indexes: one of passages and, under articles/, one of all words of each article. The score of a
passage combines its own words with those of its article, since the terms of a question are often spread over several
passages of the relevant article.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from rag.archive import private_files
from rag.archive.indexes.keyword_terms import (
    ARTICLE_BOOST,
    FOREIGN_DF,
    FOREIGN_SHARE,
    LEAST_FOREIGN,
    MISSPELT_BOOST,
    MOST_MISSPELT,
    headline_terms,
    question_terms,
    rarity,
)
from rag.archive.indexes.vector_index import disk_is_full
from rag.archive.tables.passages import StoredPassage
from rag.archive.tables.table import day_number
from rag.errors import IndexDamaged, StorageError
from rag.language.misspelling import edits_allowed
from rag.language.stems import index_terms, stem
from rag.language.tokens import fold, tokens
from rag.schema import Filters

NAME = "words"
_WHOLE = "articles"  # subfolder of the index of articles
_COMMIT = "meta.json"  # file of tantivy that names the segments of the last commit
_MARK = "terms"  # file in the folder that holds TERMS
# Version of the rules in rag.language that derive the terms. Raise it with every change of those rules: an index with
# terms of another version would miss passages, so it is rebuilt. Version 3 keeps the vowel marks of a word in it; with
# version 4, a passage has the number of its article, so that a search reads no stored document.
TERMS = "4"
_READ_QUESTIONS = 64  # whose queries are kept: a search needs those of its question three times
_CANDIDATES = 60  # passages at least, best by their own words, of which `search` gives the best with their articles'
# To score some documents, tantivy computes the scores of all others near them too, unless it is asked for one term
# after the other. That pays from so many documents for each term on. One core, 60 passages, 15 terms: .16 and .36 ms of
# 1,178, .25 and .44 of 11,609, .79 and .62 of 116,734, 2.1 and 1.1 of 1,167,341; 60 articles, 5 terms: .12 and .14 ms
# of 2,500, .29 and .19 of 25,000. Each term asked for so is a level of a query, so there are not many.
_TERM_BY_TERM_FROM, _TERM_BY_TERM = 3_000, 30
_HEAP = 64_000_000  # bytes of memory for tantivy's writer, which needs at least 15 MB per thread


@dataclass(frozen=True, slots=True)
class _Question:
    """The queries of a question: for each of its terms in passages, and for each of its stems in whole articles."""

    terms: Sequence[Any]
    stems: Sequence[Any]
    foreign: bool


class TantivyWords:
    """A tantivy index in a folder. Other processes may read it while one process writes.

    Every method raises StorageError when the disk is full and IndexDamaged when the index is damaged.
    """

    def __init__(self, folder: Path) -> None:
        """Opens or creates the index. Raises IndexDamaged for one that an earlier version of the program made."""
        import tantivy

        self._folder = folder
        self._tantivy = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", indexed=True, fast=True)
        builder.add_integer_field("number", fast=True)  # of its article: the key of the first passage
        builder.add_integer_field("day", indexed=True, fast=True)
        builder.add_text_field("article", tokenizer_name="raw", index_option="basic")
        for name in ("outlet", "language"):
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
        # The terms are computed by rag.language.stems and joined by spaces.
        for name in ("words", "stems", "title"):
            builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        whole = tantivy.SchemaBuilder()
        whole.add_integer_field("number", indexed=True, fast=True)
        whole.add_text_field("article", tokenizer_name="raw", index_option="basic")
        whole.add_text_field("stems", tokenizer_name="whitespace", index_option="freq")
        self._whole_schema = whole.build()
        self._read = lru_cache(_READ_QUESTIONS)(self._read_question)
        with self._reported():
            private_files.make_folder(folder)
            private_files.make_folder(folder / _WHOLE)
            self._index = tantivy.Index(self._schema, path=str(folder))
            self._whole = tantivy.Index(self._whole_schema, path=str(folder / _WHOLE))
            # tantivy replaces this file with each commit; reloading an index that has not changed takes 0.1 ms.
            self._commit_files = {self._index: folder / _COMMIT, self._whole: folder / _WHOLE / _COMMIT}
            self._loaded: dict[Any, tuple[int, int, int]] = {}
            if self._searcher(self._index).num_docs:
                self._check(folder)
            else:
                (folder / _MARK).write_text(TERMS, encoding="ascii")

    def _check(self, folder: Path) -> None:
        """Raises ValueError for an index that an earlier version of the program made."""
        if not self._searcher(self._whole).num_docs:
            raise ValueError("it holds passages, but no index of their articles")
        made_by = (folder / _MARK).read_text(encoding="ascii") if (folder / _MARK).exists() else "1"
        if made_by != TERMS:
            raise ValueError(f"its terms have version {made_by}, this program needs version {TERMS}")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # tantivy raises ValueError; a truncated file can also make it panic, with a class that cannot be imported.
            if not isinstance(error, (ValueError, OSError)) and type(error).__name__ != "PanicException":
                raise
            if disk_is_full(error, self._folder):
                raise StorageError(
                    f"The keyword index at {self._folder} cannot be written: {error}. The disk is full: free some "
                    "space and try again. No article is lost."
                ) from error
            raise IndexDamaged(
                f"The keyword index at {self._folder} cannot be used: {error}. No article is lost: dateline rebuild "
                "restores it from the catalogue."
            ) from error

    @contextmanager
    def _writer(self, index: Any) -> Iterator[Any]:
        """A writer whose changes are committed, and visible to searches, when the context ends."""
        with self._reported():
            writer = index.writer(_HEAP, 1)
            try:
                yield writer
                writer.commit()
            except BaseException:
                # The traceback may keep the writer alive, which holds tantivy's lock: no other writer could be opened.
                with suppress(Exception):
                    writer.rollback()
                with suppress(Exception):
                    writer.wait_merging_threads()
                raise
            writer.wait_merging_threads()  # ends the writer and releases the lock
            index.reload()

    def _searcher(self, index: Any) -> Any:
        """A searcher over the last commit, including commits of other processes."""
        state = self._commit_files[index].stat()
        commit = state.st_ino, state.st_mtime_ns, state.st_size
        if self._loaded.get(index) != commit:
            index.reload()
            self._loaded[index] = commit
        return index.searcher()

    def put(self, stored: Iterable[StoredPassage], *, replacing: Sequence[str] | None = ()) -> None:
        """Adds passages under their keys after removing those of the articles `replacing` (all passages for None)."""
        # The index of articles is committed first here and last in drop_articles: no reader sees passages without the
        # words of their article.
        with self._writer(self._index) as passages, self._writer(self._whole) as articles:
            for writer in (passages, articles):
                if replacing is None:
                    writer.delete_all_documents()
                for article_id in replacing or ():
                    writer.delete_documents_by_term("article", article_id)
            for _, of_one in groupby(stored, key=lambda one: one.passage.article.id):
                self._add(list(of_one), passages, articles)

    def _add(self, stored: Sequence[StoredPassage], passages: Any, articles: Any) -> None:
        """Gives the passages of one article to the writers of both indexes."""
        article, whole = stored[0].passage.article, []
        of_all = {
            "number": stored[0].key,
            "day": day_number(article.day) or 0,
            "article": article.id,
            "outlet": fold(article.outlet),
            "language": article.language,
            "title": " ".join(index_terms(headline_terms(article), article.language)[1]),
        }
        for one in stored:
            words, stems = map(" ".join, index_terms(one.passage.text, article.language))
            whole.append(stems)
            passages.add_document(self._tantivy.Document(key=one.key, words=words, stems=stems, **of_all))
        stems = " ".join(whole)
        articles.add_document(self._tantivy.Document(number=stored[0].key, article=article.id, stems=stems))

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Removes all passages of these articles."""
        if not articles:
            return
        for index in (self._index, self._whole):
            with self._writer(index) as writer:
                for article in articles:
                    writer.delete_documents_by_term("article", article)

    def search(
        self, question: str, k: int, languages: Sequence[str], filters: Filters, by_author: Sequence[str]
    ) -> list[tuple[int, float]]:
        """At most k pairs (key, score) within the filters, best first; BM25 of passage and article, above 0."""
        if filters.authors and not by_author:
            return []
        with self._reported():
            searcher = self._searcher(self._index)
            asked = self._read(question, tuple(languages), searcher.num_docs)
            if asked is None:
                return []
            query = self._within(self._any(asked.terms), self._conditions(filters, by_author))
            found = self._with_articles(asked, self._found(searcher, query, max(_CANDIDATES, k), "key", "number"))
        return sorted(found.items(), key=lambda one: -one[1])[:k]

    def scores(self, question: str, languages: Sequence[str], keys: Sequence[int]) -> dict[int, float]:
        """What `search` would give each of these passages, those at 0 left out."""
        if not keys:
            return {}
        with self._reported():
            searcher = self._searcher(self._index)
            asked = self._read(question, tuple(languages), searcher.num_docs)
            if asked is None:
                return {}
            query = self._among(asked.terms, self._any_of(self._schema, "key", keys), searcher.num_docs)
            return self._with_articles(asked, self._found(searcher, query, len(keys), "key", "number"))

    def _within(self, query: Any, conditions: Sequence[Any]) -> Any:
        """The query for documents that meet all conditions too, which change no score."""
        q, must = self._tantivy.Query, self._tantivy.Occur.Must
        within = [(must, q.const_score_query(condition, 0.0)) for condition in conditions]
        return q.boolean_query([(must, query), *within]) if within else query

    def _among(self, terms: Sequence[Any], chosen: Any, documents: int) -> Any:
        """The query for some chosen ones of so many documents, scored by these terms."""
        if documents < _TERM_BY_TERM_FROM * len(terms):
            return self._within(self._any(terms), [chosen])
        q, occur = self._tantivy.Query, self._tantivy.Occur
        found = q.const_score_query(chosen, 0.0)
        rest = [self._any(terms[_TERM_BY_TERM:])] if len(terms) > _TERM_BY_TERM else []
        for term in (*terms[:_TERM_BY_TERM], *rest):
            found = q.boolean_query([(occur.Must, found), (occur.Should, term)])
        return found

    def _read_question(self, question: str, languages: Sequence[str], _passages: int) -> _Question | None:
        """A question as queries; None without a word. They are kept while there are as many passages."""
        terms = question_terms(question, languages)
        if not terms:
            return None
        # Each word of another language is unknown, and the words that it is close to mean something else.
        foreign = self._is_foreign(question, languages)
        misspelt = [] if foreign else self._misspelt(terms, languages)
        stems = {key: 1.0 for key in terms if key[0] == "stems"}
        return _Question(
            terms=[*self._weighted(terms, self._schema), *misspelt],
            stems=self._weighted(stems, self._whole_schema),
            foreign=foreign,
        )

    def _found(self, searcher: Any, query: Any, k: int, *fields: str) -> list[Any]:
        """The values of these numeric fields and the score, above 0, of the best k documents, best first.

        As the matches are not counted, tantivy skips blocks of documents that cannot be among the best k.
        """
        hits = searcher.search(query, k, count=False).hits
        addresses = [address for _, address in hits]
        columns = [searcher.fast_field_values(field, addresses) for field in fields]
        return [row for row in zip(*columns, [float(score) for score, _ in hits], strict=True) if row[-1] > 0]

    def _with_articles(self, asked: _Question, found: Sequence[tuple[int, int, float]]) -> dict[int, float]:
        """Passage key -> score, for (key, number of the article, score): the BM25 score of the question's stems in the
        full text of the article is added."""
        searcher, numbers = self._searcher(self._whole), {number for _, number, _ in found}
        whole = {}
        if numbers and asked.stems:
            query = self._among(asked.stems, self._any_of(self._whole_schema, "number", numbers), searcher.num_docs)
            whole = dict(self._found(searcher, query, len(numbers), "number"))
        return {key: score + ARTICLE_BOOST * whole.get(number, 0.0) for key, number, score in found}

    def _any_of(self, schema: Any, field: str, values: Iterable[int]) -> Any:
        """A query for the documents with one of these values; for a hundred, in a third of a term_set_query's time."""
        return self._any([self._tantivy.Query.term_query(schema, field, value, "basic") for value in values])

    def _any(self, queries: Sequence[Any]) -> Any:
        """A query for the documents that match any of these, with the sum of their scores."""
        return self._tantivy.Query.boolean_query([(self._tantivy.Occur.Should, query) for query in queries])

    def _weighted(self, terms: Mapping[tuple[str, str], float], schema: Any) -> list[Any]:
        """A query for each (field, term) pair with its weight."""
        q = self._tantivy.Query
        return [
            q.boost_query(q.term_query(schema, field, term, "freq"), weight) for (field, term), weight in terms.items()
        ]

    def _misspelt(self, terms: Mapping[tuple[str, str], float], languages: Sequence[str]) -> list[Any]:
        """For each word that no article holds, in any form: a query for the words it may be meant for, with its weight.

        Passages that hold any of them score alike, by how rare they are together: a word close to a hundred others
        tells little.
        """
        searcher, q = self._searcher(self._index), self._tantivy.Query
        words = [word for field, word in terms if field == "words" and edits_allowed(word)]
        unknown = [word for word in words if not self._is_known(searcher, word, languages)]
        found = []
        for word in unknown[:MOST_MISSPELT]:
            meant = q.fuzzy_term_query(self._schema, "words", word, distance=edits_allowed(word))
            df = searcher.search(meant, 1, count=True).count
            if df:
                found.append(q.const_score_query(meant, MISSPELT_BOOST * rarity(searcher.num_docs, df)))
        return found

    def _is_known(self, searcher: Any, word: str, languages: Sequence[str]) -> bool:
        """Whether a text or a headline holds a folded word, or in one of these languages another form of it."""
        return self._frequency(searcher, word, languages) > 0

    def _frequency(self, searcher: Any, word: str, languages: Sequence[str]) -> int:
        """How many passages hold a folded word, or in one of these languages another form of it."""
        stems = {stem(word, language) for language in languages}
        found = [searcher.doc_freq(field, one) for field in ("stems", "title") for one in stems]
        return max([int(searcher.doc_freq("words", word)), *map(int, found)])

    def _conditions(self, filters: Filters, by_author: Sequence[str]) -> list[Any]:
        q, schema = self._tantivy.Query, self._schema
        found = []
        if filters.since or filters.until:
            first = day_number(filters.since) or 1
            last = day_number(filters.until) or 99999999
            found.append(q.range_query(schema, "day", self._tantivy.FieldType.Integer, first, last))
        if filters.outlets:
            found.append(q.term_set_query(schema, "outlet", [fold(outlet) for outlet in filters.outlets]))
        if filters.languages:
            found.append(q.term_set_query(schema, "language", [name.lower() for name in filters.languages]))
        if filters.authors:
            found.append(q.term_set_query(schema, "article", list(by_author)))
        return found

    def rarity(self, words: Sequence[str], language: str) -> dict[str, float]:
        """The BM25 inverse document frequency of each folded word: about 0 to 12, higher for rarer words."""
        found = {}
        with self._reported():
            searcher = self._searcher(self._index)
            for word in words:
                df = max(searcher.doc_freq("stems", stem(word, language)), searcher.doc_freq("words", word))
                found[word] = rarity(searcher.num_docs, df)
        return found

    def unknown(self, words: Sequence[str], language: str) -> set[str]:
        """Those of the folded words that no text and no headline holds, in this or another form."""
        with self._reported():
            searcher = self._searcher(self._index)
            return {word for word in words if not self._is_known(searcher, word, [language])}

    def is_foreign(self, question: str, languages: Sequence[str]) -> bool:
        """Whether a question is in another language than the articles, told by how many of its words they hold."""
        with self._reported():
            asked = self._read(question, tuple(languages), self._searcher(self._index).num_docs)
        return asked is not None and asked.foreign

    def _is_foreign(self, question: str, languages: Sequence[str]) -> bool:
        words = {token.folded for token in tokens(question)}
        searcher = self._searcher(self._index)
        most = FOREIGN_DF * searcher.num_docs
        foreign = sum(self._frequency(searcher, word, languages) <= most for word in words)
        return bool(foreign >= LEAST_FOREIGN and foreign >= FOREIGN_SHARE * len(words))

    def keys(self) -> set[int]:
        """All keys in the index."""
        with self._reported():
            searcher = self._searcher(self._index)
            if not searcher.num_docs:
                return set()
            every = searcher.search(self._tantivy.Query.all_query(), searcher.num_docs, count=False).hits
            return set(searcher.fast_field_values("key", [address for _, address in every]))

    def count(self) -> int:
        """How many passages the index holds."""
        with self._reported():
            return int(self._searcher(self._index).num_docs)

    def clear(self) -> None:
        """Removes everything."""
        for index in (self._index, self._whole):
            with self._writer(index) as writer:
                writer.delete_all_documents()
