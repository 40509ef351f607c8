"""One archive folder: the catalogue and the indexes derived from it.

catalogue.sqlite     the source of truth              any number of processes read; one ingests at a time
  or, with DATELINE_CATALOG, a PostgreSQL database: any number of processes with folders of their own read and ingest
vectors/ words/      derived, may be deleted          only the process that holds index.lock opens vectors/
  or, with DATELINE_INDEX, the vectors in Milvus: all processes search them, and one at a time writes
graph/               the vectors as read into memory  only the process that holds index.lock writes it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rag.archive import installation, integrity
from rag.archive.catalog import REINDEXING, Catalog, Cut
from rag.archive.indexer import Indexer, lock_file
from rag.archive.indexes import keyword_index, vector_index
from rag.archive.indexes.word_index import WordIndex
from rag.archive.side_threads import SideThreads
from rag.archive.tables.changes import IMPORTING
from rag.errors import ArchiveBusy, ArchiveMismatch, IndexDamaged, StorageError
from rag.schema import Filters

if TYPE_CHECKING:
    from rag.settings import Settings


_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The result of `doctor`: problems of the catalogue, its number of passages, and how many of them each derived
    index lacks or has in excess. The numbers are None when the catalogue is damaged, as nothing is compared then.
    """

    catalogue: tuple[str, ...] = ()
    passages: int | None = None
    vectors_missing: int | None = None
    vectors_extra: int | None = None
    words_missing: int | None = None
    words_extra: int | None = None

    @property
    def sound(self) -> bool:
        """Whether the catalogue has no problem and both indexes hold exactly its passages."""
        compared = (self.vectors_missing, self.vectors_extra, self.words_missing, self.words_extra)
        return not self.catalogue and all(number == 0 for number in compared)


class Archive:
    """The articles of one folder, searchable. Safe for many threads of one process.

    A thread of the archive keeps the indexes up to date. Searches wait for it only while an index is being opened, at
    most for indexer.OPENING_SECONDS.
    """

    def __init__(self, settings: Settings, *, asks_once: bool = False, may_be_new: bool = False) -> None:
        """Opens or creates the archive; the indexes are opened when they are first needed. Raises DatelineError.

        A named archive is created only where it `may_be_new`: else a mistyped name would make an empty one.

        `asks_once` is for a process that ends after one search: the vectors of an archive that is not large are
        searched exactly in the catalogue then, which is sooner done than opening their index.
        """
        self.folder = settings.folder
        # What a command needs to find it: the folder of its installation, and its name.
        self.installation, self.option = settings.data_dir.expanduser().absolute(), settings.archive_option
        if not may_be_new:
            installation.check_exists(settings)
        installation.make_folder(settings)
        derived = [self.folder / name for name in (vector_index.NAME, keyword_index.NAME)]
        place = self.folder / installation.CATALOGUE
        self.catalog = Catalog(place, derived=derived, url=settings.catalog, schema=settings.schema_name)
        self.indexer = Indexer(
            self.catalog,
            self.folder,
            settings.chroma_url,
            settings.index,
            archive=settings.archive,
            asks_once=asks_once,
        )
        self._side_threads = SideThreads()

    def close(self) -> None:
        """Ends the archive's threads, releases locks and closes all files."""
        self.indexer.close()
        self._side_threads.close()
        self.catalog.close()

    # --- searching ------------------------------------------------------------------------------

    def search_vectors(self, vector: np.ndarray, k: int, filters: Filters) -> list[tuple[int, float]]:
        """At most k pairs (passage key, cosine similarity), best first."""
        index = self.indexer.vectors()
        try:
            return index.search(vector, k, filters, self._authors(filters))
        except IndexDamaged:
            return self.indexer.vectors(failed=index).search(vector, k, filters, self._authors(filters))

    def search_words(
        self, question: str, k: int, languages: Sequence[str], filters: Filters
    ) -> list[tuple[int, float]]:
        """At most k pairs (passage key, BM25 score), best first."""
        return self._words(lambda index: index.search(question, k, languages, filters, self._authors(filters)))

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """Passage key -> cosine similarity, from memory or the catalogue; keys that are gone are left out."""
        found = self.indexer.vectors().cosines(vector, keys)
        present, vectors = self.catalog.vectors_of([key for key in keys if key not in found])
        return found | dict(zip(present, (vectors @ vector).tolist(), strict=True)) if present else found

    def word_scores(self, question: str, languages: Sequence[str], keys: Sequence[int]) -> dict[int, float]:
        """Passage key -> the BM25 score that `search_words` gives it, those at 0 left out."""
        return self._words(lambda index: index.scores(question, languages, keys))

    def rarity(self, words: Sequence[str], language: str) -> dict[str, float]:
        """Folded word -> inverse document frequency over the passages of the archive."""
        return self._words(lambda index: index.rarity(words, language))

    def unknown_words(self, words: Sequence[str], language: str) -> set[str]:
        """Those of the folded words that no article holds, in this or another form."""
        return self._words(lambda index: index.unknown(words, language))

    def is_foreign(self, question: str, languages: Sequence[str]) -> bool:
        """Whether a question is in another language than the articles, told by how many of its words they hold."""
        return self._words(lambda index: index.is_foreign(question, languages))

    def _words(self, use: Callable[[WordIndex], _Result]) -> _Result:
        """What a search of the keyword index gives; an index that fails is rebuilt first."""
        index = self.indexer.words()
        try:
            return use(index)
        except IndexDamaged:
            return use(self.indexer.words(failed=index))

    def _authors(self, filters: Filters) -> list[str]:
        return self.catalog.article_ids(filters) if filters.authors else []

    def searching(self) -> AbstractContextManager[None]:
        """A context for a search of several steps, during which the indexer and an ingest pause between their steps."""
        return self.indexer.priority.search()

    def beside(self, call: Callable[[], _Result]) -> AbstractContextManager[Callable[[], _Result]]:
        """A context during which `call`, a step of a search, runs on another thread.

        The function that the context gives returns the result of `call` or raises its error.
        """
        return self._side_threads.beside(call)

    @property
    def model(self) -> str | None:
        """The name of the embedder whose vectors the archive holds; None in a new archive."""
        return self.catalog.get_meta("embedder")

    @property
    def reindexed_to(self) -> str | None:
        """The embedder that a dateline reindex, under way or interrupted, moves the archive to; None without one."""
        return self.catalog.get_meta(REINDEXING)

    def give_way(self) -> None:
        """Called between the steps of an ingest: returns when no search runs, after 50 ms at the latest."""
        self.indexer.priority.give_way()

    # --- the derived indexes ----------------------------------------------------------------------

    def begin_opening(self) -> None:
        """Begins to open the indexes and returns at once; a search waits for them."""
        self.indexer.begin()

    def wait_until_indexed(self) -> None:
        """Returns when searches that start from now on find all that the catalogue holds.

        An index that cannot be opened, or lacks what the catalogue has, is rebuilt. Where another process owns the
        indexes, this waits some seconds for it to follow. Raises StorageError where the indexes cannot follow.
        """
        self.indexer.wait()

    def wait_until_threaded(self) -> None:
        """As `wait_until_indexed`, and the stories are as the catalogue is, and the vectors that searches want are in
        memory, unless another process owns the indexes."""
        self.indexer.wait(complete=True)

    def changes_behind(self) -> int:
        """How many of the newest changes of the catalogue a search may not find yet; 0 where it finds all."""
        return self.indexer.changes_behind()

    @property
    def owns_indexes(self) -> bool:
        """Whether this process owns the indexes. If another one does (a running server), that one updates them."""
        return self.indexer.owns

    def own_indexes(self) -> None:
        """Makes this process the owner of the indexes. Raises ArchiveBusy when another process owns them."""
        self.indexer.own()

    def rebuild(self) -> int:
        """Rebuilds both indexes from the catalogue without embedding anything. Returns the number of passages.

        Searches read the old indexes until the new ones are complete.
        """
        with self.writing():
            self.own_indexes()
            self.indexer.wait(rebuild=True)
            return self.catalog.count_passages()

    def health(self) -> Health:
        """The result of checking the whole catalogue and comparing the derived indexes with it."""
        problems = integrity.problems(self.catalog)
        if problems:  # the indexes must not be rebuilt from a damaged catalogue
            return Health(catalogue=tuple(problems))
        self.wait_until_indexed()
        truth = set(self.catalog.passage_keys())
        in_vectors, in_words = self.indexer.vectors().keys(), self.indexer.words().keys()
        return Health(
            passages=len(truth),
            vectors_missing=len(truth - in_vectors),
            vectors_extra=len(in_vectors - truth),
            words_missing=len(truth - in_words),
            words_extra=len(in_words - truth),
        )

    # --- one writer, one model ------------------------------------------------------------------

    @contextmanager
    def writing(self, *, alone: bool = False, importing: bool = False) -> Iterator[None]:
        """The lock to hold while articles are stored or removed. Raises ArchiveBusy when another process holds it, and
        unless `importing`, ArchiveMismatch where an import is unfinished.

        In PostgreSQL any number of processes hold it together, but for one that asks to be `alone`, or imports.
        """
        busy = f"Another ingest is writing to {self.place}. Wait until it has finished, then run this again."
        with self._locked("ingest.lock", busy, together=not (alone or importing)):
            if not importing:
                self.check_whole()
            self.indexer.importing = importing
            try:
                yield
            finally:
                self.indexer.importing = False

    def check_whole(self) -> None:
        """Raises ArchiveMismatch where an import is unfinished: what is stored then is not what the archive will be."""
        self.catalog.check_whole()

    @property
    def place(self) -> str:
        """The folder, or the database without its password, by which messages name the archive."""
        return self.catalog.database.folder

    @contextmanager
    def reindexing(self, model: str) -> Iterator[None]:
        """Held while vectors of another embedder are stored beside those in use. Raises ArchiveBusy when another
        process does so. An ingest may go on meanwhile."""
        self.check_whole()
        busy = f"Another dateline reindex works on {self.place}. Wait until it has finished."
        with self._locked("reindex.lock", busy):
            self.catalog.begin_reindex(model)
            yield

    def switch(self, cuts: Mapping[str, Cut], properties: Mapping[str, str]) -> None:
        """Gives all articles other passages and vectors, in one transaction; the vectors must be stored already.

        Searches of any process read the vectors in the catalogue until the vector index is filled with the new ones.
        """
        self.catalog.switch(cuts, properties, vector_index.NAME)

    @contextmanager
    def _locked(self, name: str, busy: str, *, together: bool = False) -> Iterator[None]:
        if self.catalog.database.shared:
            with self.catalog.database.hold(name, together=together) as held:
                if not held:
                    raise ArchiveBusy(busy)
                yield
            return
        try:
            lock = lock_file(self.folder / name, 0.2)
        except PermissionError as error:
            raise StorageError(
                f"The archive {self.folder} is not writable: {error.strerror}. Check its permissions or name another "
                "folder with --data-dir."
            ) from error
        if lock is None:
            raise ArchiveBusy(busy)
        try:
            yield
        finally:
            lock.release()

    def claim(self, properties: dict[str, str]) -> None:
        """Records the model and chunking of a new archive, or compares them with those that it was built with.

        Raises ArchiveMismatch, which names both values and the command that resolves it.
        """
        present = self.catalog.get_all_meta([*properties, IMPORTING])  # with one read: each search claims its embedder
        if IMPORTING in present:
            self.check_whole()
        for key, value in properties.items():
            stored = present.get(key)
            if stored is not None and stored != value:
                # A user can set the model back; how passages are cut belongs to the program.
                remedy = "Set DATELINE_EMBEDDER back, or embed" if key == "embedder" else "Cut and embed"
                raise ArchiveMismatch(
                    f"The archive at {self.folder} was built with {key} '{stored}', this program uses '{value}'. "
                    f"{remedy} the archive again: dateline reindex --data-dir "
                    f"{self.installation}{self.option}"
                )
        if not present.keys() >= properties.keys():
            self.catalog.set_meta(properties)
