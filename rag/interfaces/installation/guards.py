"""Who is let in to the named archives of a server, told without opening one.

An archive that is open takes memory, files and threads, and nobody without a key for it is to make a server spend them.
What is kept here of an archive is small, and outlives its closing: its sessions, and that it asks for a key.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from rag.archive.catalog import Catalog
from rag.archive.installation import CATALOGUE
from rag.errors import DatelineError
from rag.interfaces.http.app import App
from rag.interfaces.http.auth import Authenticator
from rag.serving.api_keys import Key, Keys
from rag.serving.sessions import Sessions, SharedSessions
from rag.serving.shared_keys import FRESH_SECONDS, SharedKeys, any_keys, keys_beside
from rag.settings import Settings

log = logging.getLogger("dateline")

Place = tuple[int, int]


def place_of(settings: Settings) -> Place | None:
    """What tells the catalogue of an archive from another one that is put in its place; None in PostgreSQL, and where
    there is none."""
    try:
        found = None if settings.catalog else (settings.folder / CATALOGUE).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


class Guards:
    """An authenticator for each named archive, and for names that no archive has. Belongs to one event loop."""

    def __init__(self, root: App, settings: Settings, catalog: Catalog) -> None:
        """`root` is the application of the archive without a name, and `catalog` its catalogue, which stays open: where
        it is in PostgreSQL, keys and sessions of the others are read through it."""
        self._root, self._settings, self._catalog = root, settings, catalog
        self._kept: dict[str, _Kept] = {}
        self._nobodys: dict[str, _Kept] = {}  # by names that no archive has; for a second, as keys are
        self._nobodys_since = self._looked = -FRESH_SECONDS  # by `monotonic`
        self._guarded = False
        self._one = asyncio.Lock()

    async def of(self, name: str) -> Authenticator:
        """That of an archive which exists, the same one as long as its catalogue is. Raises DatelineError."""
        if not name:
            return self._of_root
        kept = self._kept.get(name)
        if kept is None or not kept.is_current():
            made = await asyncio.to_thread(self._made, self._settings.of_archive(name))
            kept = self._kept.get(name)  # another request may have been sooner
            if kept is None or not kept.is_current():
                kept = self._kept[name] = made
                made.is_current()
        return kept.guard

    def known(self, name: str) -> Authenticator | None:
        """That of an archive which was asked for before; None of another. Reads nothing."""
        if not name:
            return self._of_root
        return self._kept[name].guard if name in self._kept else None

    @property
    def _of_root(self) -> Authenticator:
        found: Authenticator = self._root.state.authenticator
        return found

    async def of_none(self, name: str, names: Sequence[str]) -> Authenticator | None:
        """One that lets nobody in, for a name that none of the archives has. It takes as long as that of an archive, so
        that who guesses names is not told by it which there are.

        None where no archive of the installation asks for a key: nothing is to be guessed then. Raises StorageError.
        """
        self._kept.pop(name, None)
        if not await self._is_guarded(names):
            return None
        if time.monotonic() - self._nobodys_since >= FRESH_SECONDS:
            self._nobodys, self._nobodys_since = {}, time.monotonic()
        if name not in self._nobodys:
            self._nobodys[name] = self._made_for_nobody(self._settings.of_archive(name))
        self._nobodys[name].is_current()  # as is asked of one that is kept
        return self._nobodys[name].guard

    async def _is_guarded(self, names: Sequence[str]) -> bool:
        """Whether an archive asks for a key, or has done so since the server was started."""
        if self._guarded or self._of_root.required:
            return True
        async with self._one:
            if not self._guarded and time.monotonic() - self._looked >= FRESH_SECONDS:
                self._guarded = await asyncio.to_thread(any_keys, self._catalog, self._settings, names)
                self._looked = time.monotonic()
        return self._guarded

    def _made(self, chosen: Settings) -> _Kept:
        database = self._catalog.database
        keys = keys_beside(self._catalog, chosen)
        sessions = SharedSessions(database, chosen.schema_name) if database.shared else Sessions()
        try:
            guard = Authenticator(keys, sessions, self._root.state.wrong, chosen.archive)
        except DatelineError as error:
            log.error("the keys of the archive %s cannot be read: %s", chosen.archive, error)
            guard = Authenticator(keys, sessions, self._root.state.wrong, chosen.archive, required=True)
        return _Kept(guard, chosen)

    def _made_for_nobody(self, chosen: Settings) -> _Kept:
        keys, sessions = Keys(chosen.folder), Sessions()  # of a folder that there is not
        if self._catalog.database.shared:
            keys, sessions = (
                _KeysOfNobody(self._catalog, self._settings.folder),
                _SessionsOfNobody(self._of_root.sessions),
            )
        return _Kept(Authenticator(keys, sessions, self._root.state.wrong, chosen.archive, required=True), chosen)


class _Kept:
    """An authenticator, and of which catalogue it is."""

    def __init__(self, guard: Authenticator, settings: Settings) -> None:
        self.guard, self._settings = guard, settings
        self._place: Place | None = None

    def is_current(self) -> bool:
        """Whether the catalogue is there of which it is; where there was none yet, it is of the one that there is."""
        place = place_of(self._settings)
        self._place = self._place or place
        return self._place == place


class _KeysOfNobody(SharedKeys):
    """No keys; to find that takes as long as to read some."""

    def known(self) -> tuple[Key, ...] | None:
        """None, where keys would have to be asked for."""
        return None if super().known() is None else ()

    def all(self) -> tuple[Key, ...]:
        """No keys. Raises StorageError."""
        super().all()
        return ()


class _SessionsOfNobody(Sessions):
    """No sessions; to find that takes as long as to read some."""

    def __init__(self, like: Sessions) -> None:
        super().__init__()
        self._like = like

    async def key(self, token: str) -> None:
        """None. Raises StorageError."""
        await self._like.key(token)
