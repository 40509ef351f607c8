"""The connection to a Milvus database: calls that are repeated while the server is away, and what its errors mean."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from rag.errors import IndexDamaged, SettingsError, StorageError

try:
    from pymilvus import DataType, MilvusClient  # type: ignore[import-untyped]
except ImportError as error:
    raise SettingsError(
        "DATELINE_INDEX names a Milvus database, but its client is not installed. "
        "Run: pip install 'dateline[many]', or unset DATELINE_INDEX to use the folder."
    ) from error

# It logs every error with a traceback before it raises it.
for _name in ("pymilvus", "pymilvus.milvus_client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_Given = TypeVar("_Given")

CALL_SECONDS = 5.0  # for one call; a search takes milliseconds, storing 500 records a tenth of a second
_PORT = 19530
_CONNECT_SECONDS = 3.0
_PATIENCE = 5.0  # for which a call is repeated while the server is away: one that restarts is back within seconds
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_OPTIONS = {"grpc.max_reconnect_backoff_ms": 1000}  # by default a connection is tried every two minutes in the end

# Codes of Milvus.
_NO_COLLECTION, _NOT_LOADED, _NO_DATABASE, _NO_ALIAS = "100", "101", "800", "1600"
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "2")  # statuses of gRPC; 2 is the client's "no connection"
_REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED")


class MilvusConnection:
    """A connection to one database. Safe for many threads."""

    types: Any = DataType

    def __init__(self, url: str) -> None:
        """Connects. `url`: milvus://user:password@host:port/database, milvuss:// over TLS, as Settings has checked it.

        Raises StorageError.
        """
        parts = urlsplit(url)
        self._database = unquote(parts.path.strip("/")) or "default"
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{self._database}"
        self._secrets = [one for one in (parts.password, unquote(parts.password or "")) if one]
        self._away: Exception | None = None  # why the last call found no server
        self._probing = threading.Lock()  # while the server is away, one thread at a time looks for it
        login = ":".join(unquote(one) for one in (parts.username, parts.password) if one)
        port = parts.port or _PORT
        self._address = re.compile(rf"[\w.:%\[\]-]+:{port}\b")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self.client: Any = self.call(
            lambda: MilvusClient(
                f"{'https' if parts.scheme == 'milvuss' else 'http'}://{host}:{port}",
                token=login,
                db_name=self._database,
                timeout=_CONNECT_SECONDS,
                dedicated=True,  # a connection that `close` closes
                grpc_options=_OPTIONS,
            )
        )

    def close(self) -> None:
        """Closes the connection."""
        with suppress(Exception):
            self.client.close()

    def call(self, call: Callable[[], _Given], collection: str = "") -> _Given:
        """The result of a call to Milvus, which is repeated for some seconds while the server is away.

        `collection` is the one that the call reads, which may have to be loaded first. Ends within ten seconds, where
        the call does in CALL_SECONDS. Raises StorageError; IndexDamaged where a collection is gone.
        """
        alone = self._away is not None
        if alone and not self._probing.acquire(timeout=_PATIENCE):
            away = self._away
            if away is not None:
                raise self._explained(away) from away
            alone = False  # whoever looked for it has found it meanwhile
        try:
            result = self._repeated(call, collection)
        except Exception as error:
            self._away = error if _is_away(error) else None
            if isinstance(error, StorageError):
                raise
            raise self._explained(error) from error
        finally:
            if alone:
                self._probing.release()
        self._away = None
        return result

    def _repeated(self, call: Callable[[], _Given], collection: str) -> _Given:
        until = time.monotonic() + _PATIENCE
        for pause in (*_PAUSES, 0.0):
            try:
                return call()
            except Exception as error:
                if _code(error) == _NOT_LOADED and collection:  # as after a start of Milvus Lite
                    self.client.load_collection(collection, timeout=CALL_SECONDS)
                    continue
                if not _is_away(error) or time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)
        return call()

    def _explained(self, error: Exception) -> StorageError:
        """What a user is told of an error of the client or the server."""
        where, said, code = f"The vector index at {self.place}", self._told(error), _code(error)
        if code in _REFUSED:
            return StorageError(
                f"{where} cannot be used: the server refuses the login ({said}). Check user and password in "
                "DATELINE_INDEX, and the rights of the user. No article is lost."
            )
        if _is_away(error):
            return StorageError(
                f"{where} cannot be used: the server cannot be reached ({said}). It is tried again by itself. Start "
                "it, or correct host and port in DATELINE_INDEX. No article is lost."
            )
        if code == _NO_DATABASE or re.search(r"database.* not (found|exist)", said, re.IGNORECASE):
            return StorageError(
                f"{where} cannot be used: there is no database '{self._database}'. Make it in Milvus, or correct its "
                "name in DATELINE_INDEX. No article is lost."
            )
        if code == _NO_COLLECTION:
            return IndexDamaged(f"{where} is gone: {said}. No article is lost: it is filled from the catalogue again.")
        return StorageError(
            f"{where} cannot be used: {said}. The log of the server says more. No article is lost: if it stays so, "
            "dateline rebuild restores the index from the catalogue."
        )

    def _told(self, error: Exception) -> str:
        """What Milvus says, in a line and without the password."""
        details = getattr(_cause(error), "details", None)
        said = (details() if callable(details) else None) or getattr(error, "message", "") or str(error)
        text = " ".join(said.split())[:300].rstrip(".") or type(error).__name__
        text = self._address.sub("…", text)  # the message names it already
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def is_missing(error: BaseException) -> bool:
    """Whether Milvus says that an alias is not there."""
    return _code(error) in (_NO_ALIAS, _NO_COLLECTION) or bool(
        re.search(r"alias.* not (found|exist)", str(error), re.IGNORECASE | re.DOTALL)
    )


def _cause(error: BaseException) -> BaseException:
    """The error of gRPC because of which the client has raised another one, or the error itself."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:  # the client raises errors from themselves
        if callable(getattr(one, "code", None)):
            return one
        seen.append(one)
        one = one.__cause__
    return error


def _code(error: BaseException) -> str:
    """The name of the status of gRPC, or else the number that Milvus gives."""
    code = getattr(_cause(error), "code", "")
    code = code() if callable(code) else code
    return str(getattr(code, "name", code))


def _is_away(error: BaseException) -> bool:
    """Whether the server was not reached, or did not answer in time, and may be back in a moment."""
    return not isinstance(error, IndexDamaged) and (
        _code(error) in _AWAY or "closed channel" in str(error) or "Retry timeout" in str(error)
    )
