"""Authentication: API keys, the sessions of browsers that logged in with one, and a brake on wrong keys."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping

from rag.errors import Busy, CatalogueAway, DatelineError, StorageError
from rag.interfaces.http.errors import HttpError
from rag.serving.api_keys import Key, Keys, key_of
from rag.serving.rate_limits import RateLimiter
from rag.settings import ARCHIVES

COOKIE = "dateline_session"
SESSION_SECONDS = 30 * 24 * 3600
MOST_SESSIONS = 1000  # beyond them, the oldest is ended
MOST_SESSIONS_OF_A_KEY = 50  # so that one key cannot end the sessions of all others
WRONG_PER_MINUTE = 20  # wrong keys from one address; enough that a script with an old key still gets its 401
WRONG_SECONDS = 0.5  # delay of the response to a wrong key
_AWAY = "The server of the catalogue, with the keys of this archive, cannot be reached, so nobody is let in. Ask again."


class Authenticator:
    """The API keys and browser sessions of one archive of a server.

    Whether keys are required is decided when the server starts, by whether keys were ever made, be they revoked, and
    can only become stricter: the first key that is made while it runs locks it, but revoking the last key, or losing
    the key file, does not open it.
    """

    def __init__(self, keys: Keys, archive: str = "") -> None:
        """`archive` is its name, where the server has several. Raises StorageError where the keys cannot be read."""
        self.keys, self._archive = keys, archive
        # A name of its own, and below the address of the archive: no session is sent to another archive.
        self._cookie_name = f"{COOKIE}_{archive}" if archive else COOKIE
        self._cookie_path = f"/{ARCHIVES}/{archive}" if archive else "/"
        self._cookie = re.compile(rf"(?:^|;[ \t]*){self._cookie_name}=([\w-]{{1,100}})(?=[ \t]*(?:;|$))", re.ASCII)
        self._required = bool(keys.all()) or keys.exist()
        self._sessions: dict[str, tuple[str, float]] = {}  # session token -> (id of its key, when it ends)
        self._wrong = RateLimiter(WRONG_PER_MINUTE, "wrong keys")

    async def authenticate(self, headers: Mapping[str, str], peer: str) -> tuple[Key | None, bool]:
        """The key of a request (None where none is required), and whether it comes from a browser session.

        Raises HttpError with 401 without a key or with a wrong one, 429 after many wrong ones, 503 while the keys
        cannot be read; CatalogueAway.
        """
        found = await self._stored()
        if not self._required:
            return None, False
        secret = _secret(headers)
        if secret:
            key = key_of(secret, found)
            if key is None:
                await self._slow_down(peer)
                raise self._no_key()
            return key, False
        key = self._of_session(headers, found)
        if key is None:
            raise self._no_key()
        return key, True

    async def opens(self, headers: Mapping[str, str]) -> bool:
        """Whether a request would be let in. Where that cannot be told, it would not; no wrong key is counted."""
        try:
            found = await self._stored()
        except DatelineError:
            return False
        secret = _secret(headers)
        key = key_of(secret, found) if secret else self._of_session(headers, found)
        return not self._required or key is not None

    def _of_session(self, headers: Mapping[str, str], found: tuple[Key, ...]) -> Key | None:
        owner = self._session(self._token(headers))
        return next((one for one in found if one.id == owner), None)

    async def _stored(self) -> tuple[Key, ...]:
        try:
            found = self.keys.known()
            if found is None:  # a thread: other requests go on while a database is waited for
                found = await asyncio.to_thread(self.keys.all)
        except CatalogueAway:
            raise CatalogueAway(_AWAY) from None
        except StorageError:
            raise HttpError(503, self.keys.unreadable, {"Retry-After": "60"}) from None
        self._required = self._required or bool(found)
        return found

    async def _slow_down(self, peer: str) -> None:
        """Delays the response to a wrong key. Raises HttpError after too many of one address; right ones pass."""
        try:
            self._wrong.take(peer)
        except Busy as busy:
            raise HttpError(429, str(busy), {"Retry-After": str(busy.retry_seconds)}) from None
        await asyncio.sleep(WRONG_SECONDS)

    async def login(self, secret: str, peer: str) -> str | None:
        """The token of a new session; None for a wrong key. Raises HttpError as `authenticate` does."""
        key = key_of(secret, await self._stored())
        if key is None:
            await self._slow_down(peer)
            return None
        token = secrets.token_urlsafe(32)
        own = [one for one, (owner, _) in self._sessions.items() if owner == key.id]
        every = list(self._sessions)
        for old in {*own[: len(own) - MOST_SESSIONS_OF_A_KEY + 1], *every[: len(every) - MOST_SESSIONS + 1]}:
            del self._sessions[old]
        self._sessions[token] = (key.id, time.monotonic() + SESSION_SECONDS)
        return token

    def logout(self, headers: Mapping[str, str]) -> None:
        """Ends the session of a browser."""
        self._sessions.pop(self._token(headers), None)

    def _session(self, token: str) -> str | None:
        """The id of the key that a running session was opened with."""
        key, end = self._sessions.get(token, (None, 0.0))
        return key if end > time.monotonic() else None

    def _token(self, headers: Mapping[str, str]) -> str:
        """The session token that a browser sent, without http.cookies: its time grows with the square of a header."""
        found = self._cookie.search(headers.get("cookie", ""))
        return found[1] if found else ""

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
