"""Textbook BM25 over whole articles, as in the published figures of BEIR."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable


class Bm25:
    """Okapi BM25 with Lucene's idf.

    The score is the sum of log(1 + (N - df + .5) / (df + .5)) · tf / (tf + k1 (1 - b + b · length / average length)).

    k1 = .9 and b = .4 are the defaults of Anserini, which BEIR's figures use (Thakur et al. 2021, arXiv 2104.08663).
    Tokens are lower-case runs of word characters: no stemming, no stop words, no segmentation of Chinese.
    """

    def __init__(self, documents: Iterable[tuple[str, str]], k1: float = 0.9, b: float = 0.4) -> None:
        """From (id, text) pairs."""
        self._ids: list[str] = []
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        lengths: list[int] = []
        for number, (key, text) in enumerate(documents):
            words = Counter(terms(text))
            self._ids.append(key)
            lengths.append(sum(words.values()))
            for word, count in words.items():
                self._postings[word].append((number, count))
        average = sum(lengths) / len(lengths) if lengths else 1.0
        self._norm = [k1 * (1 - b + b * length / (average or 1.0)) for length in lengths]

    def search(self, question: str, k: int) -> list[tuple[str, float]]:
        """At most k (id, score > 0), best first, ties in order of the corpus."""
        scores: dict[int, float] = defaultdict(float)
        for word, times in Counter(terms(question)).items():
            postings = self._postings.get(word, [])
            idf = math.log(1 + (len(self._ids) - len(postings) + 0.5) / (len(postings) + 0.5))
            for number, count in postings:
                scores[number] += times * idf * count / (count + self._norm[number])
        best = heapq.nsmallest(k, scores.items(), key=lambda item: (-item[1], item[0]))
        return [(self._ids[number], value) for number, value in best]


def terms(text: str) -> list[str]:
    """Lower-case runs of word characters."""
    return re.findall(r"\w+", text.lower())
