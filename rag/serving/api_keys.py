"""API keys of one archive: shown once, stored hashed in its folder, with what each may do."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, get_args

from rag.archive import private_files as private
from rag.errors import SettingsError, StorageError

Scope = Literal["read", "ingest"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE = "keys.json"
_PREFIX = "dateline_"
_LOCK_SECONDS = 10.0  # for which a change waits for that of another process, which takes milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is stored. `sha256` is of the whole secret: 256 random bits need no slow hash."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: str


class Keys:
    """The keys of an archive folder. Another process may add or revoke keys: each check reads a changed file, and one
    process at a time writes it."""

    unreadable = (  # what a client is told then
        "The file with the keys of this archive cannot be read, so nobody is let in. Its operator must repair "
        "keys.json, or delete it and make new keys: dateline key create NAME"
    )

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """The keys, oldest first. Raises StorageError for a file that cannot be read: then nobody is let in."""
        with self._lock:
            try:
                state = self.path.stat()
                seen = (state.st_mtime_ns, state.st_size, state.st_ino)
                if seen != self._seen:
                    stored = json.loads(self.path.read_text(encoding="utf-8"))["keys"]
                    self._keys = tuple(Key(**(one | {"scopes": tuple(one["scopes"])})) for one in stored)
                    self._seen = seen
            except FileNotFoundError:
                self._keys, self._seen = (), None
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StorageError(
                    f"The keys in {self.path} cannot be read: {error}. Mend the file, or delete it and make new keys: "
                    "dateline key create NAME"
                ) from error
            return self._keys

    def known(self) -> tuple[Key, ...] | None:
        """The keys, where this takes no time; None where they have to be asked for with `all`. Raises StorageError."""
        return self.all()

    @property
    def way_back(self) -> str:
        """What makes an archive without keys let everybody in again, to complete "To ask for none again"."""
        return f"delete {self.path}"

    def exist(self) -> bool:
        """Whether keys were ever made for this archive: revoking the last one leaves a file without keys."""
        return self.path.exists()

    def create(self, name: str, scopes: Sequence[str] = ("read",)) -> tuple[Key, str]:
        """A new key and its secret, which is not stored and cannot be shown again. Raises SettingsError."""
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise SettingsError(f"--scope is '{', '.join(unknown)}'; expected one or more of {', '.join(SCOPES)}.")
        if not name.strip() or any(key.name == name.strip() for key in self.all()):
            raise name_taken(name)
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = Key(
            id=secrets.token_hex(4),
            name=name.strip(),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            sha256=_hash(secret),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._store_new(key)
        return key, secret

    def _store_new(self, key: Key) -> None:
        """Looks for the name where no other process writes. Raises SettingsError, StorageError."""
        with self._writing():
            if any(one.name == key.name for one in self.all()):
                raise name_taken(key.name)
            self._write([*self.all(), key])

    def add(self, keys: Sequence[Key]) -> None:
        """Stores those that are not there. Raises StorageError."""
        if not keys:
            return
        with self._writing():
            present = {key.sha256 for key in self.all()}
            if new := [key for key in keys if key.sha256 not in present]:
                self._write([*self.all(), *new])

    def stored(self) -> list[tuple[Key, str | None]]:
        """Each key that is stored, and when it was revoked; None for one that is in use. Raises StorageError."""
        return [(key, None) for key in self.all()]

    def take_along(self, old: Keys) -> None:
        """Lets in whom the keys of another archive let in: also nobody, where all of those are revoked.

        What is revoked here stays so. Raises StorageError."""
        self.add([key for key, revoked in old.stored() if not revoked])
        if old.exist() and not self.exist():
            with self._writing():
                self._write(self.all())

    def revoke(self, name_or_id: str) -> bool:
        """Removes a key; False when there is none of that name or id. Raises StorageError."""
        if not self.all():
            return False
        with self._writing():
            kept = [key for key in self.all() if name_or_id not in (key.name, key.id)]
            gone = len(kept) < len(self.all())
            if gone:
                self._write(kept)
        return gone

    def check(self, secret: str) -> Key | None:
        """The key that this is the secret of, or None."""
        return key_of(secret, self.all())

    def _write(self, keys: Sequence[Key]) -> None:
        data = json.dumps({"keys": [asdict(key) for key in keys]}, ensure_ascii=False, indent=2)
        try:
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")  # readable by its owner alone
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(data)
            os.replace(name, self.path)
        except OSError as error:
            raise self._not_stored(error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Held from reading what is to be changed to writing it, or a key that another process makes would be lost."""
        from rag.archive.indexer import lock_file  # a server that only checks keys needs no lock

        try:
            private.make_folder(self.path.parent)
            lock = lock_file(self.path.with_suffix(".lock"), _LOCK_SECONDS)
        except OSError as error:
            raise self._not_stored(error) from error
        if lock is None:
            raise StorageError(
                f"Another process has been changing the keys in {self.path.parent} for {_LOCK_SECONDS:.0f} seconds. "
                "Wait until it has finished, then run this again."
            )
        try:
            yield
        finally:
            lock.release()

    def _not_stored(self, error: OSError) -> StorageError:
        return StorageError(f"The keys cannot be stored in {self.path.parent}: {error.strerror or error}.")


def key_of(secret: str, keys: Sequence[Key]) -> Key | None:
    """That of these keys that this is the secret of, or None."""
    wanted, found = _hash(secret), None
    for key in keys:  # all keys, in constant time, so that timing reveals nothing
        if compare_digest(key.sha256, wanted):
            found = key
    return found


def name_taken(name: str) -> SettingsError:
    """The error for a name that no new key can have."""
    return SettingsError(f"The name '{name}' is empty or taken. Give each key one of its own: dateline key list")


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, keys: Keys, *, without_keys: bool) -> None:
    """Raises SettingsError when the address is open to others and nothing keeps them out."""
    if is_loopback(host) or without_keys or keys.all():
        return
    raise SettingsError(
        f"{host} is open to others, and this archive has no API key: whoever reaches it could read and change the "
        "archive. Make a key (dateline key create NAME --scope read --scope ingest), or say --without-keys."
    )
