"""The background thread that keeps the derived indexes up to date with the catalogue. Searches only read them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from rag.archive import file_stamps, private_files, second_process
from rag.archive.catalog import Catalog
from rag.archive.followers import IndexFollower, KeywordFollower, vector_follower
from rag.archive.indexes import keyword_index, memory_vectors, vector_index
from rag.archive.indexes.exact_vectors import ExactVectors
from rag.archive.indexes.keyword_index import TantivyWords
from rag.archive.indexes.vector_index import VectorIndex
from rag.archive.indexes.word_index import WordIndex
from rag.archive.near_duplicates import NearDuplicateFollower
from rag.archive.priority import Priority, Stopped
from rag.archive.stories.follower import StoryFollower
from rag.errors import ArchiveBusy, ArchiveMismatch, DatelineError, StorageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger("dateline")

OPENING_SECONDS = 60.0  # how long a search waits at most for an index that is being opened or rebuilt
_POLL_SECONDS = 0.3  # between checks of the catalogue, which other processes may change
_LONGEST_RETRY = 30.0  # most seconds between attempts while they fail
_FOREIGN_SECONDS = 10.0  # how long `wait` waits for another process to index what this one has stored
# Up to so many passages a process that asks once reads all vectors sooner than it imports and opens Chroma. CPU seconds
# on 2 cores: 20,000 random vectors of 384 numbers took 0.20, 50,000 took 0.54; opening the indexes of the demo archive
# with its 235 passages took 0.53 to 0.58, most of it for the import of Chroma.
EXACT_PASSAGES = 40_000

_Index = TypeVar("_Index")


def lock_file(path: Path, seconds: float) -> BaseFileLock | None:
    """The lock of a file, acquired; None when another process holds it for `seconds`. Raises OSError."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False, mode=0o600)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return None
    return lock


class Indexer:
    """Owns the derived indexes of one folder, or reads them while another process owns them.

    Only the process that holds index.lock opens Chroma, which two processes must not share. Any other process searches
    the vectors in the catalogue exactly, or in Milvus, and reads the keyword index. The thread starts when an index is
    first needed.
    """

    def __init__(
        self, catalog: Catalog, folder: Path, chroma_url: str = "", milvus_url: str = "", *,
        archive: str = "", asks_once: bool = False,
    ) -> None:  # fmt: skip
        """`archive` is its name, which tells its collection from those of others on a Chroma server.

        With `asks_once` the vectors of a local archive of at most EXACT_PASSAGES are searched in the catalogue, and
        Chroma stays closed: its index is brought up to date by the next process that opens it."""
        self.priority = Priority()
        self._catalog, self._folder = catalog, folder
        self.importing = False  # whether this process fills the archive from an export, for which all others wait
        self._may_search_exactly = asks_once and not (chroma_url or milvus_url)
        self._vector_follower = vector_follower(
            catalog, folder / vector_index.NAME, self.priority, chroma_url, milvus_url, archive
        )
        self._keyword_follower = KeywordFollower(catalog, folder / keyword_index.NAME, self.priority)
        self._followers: tuple[IndexFollower[Any], ...] = (self._vector_follower, self._keyword_follower)
        self._near_duplicates = NearDuplicateFollower(catalog, self.priority)
        self._stories = StoryFollower(catalog, self.priority)
        self._looks_again = 0.0  # by `monotonic`: not before then for changes of other processes, beside the stories
        self._goes_on_at = 0.0  # by `monotonic`: not before then with what nobody waits for, after a failure
        self._exact: ExactVectors | None = None  # this and the next one are used while another process owns the indexes
        self._foreign_words: TantivyWords | None = None
        self._between: ExactVectors | None = None  # from a switch of embedders until the index is filled
        self._reading = threading.Lock()  # one thread at a time reads all vectors
        self._noted: dict[str, object] = {}  # state of the files of each closed index, by name
        self._lock: BaseFileLock | None = None
        self._acquiring = threading.Lock()
        # The condition guards the following attributes.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asked = self._done = 0  # numbers of the last requested and the last completed pass
        self._rebuild = self._complete_asked = self._closed = False
        self._damaged: list[object] = []  # indexes that failed a search
        self._error: DatelineError | None = None  # of the last pass

    # --- for searches -------------------------------------------------------------------------

    def begin(self) -> None:
        """Begins to open the indexes in the thread, so that the caller may load a model meanwhile."""
        self._vector_follower.memory.wanted = True
        with self._changed:
            self._start()
            self._asked += 1
            self._changed.notify_all()

    def vectors(self, failed: object = None) -> VectorIndex:
        """The vector index; waits only until it is open. `failed` is a damaged index that is to be replaced.

        While the index still holds vectors of the embedder before a reindex, this is the catalogue's instead. Raises
        StorageError when no index can be opened within OPENING_SECONDS.
        """

        def current() -> VectorIndex | None:
            return self._vector_follower.index or self._exact

        follower = self._vector_follower
        follower.memory.wanted = True
        found = self._opened("vector", current, failed)
        if found.of_present_model if isinstance(found, ExactVectors) else follower.of_present_model:
            self._between = None
            return found
        return self._vectors_between()

    def _vectors_between(self) -> VectorIndex:
        """The vectors of the catalogue, for the time from a switch of embedders until the index is filled."""
        with self._reading:
            between = self._between or ExactVectors(self._catalog)
            between.refresh()
            self._between = between
            return between

    def words(self, failed: object = None) -> WordIndex:
        """The keyword index; arguments and errors as in `vectors`."""

        def current() -> WordIndex | None:
            return self._keyword_follower.index or self._foreign_words

        return self._opened("keyword", current, failed)

    def _opened(self, kind: str, current: Callable[[], _Index | None], failed: object) -> _Index:
        found = current()
        if found is None or found is failed:
            if failed is not None:
                with self._changed:
                    self._damaged.append(failed)
            try:
                self.wait(timeout=OPENING_SECONDS)
            except DatelineError:
                if current() in (None, failed):  # or else it was the other index that failed
                    raise
            found = current()
        if found is None:
            raise StorageError(
                f"The {kind} index at {self._folder} is still being built from the catalogue. Try again in a minute."
            )
        return found

    # --- for writers of the catalogue ------------------------------------------------------------

    def wait(self, *, timeout: float | None = None, rebuild: bool = False, complete: bool = False) -> None:
        """Returns when searches find everything that the catalogue holds now, or after `timeout` seconds.

        With `rebuild`, both indexes are rebuilt. With `complete`, the stories too are as the catalogue is, and the
        vectors that searches want are in memory, where this process owns the indexes. Raises the DatelineError
        because of which an update failed.
        """
        with self._changed:
            self._start()
            self._asked += 1
            ticket = self._asked
            self._rebuild |= rebuild
            self._complete_asked |= complete
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done >= ticket or self._closed, timeout)
            if self._closed:
                raise StorageError(f"The archive {self._folder} was closed. Open it again.")
            if self._done >= ticket and self._error is not None:
                raise self._error
        if timeout is None and (not self.owns or self._vector_follower.behind):
            self._wait_for_the_owner()

    def changes_behind(self) -> int:
        """How many changes of the catalogue the index that is furthest behind lacks, whichever process owns it."""
        last = self._catalog.last_change()
        return max(0, last - min(self._catalog.followed(one.mark) for one in self._followers))

    def _wait_for_the_owner(self) -> None:
        """Waits at most _FOREIGN_SECONDS until the owning process has indexed what this one has stored."""
        last, until = self._catalog.last_change(), monotonic() + _FOREIGN_SECONDS
        with self._changed:
            while monotonic() < until and not self._closed and (not self.owns or self._vector_follower.shared):
                if all(self._catalog.followed(one.mark) >= last for one in self._followers):
                    return
                self._changed.wait(0.05)

    # --- ownership ------------------------------------------------------------------------------

    @property
    def owns(self) -> bool:
        """Whether this process owns the derived indexes."""
        return self._lock is not None and self._lock.is_locked

    def own(self) -> None:
        """Makes this process the owner of the indexes. Raises ArchiveBusy when another process owns them."""
        if not self._acquire():
            raise ArchiveBusy(
                f"The indexes of {self._folder} are in use by another process (a running dateline serve?). "
                "Stop it and try again."
            )

    def _acquire(self) -> bool:
        with self._acquiring:
            if self.owns:
                return True
            try:
                lock = lock_file(self._folder / "index.lock", 0)
            except OSError as error:
                raise self._not_writable(error) from error
            if lock is None:
                return False
            # The indexes set the modes of their own files, so their folders have to deny access to other users.
            folders = (vector_index.NAME, memory_vectors.NAME, keyword_index.NAME)
            names = (*folders, "index.lock", "ingest.lock", "vectors.open")
            private_files.tighten(*[self._folder / name for name in names])
            self._noted = file_stamps.read(self._folder)
            self._lock = lock
            return True

    def _not_writable(self, error: OSError) -> StorageError:
        return StorageError(
            f"The archive folder {self._folder} cannot be written: {error.strerror or error}. Check free space and "
            "write permission, or name another folder with --data-dir; data stored earlier is intact."
        )

    # --- the thread -----------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = _POLL_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._done or self._closed, pause)
                if self._closed:
                    return
                asked, rebuild, self._rebuild = self._asked, self._rebuild, False
                complete, self._complete_asked = self._complete_asked, False
                damaged, self._damaged = self._damaged, []
            error = None
            try:
                self._pass(damaged, rebuild=rebuild)
                if complete and self.owns:
                    self._vector_follower.read_into_memory(lambda: False)
                    self._bring_up_stories(lambda: False)
            except Stopped:
                return
            except DatelineError as raised:
                error = raised
            except Exception as raised:
                what = f"{type(raised).__name__}: {raised}"
                error = StorageError(f"The indexes of {self._folder} cannot be updated: {what}")
            fails = error is not None and not isinstance(error, ArchiveMismatch)  # an import ends, and is followed then
            pause = min(2 * pause, _LONGEST_RETRY) if fails else _POLL_SECONDS
            with self._changed:
                self._done, self._error = asked, error
                self._changed.notify_all()
            if error is None and not self._may_search_exactly and monotonic() >= self._goes_on_at:
                try:
                    self._go_on()
                except Stopped:
                    return

    def _go_on(self) -> None:
        """Does what nobody waits for, until something else is to be done. Raises Stopped."""
        for what, bring_up in (
            ("vectors of %s cannot be read into memory", self._vector_follower.read_into_memory),
            ("stories of %s cannot be threaded", self._bring_up_stories),
        ):
            try:
                if self.owns:
                    bring_up(self._is_needed)
            except Stopped:
                raise
            except Exception as raised:
                self._goes_on_at = monotonic() + _LONGEST_RETRY
                log.warning(f"The {what}: %s", self._folder, raised)

    def _is_needed(self) -> bool:
        """Whether a pass is asked for, or another process has changed what the indexes hold."""
        if self._asked > self._done:
            return True
        if monotonic() < self._looks_again:
            return False
        self._looks_again = monotonic() + _POLL_SECONDS
        return self.changes_behind() > 0

    def _pass(self, damaged: list[object], *, rebuild: bool) -> None:
        """Applies all changes to every index. An index that fails does not prevent the update of the others.

        Raises ArchiveMismatch while another process imports: one that begins anew takes back what was followed here.
        """
        if self._catalog.database.shared and not self.importing:
            self._catalog.check_whole()
        if not self._acquire():
            self._read_beside_the_owner()
            return
        exact = self._exact_vectors() if self._may_search_exactly else None
        followers = self._followers if exact is None else (self._keyword_follower,)
        for follower in followers:
            if any(one is follower.index for one in damaged):
                follower.close()
            if rebuild:
                follower.rebuild()
        errors: list[DatelineError] = []
        for follower in followers:
            try:
                self._bring_up(follower)
            except DatelineError as error:
                errors.append(error)
        self._exact, self._foreign_words = exact, None
        self._near_duplicates.bring_up()
        self._vector_follower.follow_in_memory()
        if rebuild:
            self._stories.rebuild()
        if errors:
            raise errors[0]

    def _bring_up(self, follower: IndexFollower[Any]) -> None:
        noted = self._noted.get(follower.name)
        if not follower.opened and not follower.shared:
            self._mark_open(follower.name)
        if follower is self._vector_follower and second_process.is_worth_it(self._catalog, self._keyword_follower.mark):
            self._mark_open(self._keyword_follower.name)  # which the second process opens
            with second_process.filling(self._folder, self.priority.next_step, self._catalog.url):
                follower.bring_up(noted)
        else:
            follower.bring_up(noted)

    def _bring_up_stories(self, interrupted: Callable[[], bool]) -> None:
        """Threads the stories, for which both indexes are searched; without one of them, the next pass does."""
        vectors, words = self._vector_follower.index or self._exact, self._keyword_follower.index
        if vectors is not None and words is not None and not self._vector_follower.behind:
            self._stories.bring_up(vectors, words, interrupted)

    def _read_beside_the_owner(self) -> None:
        if self._foreign_words is None:
            self._foreign_words = TantivyWords(self._folder / keyword_index.NAME)
        if self._vector_follower.shared:
            self._vector_follower.read()
        else:
            self._exact = self._refreshed_vectors()

    def _exact_vectors(self) -> ExactVectors | None:
        """The vectors of the catalogue as they are now; None where there are too many to read them for one question."""
        return self._refreshed_vectors() if self._catalog.count_passages() <= EXACT_PASSAGES else None

    def _refreshed_vectors(self) -> ExactVectors:
        exact = self._exact or ExactVectors(self._catalog)
        exact.refresh()
        return exact

    def _mark_open(self, name: str) -> None:
        """Deletes the recorded file state of an index: from now on, a crash may leave its files corrupt."""
        self._noted.pop(name, None)
        try:
            file_stamps.write(self._folder, self._noted) if self._noted else file_stamps.remove(self._folder)
        except OSError as error:
            raise self._not_writable(error) from error

    def close(self) -> None:
        """Stops the thread at its next step, records the state of the index files and releases the lock."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.priority.stop()
        if self._thread is not None:
            self._thread.join()
        opened = [follower for follower in self._followers if follower.opened]
        for follower in self._followers:
            follower.close()
        self._exact = self._foreign_words = None
        if self._lock is not None:
            self._note_close(opened)
            self._lock.release()
            self._lock = None

    def _note_close(self, opened: list[IndexFollower[Any]]) -> None:
        try:
            self._vector_follower.memory.close()
            for follower in opened:
                self._noted[follower.name] = follower.note()
            file_stamps.write(self._folder, self._noted)
            (self._folder / "vectors.open").unlink(missing_ok=True)  # the crash marker of earlier versions
        except (OSError, StorageError):
            return  # without a record, the next start checks the files themselves
