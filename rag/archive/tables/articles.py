"""Articles and all their stored versions."""

from __future__ import annotations

from rag.archive.tables import rows
from rag.archive.tables.changes import Changes
from rag.archive.tables.table import condition, day_of, up_to
from rag.language.tokens import fold
from rag.schema import Article, Coverage, Filters


class Articles(Changes):
    """Reads articles; they are written together with their passages."""

    def article(self, article_id: str, version: int | None = None) -> Article | None:
        """The current version of an article (also of a withdrawn one), or a named one; None when unknown."""
        found = self._read(
            "SELECT v.* FROM versions v JOIN articles a ON a.id = v.article_id "
            "WHERE v.article_id = ? AND v.version = coalesce(?, a.version)",
            (article_id, version),
            rows.article_row,
        )
        return found[0] if found else None

    def versions(self, article_id: str) -> list[Article]:
        """All stored versions of an article, oldest first."""
        return self._read(
            "SELECT * FROM versions WHERE article_id = ? ORDER BY version", (article_id,), rows.article_row
        )

    def withdrawn(self, most: int) -> list[Article]:
        """The current versions of the articles that were withdrawn last, which say so, the last one first."""
        return self._read(
            "SELECT v.* FROM versions v JOIN articles a ON a.id = v.article_id AND a.version = v.version "
            "WHERE a.status = 'withdrawn' ORDER BY v.stored_at DESC, a.id LIMIT ?",
            (most,),
            rows.article_row,
        )

    def current_digest(self, article_id: str) -> str | None:
        """The digest of the current version, or None when there is no such article."""
        found = self._read(
            "SELECT v.digest FROM versions v JOIN articles a ON a.id = v.article_id AND a.version = v.version "
            "WHERE a.id = ?",
            (article_id,),
            rows.text,
        )
        return found[0] if found else None

    def live_digests(self) -> dict[str, str]:
        """Id -> digest of the current version of every live article, newest first."""
        sql = (
            "SELECT a.id, v.digest FROM articles a JOIN versions v ON v.article_id = a.id AND v.version = a.version "
            "WHERE a.status = 'live' ORDER BY a.day IS NULL, a.day DESC, a.id"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.written(row["digest"]))))

    def has_version(self, article_id: str, version_digest: str) -> bool:
        """Whether this very version was stored before, be it the current one or an older one."""
        return bool(
            self._read("SELECT 1 FROM versions WHERE article_id = ? AND digest = ?", (article_id, version_digest))
        )

    def id_of_source(self, source: str) -> str | None:
        """The article last read from this file, or None."""
        found = self._read(
            "SELECT article_id FROM versions WHERE source = ? ORDER BY rowid DESC LIMIT 1", (source,), rows.text
        )
        return found[0] if found else None

    def articles(
        self, filters: Filters = Filters(), *, text: str = "", limit: int = 50, offset: int = 0, live: bool = True
    ) -> list[Article]:
        """Articles within the filters, newest first; `text` restricts to titles, outlets, bylines with these words.

        A limit of -1 is none.
        """
        where, values = condition(filters, live=live)
        for word in fold(text).split():
            where += f" AND instr({self.database.sought}, ?) > 0"
            values.append(word)
        return self._read(
            "SELECT v.* FROM articles a JOIN versions v ON v.article_id = a.id AND v.version = a.version "
            f"WHERE {where} ORDER BY a.day IS NULL, a.day DESC, a.id LIMIT ? OFFSET ?",
            (*values, up_to(limit), offset),
            rows.article_row,
        )

    def coverage(self, filters: Filters = Filters()) -> Coverage:
        """How many live articles lie within the filters and which days they span."""
        if filters == Filters():
            return self._at_last_change("coverage", lambda: self._coverage(filters))
        return self._coverage(filters)

    def _coverage(self, filters: Filters) -> Coverage:
        where, values = condition(filters)
        sql = f"SELECT count(*) AS n, min(a.day) AS first, max(a.day) AS last FROM articles a WHERE {where}"
        (coverage,) = self._read(
            sql,
            values,
            lambda row: Coverage(articles=row["n"], first=day_of(row["first"]), last=day_of(row["last"])),
        )
        return coverage

    def outlets(self) -> dict[str, int]:
        """Outlet -> number of live articles, by name."""
        sql = (
            "SELECT outlet, count(*) AS n FROM articles WHERE status = 'live' AND outlet != '' "
            "GROUP BY outlet ORDER BY outlet"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.number(row["n"]))))

    def bylines(self) -> dict[str, int]:
        """Byline, as it is printed -> number of live articles."""
        sql = (
            "SELECT v.byline, count(*) AS n FROM articles a JOIN versions v ON v.article_id = a.id "
            "AND v.version = a.version WHERE a.status = 'live' AND v.byline != '' GROUP BY v.byline"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.number(row["n"]))))

    def languages(self) -> dict[str, int]:
        """Language (ISO 639-1) -> number of live articles, most frequent first."""
        return dict(self._at_last_change("languages", self._languages))

    def _languages(self) -> dict[str, int]:
        sql = (
            "SELECT language, count(*) AS n FROM articles WHERE status = 'live' AND language != '' "
            "GROUP BY language ORDER BY n DESC, language"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.number(row["n"]))))

    def article_ids(self, filters: Filters) -> list[str]:
        """The ids of the live articles within the filters."""
        where, values = condition(filters)
        return self._read(f"SELECT a.id FROM articles a WHERE {where}", values, rows.text)
