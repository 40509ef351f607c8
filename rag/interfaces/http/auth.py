"""Authentication: API keys, the sessions of browsers that logged in with one, and a brake on wrong keys."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rag.errors import Busy, CatalogueAway, DatelineError, StorageError
from rag.interfaces.http.errors import HttpError
from rag.serving.api_keys import Key, Keys, key_of
from rag.serving.rate_limits import RateLimiter
from rag.serving.sessions import SESSION_SECONDS, Sessions
from rag.settings import ARCHIVES

COOKIE = "dateline_session"
WRONG_PER_MINUTE = 20  # wrong keys from one address; enough that a script with an old key still gets its 401
WRONG_SECONDS = 0.5  # delay of the response to a wrong key
# Of any archive: which one is told by the whole name, and a pattern is compiled once.
_SESSION = re.compile(rf"(?:^|;[ \t]*)({COOKIE}[\w-]{{0,60}})=([\w-]{{1,100}})(?=[ \t]*(?:;|$))", re.ASCII)
_AWAY = "The server of the catalogue, with the keys of this archive, cannot be reached, so nobody is let in. Ask again."


class Authenticator:
    """The API keys and browser sessions of one archive, as one server checks them.

    Whether keys are required is decided when the server starts, by whether keys were ever made, be they revoked, and
    can only become stricter: the first key that is made while it runs locks it, but revoking the last key, or losing
    the key file, does not open it.
    """

    def __init__(
        self, keys: Keys, sessions: Sessions, wrong: RateLimiter, name: str = "", *, required: bool = False
    ) -> None:
        """`wrong` counts wrong keys; `name` is that of the archive, where the server has several.

        With `required`, a key is, whatever `keys` has. Raises StorageError where the keys cannot be read.
        """
        self.keys, self.sessions, self._wrong, self._archive = keys, sessions, wrong, name
        # A name of its own, and below the address of the archive: no session is sent to another archive.
        self._cookie_name = f"{COOKIE}_{name}" if name else COOKIE
        self._cookie_path = f"/{ARCHIVES}/{name}" if name else "/"
        self.required = required or bool(self.keys.all()) or self.keys.exist()

    async def authenticate(self, headers: Mapping[str, str], peer: str) -> tuple[Key | None, bool]:
        """The key of a request (None where none is required), and whether it comes from a browser session.

        Raises HttpError with 401 without a key or with a wrong one, 429 after many wrong ones, 503 while the keys
        cannot be read; CatalogueAway.
        """
        found = await self._stored()
        if not self.required:
            return None, False
        secret = _secret(headers)
        if secret:
            key = key_of(secret, found)
            if key is None:
                await self._slow_down(peer)
                raise self._no_key()
            return key, False
        with self._readable():
            key = await self._of_session(headers, found)
        if key is None:
            raise self._no_key()
        return key, True

    async def opens(self, headers: Mapping[str, str]) -> bool:
        """Whether a request would be let in. Where that cannot be told, it would not; no wrong key is counted."""
        try:
            found, secret = await self._stored(), _secret(headers)
            key = key_of(secret, found) if secret else await self._of_session(headers, found)
        except (DatelineError, HttpError):
            return False
        return not self.required or key is not None

    async def _of_session(self, headers: Mapping[str, str], found: tuple[Key, ...]) -> Key | None:
        owner = await self.sessions.key(self._token(headers))
        return next((one for one in found if one.id == owner), None)

    async def _stored(self) -> tuple[Key, ...]:
        with self._readable():
            found = self.keys.known()
            if found is None:  # a thread: other requests go on while a database is waited for
                found = await asyncio.to_thread(self.keys.all)
        self.required = self.required or bool(found)
        return found

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Raises what a client is told where keys or sessions cannot be read or stored."""
        try:
            yield
        except CatalogueAway:
            raise CatalogueAway(_AWAY) from None
        except StorageError:
            raise HttpError(503, self.keys.unreadable, {"Retry-After": "60"}) from None

    async def _slow_down(self, peer: str) -> None:
        """Delays the response to a wrong key. Raises HttpError after too many of one address; right ones pass."""
        try:
            await self._wrong.take(peer)
        except Busy as busy:
            raise HttpError(429, str(busy), {"Retry-After": str(busy.retry_seconds)}) from None
        await asyncio.sleep(WRONG_SECONDS)

    async def login(self, secret: str, peer: str) -> str | None:
        """The token of a new session; None for a wrong key. Raises as `authenticate` does."""
        key = key_of(secret, await self._stored())
        if key is None:
            await self._slow_down(peer)
            return None
        with self._readable():
            return await self.sessions.begin(key.id)

    async def logout(self, headers: Mapping[str, str]) -> None:
        """Ends the session of a browser. Raises HttpError, CatalogueAway: it goes on then."""
        with self._readable():
            await self.sessions.end(self._token(headers))

    def _token(self, headers: Mapping[str, str]) -> str:
        """The session token that a browser sent, without http.cookies: its time grows with the square of a header."""
        sent = _SESSION.finditer(headers.get("cookie", ""))
        return next((one[2] for one in sent if one[1] == self._cookie_name), "")

    def cookie_header(self, token: str, *, secure: bool) -> str:
        """The Set-Cookie header that begins a session, or with an empty token ends it."""
        age = SESSION_SECONDS if token else 0
        where = f"{self._cookie_name}={token}; Path={self._cookie_path}"
        return f"{where}; HttpOnly; SameSite=Strict; Max-Age={age}{'; Secure' if secure else ''}"

    def _no_key(self) -> HttpError:
        option = f" --archive {self._archive}" if self._archive else ""
        return HttpError(
            401,
            "This archive asks for a key. Send it as 'Authorization: Bearer KEY'; make one with: dateline key create "
            f"NAME{option}",
            {"WWW-Authenticate": 'Bearer realm="dateline"'},
        )


def _secret(headers: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # curl -u :KEY
        try:
            return b64decode(value).decode().partition(":")[2]
        except ValueError:
            return ""
    return headers.get("x-api-key", "")
