"""API keys in a catalogue that processes with other folders share: each server knows all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rag.archive import installation
from rag.archive.catalog import Catalog
from rag.archive.tables import rows
from rag.archive.tables.database import Row
from rag.errors import StorageError
from rag.serving.api_keys import FILE, SCOPES, Key, Keys, name_taken
from rag.settings import ARCHIVES, schema_of

if TYPE_CHECKING:
    from rag.archive.archive import Archive
    from rag.settings import Settings

_SCHEMAS_AT_ONCE = 100  # in one statement: each takes two of the 6,400 locks that PostgreSQL has by default
FRESH_SECONDS = 1.0  # for which what was read is used: a key that is revoked elsewhere is let in for as long
_INSERT = (
    "INSERT INTO {table} AS api_keys VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE "
    "SET revoked = coalesce(api_keys.revoked, excluded.revoked)"
)
# Stands, revoked, for keys that a folder no longer holds: no secret has this hash.
_FORMER = Key(id="", name="", scopes=(), sha256="", created="")


def keys_of(archive: Archive) -> Keys:
    """The keys of an archive: those in its catalogue where that is shared, or else those in its folder."""
    return SharedKeys(archive.catalog, archive.folder) if archive.catalog.database.shared else Keys(archive.folder)


@contextmanager
def opened_keys(settings: Settings, *, may_be_new: bool = False) -> Iterator[Keys]:
    """The keys of the archive of the settings, without opening its indexes.

    `may_be_new`: a named archive that does not exist is made. Raises StorageError, ArchiveMismatch, ArchiveMissing.
    """
    folder = settings.folder
    if not may_be_new:
        installation.check_exists(settings)
    elif settings.archive:
        installation.make_folder(settings)
    if not settings.catalog:
        yield Keys(folder)
        return
    place = folder / "catalogue.sqlite"
    with closing(Catalog(place, url=settings.catalog, schema=settings.schema_name)) as catalog:
        yield SharedKeys(catalog, folder)


def keys_beside(catalog: Catalog, settings: Settings) -> Keys:
    """The keys of the archive of the settings, read through the catalogue of another one of its installation, which
    stays its caller's to close.

    The archive is not opened, unless a catalogue has no table of keys yet: that is made once. Raises StorageError,
    ArchiveMismatch, ArchiveMissing.
    """
    if not catalog.database.shared:
        return Keys(settings.folder)
    if "api_keys" not in catalog.database.tables(settings.schema_name):
        with opened_keys(settings):
            pass
    return SharedKeys(catalog, settings.folder, settings.schema_name)


def any_keys(catalog: Catalog, settings: Settings, names: Sequence[str]) -> bool:
    """Whether keys were ever made for one of these archives of the installation of the settings, told without opening
    any. Raises StorageError."""
    folder = settings.of_archive("").folder / ARCHIVES
    if any((folder / name / FILE).exists() for name in names):
        return True
    if not catalog.database.shared:
        return False
    read, schemas = catalog.database.read, [schema_of(name) for name in names]
    with_table = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'api_keys'"
    present = set(read(with_table, (), lambda row: str(row[0])))
    found = [f"EXISTS (SELECT FROM {schema}.api_keys)" for schema in schemas if schema in present]
    parts = (found[start : start + _SCHEMAS_AT_ONCE] for start in range(0, len(found), _SCHEMAS_AT_ONCE))
    return any(read(f"SELECT {' OR '.join(part)}", (), lambda row: bool(row[0]))[0] for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a read of the keys gave, and when that was, by `monotonic`."""

    at: float
    keys: tuple[Key, ...] = ()
    error: StorageError | None = None


class SharedKeys(Keys):
    """The keys in a catalogue, together with those of the file in the folder of this process, which are taken over."""

    unreadable = (
        "The keys in the catalogue of this archive cannot be read, so nobody is let in. Its operator finds out why "
        "with dateline doctor."
    )

    def __init__(self, catalog: Catalog, folder: Path, schema: str = "") -> None:
        """`catalog` stays its caller's to close. Reads nothing yet.

        With a `schema`, the keys are those of the archive that has it in the database of the catalogue.
        """
        super().__init__(folder)
        self._catalog, self._file = catalog, Keys(folder)
        self._table = f"{schema}.api_keys" if schema else "api_keys"
        self._taken_over = False
        self._last: _Read | None = None

    @property
    def way_back(self) -> str:
        """What makes an archive without keys let everybody in again, to complete "To ask for none again"."""
        return f"empty the table api_keys of the catalogue, and delete {self.path} wherever there is one"

    def known(self) -> tuple[Key, ...] | None:
        """The keys as they were read within the last second; None where that was longer ago. Raises StorageError."""
        last = self._last
        if last is None or time.monotonic() - last.at >= FRESH_SECONDS:
            return None
        if last.error is not None:
            raise type(last.error)(str(last.error))
        return last.keys

    def all(self) -> tuple[Key, ...]:
        """The keys, oldest first, as they were within the last second. Raises StorageError: then nobody is let in.

        Those who ask meanwhile wait, and get the same: a database that is away is not asked by each request.
        """
        with self._lock:
            known = self.known()
            if known is not None:
                return known
            try:
                if not self._taken_over:
                    self._take_over()
                live = tuple(key for key, revoked in self._stored() if not revoked)
            except StorageError as error:
                self._last = _Read(at=time.monotonic(), error=error)
                raise
            self._last = _Read(at=time.monotonic(), keys=live)
            return live

    def exist(self) -> bool:
        """Whether keys were ever made for this archive, though all be revoked."""
        return bool(self._stored()) or self._file.exist()

    def add(self, keys: Sequence[Key]) -> None:
        """Stores those that were never there; one that was revoked stays so. Raises StorageError."""
        present = {key.sha256 for key, _ in self._stored()}
        self._insert([(key, None) for key in keys if key.sha256 not in present])

    def _store_new(self, key: Key) -> None:
        """Looks for the name where no other process writes. Raises SettingsError, StorageError."""
        with self._catalog.transaction() as db:
            live = f"SELECT 1 FROM {self._table} WHERE name = ? AND revoked IS NULL"
            if db.execute(live, (key.name,)).fetchone() is not None:
                raise name_taken(key.name)
            db.execute(_INSERT.format(table=self._table), (*_values(key), None))
        self._last = None

    def stored(self) -> list[tuple[Key, str | None]]:
        """Each key that was ever made, and when it was revoked; None for one that is in use. Raises StorageError."""
        self.all()  # those of the file are known then
        return self._stored()

    def take_along(self, old: Keys) -> None:
        """Lets in whom the keys of another archive let in: also nobody, where all of those are revoked.

        What is revoked there or here is revoked, also where a folder still holds it. Raises StorageError."""
        self._insert(old.stored())
        self._close_after(old)

    def revoke(self, name_or_id: str) -> bool:
        """Takes a key back; False when there is none of that name or id. Raises StorageError."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.all()  # those of the file are known then
        with self._catalog.transaction() as db:
            sql = f"UPDATE {self._table} SET revoked = ? WHERE revoked IS NULL AND (name = ? OR id = ?)"
            gone = db.execute(sql, (now, name_or_id, name_or_id)).rowcount > 0
        self._last = None
        return gone

    def _take_over(self) -> None:
        """Stores what the file holds, as programs before format 4 and the first key of a pod left it."""
        self.add(self._file.all())
        self._close_after(self._file)
        self._taken_over = True

    def _close_after(self, old: Keys) -> None:
        """Where all keys of a folder were revoked, asks for one on all machines, those without that folder too."""
        if old.exist() and not self._stored():
            self._insert([(_FORMER, datetime.now(UTC).isoformat(timespec="seconds"))])

    def _insert(self, keys: Sequence[tuple[Key, str | None]]) -> None:
        if keys:
            with self._catalog.transaction() as db:
                db.executemany(_INSERT.format(table=self._table), [(*_values(key), revoked) for key, revoked in keys])
            self._last = None

    def _stored(self) -> list[tuple[Key, str | None]]:
        """Each key that was ever made, oldest first, and when it was revoked."""
        sql = f"SELECT * FROM {self._table} ORDER BY created, sha256"
        return self._catalog.database.read(sql, (), _key_row)


def _values(key: Key) -> tuple[str, ...]:
    return key.sha256, key.id, key.name, " ".join(key.scopes), key.created


def _key_row(row: Row) -> tuple[Key, str | None]:
    scopes = tuple(scope for scope in SCOPES if scope in rows.written(row["scopes"]).split())
    key = Key(
        id=rows.written(row["id"]), name=rows.written(row["name"]), scopes=scopes, sha256=rows.text(row),
        created=rows.written(row["created"]),
    )  # fmt: skip
    return key, None if row["revoked"] is None else rows.written(row["revoked"])
