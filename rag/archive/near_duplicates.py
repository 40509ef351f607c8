"""Which articles carry the same story with small edits, as wire copies do: found when they are stored.

MinHash signatures of the five-word runs give candidates; the exact share of common runs decides. Signatures come from
rensa: 0.04 ms an article of 700 words, where datasketch takes 0.67 ms; both found 99.7% of the pairs at the edge of
the rule (300 pairs with a Jaccard similarity of 1/6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from rag.archive.catalog import Catalog
from rag.archive.priority import Priority
from rag.language.tokens import folded_words
from rag.schema import Article

# Two articles carry the same story when this share of the shorter one's five-word runs stands in the other.
# Set by hand, not tuned: the three carriers of the demo archive's wire story fold into one hit.
CONTAINMENT = 0.5
LEAST_RUNS = 80  # of two short notices half may be the same words by chance
# Of shorter texts more must be common, and they must be of about the same day: a notice of each week may differ from
# the last one by its figures alone. Set by hand: a changed number costs a text of 50 words five of its 46 runs.
CONTAINMENT_OF_SHORT, DAYS_OF_SHORT, LEAST_RUNS_OF_SHORT = 0.8, 3, 6
LEAST_LENGTH = 0.4  # of the longer one: a short note inside a long article is a quotation, not a copy
_CHARS = 6000  # of a text that are compared
# Values of a signature. The rule's pairs have a Jaccard similarity of 1/6 at least (containment .5, length .4), so they
# share one of 32 values or more with a probability of 1 - (5/6)^32 = .997.
_VALUES = 32
_CANDIDATES = 200  # compared exactly for one article: those that share most values
_ARTICLES_AT_ONCE = 50

Runs = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Text:
    """What is compared of an article."""

    runs: Runs
    day: date | None

    @classmethod
    def of(cls, article: Article) -> _Text:
        return cls(_runs(article.text), article.day)


def same_story(one: Article, other: Article) -> bool:
    """Whether one article is a near-duplicate of the other."""
    return _same(_Text.of(one), _Text.of(other))


def _runs(text: str) -> Runs:
    """All runs of five consecutive words of a text."""
    words = folded_words(text[:_CHARS])
    return frozenset(zip(*(words[i:] for i in range(5)), strict=False))


def _same(one: _Text, other: _Text) -> bool:
    small, large = sorted((one.runs, other.runs), key=len)
    is_short = len(small) < LEAST_RUNS
    if is_short and (len(small) < LEAST_RUNS_OF_SHORT or not _about_the_same_day(one.day, other.day)):
        return False
    least = CONTAINMENT_OF_SHORT if is_short else CONTAINMENT
    if len(small) < (least if is_short else LEAST_LENGTH) * len(large):
        return False
    return len(small & large) / len(small) >= least


def _about_the_same_day(one: date | None, other: date | None) -> bool:
    return one == other or (one is not None and other is not None and abs((one - other).days) <= DAYS_OF_SHORT)


def _marks(runs: Runs) -> list[int]:
    """The MinHash signature as integers, each with its place in the signature."""
    from rensa import RMinHash  # type: ignore[import-untyped]

    signature = RMinHash(num_perm=_VALUES, seed=42)
    signature.update([" ".join(run) for run in runs])
    return [place << 32 | value for place, value in enumerate(signature.digest())]


def _method() -> str:
    """What a stored signature depends on: those of another method cannot be compared with it."""
    from rensa import RMinHash

    return f"rensa {RMinHash.ALGORITHM_VERSION}, {_VALUES} values, {_CHARS} characters, from {LEAST_RUNS_OF_SHORT} runs"


class NearDuplicateFollower:
    """Keeps the stored pairs of near-duplicates up to date with the articles."""

    name = "near-duplicates"

    def __init__(self, catalog: Catalog, priority: Priority) -> None:
        self._catalog, self._priority = catalog, priority

    def bring_up(self) -> None:
        """Brings the pairs up to the last change. Raises StorageError, Stopped; the next call goes on from there."""
        current = self._catalog.get_meta(self.name) == _method()
        if current and self._catalog.followed(self.name) >= self._catalog.last_change():
            return
        with self._catalog.database.hold(self.name) as held:
            if held:  # or else a process with another folder does it
                self._bring_up()

    def _bring_up(self) -> None:
        if self._catalog.get_meta(self.name) != _method():
            self._catalog.clear_near_duplicates()
            self._catalog.set_followed(self.name, 0)
            self._catalog.set_meta({self.name: _method()})
        changed = self._catalog.changed_since(self._catalog.followed(self.name))
        for start in range(0, len(changed), _ARTICLES_AT_ONCE):
            part = changed[start : start + _ARTICLES_AT_ONCE]
            self._update([article_id for article_id, _ in part])
            self._catalog.set_followed(self.name, part[-1][1])

    def _update(self, article_ids: Sequence[str]) -> None:
        """Updates the near-duplicates of these articles. A removed or withdrawn article and one of few
        words have none."""
        articles = self._catalog.current_articles(article_ids)
        texts: dict[str, _Text] = {}
        for article in articles.values():
            self._priority.next_step()
            if article.status == "live" and len((own := _Text.of(article)).runs) >= LEAST_RUNS_OF_SHORT:
                texts[article.id] = own
        marks = {article_id: _marks(own.runs) for article_id, own in texts.items()}
        # The stored marks of these articles may be those of earlier versions, so they are compared among themselves.
        carriers: dict[int, list[str]] = {}
        for article_id, own_marks in marks.items():
            for mark in own_marks:
                carriers.setdefault(mark, []).append(article_id)
        close = {pair for ids in carriers.values() for pair in combinations(sorted(ids), 2)}
        pairs = [(one, other) for one, other in sorted(close) if self._is_pair(texts[one], texts[other])]
        for article_id, own in texts.items():
            candidates = set(self._catalog.sharing_marks(marks[article_id], _CANDIDATES)) - set(article_ids)
            for candidate in self._catalog.current_articles(candidates).values() if candidates else ():
                if self._is_pair(own, _Text.of(candidate)):
                    pairs.append((article_id, candidate.id))
        self._catalog.replace_near_duplicates(article_ids, marks, pairs)

    def _is_pair(self, one: _Text, other: _Text) -> bool:
        self._priority.next_step()
        return _same(one, other)
