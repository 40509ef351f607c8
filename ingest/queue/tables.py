"""The tables of the queue: ingests with their reports, and the pieces of them that are not done yet.

They stand beside the catalogue, in the same schema of the same database. A piece holds articles as JSON; it is deleted
in the transaction that adds its report to that of its ingest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ingest.pipeline import IngestReport
from ingest.queue import engine
from ingest.queue.depth import Depth, depth_of
from ingest.queue.reports import add, read_report, written
from ingest.readers.process import article_from, as_message
from rag.archive.catalog import Catalog
from rag.archive.tables.database import Statements
from rag.errors import ArchiveMismatch, DatelineError, SettingsError, StorageError
from rag.schema import Article

if TYPE_CHECKING:
    from rag.archive.tables.postgres import PostgresDatabase

FORMAT = 2  # of the tables below; 2 added when an ingest was last heard of
KEPT_DAYS = 30  # for which the report of an ingest can be read after its end
# A sender says at least so often that it lives, but for the time that it reads one file; it is taken for stopped when
# it has not said so for so long, and for sending again when it does.
BEAT_SECONDS, STOPPED_SECONDS = 30.0, 300.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS dateline_queue_state (
    format INTEGER NOT NULL, engine TEXT NOT NULL, pieces INTEGER NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS dateline_queue_ingests (
    id TEXT PRIMARY KEY, sending TEXT NOT NULL, queued_at TEXT NOT NULL, ended_at TEXT, report TEXT NOT NULL,
    heard_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS dateline_queue_pieces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ingest TEXT NOT NULL, lane TEXT NOT NULL, job INTEGER,
    articles INTEGER NOT NULL, content TEXT NOT NULL, held_by TEXT, crashes INTEGER NOT NULL, report TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS dateline_queue_pieces_ingest ON dateline_queue_pieces (ingest);
"""
_ADD_HEARD = "ALTER TABLE dateline_queue_ingests ADD COLUMN IF NOT EXISTS heard_at TIMESTAMPTZ"
# By the clock of the database: those of a sender and of whoever looks may differ by minutes.
_SILENT = (
    "coalesce(heard_at, CAST(queued_at AS TIMESTAMPTZ)) < clock_timestamp() - "
    f"interval '{STOPPED_SECONDS:.0f} seconds' AS silent"
)
_SENDING, _SENT, _INTERRUPTED = "going on", "complete", "interrupted"

State = Literal["sending", "stopped", "interrupted", "waiting", "done"]


class TakenOver(DatelineError):
    """Another worker has the piece: this one was taken for dead. What it was about to store is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Articles to be stored by one worker. `crashes`: how many workers died of it at this place."""

    id: int
    ingest: str
    articles: Sequence[Article]
    crashes: int
    report: IngestReport  # of those that are done, the first ones


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedIngest:
    """An ingest that was queued; `waiting` articles of it are not done yet. Moments are in UTC.

    One that was interrupted, or stopped without a word, has to be run again: a part of it was never queued.
    """

    id: str
    state: State
    waiting: int
    queued_at: datetime
    ended_at: datetime | None
    report: IngestReport

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "id": self.id,
            "state": self.state,
            "waiting": self.waiting,
            "queued_at": self.queued_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "report": self.report.as_dict(),
        }


def check_database(*, shared: bool) -> None:
    """Raises SettingsError where the catalogue is none that processes with other folders share."""
    if not shared:
        raise SettingsError(
            "Workers and their queue need a catalogue in PostgreSQL, and DATELINE_CATALOG is not set. Set it to "
            "postgresql://user:password@host:5432/name, or run dateline ingest without --queue."
        )


class Queue:
    """The queue of one catalogue. Thread-safe. Every method raises StorageError when the database fails."""

    def __init__(self, catalog: Catalog, *, create: bool = True) -> None:
        """Makes the queue where there is none, or with `create` False leaves the catalogue as it is: `present` says.

        Raises SettingsError where the catalogue is a folder's, ArchiveMismatch where the queue is another version's.
        """
        check_database(shared=catalog.database.shared)
        self.database: PostgresDatabase = catalog.database  # type: ignore[assignment]
        self.present = "dateline_queue_state" in self.database.tables()
        if self.present:
            self._check()
        elif create:
            self._create()

    # --- versions -------------------------------------------------------------------------------------------

    def _create(self) -> None:
        with self.database.transaction() as db:  # the only one of all processes
            present = self.database.tables()
            if "dateline_queue_state" not in present:
                if "procrastinate_jobs" in present:
                    raise StorageError(
                        f"The queue of {self.database.place} cannot be made: the tables of procrastinate there belong "
                        "to another program. Name a database or a schema of its own in DATELINE_CATALOG."
                    )
                engine.create(self.database.connection_of(db))
                self.database.create(db, _SCHEMA)
                db.execute("INSERT INTO dateline_queue_state VALUES (?, ?, 0, 0)", (FORMAT, engine.schema_version()))
        self.present = True
        self._check()

    def _check(self) -> None:
        """Raises ArchiveMismatch for a queue that another version works on; one that is idle is brought up to date."""
        own = (FORMAT, engine.schema_version())
        found = self._version()
        if found[0] > own[0] or found[1] > own[1]:
            raise ArchiveMismatch(
                f"The queue of {self.database.place} is of a newer version (format {found[0]}, procrastinate "
                f"{found[1]}); this program knows format {own[0]} and {own[1]}. Run the newer Dateline on "
                "this machine too: pip install -U 'dateline[many]'"
            )
        if found == own:
            return
        if self.workers():
            raise ArchiveMismatch(
                f"The queue of {self.database.place} is of an older version (format {found[0]}, procrastinate "
                f"{found[1]}), and workers are running on it. Stop them, wait {engine.STALLED_SECONDS:.0f} seconds, "
                "and run this again: it brings the queue up to date. Nothing that waits is lost."
            )
        with self.database.transaction() as db:
            if self._version() == found:  # no other process was faster
                engine.migrate(self.database.connection_of(db), found[1])
                self.database.create(db, _SCHEMA)
                db.execute(_ADD_HEARD)
                db.execute("UPDATE dateline_queue_state SET format = ?, engine = ?", own)

    def _version(self) -> tuple[int, str]:
        found = self.database.read(
            "SELECT format, engine FROM dateline_queue_state", (), lambda row: (int(row[0]), str(row[1]))
        )
        if not found:
            raise self.database.damaged("the queue has lost its version")
        return found[0]

    # --- sending --------------------------------------------------------------------------------------------

    def begin(self) -> str:
        """The id of a new ingest, to which pieces can be added."""
        ingest, now = secrets.token_hex(8), datetime.now(UTC)
        oldest = (now - timedelta(days=KEPT_DAYS)).isoformat()
        with self.database.transaction() as db:
            db.execute(
                "DELETE FROM dateline_queue_ingests WHERE ended_at < ? OR ended_at IS NULL AND queued_at < ? AND "
                "id NOT IN (SELECT ingest FROM dateline_queue_pieces)",  # whose sender stopped without a word
                (oldest, oldest),
            )
            db.execute(
                "INSERT INTO dateline_queue_ingests VALUES (?, ?, ?, NULL, ?, clock_timestamp())",
                (ingest, _SENDING, now.isoformat(), written(IngestReport())),
            )
        return ingest

    def beat(self, ingest: str) -> None:
        """Stores that whoever sends this ingest lives."""
        with self.database.transaction() as db:
            self._note_heard(db, ingest)

    def _note_heard(self, db: Statements, ingest: str) -> None:
        db.execute("UPDATE dateline_queue_ingests SET heard_at = clock_timestamp() WHERE id = ?", (ingest,))

    def put(self, ingest: str, pieces: Sequence[tuple[str, Sequence[Article]]], rejected: IngestReport) -> None:
        """Adds pieces, each with its lane, and what was rejected beside them; a lane's pieces are done in turn."""
        with self.database.transaction() as db:
            self._add_report(db, ingest, rejected)
            self._note_heard(db, ingest)
            for lane, articles in pieces:
                content = json.dumps([as_message(article) for article in articles])
                (piece,) = db.execute(
                    "INSERT INTO dateline_queue_pieces (ingest, lane, articles, content, crashes, report) "
                    "VALUES (?, ?, ?, ?, 0, ?) RETURNING id",
                    (ingest, lane, len(articles), content, written(IngestReport())),
                ).fetchone()
                job = engine.defer(self.database.connection_of(db), piece, lane)
                db.execute("UPDATE dateline_queue_pieces SET job = ? WHERE id = ?", (job, piece))

    def end(self, ingest: str, *, complete: bool) -> None:
        """Nothing more is added to this ingest; not `complete`: because whoever sent it was interrupted."""
        with self.database.transaction() as db:
            sent = _SENT if complete else _INTERRUPTED
            db.execute("UPDATE dateline_queue_ingests SET sending = ? WHERE id = ?", (sent, ingest))
            self._note_end(db, ingest)

    def _add_report(self, db: Statements, ingest: str, more: IngestReport) -> None:
        found = db.execute("SELECT report FROM dateline_queue_ingests WHERE id = ?", (ingest,)).fetchone()
        if found and more.read:
            report = read_report(found["report"])
            add(report, more)
            db.execute("UPDATE dateline_queue_ingests SET report = ? WHERE id = ?", (written(report), ingest))

    def _note_end(self, db: Statements, ingest: str) -> None:
        db.execute(
            "UPDATE dateline_queue_ingests SET ended_at = ? WHERE id = ? AND sending <> ? AND NOT EXISTS "
            "(SELECT 1 FROM dateline_queue_pieces WHERE ingest = ?)",
            (datetime.now(UTC).isoformat(), ingest, _SENDING, ingest),
        )

    # --- working --------------------------------------------------------------------------------------------

    def take(self, piece: int, holder: str, ended_well: Sequence[str]) -> Piece | None:
        """The piece, which belongs to this holder from now on; None where it is done.

        A holder before this one that has not given it back died of it, but for those that `ended_well`.
        """
        with self.database.transaction() as db:
            row = db.execute("SELECT * FROM dateline_queue_pieces WHERE id = ?", (piece,)).fetchone()
            if row is None:
                return None
            died = row["held_by"] is not None and row["held_by"] not in ended_well
            crashes = int(row["crashes"]) + died
            db.execute(
                "UPDATE dateline_queue_pieces SET held_by = ?, crashes = ? WHERE id = ?", (holder, crashes, piece)
            )
        with self._readable(piece):
            return Piece(
                id=piece,
                ingest=row["ingest"],
                articles=[article_from(one["article"]) for one in json.loads(row["content"])],
                crashes=crashes,
                report=read_report(row["report"]),
            )

    @contextmanager
    def _readable(self, piece: int) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise self.database.damaged(f"piece {piece} of the queue holds an invalid value: {error}") from error

    def note(self, db: Statements, piece: int, holder: str, report: IngestReport) -> None:
        """Stores how far a piece has come, in the transaction that stores its articles. Raises TakenOver.

        A place that is behind has had its crashes; one is remembered, as another may follow in the same piece.
        """
        changed = db.execute(
            "UPDATE dateline_queue_pieces SET report = ?, crashes = CASE WHEN crashes > 0 THEN 1 ELSE 0 END "
            "WHERE id = ? AND held_by = ?",
            (written(report), piece, holder),
        ).rowcount
        if not changed:
            raise TakenOver(f"Another worker has taken over piece {piece}.")

    def hold(self, db: Statements, piece: int, holder: str) -> None:
        """Raises TakenOver where the piece is another holder's."""
        sql = "SELECT 1 FROM dateline_queue_pieces WHERE id = ? AND held_by = ?"
        if db.execute(sql, (piece, holder)).fetchone() is None:
            raise TakenOver(f"Another worker has taken over piece {piece}.")

    def give_back(self, piece: int, holder: str) -> None:
        """The holder has stopped in good order, and died of nothing."""
        with self.database.transaction() as db:
            db.execute("UPDATE dateline_queue_pieces SET held_by = NULL WHERE id = ? AND held_by = ?", (piece, holder))

    def finish(self, piece: Piece, holder: str, seconds: float) -> None:
        """Deletes a piece that is done and adds its report to that of its ingest. Raises TakenOver."""
        with self.database.transaction() as db:
            gone = db.execute(
                "DELETE FROM dateline_queue_pieces WHERE id = ? AND held_by = ?", (piece.id, holder)
            ).rowcount
            if not gone:
                raise TakenOver(f"Another worker has taken over piece {piece.id}.")
            self._add_report(db, piece.ingest, piece.report)
            self._note_end(db, piece.ingest)
            db.execute("UPDATE dateline_queue_state SET pieces = pieces + 1, seconds = seconds + ?", (seconds,))

    # --- looking --------------------------------------------------------------------------------------------

    def ingest(self, ingest: str) -> QueuedIngest | None:
        """An ingest with its report so far; None for an unknown id."""
        found = self.ingests(ingest=ingest)
        return found[0] if found else None

    def ingests(self, limit: int = 50, *, ingest: str = "") -> list[QueuedIngest]:
        """The ingests, the newest first; with `ingest`, the one of that id."""
        if not self.present:
            return []
        chosen, values = ("WHERE id = ? ", [ingest]) if ingest else ("", [])
        # One statement, so that a piece is either seen or counted in the report.
        rows = self.database.read(
            f"SELECT i.*, p.articles, p.report AS partly FROM (SELECT *, {_SILENT} FROM dateline_queue_ingests "
            f"{chosen}ORDER BY queued_at DESC LIMIT ?) i "
            "LEFT JOIN dateline_queue_pieces p ON p.ingest = i.id ORDER BY i.queued_at DESC, i.id, p.id",
            [*values, limit],
            lambda row: row,
        )
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(row["id"], []).append(row)
        return [self._seen(rows) for rows in found.values()]

    def _seen(self, rows: Sequence[Any]) -> QueuedIngest:
        first, waiting = rows[0], 0
        report = read_report(first["report"])
        for row in rows:
            if row["articles"] is not None:
                partly = read_report(row["partly"])
                waiting += row["articles"] - partly.read
                add(report, partly)
        queued = datetime.fromisoformat(first["queued_at"])
        ended = datetime.fromisoformat(first["ended_at"]) if first["ended_at"] else None
        report.seconds = ((ended or datetime.now(UTC)) - queued).total_seconds()
        return QueuedIngest(
            id=first["id"], state=_state(first), waiting=waiting, queued_at=queued, ended_at=ended, report=report
        )

    def depth(self) -> Depth:
        """How much waits and how much was done."""
        return depth_of(self.database)

    def workers(self) -> int:
        """How many workers said lately that they live."""
        sql = (
            "SELECT count(*) FROM procrastinate_workers "
            f"WHERE last_heartbeat > now() - interval '{engine.STALLED_SECONDS:.0f} seconds'"
        )
        if "procrastinate_workers" not in self.database.tables():  # as versions before 3.1 made it
            return 0
        return self.database.read(sql, (), lambda row: int(row[0]))[0]


def _state(row: Any) -> State:
    if row["sending"] == _SENDING:
        return "stopped" if row["silent"] else "sending"
    if row["sending"] == _INTERRUPTED:
        return "interrupted"
    return "done" if row["ended_at"] else "waiting"
