"""One archive folder: the catalogue and the two indexes derived from it, kept in step and behind locks.

catalogue.sqlite     the truth                        any number of processes read; one ingests at a time
vectors/ words/      derived, may be deleted          only the process that holds index.lock opens vectors/
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from rag.archive import file_stamps as stamps
from rag.archive import integrity as soundness
from rag.archive import keyword_index as words
from rag.archive import private_files as private
from rag.archive import vector_index as vectors
from rag.archive.catalog import Catalog
from rag.errors import ArchiveBusy, ArchiveMismatch, IndexDamaged, StorageError
from rag.schema import Filters

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from rag.settings import Settings

_WRITER_LOCK = ".tantivy-writer.lock"
_SYNC_BATCH = 500  # articles brought into the derived indexes at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `doctor` finds: what is wrong with the catalogue, its passages, and how many the derived indexes lack or
    have too many. With a damaged catalogue nothing is compared, and the numbers are None.
    """

    catalogue: tuple[str, ...] = ()
    passages: int | None = None
    vectors_missing: int | None = None
    vectors_extra: int | None = None
    words_missing: int | None = None
    words_extra: int | None = None

    @property
    def sound(self) -> bool:
        """Whether the catalogue is what was written, and both indexes hold exactly its passages."""
        compared = (self.vectors_missing, self.vectors_extra, self.words_missing, self.words_extra)
        return not self.catalogue and all(number == 0 for number in compared)


class Archive:
    """The articles of one folder, searchable. Safe for many threads of one process."""

    def __init__(self, settings: Settings) -> None:
        """Opens or creates the archive; finishes what a crash left undone. Raises DatelineError kinds."""
        self.folder = Path(settings.data_dir).expanduser().absolute()
        self._chroma_url = settings.chroma_url
        try:
            private.make_folder(self.folder)
        except OSError as error:
            raise StorageError(
                f"The archive folder {self.folder} cannot be made: {error.strerror or error}. "
                "Name another with --data-dir or DATELINE_DATA_DIR."
            ) from error
        self.catalog = Catalog(
            self.folder / "catalogue.sqlite", derived=[self.folder / name for name in (vectors.NAME, words.NAME)]
        )
        self._sync_lock = threading.RLock()
        self._index_lock: BaseFileLock | None = None
        self._vectors: vectors.VectorIndex | None = None
        self._words: words.WordIndex | None = None
        self._noted: dict[str, object] = {}  # how the indexes were when they were closed; what is open is not in it
        self._opened: set[str] = set()  # derived indexes that this process owns and has checked

    def close(self) -> None:
        """Releases locks and files."""
        with self._sync_lock:
            if self._vectors is not None:
                self._vectors.close()
            if self.owns_indexes:
                self._note_close()
            self._vectors = self._words = None
            self._opened.clear()
            if self._index_lock is not None:
                self._index_lock.release()
                self._index_lock = None
            self.catalog.close()

    def _note_close(self) -> None:
        """Notes what the files of the indexes are, so that the next start need not look into them."""
        noted: dict[str, object] = {name: entry for name, entry in self._noted.items() if name not in self._opened}
        try:
            for name in self._opened:
                noted[name] = {"files": stamps.of(self.folder / name), "followed": self.catalog.followed(name)}
            stamps.write(self.folder, noted)
            (self.folder / "vectors.open").unlink(missing_ok=True)  # how earlier programs noted a crash
        except (OSError, StorageError):
            return  # then the next start looks into them

    # --- the derived indexes -------------------------------------------------------------------

    def search_vectors(self, vector: object, k: int, filters: Filters) -> list[tuple[int, float]]:
        """At most k (passage key, cosine), best first."""
        try:
            return self._search_vectors(vector, k, filters)
        except IndexDamaged:
            pass
        with self._sync_lock:
            # Another thread may have been making the index anew, and its collection be gone: now it has.
            index = self._vectors
            try:
                return self._search_vectors(vector, k, filters)
            except IndexDamaged:
                if self._vectors is index:
                    self._let_go(vectors.NAME)
            return self._search_vectors(vector, k, filters)  # opened anew, and looked at

    def _search_vectors(self, vector: object, k: int, filters: Filters) -> list[tuple[int, float]]:
        self.sync()
        assert self._vectors is not None  # sync opens them
        return self._vectors.search(vector, k, filters, self._authors(filters))  # type: ignore[arg-type]

    def search_words(
        self, question: str, k: int, languages: Sequence[str], filters: Filters
    ) -> list[tuple[int, float]]:
        """At most k (passage key, BM25 score), best first."""
        self.sync()
        assert self._words is not None
        return self._words.search(question, k, languages, filters, self._authors(filters))

    def rarity(self, words: Sequence[str], language: str) -> dict[str, float]:
        """Folded word -> inverse document frequency over the passages of the archive."""
        self.sync()
        assert self._words is not None
        return self._words.rarity(words, language)

    def _authors(self, filters: Filters) -> list[str]:
        return self.catalog.article_ids(filters) if filters.authors else []

    def sync(self) -> None:
        """Brings both derived indexes up to the catalogue's last change; does nothing when they are there.

        An index that cannot be opened, or lacks what the catalogue has, is made anew.
        """
        with self._sync_lock:
            self._acquire()
            if not self.owns_indexes:
                return
            for name in (vectors.NAME, words.NAME):
                try:
                    self._bring_up(name)
                except BaseException:
                    # Half open or half written: the next call opens it anew and looks at what is there.
                    self._let_go(name)
                    raise

    def _tighten(self) -> None:
        """Files that Chroma and tantivy make later lie in folders that others cannot enter."""
        names = (vectors.NAME, words.NAME, "index.lock", "ingest.lock", "vectors.open")
        private.tighten(*[self.folder / name for name in names])

    def _not_writable(self, error: OSError) -> StorageError:
        return StorageError(
            f"The archive folder {self.folder} cannot be written: {error.strerror or error}. Check free space and "
            "write permission, or name another folder with --data-dir; what was stored before is unharmed."
        )

    def _bring_up(self, name: str) -> None:
        if name in self._opened:
            try:
                return self._follow(name)
            except IndexDamaged:
                self._let_go(name)
        try:
            self._open(name)
            damaged = not self._agrees(name)
        except IndexDamaged:
            damaged = True
        if damaged:
            self._only_from_a_sound_catalogue()
            self._discard(name)
            self._open(name)
        self._opened.add(name)
        return None

    def _let_go(self, name: str) -> None:
        """Closes an index that failed; Chroma may hold its SQLite file for ever after an error."""
        self._opened.discard(name)
        if name == words.NAME:
            self._words = None
            # The writer that failed may live on in the traceback of its error.
            (self.folder / name / _WRITER_LOCK).unlink(missing_ok=True)
            (self.folder / name / "articles" / _WRITER_LOCK).unlink(missing_ok=True)
        elif self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    @property
    def owns_indexes(self) -> bool:
        """Whether this process keeps the derived indexes; another may (a running server), then it follows changes."""
        return self._index_lock is not None and self._index_lock.is_locked

    def own_indexes(self) -> None:
        """Becomes the owner of the indexes. Raises ArchiveBusy when another process is."""
        with self._sync_lock:
            self._acquire()
        if not self.owns_indexes:
            raise ArchiveBusy(
                f"The indexes of {self.folder} are in use by another process (a running dateline serve?). "
                "Stop it and try again."
            )

    def _acquire(self) -> None:
        """Becomes the owner of the indexes, or a reader beside the process that is."""
        from filelock import FileLock, Timeout

        if self.owns_indexes:
            return
        lock = FileLock(self.folder / "index.lock", thread_local=False, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if self._vectors is None:
                self._words = words.TantivyWords(self.folder / words.NAME)
                self._vectors = vectors.ExactVectors(self.catalog)
            return
        except OSError as error:
            raise self._not_writable(error) from error
        self._index_lock = lock
        self._tighten()
        self._noted = stamps.read(self.folder)
        # A tantivy writer that was killed leaves its lock file; index.lock says that nobody is writing.
        for folder in (self.folder / words.NAME, self.folder / words.NAME / "articles"):
            (folder / _WRITER_LOCK).unlink(missing_ok=True)

    def _open(self, name: str) -> None:
        """Opens a derived index and brings it up to the catalogue's last change. Raises StorageError."""
        folder = self.folder / name
        local = name == words.NAME or not self._chroma_url
        fresh = local and not folder.exists()
        if local and not fresh:
            self._look_into(name)
        self._mark_open(name)
        if name == words.NAME:
            self._words = words.TantivyWords(folder)
        else:
            self._vectors = vectors.ChromaVectors(folder, self._chroma_url)
        if fresh:
            self.catalog.set_followed(name, 0)
        self._follow(name)

    def _look_into(self, name: str) -> None:
        """Raises IndexDamaged for files that are not as they were left, as far as that can be told before opening."""
        folder = self.folder / name
        noted = self._noted.get(name)
        followed = noted.get("followed") if isinstance(noted, dict) else None
        if followed is not None and followed != self.catalog.followed(name):
            raise IndexDamaged(f"The index at {folder} was made from another state of the catalogue.")
        as_left = isinstance(noted, dict) and noted.get("files") == stamps.of(folder)
        if as_left:
            return
        if name == words.NAME and noted:
            raise IndexDamaged(f"Files of the word index at {folder} were changed since it was closed.")
        if name == vectors.NAME and not vectors.opens(folder):
            raise IndexDamaged(f"The vector index at {folder} was torn.")

    def _mark_open(self, name: str) -> None:
        """From here on a crash may leave it torn."""
        self._noted.pop(name, None)
        try:
            stamps.write(self.folder, self._noted) if self._noted else stamps.remove(self.folder)
        except OSError as error:
            raise self._not_writable(error) from error

    def _agrees(self, name: str) -> bool:
        """Whether an index holds as many passages as the catalogue, and finds some of them.

        Chroma loses vectors but not their count when one of its files is gone.
        """
        agrees = self._counts(name) and (self._finds_vectors() if name == vectors.NAME else self._finds_words())
        # While another process ingests, the catalogue may just have run ahead again.
        return agrees or self.catalog.last_change() > self.catalog.followed(name)

    def _counts(self, name: str) -> bool:
        index = self._vectors if name == vectors.NAME else self._words
        return index is not None and index.count() == self.catalog.count_passages()

    def _finds_vectors(self) -> bool:
        sample = self.catalog.spread_passages(16)
        if not sample or self._vectors is None:
            return True
        own = self.catalog.vectors([one.hash for one in sample])
        found = [self._vectors.search(vector, 1, Filters(), []) for vector in own]
        # A few of many near-copies may escape an approximate search; a lost file takes hundreds of vectors along.
        return sum(not hits or hits[0][1] < 0.99 for hits in found) < 4

    def _finds_words(self) -> bool:
        for one in self.catalog.spread_passages(8) if self._words else []:
            # The index may count a passage whose file is gone: then this raises.
            self._words.search(one.passage.text[:80], 1, [one.passage.article.language], Filters(), [])  # type: ignore[union-attr]
        return True

    def _only_from_a_sound_catalogue(self) -> None:
        """Raises StorageError where an index seems wrong since the catalogue's own pages cannot be read."""
        if wrong := soundness.damaged_pages(self.catalog):
            raise self.catalog.database.damaged(wrong[0])

    def _discard(self, name: str) -> None:
        """Removes a derived index, so that it is made anew."""
        if name == vectors.NAME and self._vectors is not None:
            self._vectors.close()
        rmtree(self.folder / name, ignore_errors=True)
        if name == vectors.NAME:
            self._vectors = None
        self.catalog.set_followed(name, 0)

    def _follow(self, name: str) -> None:
        """Applies the catalogue's changes since the last time; killed midway, it is simply done again."""
        last, seen = self.catalog.last_change(), self.catalog.followed(name)
        if seen >= last:
            return
        fresh = seen == 0
        index = self._vectors if name == vectors.NAME else self._words
        assert index is not None
        if fresh:
            index.clear()
        changed = self.catalog.changed_since(seen)
        for start in range(0, len(changed), _SYNC_BATCH):
            part = changed[start : start + _SYNC_BATCH]
            if not fresh:
                index.drop_articles(part)
            stored = [one for article in part for one in self.catalog.passages_of(article)]
            if not stored:
                continue
            if name == vectors.NAME:
                assert self._vectors is not None
                self._vectors.put(stored, self.catalog.vectors([one.hash for one in stored]))
            else:
                assert self._words is not None
                self._words.put(stored)
        self.catalog.set_followed(name, last)

    def rebuild(self) -> int:
        """Makes both derived indexes anew from the catalogue, embedding nothing. Returns the number of passages."""
        with self._sync_lock, self.writing():
            self.own_indexes()
            for name in (vectors.NAME, words.NAME):
                self.catalog.set_followed(name, 0)
            self.sync()
            return len(self.catalog.passage_keys())

    def health(self) -> Health:
        """Examines the catalogue, which reads all of it, and compares the derived indexes with it."""
        wrong = soundness.problems(self.catalog)
        if wrong:  # what is derived from it must not be made anew from this
            return Health(catalogue=tuple(wrong))
        self.sync()
        assert self._vectors is not None
        assert self._words is not None
        truth = set(self.catalog.passage_keys())
        in_vectors, in_words = self._vectors.keys(), self._words.keys()
        return Health(
            passages=len(truth),
            vectors_missing=len(truth - in_vectors),
            vectors_extra=len(in_vectors - truth),
            words_missing=len(truth - in_words),
            words_extra=len(in_words - truth),
        )

    # --- one writer, one model ------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held while articles are stored or removed. Raises ArchiveBusy at once when another process holds it."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / "ingest.lock", timeout=0.2, mode=0o600):
                yield
        except Timeout:
            raise ArchiveBusy(
                f"Another ingest is writing to {self.folder}. Wait until it has finished, then run this again."
            ) from None
        except PermissionError as error:
            raise StorageError(
                f"The archive {self.folder} is not writable: {error.strerror}. Check its permissions or name another "
                "folder with --data-dir."
            ) from error

    def claim(self, properties: dict[str, str]) -> None:
        """Notes the model and chunking that shape the archive, or checks them against those it was made with.

        Raises ArchiveMismatch naming both values and the command that mends it.
        """
        for key, value in properties.items():
            stored = self.catalog.get_meta(key)
            if stored is not None and stored != value:
                raise ArchiveMismatch(
                    f"The archive at {self.folder} was built with {key} '{stored}', this program uses '{value}'. "
                    f"Set it back, or embed the archive again: dateline rebuild --embed --data-dir {self.folder}"
                )
        if any(self.catalog.get_meta(key) is None for key in properties):
            self.catalog.set_meta(properties)
