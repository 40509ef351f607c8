"""Stories: which articles tell of one event, and the links between articles by which that is decided."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag.archive.stories.likeness import Profile
from rag.archive.tables import rows
from rag.archive.tables.database import Row, Statements
from rag.archive.tables.near_duplicates import NearDuplicates
from rag.archive.tables.table import condition, day_of, parameters, up_to
from rag.schema import Article, Filters, Story

_AT_ONCE = 500  # values in one SQL statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Threaded:
    """A story as it is stored: its id, the article whose headline it carries, its members, its independent reports."""

    id: str
    headline_of: str
    articles: tuple[str, ...]
    reports: int


class Stories(NearDuplicates):
    """Stories and the links between articles. Derived from the articles, their vectors and the keyword index."""

    # --- reading ----------------------------------------------------------------------------------

    def stories(self, filters: Filters = Filters(), *, limit: int = 50, offset: int = 0) -> list[Story]:
        """The stories with an article within the filters, newest first; each with all that it holds."""
        where, values = condition(filters)
        return self._stories_by(
            f"SELECT DISTINCT sa.story_id FROM story_articles sa JOIN articles a ON a.id = sa.article_id WHERE {where}",
            (*values, up_to(limit), offset),
        )

    def count_stories(self, filters: Filters = Filters()) -> int:
        """How many stories have an article within the filters."""
        where, values = condition(filters)
        sql = (
            "SELECT count(DISTINCT sa.story_id) AS n FROM story_articles sa JOIN articles a ON a.id = sa.article_id "
            f"WHERE {where}"
        )
        return self._read(sql, values, lambda row: rows.number(row["n"]))[0]

    def story(self, story_id: str) -> Story | None:
        """The story of this id, or None."""
        found = self._stories_by("SELECT ?", (story_id, 1, 0))
        return found[0] if found else None

    def _stories_by(self, ids: str, values: Sequence[object]) -> list[Story]:
        found = self._read(
            f"SELECT * FROM stories WHERE id IN ({ids}) ORDER BY last IS NULL, last DESC, id LIMIT ? OFFSET ?",
            values,
            _story_row,
        )
        outlets = self._outlets_of([story.id for story in found])
        return [_with_outlets(story, outlets.get(story.id, ())) for story in found]

    def _outlets_of(self, story_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for part in _parts(story_ids):
            for story_id, outlet in self._read(
                "SELECT DISTINCT sa.story_id, a.outlet FROM story_articles sa JOIN articles a ON a.id = sa.article_id "
                f"WHERE a.outlet != '' AND sa.story_id IN ({parameters(part)}) ORDER BY a.outlet",
                part,
                lambda row: (rows.text(row), rows.written(row["outlet"])),
            ):
                found[story_id] = (*found.get(story_id, ()), outlet)
        return found

    def story_articles(
        self, story_id: str, filters: Filters = Filters(), *, limit: int = 50, offset: int = 0
    ) -> list[Article]:
        """The articles of a story within the filters by day, oldest first; undated ones come last."""
        where, values = condition(filters, live=False)
        return self._read(
            "SELECT v.* FROM story_articles sa JOIN articles a ON a.id = sa.article_id "
            f"JOIN versions v ON v.article_id = a.id AND v.version = a.version WHERE sa.story_id = ? AND {where} "
            "ORDER BY a.day IS NULL, a.day, a.id LIMIT ? OFFSET ?",
            (story_id, *values, up_to(limit), offset),
            rows.article_row,
        )

    def stories_of(self, article_ids: Collection[str]) -> dict[str, str]:
        """Article id -> id of its story, for those that belong to one."""
        found: dict[str, str] = {}
        for part in _parts(sorted(article_ids)):
            found |= self._read_pairs("SELECT article_id, story_id AS value FROM story_articles WHERE article_id", part)
        return found

    def members(self, story_ids: Collection[str]) -> dict[str, str]:
        """Article id -> id of its story, for the articles of these stories."""
        found: dict[str, str] = {}
        for part in _parts(sorted(story_ids)):
            found |= self._read_pairs("SELECT article_id, story_id AS value FROM story_articles WHERE story_id", part)
        return found

    def articles_of_passages(self, keys: Sequence[int]) -> list[str]:
        """The ids of the articles to which these passages (at most 500) belong."""
        return self._read(
            f"SELECT DISTINCT article_id FROM passages WHERE key IN ({parameters(keys)}) ORDER BY article_id",
            keys,
            rows.text,
        )

    def profiles(self, article_ids: Collection[str]) -> dict[str, Profile]:
        """Article id -> what is compared of it, for those of at most 500 articles that have a profile."""
        return dict(
            self._read(
                "SELECT p.article_id, p.words, p.vector, a.day, a.language FROM story_profiles p JOIN articles a "
                f"ON a.id = p.article_id WHERE p.article_id IN ({parameters(list(article_ids))})",
                list(article_ids),
                _profile_row,
            )
        )

    def links_of(self, article_ids: Collection[str], least: float = 0.0) -> list[tuple[str, str, float]]:
        """(Article, other article, likeness) for the links of these articles with at least this likeness."""
        found: list[tuple[str, str, float]] = []
        for part in _parts(sorted(article_ids)):
            found += self._read(
                f"SELECT * FROM story_links WHERE article_id IN ({parameters(part)}) AND likeness >= ?",
                (*part, least),
                lambda row: (rows.text(row), rows.written(row["other_id"]), float(row["likeness"])),
            )
        return found

    def unthreaded(self) -> list[str]:
        """The ids of the articles whose links have changed since they were last threaded."""
        return self._read("SELECT article_id FROM story_pending ORDER BY article_id", made=rows.text)

    def _read_pairs(self, sql: str, part: Sequence[str]) -> dict[str, str]:
        return dict(
            self._read(f"{sql} IN ({parameters(part)})", part, lambda row: (rows.text(row), rows.written(row["value"])))
        )

    # --- writing, by the follower alone -------------------------------------------------------------

    def replace_profiles(self, article_ids: Iterable[str], profiles: Mapping[str, Profile]) -> None:
        """Replaces the profiles of these articles and drops their links; those without a profile have none then."""
        ids = [(article_id,) for article_id in article_ids]
        stored = [
            (article_id, json.dumps(one.words, ensure_ascii=False), one.vector.astype(np.float16).tobytes())
            for article_id, one in profiles.items()
        ]
        with self.transaction() as db:
            db.executemany("INSERT INTO story_pending VALUES (?) ON CONFLICT DO NOTHING", ids)
            db.executemany(
                "INSERT INTO story_pending SELECT other_id FROM story_links WHERE article_id = ? "
                "ON CONFLICT DO NOTHING",
                ids,
            )
            db.executemany("DELETE FROM story_links WHERE article_id = ?", ids)
            db.executemany("DELETE FROM story_links WHERE other_id = ?", ids)
            db.executemany("DELETE FROM story_profiles WHERE article_id = ?", ids)
            db.executemany("INSERT INTO story_profiles VALUES (?, ?, ?)", stored)

    def add_links(self, links: Iterable[tuple[str, str, float]]) -> None:
        """Stores links in both directions."""
        both = [row for one, other, like in links for row in ((one, other, like), (other, one, like))]
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO story_links VALUES (?, ?, ?) "
                "ON CONFLICT (article_id, other_id) DO UPDATE SET likeness = excluded.likeness",
                both,
            )

    def replace_stories(self, article_ids: Collection[str], threaded: Iterable[Threaded]) -> None:
        """Replaces all stories of these articles by `threaded`, in one transaction; nothing is unthreaded then."""
        stale = sorted(set(self.stories_of(article_ids).values()))
        with self.transaction() as db:
            for story_id in stale:
                db.execute("DELETE FROM stories WHERE id = ?", (story_id,))
                db.execute("DELETE FROM story_articles WHERE story_id = ?", (story_id,))
            for one in threaded:
                _insert(db, one)
            db.executemany("DELETE FROM story_pending WHERE article_id = ?", [(one,) for one in article_ids])

    def clear_links(self) -> None:
        """Removes all profiles and links, so that they are made anew; stories stay until then, and keep their ids."""
        with self.transaction() as db:
            db.execute("DELETE FROM story_profiles")
            db.execute("DELETE FROM story_links")
            # WHERE: without it SQLite reads ON as the beginning of a join (sqlite.org/lang_upsert.html).
            db.execute(
                "INSERT INTO story_pending SELECT article_id FROM story_articles WHERE TRUE ON CONFLICT DO NOTHING"
            )


def _insert(db: Statements, story: Threaded) -> None:
    db.executemany("INSERT INTO story_articles VALUES (?, ?)", [(article, story.id) for article in story.articles])
    row = db.execute(
        "SELECT min(a.day) AS first, max(a.day) AS last, count(*) AS n FROM story_articles sa "
        "JOIN articles a ON a.id = sa.article_id WHERE sa.story_id = ?",
        (story.id,),
    ).fetchone()
    title = db.execute("SELECT title FROM articles WHERE id = ?", (story.headline_of,)).fetchone()
    headline = title["title"] if title else ""
    db.execute(
        "INSERT INTO stories VALUES (?, ?, ?, ?, ?, ?)",
        (story.id, headline, row["first"], row["last"], row["n"], story.reports),
    )


def _story_row(row: Row) -> Story:
    return Story(
        id=rows.text(row),
        headline=rows.written(row["headline"]),
        first=day_of(row["first"]),
        last=day_of(row["last"]),
        articles=rows.number(row["articles"]),
        reports=rows.number(row["reports"]),
    )


def _with_outlets(story: Story, outlets: tuple[str, ...]) -> Story:
    return replace(story, outlets=outlets)


def _profile_row(row: Row) -> tuple[str, Profile]:
    vector = np.frombuffer(row["vector"], dtype=np.float16).astype(np.float32)
    words = {str(word): float(count) for word, count in json.loads(rows.written(row["words"])).items()}
    return rows.text(row), Profile(words, vector, day_of(row["day"]), rows.written(row["language"]))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
