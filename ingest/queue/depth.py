"""How much the queue holds, read without the library that hands it out: for servers, which neither send nor work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rag.archive.tables.database import Database

_PRESENT = "SELECT to_regclass('dateline_queue_state') IS NOT NULL AS present"
_DEPTH = (
    "SELECT (SELECT coalesce(sum(articles), 0) FROM dateline_queue_pieces) AS articles, pieces, seconds "
    "FROM dateline_queue_state"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What the queue holds: articles that wait, how many pieces were done so far, and the seconds that they took."""

    articles: int = 0
    pieces_done: int = 0
    seconds: float = 0.0


def depth_of(database: Database[Any]) -> Depth:
    """How much waits and how much was done, zeros where there is no queue; cheap enough to be asked every few seconds.

    Raises StorageError.
    """
    if not database.shared or database.read(_PRESENT, (), lambda row: bool(row["present"])) != [True]:
        return Depth()
    rows = database.read(_DEPTH, (), _depth)
    return rows[0] if rows else Depth()


def _depth(row: Any) -> Depth:
    return Depth(articles=int(row["articles"]), pieces_done=int(row["pieces"]), seconds=float(row["seconds"]))
