"""Moves an archive to another embedder or chunking, while it is searched with the vectors that it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from ingest.pipeline import BATCH_PASSAGES, missing_vectors, prepare, properties
from rag.archive.archive import Archive
from rag.archive.catalog import Cut, Prepared
from rag.errors import ArchiveBusy
from rag.models.embeddings import Embedder

_ARTICLES_AT_ONCE = 50  # read from the catalogue together
_PAUSE = 1.0  # seconds between looks whether an ingest has ended


@dataclass(slots=True, kw_only=True)
class ReindexReport:
    """The numbers of one run. `articles` are those cut so far, of `total` live ones. `embedded` are the passages that
    were embedded now: the others had their vector, from an interrupted run or because nothing changed."""

    before: str
    embedder: str
    articles: int = 0
    total: int = 0
    passages: int = 0
    embedded: int = 0
    dropped: int = 0
    seconds: float = 0.0

    @property
    def passages_per_second(self) -> float:
        """Passages embedded in a second of the whole run."""
        return self.embedded / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return asdict(self) | {
            "seconds": round(self.seconds, 3),
            "passages_per_second": round(self.passages_per_second, 1),
        }


def reindex(
    archive: Archive, embedder: Embedder, progress: Callable[[ReindexReport], None] = lambda report: None
) -> ReindexReport:
    """Cuts all live articles anew and embeds them with `embedder`, then switches the archive to it.

    The new vectors are stored beside the old ones, so searches and ingests of any process go on with the old embedder.
    Interrupted or killed, the archive is as before, and the next run embeds only what is missing. Where an ingest runs
    when all is embedded, the switch waits for its end and embeds what it stored; the switch is one transaction, during
    which an ingest of another process is refused. The vector index is filled afterwards, by the process that owns it.

    Raises ArchiveBusy when another reindex runs, ModelUnavailable, StorageError.
    """
    began = time.perf_counter()
    report = ReindexReport(before=archive.model or "", embedder=embedder.name)
    with archive.reindexing(embedder.name):
        run = _Run(archive, embedder, report, progress)
        run.embed()
        with ExitStack() as stack:
            while not _entered(stack, archive):
                time.sleep(_PAUSE)
                run.embed()
            run.embed()
            run.switch()
        report.dropped = archive.catalog.end_reindex()
    archive.wait_until_indexed()
    report.seconds = time.perf_counter() - began
    progress(report)
    return report


def _entered(stack: ExitStack, archive: Archive) -> bool:
    """Whether the stack now holds the lock of writers; an ingest may hold it."""
    try:
        stack.enter_context(archive.writing(alone=True))
    except ArchiveBusy:
        return False
    return True


class _Run:
    def __init__(
        self, archive: Archive, embedder: Embedder, report: ReindexReport, progress: Callable[[ReindexReport], None]
    ) -> None:
        self._archive, self._embedder, self._report, self._progress = archive, embedder, report, progress
        self._began = time.perf_counter()
        self._cuts: dict[str, tuple[str, Cut]] = {}  # article id -> digest of the version that was cut, and its cut

    def embed(self) -> None:
        """Cuts and embeds the live articles, those aside that this run has seen in their current version."""
        live = self._archive.catalog.live_digests()
        self._cuts = {key: seen for key, seen in self._cuts.items() if live.get(key) == seen[0]}
        self._report.total = len(live)
        waiting: list[Prepared] = []
        new = [key for key in live if key not in self._cuts]
        for start in range(0, len(new), _ARTICLES_AT_ONCE):
            part = new[start : start + _ARTICLES_AT_ONCE]
            articles = self._archive.catalog.current_articles(part)
            for article in (articles[key] for key in part if key in articles):
                self._archive.give_way()
                waiting.append(prepare(article, self._embedder.name))
                if sum(len(one.hashes) for one in waiting) >= BATCH_PASSAGES:
                    self._store(waiting, live)
                    waiting = []
        self._store(waiting, live)

    def _store(self, batch: Sequence[Prepared], digests: dict[str, str]) -> None:
        vectors = missing_vectors(batch, self._archive, self._embedder)
        if vectors:
            self._archive.catalog.add_vectors(vectors)
        for one in batch:
            self._cuts[one.article.id] = digests[one.article.id], Cut(spans=one.spans, hashes=one.hashes)
        self._report.embedded += len(vectors)
        self._report.articles = len(self._cuts)
        self._report.passages = sum(len(cut.hashes) for _, cut in self._cuts.values())
        self._report.seconds = time.perf_counter() - self._began
        self._progress(self._report)

    def switch(self) -> None:
        """Makes the archive one of the new embedder, unless it is that already."""
        catalog, wanted = self._archive.catalog, properties(self._embedder)
        if any(catalog.get_meta(key) != value for key, value in wanted.items()):
            self._archive.switch({key: cut for key, (_, cut) in self._cuts.items()}, wanted)
