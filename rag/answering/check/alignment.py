"""Which word of a quotation each word of a sentence is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answering.check.words import Word, Words, same

_FAR = 8  # words: a leap farther than this costs no more
_MISSING = 6.0  # the cost of leaving out a word that the quotation holds


@dataclass(frozen=True, slots=True)
class Alignment:
    """For each word of the sentence that carries meaning its place among those of the quotation, -1 for none."""

    sentence: Words
    quotation: Words
    places: tuple[int, ...]

    @property
    def matched(self) -> list[tuple[Word, Word]]:
        """The words that are matched, each beside its match."""
        return [
            (word, self.quotation.content[place])
            for word, place in zip(self.sentence.content, self.places, strict=True)
            if place >= 0
        ]

    @property
    def share(self) -> float:
        """The share of the sentence's words that are matched, 0 to 1."""
        return sum(place >= 0 for place in self.places) / len(self.places) if self.places else 0.0


def align(sentence: Words, quotation: Words) -> Alignment:
    """The alignment with the least leaps: words that stand together are matched where they stand together."""
    options = [
        [at for at, other in enumerate(quotation.content) if same(word, other)] or [-1] for word in sentence.content
    ]
    return Alignment(sentence, quotation, tuple(_least_leaps(options)))


def _least_leaps(options: Sequence[Sequence[int]]) -> list[int]:
    """One option of each word so that the sum of leaps between neighbours is least (Viterbi); -1 is skipped.

    Takes time in proportion to the number of options, also where a word is repeated a hundred times.
    """
    costs = {-1: 0.0}  # of the best path that ends at a place
    before: list[dict[int, int]] = []  # for each word: its place -> the one before it on the best path
    for places in options:
        if places[0] < 0:
            before.append({last: last for last in costs})
            continue
        cheapest = min(costs, key=costs.__getitem__)
        came = {place: _from(costs, cheapest, place) for place in places}
        costs = {place: costs[last] + _leap(last, place) for place, last in came.items()}
        before.append(came)
    return _walked_back(options, before, min(costs, key=costs.__getitem__))


def _from(costs: Mapping[int, float], cheapest: int, place: int) -> int:
    """The place from which a leap costs least: a near one, or the cheapest of all; the first of equals."""
    near = (last for last in range(place - _FAR, place - 1 + _FAR) if last in costs)
    return min({cheapest, *near}, key=lambda last: (costs[last] + _leap(last, place), last))


def _walked_back(options: Sequence[Sequence[int]], before: Sequence[Mapping[int, int]], end: int) -> list[int]:
    path = []
    for places, came in zip(reversed(options), reversed(before), strict=True):
        path.append(-1 if places[0] < 0 else end)
        end = came[end]
    return path[::-1]


def _leap(last: int, place: int) -> float:
    if last < 0:
        return 0.0
    step = place - last
    return min(abs(step - 1), _FAR) + (_MISSING if step == 0 else 0.0)
