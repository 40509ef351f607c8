"""The applications of several archives on one server: at /archives/NAME/, and at / that of the one without a name.

Each is a whole application, with its own middleware, keys and sessions: what is written here only leads to it. It is
opened when it is first asked for, so that fifty archives do not make the start fifty times as long, and one that cannot
be opened takes no other with it. One whose files were removed or replaced is closed, and what is there now is opened.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rag.archive import installation
from rag.errors import ArchiveMissing, DatelineError, StorageError
from rag.interfaces.http.app import App
from rag.interfaces.http.middleware import Connection, Receive, Send
from rag.interfaces.http.server import room_for_archives
from rag.interfaces.installation.front import EXISTS, FAILED, Front
from rag.settings import ARCHIVES, Settings, is_archive_name

log = logging.getLogger("dateline")

AGAIN_SECONDS = 5.0  # after which it is tried again to open an archive that could not be opened
_OPENED_AT_ONCE = 3  # the event loop has at least five threads for all that waits, such as for keys in a database
_KNOWN_SECONDS = 1.0  # for which the names that a database holds are not asked for again
_ADDRESS = re.compile(rf"/{ARCHIVES}(?:/([^/]*))?(/.*)?", re.S)


class Opened:
    """An archive that is open: its application, and what closes it."""

    def __init__(self, app: App, close: Callable[[], None]) -> None:
        """`close` is called behind the end of the application, in a thread."""
        self.app, self.close = app, close


class Installation:
    """An ASGI application for one event loop."""

    def __init__(
        self,
        root: App,
        settings: Settings,
        open_archive: Callable[[Settings], Opened],
        *,
        waits: Callable[[Settings], bool] = lambda settings: False,
    ) -> None:
        """`root` is the application of the archive without a name, whose lifespan is that of all.

        `open_archive` opens the archive of some settings; it is called in a thread and raises DatelineError. One for
        which `waits` holds, as it has something to do, is opened at the start.
        """
        self.root, self.settings = root, settings
        self._open, self._waits = open_archive, waits
        self._held: dict[str, _Held] = {}
        self._names: tuple[float, list[str] | StorageError] = (-_KNOWN_SECONDS, [])
        self._looking = asyncio.Lock()
        self._most = room_for_archives()
        self._turns = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._front = Front(root, settings, self.authenticator_of, self.names)
        metrics, lifespan = root.state.metrics, root.router.lifespan_context
        metrics.gauge("archives_open", "Named archives that are open", lambda: self._count(failed=False))
        metrics.gauge("archives_failed", "Named archives that could not be opened", lambda: self._count(failed=True))

        @asynccontextmanager
        async def with_archives(app: App) -> AsyncIterator[Any]:
            async with lifespan(app) as state, self._lifespan():
                yield state

        root.router.lifespan_context = with_archives

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Passes a request on to the archive that its address names."""
        found = _ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self.root(scope, receive, send)
            return
        name, rest = found[1] or "", found[2]
        failed, exists, app = None, False, None
        try:
            exists = await self._exists(name)
            app = await self._application(name) if exists and rest else None
        except Exception as error:
            failed = error
        if app is None:
            await self._front(dict(scope, **{EXISTS: exists, FAILED: failed}), receive, send)
        else:
            await app(dict(scope, root_path=f"/{ARCHIVES}/{name}"), receive, send)

    # --- which archives there are ------------------------------------------------------------------

    async def names(self) -> list[str]:
        """The names of the archives that exist, sorted. Raises StorageError."""
        async with self._looking:  # one at a time: whoever waits gets what the other one has found
            read, found = self._names
            if time.monotonic() - read > _KNOWN_SECONDS:
                try:
                    found = await asyncio.to_thread(installation.names, self.settings)
                except StorageError as error:
                    found = error
                self._names = time.monotonic(), found
        if isinstance(found, StorageError):
            raise type(found)(str(found))
        return found

    async def _exists(self, name: str) -> bool:
        """Whether there is an archive of this name, made by whichever process. Raises StorageError."""
        if not is_archive_name(name):
            return False
        held = self._held.get(name)
        if held is not None and held.app is not None:
            if held.place == _place(held.catalogue):
                return True
            held.stop.set()  # what is open is not what has this name now, and is nobody's
        return name in await self.names()

    def authenticator_of(self, name: str) -> Any:
        """That of an archive which is open; None of another."""
        app = self.root if not name else self._held[name].app if name in self._held else None
        return app.state.authenticator if app is not None else None

    # --- opening and closing -----------------------------------------------------------------------

    async def _application(self, name: str) -> App:
        """The application of an archive, opened where it is not. Raises what opening it raises."""
        while (held := self._held.get(name)) is not None and held.is_closing:
            assert held.task is not None
            await asyncio.wait([held.task])  # not both at once: Chroma knows a folder by its name
        if held is None or held.to_be_tried_again:
            chosen = self.settings.of_archive(name)
            held = self._held[name] = _Held(None if chosen.catalog else chosen.folder / installation.CATALOGUE)
            held.task = asyncio.create_task(self._serve(name, held))
        return await asyncio.shield(held.ready)

    async def _serve(self, name: str, held: _Held) -> None:
        """Opens an archive, and closes it at the end: the application begins and ends in one task, as AnyIO wants."""
        try:
            async with self._turns:
                self._check_room()
                opened = await asyncio.to_thread(self._open, self.settings.of_archive(name))
            try:
                async with opened.app.router.lifespan_context(opened.app):
                    held.app, held.place = opened.app, _place(held.catalogue)
                    held.ready.set_result(opened.app)
                    await held.stop.wait()
            finally:
                held.app = None
                await asyncio.to_thread(opened.close)
        except ArchiveMissing as error:  # removed since it was looked for
            held.fail(error)
        except DatelineError as error:
            log.error("the archive %s cannot be used: %s", name, error)
            held.fail(error)
        except Exception as error:
            log.exception("the archive %s cannot be used", name)
            held.fail(error)
        finally:
            if held.stop.is_set() and self._held.get(name) is held:
                del self._held[name]

    def _check_room(self) -> None:
        """Raises StorageError where one archive more would leave too few open files to all others."""
        if self._count(failed=False) >= self._most:
            raise StorageError(
                f"No more than {self._most:,} archives can be open at once under this limit of open files. Raise it "
                "(ulimit -n) and start the server again, or serve some archives with a server of their own: dateline "
                "serve --archive NAME"
            )

    def _count(self, *, failed: bool) -> int:
        held = list(self._held.values())
        return sum(one.failed for one in held) if failed else sum(one.app is not None for one in held)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        waiting = asyncio.create_task(self._open_those_that_wait())
        try:
            yield
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])
            for held in self._held.values():
                held.stop.set()
            if tasks := [held.task for held in self._held.values() if held.task]:
                await asyncio.wait(tasks)
            self._held.clear()

    async def _open_those_that_wait(self) -> None:
        """Opens the archives with uploads that an earlier server has accepted and not read."""
        try:
            names = await self.names()
        except StorageError as error:
            log.error("uploads to archives wait until these are asked for: %s", error)
            return
        for name in names:
            try:
                if await asyncio.to_thread(self._waits, self.settings.of_archive(name)):
                    await self._application(name)
            except Exception as error:  # the next one may be sound
                log.error("uploads to the archive %s wait until it is asked for: %s", name, error)


class _Held:
    """An archive that is being opened, is open, or could not be."""

    def __init__(self, catalogue: Path | None) -> None:
        """`catalogue` is its file; None for one in PostgreSQL."""
        self.catalogue = catalogue
        self.app: App | None = None
        self.place: tuple[int, int] | None = None  # of what is open
        self.stop = asyncio.Event()  # set when it is to be closed
        self.task: asyncio.Task[None] | None = None
        self.ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        self.failed = False
        self._until = 0.0

    def fail(self, error: BaseException) -> None:
        """Tells all who wait, and for a while those who come."""
        self.failed, self._until = True, time.monotonic() + AGAIN_SECONDS
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # nobody may be waiting

    @property
    def is_closing(self) -> bool:
        """Whether it is to be closed, and has not been yet."""
        return self.stop.is_set() and self.task is not None and not self.task.done()

    @property
    def to_be_tried_again(self) -> bool:
        """Whether the last attempt has failed, some time ago."""
        return self.failed and time.monotonic() > self._until


def _place(catalogue: Path | None) -> tuple[int, int] | None:
    """What tells the file of a catalogue from another one in its place; None where there is none."""
    try:
        found = catalogue.stat() if catalogue else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None
