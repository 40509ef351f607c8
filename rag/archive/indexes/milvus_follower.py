"""The follower of a vector index in Milvus, which machines share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from rag.archive import integrity
from rag.archive.catalog import Catalog
from rag.archive.followers import VectorFollower
from rag.archive.indexes.milvus_vectors import MilvusVectors
from rag.archive.priority import Priority
from rag.archive.tables.changes import VECTORS_IN
from rag.archive.tables.table import SET_META
from rag.errors import ArchiveBusy, IndexDamaged, StorageError

_BUSY_SECONDS = 10.0  # for which a rebuild waits while another machine writes


class SharedVectorFollower(VectorFollower):
    """The follower of the Milvus collection, which all machines search and one at a time writes.

    Whoever holds the lock in the catalogue writes; it is held while changes are applied and no longer, so that another
    machine goes on as soon as one has died. Where the catalogue is a file, the lock of its folder does this.
    """

    shared = True

    def __init__(self, catalog: Catalog, folder: Path, priority: Priority, url: str) -> None:
        super().__init__(catalog, folder, priority, url)
        self.mark = f"{self.name}@milvus"  # with an @, so that a reindex finds it
        self._milvus: MilvusVectors | None = None
        self._compared = False  # whether this process has compared the index with the catalogue since it opened it
        self._rebuild_asked = False

    @property
    def behind(self) -> bool:
        """Whether another machine is yet to bring up the index."""
        return self._catalog.followed(self.mark) < self._catalog.last_change()

    def rebuild(self) -> None:
        """Makes the next `bring_up` rebuild the index; searches read the old one until then."""
        self._rebuild_asked = True  # the mark may be moved by another machine until this one holds the lock

    def follow_in_memory(self) -> None:
        """Does nothing: Milvus has the vectors in its own memory."""

    def read_into_memory(self, interrupted: Callable[[], bool]) -> None:
        """Does nothing."""

    def read(self) -> None:
        """Opens the index for searches alone. Raises StorageError, ArchiveMismatch."""
        milvus = self._opened()
        if milvus.collection is None:
            milvus.refresh()
        # Before it is filled for the first time, a search must not take it for empty.
        if milvus.collection is not None or not self._catalog.last_change():
            self.index = milvus

    def bring_up(self, noted: object) -> None:
        """Applies the changes, unless another machine does so; fills the index anew where it is not as the catalogue.

        Raises StorageError, Stopped; ArchiveBusy where a rebuild is asked for and another machine writes for long. The
        index stays open after an error: it may be read, and its connection finds a server that comes back.
        """
        if self._compared and not self._rebuild_asked and not self.behind:
            return
        self.read()
        asked, self._rebuild_asked = self._rebuild_asked, False
        until = monotonic() + (_BUSY_SECONDS if asked else 0)
        while not self._followed_with_the_lock(asked):
            if monotonic() >= until:
                if asked:
                    raise ArchiveBusy(
                        f"Another machine is filling the vector index of {self._catalog.database.folder}. Wait until "
                        "it has finished, then run this again."
                    )
                return
            self._priority.next_step()
            sleep(0.1)

    def _followed_with_the_lock(self, asked: bool) -> bool:
        """Whether this process got the lock, and so has brought up the index."""
        with self._catalog.database.hold(self.name) as held:
            if not held:
                return False
            before = 0 if asked else self._catalog.followed(self.mark)
            if asked:
                self._catalog.set_followed(self.mark, 0)
            try:
                self._bring_up(None)
            except BaseException:
                self._compared = False
                raise
            finally:
                if not held.kept():  # another machine may have written at the same time: all is written again
                    self._compared = False
                    with suppress(StorageError):
                        self._catalog.set_followed(self.mark, min(before, self._catalog.followed(self.mark)))
            return True

    def _bring_up(self, noted: object) -> None:
        milvus = self._opened()
        milvus.resume()
        if self._catalog.get_meta(VECTORS_IN) != (milvus.collection or milvus.alias):
            self._catalog.set_followed(self.mark, 0)  # another server, or one that has lost its data
        try:
            self._follow()
            sound = self._compared or self._agrees()
        except IndexDamaged:
            sound = False
        if not sound:
            if wrong := integrity.damaged_pages(self._catalog):
                raise self._catalog.database.damaged(wrong[0])
            self._catalog.set_followed(self.mark, 0)
            self._follow()
        self.index, self._compared = milvus, True

    def close(self) -> None:
        """Closes the connection."""
        super().close()
        self._milvus, self._compared = None, False

    def _opened(self) -> MilvusVectors:
        if self._milvus is None:
            self._open_index = self._milvus = MilvusVectors(self._url, self._alias())
        return self._milvus

    def _alias(self) -> str:
        """The name of the archive in Milvus, where other archives may have theirs."""
        stored = self._catalog.get_meta(VECTORS_IN)
        if stored is None:
            with self._catalog.transaction() as db:  # in which no other process makes one
                stored = self._catalog.get_meta(VECTORS_IN)
                if stored is None:
                    stored = f"dateline_{uuid.uuid4().hex}"
                    db.execute(SET_META, (VECTORS_IN, stored))
        return stored.partition("_v")[0]

    def _fill(self, article_ids: Sequence[str]) -> None:
        super()._fill(article_ids)
        milvus = self._opened()
        self._catalog.set_meta({VECTORS_IN: milvus.collection or milvus.alias})

    def _replace(self, article_ids: Sequence[str]) -> None:
        super()._replace(article_ids)
        self._opened().settle()
