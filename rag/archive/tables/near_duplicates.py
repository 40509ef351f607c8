"""Which articles are near-duplicates of each other, and the MinHash marks by which candidates are found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from rag.archive.tables import rows
from rag.archive.tables.passages import Passages
from rag.archive.tables.table import parameters


class NearDuplicates(Passages):
    """Pairs of near-duplicates, stored in both directions. Derived from the articles' texts."""

    def near_duplicates(self, article_ids: Collection[str]) -> dict[str, frozenset[str]]:
        """Article id -> ids of its stored near-duplicates, for those of `article_ids` (at most 500) that have any."""
        found: dict[str, set[str]] = {}
        for one, other in self._read(
            f"SELECT article_id, other_id FROM near_duplicates WHERE article_id IN ({parameters(list(article_ids))})",
            list(article_ids),
            lambda row: (rows.text(row), rows.written(row["other_id"])),
        ):
            found.setdefault(one, set()).add(other)
        return {one: frozenset(others) for one, others in found.items()}

    def sharing_marks(self, marks: Sequence[int], limit: int) -> list[str]:
        """The ids of at most `limit` articles with one of these marks, those that have most of them first."""
        sql = (
            f"SELECT article_id, count(*) AS n FROM signature_marks WHERE mark IN ({parameters(marks)}) "
            "GROUP BY article_id ORDER BY n DESC, article_id LIMIT ?"
        )
        return self._read(sql, (*marks, limit), rows.text)

    def replace_near_duplicates(
        self, article_ids: Iterable[str], marks: Mapping[str, Sequence[int]], pairs: Iterable[tuple[str, str]]
    ) -> None:
        """Replaces marks and pairs of these articles, in one transaction; what is in neither has none afterwards."""
        ids = [(article_id,) for article_id in article_ids]
        both = [pair for one, other in pairs for pair in ((one, other), (other, one))]
        with self.transaction() as db:
            db.executemany("DELETE FROM signature_marks WHERE article_id = ?", ids)
            db.executemany("DELETE FROM near_duplicates WHERE article_id = ?", ids)
            db.executemany("DELETE FROM near_duplicates WHERE other_id = ?", ids)
            db.executemany(
                "INSERT INTO signature_marks VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(mark, article_id) for article_id, own in marks.items() for mark in own],
            )
            db.executemany("INSERT INTO near_duplicates VALUES (?, ?) ON CONFLICT DO NOTHING", both)

    def clear_near_duplicates(self) -> None:
        """Removes all marks and pairs, for another way of computing them."""
        with self.transaction() as db:
            db.execute("DELETE FROM signature_marks")
            db.execute("DELETE FROM near_duplicates")
