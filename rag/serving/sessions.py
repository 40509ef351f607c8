"""Sessions of browsers that logged in with a key: those of one server, or of all servers on one PostgreSQL.

A session is a random token, which the browser keeps. A shared catalogue has a table with the hash of each: limits and
log-out need one anyway, and what is in it, or in a backup of it, lets nobody in, as a key for signed tokens would.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from rag.archive.catalog import Catalog
from rag.archive.tables import rows
from rag.archive.tables.database import Database
from rag.archive.tables.table import as_it_is
from rag.errors import StorageError

SESSION_SECONDS = 30 * 24 * 3600
MOST_SESSIONS = 1000  # beyond them, the oldest is ended
MOST_SESSIONS_OF_A_KEY = 50  # so that one key cannot end the sessions of all others
FRESH_SECONDS = 1.0  # for which what was read is used: a session that is ended elsewhere is let in for as long
_READ_SECONDS = 0.1  # at least between two reads, however many unknown tokens come
_TABLE = "dateline_sessions"
_SCHEMA = (
    f'CREATE TABLE IF NOT EXISTS {_TABLE} (token TEXT COLLATE "C" PRIMARY KEY, key TEXT NOT NULL, '
    "begun TIMESTAMPTZ NOT NULL, ends TIMESTAMPTZ NOT NULL)"
)
_BEGIN = (
    f"WITH ended AS (DELETE FROM {_TABLE} WHERE token IN (SELECT token FROM {_TABLE} WHERE ends <= clock_timestamp() "
    f"OR token IN (SELECT token FROM {_TABLE} WHERE key = ? ORDER BY begun DESC OFFSET ?) "
    f"OR token IN (SELECT token FROM {_TABLE} ORDER BY begun DESC OFFSET ?) FOR UPDATE SKIP LOCKED)) "
    f"INSERT INTO {_TABLE} VALUES (?, ?, clock_timestamp(), clock_timestamp() + ?::int * interval '1 second') "
    "ON CONFLICT (token) DO NOTHING RETURNING token"  # by an attempt whose answer was lost
)
_RUNNING = f"SELECT token, key FROM {_TABLE} WHERE ends > clock_timestamp()"
_END = f"DELETE FROM {_TABLE} WHERE token = ? RETURNING token"


def sessions_of(catalog: Catalog) -> Sessions:
    """The sessions of an archive: of all its servers where they share the catalogue. Raises StorageError."""
    return SharedSessions(catalog.database) if catalog.database.shared else Sessions()


class Sessions:
    """The sessions of one server, which end with it."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, float]] = {}  # token -> (id of its key, when it ends by `monotonic`)

    async def begin(self, key: str) -> str:
        """The token of a new session, opened with the key of this id. Raises StorageError."""
        token = secrets.token_urlsafe(32)
        own = [one for one, (owner, _) in self._running.items() if owner == key]
        every = list(self._running)
        for old in {*own[: len(own) - MOST_SESSIONS_OF_A_KEY + 1], *every[: len(every) - MOST_SESSIONS + 1]}:
            del self._running[old]
        self._running[token] = (key, time.monotonic() + SESSION_SECONDS)
        return token

    async def key(self, token: str) -> str | None:
        """The id of the key that a running session was opened with; None for another token. Raises StorageError."""
        key, end = self._running.get(token, (None, 0.0))
        return key if end > time.monotonic() else None

    async def end(self, token: str) -> None:
        """Ends a session; an unknown token changes nothing. Raises StorageError."""
        self._running.pop(token, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a read of the sessions gave, and when it was begun, or failed, by `monotonic`."""

    at: float
    keys: dict[str, str] = field(default_factory=dict)  # hash of a token -> id of the key
    error: StorageError | None = None


class SharedSessions(Sessions):
    """The sessions of all servers on one PostgreSQL. Belongs to one event loop."""

    def __init__(self, database: Database[Any], schema: str = "") -> None:
        """Makes the table where there is none, in the `schema` of another archive where one is named.

        `database` stays its owner's to close. Raises StorageError.
        """
        super().__init__()
        self._database = database
        self._table = f"{schema}.{_TABLE}" if schema else _TABLE
        self._last = _Read(at=-FRESH_SECONDS)
        self._one = asyncio.Lock()  # held while sessions are read, or one is ended
        if _TABLE not in database.tables(schema):
            with database.transaction() as db:
                db.execute(self._of_table(_SCHEMA))

    async def begin(self, key: str) -> str:
        """The token of a new session, opened with the key of this id. Raises StorageError."""
        token = secrets.token_urlsafe(32)
        limits = (key, MOST_SESSIONS_OF_A_KEY - 1, MOST_SESSIONS - 1)
        await self._run(_BEGIN, *limits, _hash(token), key, SESSION_SECONDS)
        return token

    async def key(self, token: str) -> str | None:
        """The id of the key that a running session was opened with; None for another token. Raises StorageError."""
        if not token:
            return None
        name, asked = _hash(token), time.monotonic()
        if name not in self._last.keys or asked - self._last.at >= FRESH_SECONDS:
            await self._read_since(asked)
        return self._last.keys.get(name)

    async def _read_since(self, asked: float) -> None:
        """Has read what other servers have begun until then: all who ask meanwhile get what one read gives."""
        async with self._one:
            if self._last.at < asked:
                await asyncio.sleep(max(0.0, self._last.at + _READ_SECONDS - time.monotonic()))
                began = time.monotonic()
                try:
                    pairs = await asyncio.to_thread(self._database.read, self._of_table(_RUNNING), (), _pair)
                    self._last = _Read(at=began, keys=dict(pairs))
                except StorageError as error:
                    self._last = _Read(at=time.monotonic(), error=error)
            if self._last.error is not None:
                raise type(self._last.error)(str(self._last.error))

    async def end(self, token: str) -> None:
        """Ends a session on all servers; an unknown token changes nothing. Raises StorageError."""
        if await self.key(token) is None:  # many unknown ones do not keep the database busy
            return
        async with self._one:
            await self._run(_END, _hash(token))
            self._last = _Read(at=-FRESH_SECONDS)

    async def _run(self, sql: str, *values: object) -> None:
        # No transaction of the catalogue, which would wait for an ingest.
        await asyncio.to_thread(self._database.read, self._of_table(sql), values, as_it_is)

    def _of_table(self, sql: str) -> str:
        return sql.replace(_TABLE, self._table)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _pair(row: Any) -> tuple[str, str]:
    return rows.written(row["token"]), rows.written(row["key"])
