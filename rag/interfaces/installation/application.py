"""The applications of several archives on one server: at /archives/NAME/, and at / that of the one without a name.

Each is a whole application, with its own middleware, keys and sessions: what is written here only leads to it. It is
opened when it is first asked for, so that fifty archives do not make the start fifty times as long, and one that cannot
be opened takes no other with it. One whose files were removed or replaced is closed, and what is there now is opened.
One that nobody has asked for some time is closed too, and opened again by the next request.

Nothing is opened for a request without a key, where the archive asks for one; whether there is an archive of that name
does not show then, neither by the answer nor by how long it takes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from rag.archive import installation
from rag.archive.catalog import Catalog
from rag.errors import ArchiveMissing, DatelineError, StorageError
from rag.interfaces.http.app import App
from rag.interfaces.http.auth import Authenticator
from rag.interfaces.http.middleware import WITHOUT_KEY, Connection, Receive, Send, sent_headers
from rag.interfaces.http.server import room_for_archives
from rag.interfaces.installation.front import EXISTS, FAILED, Front
from rag.interfaces.installation.guards import Guards, Place, place_of
from rag.interfaces.installation.memory import give_back
from rag.settings import ARCHIVES, Settings, is_archive_name

log = logging.getLogger("dateline")

AGAIN_SECONDS = 5.0  # after which it is tried again to open an archive that could not be opened
# After which an archive that nobody asks is closed. Opening it again took .1 s, .5 s with its page, so whoever reads an
# article meanwhile hardly notices; and those of a morning do not take 5 to 17 MB each until the evening.
IDLE_SECONDS = 900.0
_FREED_AT_ONCE = 10  # for half a second, with their pages, in which the process does nothing else
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
        open_archive: Callable[[Settings, Authenticator], Opened],
        catalog: Catalog,
        *,
        waits: Callable[[Settings], bool] = lambda settings: False,
    ) -> None:
        """`root` is the application of the archive without a name, whose lifespan is that of all; `catalog` is that of
        this archive.

        `open_archive` opens the archive of some settings, for those whom its guard lets in; it is called in a thread
        and raises DatelineError. One for which `waits` holds, as it has something to do, is opened at the start.
        """
        self.root, self.settings = root, settings
        self._open, self._waits = open_archive, waits
        self._held: dict[str, _Held] = {}
        self._names: tuple[float, list[str] | StorageError] = (-_KNOWN_SECONDS, [])
        self._looking = asyncio.Lock()
        self._most = room_for_archives()
        self._turns = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._guards = Guards(root, settings, catalog)
        self._front = Front(root, settings, self._guards, self.names)
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
        inside = dict(scope, root_path=f"/{ARCHIVES}/{name}")
        failed, exists, guard = None, False, None
        try:
            exists = await self._exists(name)
            guard = await self._guard(name, exists)
        except Exception as error:
            failed = error
        if guard is not None and not await guard.opens(sent_headers(scope)):
            if rest in WITHOUT_KEY:  # what is asked there is of the process, the same one for all archives
                await self.root(dict(scope, path=rest, raw_path=rest.encode()), receive, send)
                return
            if self._is_open(name):  # it would be told from one that is closed, and from none, by answering sooner
                with suppress(StorageError):
                    await self.names()
            await self._front.refuse(inside, receive, send, guard)
            return
        if exists and rest and failed is None:
            held = await self._held_for(name)
            with held.in_use():
                try:
                    app = await asyncio.shield(held.ready)
                except Exception as error:
                    failed = error
                else:
                    await app(inside, receive, send)
                    return
        await self._front(dict(scope, **{EXISTS: exists, FAILED: failed}), receive, send)

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
            if held.place == place_of(held.settings):
                return True
            held.stop.set()  # what is open is not what has this name now, and is nobody's
        return name in await self.names()

    def _is_open(self, name: str) -> bool:
        return name in self._held and self._held[name].app is not None

    async def _guard(self, name: str, exists: bool) -> Authenticator | None:
        """What lets requests in to an archive; None for a name that may be told to be none. Raises DatelineError."""
        if exists:
            return await self._guards.of(name)
        return await self._guards.of_none(name, await self.names()) if is_archive_name(name) else None

    # --- opening and closing -----------------------------------------------------------------------

    async def _held_for(self, name: str) -> _Held:
        """An archive that is open or being opened, or of which it is known that it cannot be."""
        while (held := self._held.get(name)) is not None and held.is_closing:
            assert held.task is not None
            await asyncio.wait([held.task])  # not both at once: Chroma knows a folder by its name
        if held is None or held.to_be_tried_again:
            held = self._held[name] = _Held(self.settings.of_archive(name))
            held.task = asyncio.create_task(self._serve(name, held))
        return held

    async def _serve(self, name: str, held: _Held) -> None:
        """Opens an archive, and closes it at the end: the application begins and ends in one task, as AnyIO wants."""
        try:
            async with self._turns:
                self._check_room()
                opened = await asyncio.to_thread(self._open, held.settings, await self._guards.of(name))
            try:
                async with opened.app.router.lifespan_context(opened.app):
                    held.app, held.place, held.left = opened.app, place_of(held.settings), time.monotonic()
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
        beside = [asyncio.create_task(work) for work in (self._open_those_that_wait(), self._close_idle())]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
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
                    await asyncio.shield((await self._held_for(name)).ready)
            except Exception as error:  # the next one may be sound
                log.error("uploads to the archive %s wait until it is asked for: %s", name, error)

    async def _close_idle(self) -> None:
        """Closes archives that nobody has asked for some time, one after the other: a thread is busy with each."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            closed = 0
            for name in list(self._held):
                closed += await self._closed_if_idle(name)
                if closed == _FREED_AT_ONCE:
                    await asyncio.to_thread(give_back)
                    closed = 0
            if closed:
                await asyncio.to_thread(give_back)

    async def _closed_if_idle(self, name: str) -> bool:
        held = self._held.get(name)
        if held is None or held.task is None or not held.is_idle:
            return False
        held.stop.set()  # from now on requests wait until it is closed, and open it again
        await asyncio.wait([held.task])
        return True


class _Held:
    """An archive that is being opened, is open, or could not be."""

    def __init__(self, settings: Settings) -> None:
        """`settings` are those of the archive."""
        self.settings = settings
        self.app: App | None = None
        self.place: Place | None = None  # of what is open
        self.users, self.left = 0, 0.0  # requests that are being answered; when the last one was, by `monotonic`
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

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A context during which it is not closed for being idle."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            self.left = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether it is open, nobody has asked for it for some time, and it has nothing to do that was asked for."""
        if self.app is None or self.users or self.stop.is_set() or time.monotonic() - self.left < IDLE_SECONDS:
            return False
        return not self.app.state.busy()

    @property
    def is_closing(self) -> bool:
        """Whether it is to be closed, and has not been yet."""
        return self.stop.is_set() and self.task is not None and not self.task.done()

    @property
    def to_be_tried_again(self) -> bool:
        """Whether the last attempt has failed, some time ago."""
        return self.failed and time.monotonic() > self._until
