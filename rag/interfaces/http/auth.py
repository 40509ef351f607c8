"""Who may come in: API keys, the sessions of browsers that logged in with one, and wrong keys, which are slowed."""

from __future__ import annotations

import asyncio
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from rag.errors import StorageError
from rag.interfaces.http.errors import Busy, Refused
from rag.serving.api_keys import SCOPES, Key, Keys, Scope
from rag.serving.rate_limits import Rate

COOKIE = "dateline_session"
SESSION_SECONDS = 30 * 24 * 3600
MOST_SESSIONS = 1000  # the oldest ends first
WRONG_PER_MINUTE = 20  # wrong keys of one address; a script with an old key still finds out at once what is wrong
WRONG_SECONDS = 0.5  # what a wrong key costs whoever sent it


class Access:
    """The keys and sessions of one server.

    Whether keys are required is found out when the server starts, and can only become stricter: a first key that is
    made later locks the server, but a last key that is revoked, or a key file that is lost, opens nothing.
    """

    def __init__(self, keys: Keys) -> None:
        """Raises StorageError where there is a key file that cannot be read."""
        self.keys = keys
        self._required = bool(keys.all())
        self._sessions: dict[str, tuple[str, float]] = {}  # token of a browser -> id of its key, end
        self._wrong = Rate(WRONG_PER_MINUTE, "wrong keys")

    async def admit(self, headers: Mapping[str, str], peer: str) -> tuple[Key | None, bool]:
        """The key that a request comes with (None where none is required), and whether a session brought it.

        Raises Refused with 401 without a key or with a wrong one, 429 after many wrong ones, 503 while the key file
        cannot be read.
        """
        found = self._stored()
        if not self._required:
            return None, False
        secret = _secret(headers)
        if secret:
            key = self.keys.check(secret)
            if key is None:
                await self._slow_down(peer)
                raise _no_key()
            return key, False
        owner = self._session(_cookie(headers))
        key = next((one for one in found if one.id == owner), None)
        if key is None:
            raise _no_key()
        return key, True

    def _stored(self) -> tuple[Key, ...]:
        try:
            found = self.keys.all()
        except StorageError:
            raise Refused(
                503,
                "The file with the keys of this archive cannot be read, so nobody is let in. Its operator must mend "
                "keys.json, or delete it and make new keys: dateline key create NAME",
                {"Retry-After": "60"},
            ) from None
        self._required = self._required or bool(found)
        return found

    async def _slow_down(self, peer: str) -> None:
        """Raises Refused once too many wrong keys came from an address; a right one still passes."""
        try:
            self._wrong.take(peer)
        except Busy as busy:
            raise Refused(429, str(busy), {"Retry-After": str(busy.seconds)}) from None
        await asyncio.sleep(WRONG_SECONDS)

    async def login(self, secret: str, peer: str) -> str | None:
        """The token of a new session; None for a wrong key. Raises Refused as `admit` does."""
        self._stored()
        key = self.keys.check(secret)
        if key is None:
            await self._slow_down(peer)
            return None
        token = secrets.token_urlsafe(32)
        for old in list(self._sessions)[: len(self._sessions) - MOST_SESSIONS + 1]:
            del self._sessions[old]
        self._sessions[token] = (key.id, time.monotonic() + SESSION_SECONDS)
        return token

    def logout(self, headers: Mapping[str, str]) -> None:
        """Ends the session of a browser."""
        self._sessions.pop(_cookie(headers), None)

    def _session(self, token: str) -> str | None:
        """The id of the key that a running session was opened with."""
        key, end = self._sessions.get(token, (None, 0.0))
        return key if end > time.monotonic() else None


def allowed(key: Key | None) -> tuple[Scope, ...]:
    """What may be done with a key; everything where none is required."""
    return key.scopes if key else SCOPES


def cookie_header(token: str, *, secure: bool) -> str:
    """The Set-Cookie header that begins a session, or with an empty token ends it."""
    age = SESSION_SECONDS if token else 0
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{'; Secure' if secure else ''}"


def _no_key() -> Refused:
    return Refused(
        401,
        "This archive asks for a key. Send it as 'Authorization: Bearer KEY'; make one with: dateline key create NAME",
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


def _cookie(headers: Mapping[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
