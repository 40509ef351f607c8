"""Followers: each opens, checks, updates and rebuilds one index that is derived from the catalogue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Generic, Protocol, TypeVar

import numpy as np

from rag.archive import file_stamps, integrity
from rag.archive.catalog import Catalog
from rag.archive.indexes import keyword_index, memory_vectors, place, vector_index
from rag.archive.indexes.keyword_index import TantivyWords
from rag.archive.indexes.memory_vectors import MemoryVectors
from rag.archive.indexes.vector_index import ChromaVectors, VectorIndex
from rag.archive.priority import Priority
from rag.archive.tables.passages import StoredPassage
from rag.errors import IndexDamaged
from rag.schema import Filters

# Articles that are replaced together. Each time costs tantivy a commit and Chroma a deletion: the keyword index took
# 1.1 ms a passage with 100 articles at a time and 0.5 with 1,000 (4,000 generated articles). While searches run, new
# articles should not wait so long.
_ARTICLES_AT_ONCE, _ARTICLES_WHILE_SEARCHED = 1000, 100
_PASSAGES_AT_ONCE = 160  # read together; as many as the largest step takes

_Index = TypeVar("_Index")


class IndexFollower(ABC, Generic[_Index]):
    """The follower of one derived index. Its methods belong to one thread; any thread may read `index`."""

    name: str
    shared = False  # whether the index is one that machines with folders of their own have together

    def __init__(self, catalog: Catalog, folder: Path, priority: Priority) -> None:
        self.folder = folder
        self._catalog, self._priority = catalog, priority
        # A catalogue that several folders share has stored for each of them how far its indexes are.
        self.mark = f"{self.name}@{place.of(folder.parent)}" if catalog.database.shared else self.name
        self.opened = False  # whether the files may have changed since the index was last closed
        self._open_index: _Index | None = None
        self.index: _Index | None = None  # the open index once it is checked, so that searches may read it

    def bring_up(self, noted: object) -> None:
        """Applies all changes of the catalogue to the index, and rebuilds it when it is damaged.

        `noted` is the result of `note` when the index was closed; None after a crash. Raises StorageError, Stopped.
        """
        try:
            self._bring_up(noted)
        except BaseException:
            self.close()  # it may be half open or half written; the next call opens and checks it again
            raise

    def _bring_up(self, noted: object) -> None:
        if self.index is not None:
            try:
                return self._follow()
            except IndexDamaged:
                self.close()
        try:
            as_left = self._open_and_follow(noted)
            # Over a million passages the comparison takes 9 s, and a minute where nothing is in memory yet.
            sound = as_left or self._agrees()
        except IndexDamaged:
            sound = False
        if not sound:
            if wrong := integrity.damaged_pages(self._catalog):  # the catalogue itself may be damaged
                raise self._catalog.database.damaged(wrong[0])
            self._discard()
            self._open_and_follow(None)
        self.index = self._open_index
        return None

    def _open_and_follow(self, noted: object) -> bool:
        """Whether the files are known to be those that were left when the index was closed."""
        as_left = False
        fresh = self._is_local() and not self.folder.exists()
        if self._is_local() and not fresh and not self.opened:
            as_left = self._check_files(noted)
        self.opened = True
        self._open_index = self._open()
        if fresh:
            self._catalog.set_followed(self.mark, 0)
        self._follow()
        return as_left

    def _check_files(self, noted: object) -> bool:
        """Whether the files are as they were left. Raises IndexDamaged when they are known to be damaged before the
        index is opened."""
        followed = noted.get("followed") if isinstance(noted, dict) else None
        if followed is not None and followed != self._catalog.followed(self.mark):
            raise IndexDamaged(f"The index at {self.folder} belongs to another state of the catalogue.")
        as_left = isinstance(noted, dict) and noted.get("files") == file_stamps.of(self.folder)
        if not as_left:
            self._check_changed_files(noted)
        return as_left

    def note(self) -> dict[str, object]:
        """The state of the closed files; if it is unchanged at the next start, their content needs no check."""
        return {"files": file_stamps.of(self.folder), "followed": self._catalog.followed(self.mark)}

    def _follow(self) -> None:
        """Applies the changes that the index lacks. If the process is killed, the next start applies them again."""
        seen = self._catalog.followed(self.mark)
        changed = self._catalog.changed_since(seen)
        if not changed:
            return
        if not seen:
            self._fill([article_id for article_id, _ in changed])
            self._catalog.set_followed(self.mark, changed[-1][1])
            return
        start = 0
        while start < len(changed):
            number = _ARTICLES_WHILE_SEARCHED if self._priority.is_searched() else _ARTICLES_AT_ONCE
            part = changed[start : start + number]
            self._replace([article_id for article_id, _ in part])
            self._catalog.set_followed(self.mark, part[-1][1])
            start += len(part)

    def _discard(self) -> None:
        """Deletes the index, so that it is rebuilt."""
        self.close()
        rmtree(self.folder, ignore_errors=True)
        self._catalog.set_followed(self.mark, 0)

    def rebuild(self) -> None:
        """Makes the next `bring_up` rebuild the index; searches read the old one until then."""
        self._catalog.set_followed(self.mark, 0)

    def _agrees(self) -> bool:
        """Whether the index holds as many passages as the catalogue and finds a sample of them.

        Counting is not enough: when a file is missing, Chroma loses vectors but reports the same count.
        """
        agrees = self._count() == self._catalog.count_passages() and self._finds_some()
        # If another process has just changed the catalogue, a difference is no damage.
        return agrees or self._catalog.last_change() > self._catalog.followed(self.mark)

    def _passages(self, article_ids: Sequence[str]) -> Iterator[StoredPassage]:
        """The passages of these articles; pauses before each article while a search runs."""
        for article_id in article_ids:
            self._priority.next_step()
            yield from self._catalog.passages_of(article_id)

    @property
    def _own(self) -> _Index:
        assert self._open_index is not None
        return self._open_index

    def close(self) -> None:
        """Closes the index; searches then wait for the next `bring_up`."""
        self.index = self._open_index = None

    @abstractmethod
    def _is_local(self) -> bool:
        """Whether the index is stored in `folder`."""

    @abstractmethod
    def _open(self) -> _Index:
        """The index, opened or created."""

    @abstractmethod
    def _check_changed_files(self, noted: object) -> None:
        """Raises IndexDamaged when the files, which differ from `noted`, are not safe to open."""

    @abstractmethod
    def _fill(self, article_ids: Sequence[str]) -> None:
        """Replaces the whole content of the index by these articles; searches read the old content meanwhile."""

    @abstractmethod
    def _replace(self, article_ids: Sequence[str]) -> None:
        """Replaces the passages of these articles."""

    @abstractmethod
    def _count(self) -> int:
        """How many passages the index holds."""

    @abstractmethod
    def _finds_some(self) -> bool:
        """Whether a sample of passages is found."""


class FilledVectors(VectorIndex, Protocol):
    """A vector index that is filled from the catalogue."""

    def search_stored(self, vector: np.ndarray, k: int) -> list[tuple[int, float]]:
        """At most k pairs (key, cosine similarity) from what is stored, whatever this process has in memory."""
        ...

    def begin_rebuild(self) -> None:
        """Makes `put` and `drop_articles` write to a second, empty index; searches still read the first."""
        ...

    def finish_rebuild(self) -> None:
        """Makes searches read the second index and deletes the first."""
        ...


class VectorFollower(IndexFollower[FilledVectors]):
    """The follower of the Chroma collection."""

    name = vector_index.NAME

    def __init__(self, catalog: Catalog, folder: Path, priority: Priority, url: str, archive: str = "") -> None:
        super().__init__(catalog, folder, priority)
        self._url, self._archive = url, archive
        own = self.mark.replace(self.name, memory_vectors.NAME)  # also where the collection is that of several folders
        self.memory = MemoryVectors(catalog, priority, folder.parent / memory_vectors.NAME, own)
        if url:
            self.mark = self.name  # the one of all folders

    @property
    def of_present_model(self) -> bool:
        """Whether the index holds the vectors of the archive's present embedder alone."""
        return self._catalog.follows_model(self.mark)

    @property
    def behind(self) -> bool:
        """Whether another machine is yet to bring up the index, which this one shares."""
        return False

    def read(self) -> None:
        """Opens an index that is shared, for searches alone. Raises StorageError."""

    def bring_up(self, noted: object) -> None:
        """As that of every index. The vectors in memory, if they were kept, are read first: Chroma takes more time and
        memory to search. They are brought up before Chroma may be searched, in whose stead they are."""
        self.memory.load()
        self.memory.follow()
        super().bring_up(noted)

    def follow_in_memory(self) -> None:
        """Applies what has changed to the vectors in memory, where there are any. Raises StorageError, Stopped."""
        self.memory.follow()

    def read_into_memory(self, interrupted: Callable[[], bool]) -> None:
        """Reads the vectors into memory, until it is `interrupted`. Raises StorageError, Stopped."""
        self.memory.read(interrupted)

    def rebuild(self) -> None:
        """Makes the next `bring_up` rebuild the index, and reads all vectors anew."""
        super().rebuild()
        self.memory.discard()

    def close(self) -> None:
        """Closes Chroma, which may otherwise keep its SQLite file locked after an error."""
        self.index = None
        if self._open_index is not None:
            self._open_index.close()
        super().close()

    def _is_local(self) -> bool:
        return not self._url

    def _open(self) -> FilledVectors:
        return ChromaVectors(self.folder, self._url, self._archive, self.memory)

    def _check_changed_files(self, noted: object) -> None:
        if not vector_index.opens(self.folder):
            raise IndexDamaged(f"The vector index at {self.folder} is corrupt.")

    def _fill(self, article_ids: Sequence[str]) -> None:
        self._own.begin_rebuild()
        self._put(article_ids)
        self._own.finish_rebuild()

    def _replace(self, article_ids: Sequence[str]) -> None:
        self._priority.next_step()
        self._own.drop_articles(article_ids)
        self._put(article_ids)
        self.follow_in_memory()  # before it is noted that searches find these

    def _put(self, article_ids: Sequence[str]) -> None:
        waiting: list[StoredPassage] = []
        for one in self._passages(article_ids):
            waiting.append(one)
            if len(waiting) >= _PASSAGES_AT_ONCE:
                self._put_in_steps(waiting)
                waiting = []
        self._put_in_steps(waiting)

    def _put_in_steps(self, stored: Sequence[StoredPassage]) -> None:
        start = 0
        while start < len(stored):
            part = stored[start : start + self._priority.next_step()]
            self._own.put(part, self._catalog.vectors([one.hash for one in part]))
            start += len(part)

    def _count(self) -> int:
        return self._own.count()

    def _finds_some(self) -> bool:
        sample = self._catalog.spread_passages(16)
        if not sample:
            return True
        vectors = self._catalog.vectors([one.hash for one in sample])
        found = [self._own.search_stored(vector, 1) for vector in vectors]
        # An approximate search may miss a few of many near-duplicates; a missing file loses hundreds of vectors.
        return sum(not hits or hits[0][1] < 0.99 for hits in found) < 4


class KeywordFollower(IndexFollower[TantivyWords]):
    """The follower of the tantivy index."""

    name = keyword_index.NAME

    def _is_local(self) -> bool:
        return True

    def _open(self) -> TantivyWords:
        return TantivyWords(self.folder)

    def _check_changed_files(self, noted: object) -> None:
        if noted:
            raise IndexDamaged(f"Files of the keyword index at {self.folder} were changed since it was closed.")

    def _fill(self, article_ids: Sequence[str]) -> None:
        self._own.put(self._passages(article_ids), replacing=None)

    def _replace(self, article_ids: Sequence[str]) -> None:
        self._own.put(self._passages(article_ids), replacing=article_ids)

    def _count(self) -> int:
        return self._own.count()

    def _finds_some(self) -> bool:
        for one in self._catalog.spread_passages(8):
            # If the file of a passage that the index counts is missing, this raises IndexDamaged.
            self._own.search(one.passage.text[:80], 1, [one.passage.article.language], Filters(), [])
        return True


def vector_follower(
    catalog: Catalog, folder: Path, priority: Priority, chroma_url: str, milvus_url: str, archive: str
) -> VectorFollower:
    """The follower of the vectors in Milvus where there is a `milvus_url`, else in Chroma."""
    if not milvus_url:
        return VectorFollower(catalog, folder, priority, chroma_url, archive)
    from rag.archive.indexes.milvus_follower import SharedVectorFollower  # its client is optional

    return SharedVectorFollower(catalog, folder, priority, milvus_url)
