"""Limits that all servers on one PostgreSQL count together: token buckets in a table beside the catalogue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from rag.archive.catalog import Catalog
from rag.archive.tables.database import Database
from rag.archive.tables.table import as_it_is
from rag.errors import StorageError
from rag.serving.rate_limits import RateLimiter

log = logging.getLogger("dateline")

ANSWER_SECONDS = 0.5  # for which a request waits for the common count; it is counted by this server alone then
AWAY_SECONDS = 5.0  # for which the database is not asked after that
MOST_BUCKETS = 100_000  # that are kept when old ones are deleted
_TIDY_SECONDS = 60.0  # between deletions; a bucket from which nobody has taken for so long is full again
_TABLE = "dateline_buckets"
# Not logged: it is written with most requests, and a crash of the database costs no more than full buckets. There is no
# index but that of the key, so that PostgreSQL writes a row in its place.
_SCHEMA = (
    f'CREATE UNLOGGED TABLE IF NOT EXISTS {_TABLE} (bucket TEXT COLLATE "C" PRIMARY KEY, '
    "tokens DOUBLE PRECISION NOT NULL, granted BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL)"
)
_TIDY = (
    f"DELETE FROM {_TABLE} WHERE bucket IN (SELECT bucket FROM {_TABLE} WHERE "
    f"at < clock_timestamp() - interval '{_TIDY_SECONDS:.0f} seconds' OR "
    f"bucket IN (SELECT bucket FROM {_TABLE} ORDER BY at DESC OFFSET ?) FOR UPDATE SKIP LOCKED) RETURNING bucket"
)


def limiter_of(catalog: Catalog, per_minute: int, what: str = "requests") -> RateLimiter:
    """What counts so many a minute for each client: together with all servers of the catalogue where it is shared.

    `per_minute` 0 sets no limit; `what` names in messages that which is counted. Raises StorageError.
    """
    if per_minute and catalog.database.shared:
        return SharedRateLimiter(catalog.database, per_minute, what)
    return RateLimiter(per_minute, what)


class _Taken(NamedTuple):
    """How many of the tokens that were asked for a client got, and what it has left."""

    granted: int
    left: float


class SharedRateLimiter(RateLimiter):
    """A token bucket for each client in a PostgreSQL database, from which all servers take.

    The count is exact: a token for each request, by the clock of the database. A server has one statement under way at
    most; what comes meanwhile is taken with the next one. While the database does not answer, the server counts alone,
    and goes on from what it knows of the buckets. Belongs to one event loop.
    """

    def __init__(self, database: Database[Any], per_minute: int, what: str = "requests") -> None:
        """Makes the table where there is none. `database` stays its owner's to close. Raises StorageError."""
        super().__init__(per_minute, what)
        self._database = database
        self._statement = _statement(per_minute)
        self._waiting: list[_Waiting] = []
        self._asking: asyncio.Task[None] | None = None
        # By `monotonic`: when the statement under way was begun, and before when none is, after one has failed.
        self._since = self._again = 0.0
        self._tidied = time.monotonic()
        if _TABLE not in database.tables():
            with database.transaction() as db:
                db.execute(_SCHEMA)

    async def take(self, client: str) -> None:
        """Takes one token of the client's. Raises Busy with the seconds until there is one again."""
        now = time.monotonic()
        if now < self._again or (self._asking and now - self._since > ANSWER_SECONDS):
            self._take_here(client)
            return
        waiting = _Waiting(client, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._asking is None:
            self._since = now
            self._asking = asyncio.create_task(self._ask())
        try:
            taken = await asyncio.wait_for(waiting.answer, ANSWER_SECONDS)
        except TimeoutError:
            taken = None
        if taken is None:
            self._take_here(client)
        elif not taken.granted:
            raise self._busy(taken.left)

    async def _ask(self) -> None:
        """Answers those who wait, until there is none."""
        asked: list[_Waiting] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                self._since = time.monotonic()
                taken = await asyncio.to_thread(self._taken, Counter(one.client for one in asked))
                for client, (_, left) in taken.items():
                    self._note(client, left)
                for one in asked:
                    granted, left = taken[one.client]
                    taken[one.client] = _Taken(granted - 1, left)
                    one.tell(_Taken(max(0, granted), left))
                if time.monotonic() - self._tidied > _TIDY_SECONDS:
                    self._tidied = time.monotonic()
                    await asyncio.to_thread(self._database.read, _TIDY, (MOST_BUCKETS,), as_it_is)
        except StorageError as error:
            self._again = time.monotonic() + AWAY_SECONDS
            log.warning("%s a minute are counted by this server alone for now: %s", self._what, error)
        finally:
            self._asking = None
            for one in [*asked, *self._waiting]:
                one.tell(None)
            self._waiting = []

    def _taken(self, wanted: Mapping[str, int]) -> dict[str, _Taken]:
        """Takes so many tokens of each client's, or as many as there are."""
        # Hashed, as an address may have any length, and need not be kept.
        names = {
            sha256(f"{self._what} {client}".encode("utf-8", "surrogatepass")).hexdigest(): client for client in wanted
        }
        # No transaction of the catalogue: those wait for each other.
        rows = self._database.read(self._statement, (list(names), [wanted[client] for client in names.values()]), tuple)
        return {names[bucket]: _Taken(int(granted), float(left)) for bucket, granted, left in rows}


class _Waiting(NamedTuple):
    """A request that waits for its token."""

    client: str
    answer: asyncio.Future[_Taken | None]

    def tell(self, taken: _Taken | None) -> None:
        """Ends the wait, where it has not ended; None: the database does not say."""
        if not self.answer.done():
            self.answer.set_result(taken)


def _statement(per_minute: int) -> str:
    """Takes tokens of buckets: of names and numbers of tokens, two arrays, it gives names, what was granted and left.

    Rows are taken in one order, so that no two servers wait for each other. The clock is read before a row is waited
    for, so it may be behind that of the row.
    """
    elapsed = "greatest(0, extract(epoch FROM excluded.at - b.at)::float8)"
    left = f"least({per_minute}, b.tokens + {elapsed} * {per_minute} / 60)"
    granted = f"least(excluded.granted, floor({left}))"
    return (
        f"INSERT INTO {_TABLE} AS b (bucket, tokens, granted, at) "
        f"SELECT bucket, {per_minute} - least(wanted, {per_minute}), least(wanted, {per_minute}), clock_timestamp() "
        "FROM unnest(?::text[], ?::bigint[]) AS asked (bucket, wanted) ORDER BY bucket "
        f"ON CONFLICT (bucket) DO UPDATE SET tokens = {left} - {granted}, granted = {granted}, "
        "at = greatest(b.at, excluded.at) RETURNING bucket, granted, tokens"
    )
