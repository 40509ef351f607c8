"""procrastinate, which hands the pieces of the queue to workers: each to one at a time, those of a lane in their order.

What is to be done stands in tables of ours (ingest.queue.tables); a job of procrastinate is only the number of a piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import DatelineError, SettingsError, StorageError

try:
    import procrastinate
    from procrastinate.exceptions import ConnectorException
    from procrastinate.schema import SchemaManager
except ImportError as error:
    raise SettingsError("The queue needs the package procrastinate. Run: pip install 'dateline[many]'.") from error

if TYPE_CHECKING:
    from procrastinate.jobs import Job

    from rag.archive.tables.postgres import PostgresDatabase

log = logging.getLogger("dateline")

QUEUE = "dateline"
LONGEST_PAUSE = 300  # seconds between attempts at a piece, which double from 1
POLL_SECONDS = 2.0  # between looks for work, of which a notification usually tells sooner
# A worker says so often that it lives, and loses its job to another one when it has not said so for so long.
BEAT_SECONDS, STALLED_SECONDS = 10.0, 30.0
CARE = "queue of the workers"  # the lock of the one who takes up what others have left
_CONNECTIONS = 4  # of a worker to the queue, beside those to the catalogue and the one that listens
_CONNECT_SECONDS = 10.0
_MIGRATIONS = Path(SchemaManager.get_migrations_path())
# The pieces that no job is going to do: its worker ended without a word, or finished the job of another one.
_ORPHANS = (
    "SELECT p.id, p.lane FROM dateline_queue_pieces p WHERE NOT EXISTS "
    "(SELECT 1 FROM procrastinate_jobs j WHERE j.id = p.job AND j.status IN ('todo', 'doing')) ORDER BY p.id"
)


class GivenBack(DatelineError):
    """The worker stops, and what is left of its piece is for another one at once."""


def schema_version() -> str:
    """The name of the last migration of the tables that this version of procrastinate needs."""
    return migrations()[-1]


def migrations() -> list[str]:
    """The names of all migrations, in their order, the last one being that of the present schema."""
    return sorted(path.stem for path in _MIGRATIONS.glob("*.sql"))


def create(connection: Any) -> None:
    """Makes procrastinate's tables in the first schema of the search path."""
    connection.execute(SchemaManager.get_schema())


def migrate(connection: Any, since: str) -> None:
    """Brings procrastinate's tables from the state after the migration `since` to that of `schema_version`."""
    for name in migrations():
        if name > since:
            connection.execute((_MIGRATIONS / f"{name}.sql").read_text(encoding="utf-8"))


class _Backoff(procrastinate.BaseRetryStrategy):
    """Every piece is tried until it is done; what is wrong with an article ends as its rejection, never here."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision:
        seconds = 0 if isinstance(exception, GivenBack) else min(LONGEST_PAUSE, 2 ** min(job.attempts, 10))
        return procrastinate.RetryDecision(retry_in={"seconds": seconds})


def _application(connector: Any, work: Callable[[int], None]) -> procrastinate.App:
    app = procrastinate.App(connector=connector)
    app.task(name="store_piece", queue=QUEUE, retry=_Backoff())(_task(work))
    return app


def _task(work: Callable[[int], None]) -> Callable[[int], None]:
    def store_piece(piece: int) -> None:
        work(piece)

    return store_piece


def _undone(piece: int) -> None:
    raise AssertionError("Whoever only sends does not work.")


_SENDER = _application(procrastinate.SyncPsycopgConnector(), _undone)


def defer(connection: Any, piece: int, lane: str) -> int:
    """Has a piece done after those of its lane that were deferred before; the number of its job.

    The job is there when the transaction of the connection is committed.
    """
    return int(_SENDER.configure_task("store_piece", lock=lane, connection=connection).defer(piece=piece))


async def run(
    database: PostgresDatabase, work: Callable[[int], None], name: str, concurrency: int, stopping: asyncio.Event
) -> None:
    """Calls `work` with the numbers of pieces, in threads, and returns when `stopping` is set or the database is away.

    Raises StorageError where it cannot be reached. No thread works any longer then; what one has begun when the
    database goes is taken up STALLED_SECONDS later.
    """
    connector = procrastinate.PsycopgConnector(
        conninfo=database.conninfo, min_size=1, max_size=_CONNECTIONS, timeout=_CONNECT_SECONDS
    )
    app = _application(connector, work)
    with database.reported():
        try:
            await _run(app, database, name, concurrency, stopping)
        except ConnectorException as error:
            if error.__cause__ is None:
                raise StorageError(f"The queue of {database.place} fails: {error}") from error
            raise error.__cause__ from None


async def _run(
    app: procrastinate.App, database: PostgresDatabase, name: str, concurrency: int, stopping: asyncio.Event
) -> None:
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE], name=name, concurrency=concurrency, delete_jobs="successful",
                install_signal_handlers=False, fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=BEAT_SECONDS, stalled_worker_timeout=STALLED_SECONDS,
            )
        )  # fmt: skip
        caring = asyncio.create_task(_care(app, database))
        asked = asyncio.create_task(stopping.wait())
        await asyncio.wait({worker, asked}, return_when=asyncio.FIRST_COMPLETED)
        for task in (caring, asked):
            task.cancel()
        worker.cancel()  # which ends it in good order: it waits for the threads that work
        with suppress(asyncio.CancelledError):
            await worker


async def _care(app: procrastinate.App, database: PostgresDatabase) -> None:
    """Has done again, every few seconds, what workers have left that ended without a word."""
    while True:
        try:
            with ExitStack() as held:
                # One at a time: another one's list of stalled jobs would be old once this one has put them back.
                if await asyncio.to_thread(held.enter_context, database.hold(CARE)):
                    stalled = await app.job_manager.get_stalled_jobs(
                        queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS
                    )
                    for job in stalled:
                        await app.job_manager.retry_job(job)
                    await asyncio.to_thread(_requeue_orphans, database)
        except (ConnectorException, DatelineError) as error:
            log.debug("stalled jobs are looked for later: %s", error)
        except Exception:  # it must go on, or what the next worker leaves lies there
            log.exception("what other workers have left cannot be looked for")
        await asyncio.sleep(STALLED_SECONDS / 3)


def _requeue_orphans(database: PostgresDatabase) -> None:
    if not database.read(f"{_ORPHANS} LIMIT 1", (), lambda row: row):
        return
    with database.transaction() as db:
        for piece, lane in [tuple(row) for row in db.execute(_ORPHANS).fetchall()]:
            job = defer(database.connection_of(db), piece, lane)
            db.execute("UPDATE dateline_queue_pieces SET job = ? WHERE id = ?", (job, piece))
