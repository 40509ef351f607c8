"""Stores articles in the catalogue in batches and has them indexed. What is committed stays if a later batch fails."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ingest.chunking import FINGERPRINT, embedded_text, passage_spans
from ingest.readers.files import Rejected
from rag.archive.archive import Archive
from rag.archive.catalog import Prepared, VectorsGone, digest
from rag.archive.near_duplicates import same_story
from rag.archive.tables.database import Statements
from rag.errors import ArticleRefused, DatelineError
from rag.models.embeddings import Embedder
from rag.schema import Article

# Passages that are embedded and committed together: enough to fill the model's batches, and few enough that an
# interrupt loses only seconds of work.
BATCH_PASSAGES = 256
_TEXTS = ("id", "title", "text", "url", "outlet", "byline", "genre", "language", "source")
_MARKED = re.compile(r"-[0-9a-f]{8}$")
_FILES_WITHOUT_ID = {".txt", ".md", ".pdf", ".docx"}


@dataclass(slots=True)
class IngestReport:
    """The numbers of articles and passages of one ingest. `rejected` counts by reason, `rejections` lists each."""

    read: int = 0
    kept: int = 0
    updated: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejected] = field(default_factory=list)
    passages: int = 0
    embedded: int = 0
    seconds: float = 0.0

    @property
    def passages_per_second(self) -> float:
        """Passages stored in a second of the whole run, reading and indexing included."""
        return self.passages / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "read": self.read,
            "kept": self.kept,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "withdrawn": self.withdrawn,
            "rejected": dict(self.rejected),
            "rejections": [{"source": r.source, "reason": r.reason, "message": r.message} for r in self.rejections],
            "passages": self.passages,
            "embedded": self.embedded,
            "seconds": round(self.seconds, 3),
            "passages_per_second": round(self.passages_per_second, 1),
        }


Noting: TypeAlias = Callable[[Statements, IngestReport | None], None]


def properties(embedder: Embedder) -> dict[str, str]:
    """The properties that an archive is built with and that must not change while it is used."""
    return {"embedder": embedder.name, "chunking": FINGERPRINT}


def ingest(
    items: Iterable[Article | Rejected],
    archive: Archive,
    embedder: Embedder,
    *,
    report: IngestReport | None = None,
    progress: Callable[[IngestReport], None] = lambda report: None,
    settled: Callable[[IngestReport], None] = lambda report: None,
) -> IngestReport:
    """Stores articles and updates the indexes. The same input again changes and embeds nothing.

    `report` says what was done with items before these, and is gone on with. `settled` is called behind each batch: all
    items that the report has read until then are stored, or are not to be. Raises ArchiveBusy, ArchiveMismatch,
    StorageError; what was committed before stays.
    """
    with archive.writing():
        archive.claim(properties(embedder))
        run = _Run(archive, embedder, report, settled=settled)
        try:
            for item in items:
                archive.give_way()
                run.take(item)
                progress(run.report)
        finally:
            # After an interrupt too: what was read is kept, and the next run finds it unchanged.
            run.flush()
        archive.wait_until_indexed()
    run.report.seconds = time.perf_counter() - run.began
    progress(run.report)
    return run.report


def store(
    items: Iterable[Article],
    archive: Archive,
    embedder: Embedder,
    report: IngestReport,
    *,
    noting: Noting,
    singly: bool = False,
    progress: Callable[[IngestReport], None] = lambda report: None,
) -> None:
    """Stores articles as `ingest` does, and leaves the indexes to the processes that own them.

    `report` says what was done with the items before these, and is gone on with. `noting` is called in the transaction
    of each batch: what `report` says then is true once that is committed. It gets None with an article of a batch that
    failed, of which others are to follow, and may raise to take that back. `singly`: each article is a batch.
    Raises as `ingest` does.
    """
    with archive.writing():
        archive.claim(properties(embedder))
        run = _Run(archive, embedder, report, noting)
        try:
            for item in items:
                run.take(item)
                if singly:
                    run.flush()
                progress(run.report)
        finally:
            run.flush()


def remove(archive: Archive, article_id: str) -> bool:
    """Removes an article with all its versions from catalogue and indexes; False when there is none."""
    with archive.writing():
        gone = archive.catalog.remove(article_id)
        archive.wait_until_indexed()
    return gone


class _Run:
    def __init__(
        self,
        archive: Archive,
        embedder: Embedder,
        report: IngestReport | None = None,
        noting: Noting | None = None,
        settled: Callable[[IngestReport], None] = lambda report: None,
    ) -> None:
        self.archive, self.catalog, self.embedder = archive, archive.catalog, embedder
        self.report, self._noting, self._settled = report or IngestReport(), noting, settled
        self.began = time.perf_counter() - self.report.seconds
        self._batch: list[tuple[Prepared, Article | None]] = []  # each with the article that it replaces
        self._waiting: set[str] = set()

    def take(self, item: Article | Rejected) -> None:
        """Stores, skips or rejects one item."""
        if isinstance(item, Rejected):
            self._reject(item)
        else:
            try:
                self._take_article(item)
            except Exception as error:
                if _ends_the_run(error):
                    raise
                self._reject(_failed(item, error))
        self.report.read += 1  # not before: a batch that is stored meanwhile does not hold this item
        if sum(len(prepared.spans) for prepared, _ in self._batch) >= BATCH_PASSAGES:
            self.flush()

    def _take_article(self, item: Article) -> None:
        item = _storable(item)
        if item.id in self._waiting:
            self.flush()  # so that the article with the same id is found in the catalogue
        article = self._identified(item)
        if article.id in self._waiting:
            self.flush()
        current = self.catalog.article(article.id)
        if article.status == "withdrawn" and current is not None:
            # A takedown notice has no text of its own; the archive still shows what was withdrawn.
            article = replace(
                article, text=article.text or current.text, title=article.title or current.title,
                uncitable=article.uncitable or current.uncitable,
            )  # fmt: skip
        if self._known(article, current):
            self.report.unchanged += 1
            return
        prepared = prepare(article, self.embedder.name)
        if article.status == "live" and not prepared.spans:
            message = f"{article.source}: no citable text is left without teasers and markup. Nothing to answer from."
            self._reject(Rejected(source=article.source, reason="empty", message=message))
            return
        self._count(article, current, 1)
        self._batch.append((prepared, current))
        self._waiting.add(article.id)
        self.report.passages += len(prepared.spans)

    def flush(self) -> None:
        """Embeds and commits the batch; where that fails, its articles one by one."""
        batch, self._batch, self._waiting = self._batch, [], set()
        try:
            if batch:
                self._store([prepared for prepared, _ in batch], self._note)
        except Exception as error:
            if _ends_the_run(error):
                raise
            for prepared, current in batch:
                self._store_alone(prepared, current)
            if self._noting:
                with self.catalog.transaction() as db:
                    self._note(db)
        self.report.seconds = time.perf_counter() - self.began
        if batch:  # or else the last one may have failed, and this is the flush at the end of the run
            self._settled(self.report)

    def _store(self, batch: list[Prepared], noting: Callable[[Statements], None] = lambda db: None) -> None:
        while True:
            vectors = missing_vectors(batch, self.archive, self.embedder)
            self.report.embedded += len(vectors)
            try:
                self.catalog.store(batch, vectors, noting)
                return
            except VectorsGone:  # another process has removed the last article with the same words meanwhile
                continue
            except BaseException:
                self.report.embedded -= len(vectors)
                raise

    def _note(self, db: Statements) -> None:
        if self._noting:
            self._noting(db, self.report)

    def _check(self, db: Statements) -> None:
        if self._noting:
            self._noting(db, None)

    def _store_alone(self, prepared: Prepared, current: Article | None) -> None:
        try:
            self._store([prepared], self._check)
        except Exception as error:
            if _ends_the_run(error):
                raise
            self._count(prepared.article, current, -1)
            self.report.passages -= len(prepared.spans)
            self._reject(_failed(prepared.article, error))

    def _reject(self, rejected: Rejected) -> None:
        self.report.rejected[rejected.reason] += 1
        self.report.rejections.append(rejected)

    def _count(self, article: Article, current: Article | None, by: int) -> None:
        if article.status == "withdrawn":
            self.report.withdrawn += by
        elif current is None:
            self.report.kept += by
        else:
            self.report.kept += by
            self.report.updated += by

    def _identified(self, article: Article) -> Article:
        """The article with the id that it has in the archive.

        A text file whose title was edited keeps its id. Two different files or records with the same id get
        different ones, so that neither is lost.
        """
        plain_file = not article.url and Path(article.source).suffix.lower() in _FILES_WITHOUT_ID
        current = self.catalog.article(article.id)
        if current is None:
            earlier = self.catalog.id_of_source(article.source)
            if not plain_file:
                earlier = self._id_without_mark(article, earlier)
            return replace(article, id=earlier) if earlier else article
        if current.source == article.source:
            return article
        other_url = current.url and article.url and current.url != article.url
        other_file = plain_file and not same_story(current, article) and digest(current) != digest(article)
        if other_url or other_file:
            mark = sha256((article.url or article.source).encode()).hexdigest()[:6]
            return replace(article, id=f"{article.id}-{mark}")
        return article

    def _id_without_mark(self, article: Article, earlier: str | None) -> str | None:
        """The id of this article in an archive of an earlier version; None where there is none.

        Earlier versions stored an id with spaces or the like without the digest that now distinguishes it. The same
        source or address shows that it is the same article.
        """
        if not _MARKED.search(article.id):
            return None
        longest = len(article.id) == 200  # the older id was cut too, and also ends in a digest
        if earlier and article.id[:-9] in (earlier, earlier[:-9] if longest else earlier):
            return earlier
        bare = self.catalog.article(article.id[:-9])
        return bare.id if bare and bare.url and bare.url == article.url else None

    def _known(self, article: Article, current: Article | None) -> bool:
        """Whether the archive has this version, or it is an older one that another file still contains."""
        if current is None:
            return False
        seen = digest(article)
        if self.catalog.current_digest(article.id) == seen:
            return True
        if current.source != article.source and self.catalog.has_version(article.id, seen):
            return True
        return _older(article, current)


def _ends_the_run(error: Exception) -> bool:
    """Whether it is of the disk, the archive or the model, so that every further article would meet it; all others
    concern one article."""
    return isinstance(error, (DatelineError, sqlite3.Error, OSError)) and not isinstance(error, ArticleRefused)


def _failed(article: Article, error: Exception) -> Rejected:
    why = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
    message = f"{article.source}: it cannot be stored ({why}). The other articles are not affected; check this one."
    return Rejected(source=article.source, reason="malformed", message=message)


def _storable(article: Article) -> Article:
    """The article with `?` for each lone surrogate, which broken JSON escapes and file names in Latin-1 contain, and
    for each NUL, which PostgreSQL does not store."""
    texts = {name: str(getattr(article, name)) for name in _TEXTS}
    texts = {name: value for name, value in texts.items() if "\0" in value or not value.isascii()}
    safe = {name: value.encode("utf-8", "replace").decode().replace("\0", "?") for name, value in texts.items()}
    return replace(article, **safe) if safe != texts else article  # type: ignore[arg-type]


def _older(article: Article, current: Article) -> bool:
    """Whether this version is older than the stored one, by the dates in their sources."""
    mine, theirs = article.modified or article.published, current.modified or current.published
    if not mine or not theirs or article.source == current.source:
        return False
    if (mine.tzinfo is None) != (theirs.tzinfo is None):
        return mine.date() < theirs.date()
    return mine < theirs


def prepare(article: Article, model: str) -> Prepared:
    """The article cut into passages, with the hashes of their texts for this model; one withdrawn has no passages."""
    spans = tuple(passage_spans(article)) if article.status == "live" else ()
    hashes = tuple(_hash(model, embedded_text(article, span)) for span in spans)
    return Prepared(article=article, spans=spans, hashes=hashes)


def _hash(model: str, text: str) -> str:
    return sha256(f"{model}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def missing_vectors(batch: Sequence[Prepared], archive: Archive, embedder: Embedder) -> dict[str, np.ndarray]:
    """Vectors by hash for the passages whose text this model has not embedded before."""
    wanted = {
        key: embedded_text(prepared.article, span)
        for prepared in batch
        for key, span in zip(prepared.hashes, prepared.spans, strict=True)
    }
    known = archive.catalog.known_hashes(wanted)
    missing = {key: text for key, text in wanted.items() if key not in known}
    if not missing:
        return {}
    return dict(zip(missing, embedder.embed_passages(list(missing.values())), strict=True))
