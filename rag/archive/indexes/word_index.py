"""What a keyword index of passages does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rag.archive.tables.passages import StoredPassage
from rag.schema import Filters


class WordIndex(Protocol):
    """An index that finds the passages which share words with a question; derived from the catalogue."""

    def put(self, stored: Iterable[StoredPassage], *, replacing: Sequence[str] | None = ()) -> None:
        """Adds passages under their keys; all passages of an article must come in one call, one after another.

        First removes the passages of the articles `replacing`, or all passages when it is None. A search sees either
        the state before the call or the state after it.
        """
        ...

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Removes all passages of these articles."""
        ...

    def search(
        self, question: str, k: int, languages: Sequence[str], filters: Filters, by_author: Sequence[str]
    ) -> list[tuple[int, float]]:
        """At most k pairs (key, score) within the filters, best first; BM25 of passage and article, above 0.

        The question is stemmed in each of `languages`. `by_author` holds the ids of the articles that match
        `filters.authors` when that is set.
        """
        ...

    def scores(self, question: str, languages: Sequence[str], keys: Sequence[int]) -> dict[int, float]:
        """What `search` would give each of these passages, those at 0 left out."""
        ...

    def rarity(self, words: Sequence[str], language: str) -> dict[str, float]:
        """The BM25 inverse document frequency of each folded word: about 0 to 12, higher for rarer words."""
        ...

    def unknown(self, words: Sequence[str], language: str) -> set[str]:
        """Those of the folded words that no text and no headline holds, in this or another form."""
        ...

    def is_foreign(self, question: str, languages: Sequence[str]) -> bool:
        """Whether a question is in another language than the articles, told by how many of its words they hold."""
        ...

    def keys(self) -> set[int]:
        """All keys in the index."""
        ...

    def count(self) -> int:
        """How many passages the index holds."""
        ...

    def clear(self) -> None:
        """Removes everything."""
        ...
