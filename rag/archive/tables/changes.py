"""The change log, from which the derived indexes are updated, and properties of the archive."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from rag.archive.tables import rows
from rag.archive.tables.database import Database
from rag.archive.tables.table import SET_FOLLOWED, SET_META, Table, parameters
from rag.errors import ArchiveMismatch

_Counted = TypeVar("_Counted")

MODEL_SINCE = "model_since"  # property: the last change of the switch to the present embedder; absent before any
VECTORS_IN = "vectors_in"  # property: the collection in Milvus that was filled last; before, the alias to come
IMPORTING = "importing"  # property: how far a dateline import has come that is not finished


class Changes(Table):
    """The log of changed articles, with the last change that each derived index has applied."""

    def __init__(self, database: Database[Any]) -> None:
        """`database` belongs to the catalogue."""
        super().__init__(database)
        self._counted: dict[str, tuple[int, Any]] = {}  # name -> (last change when it was counted, what was counted)

    def get_meta(self, key: str) -> str | None:
        """A stored property of the archive, or None."""
        found = self._read("SELECT value FROM meta WHERE key = ?", (key,), rows.text)
        return found[0] if found else None

    def get_all_meta(self, keys: Sequence[str]) -> dict[str, str]:
        """Those of these properties of the archive that are stored."""
        sql = f"SELECT key, value FROM meta WHERE key IN ({parameters(keys)})"
        return dict(self._read(sql, keys, lambda row: (rows.text(row), rows.written(row["value"]))))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Stores properties of the archive."""
        with self.transaction() as db:
            db.executemany(SET_META, list(values.items()))

    def check_whole(self) -> None:
        """Raises ArchiveMismatch where an import is unfinished: what is stored then is not what the archive will be."""
        mark = self.get_meta(IMPORTING)
        if mark is None:
            return
        if command := json.loads(mark).get("command"):
            raise ArchiveMismatch(
                f"A move of articles to the archive at {self.database.folder} is unfinished. Run it again, which goes "
                f"on with it: {command}"
            )
        raise ArchiveMismatch(
            f"An import into the archive at {self.database.folder} is unfinished. Run the same dateline import again, "
            f"which goes on with it, or name another {self.database.choice}."
        )

    def last_change(self) -> int:
        """The number of the last change; 0 in a new archive."""
        sql = "SELECT coalesce(max(seq), 0) AS seq FROM changes"
        return self._read(sql, made=lambda row: rows.number(row["seq"]))[0]

    def changed_since(self, seq: int) -> list[tuple[str, int]]:
        """(Article id, number of its last change) for the articles changed after `seq`, in order of that change."""
        return self._read(
            "SELECT article_id, max(seq) AS last FROM changes WHERE seq > ? GROUP BY article_id ORDER BY last",
            (seq,),
            lambda row: (rows.text(row), rows.number(row["last"])),
        )

    def followed(self, name: str) -> int:
        """The number of the last change that the derived index `name` has applied; 0 for none."""
        found = self._read("SELECT seq FROM followed WHERE name = ?", (name,), lambda row: rows.number(row["seq"]))
        return found[0] if found else 0

    def model_since(self) -> int:
        """The number of the last change of the switch to the present embedder; 0 where there was none."""
        return int(self.get_meta(MODEL_SINCE) or 0)

    def follows_model(self, name: str) -> bool:
        """Whether the derived index `name` has applied the switch to the present embedder; asked by every search."""
        sql = (
            "SELECT coalesce((SELECT seq FROM followed WHERE name = ?), 0) AS seq, "
            "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), 0) AS since"
        )
        return self._read(sql, (name, MODEL_SINCE), lambda row: rows.number(row["seq"]) >= rows.number(row["since"]))[0]

    def set_followed(self, name: str, seq: int) -> None:
        """Records that the derived index `name` has applied all changes up to `seq`."""
        with self.transaction() as db:
            db.execute(SET_FOLLOWED, (name, seq))

    def _at_last_change(self, name: str, count: Callable[[], _Counted]) -> _Counted:
        """The result of `count`, cached until the catalogue changes: every question needs it."""
        if self.database.in_transaction:  # a rollback would leave a cached result of changes that never happened
            return count()
        change = self.last_change()  # read before counting, so that a change in between makes the next call count again
        kept = self._counted.get(name)
        if kept is None or kept[0] != change:
            kept = self._counted[name] = change, count()
        return cast(_Counted, kept[1])
