"""How like a timeline is to a reference: its days, and its words on the days that both have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

from rag.language.tokens import tokens


def date_f1(found: Collection[date], reference: Collection[date]) -> float:
    """The harmonic mean of precision and recall of the days, 0 to 1."""
    total = len(set(found)) + len(set(reference))
    return 2 * len(set(found) & set(reference)) / total if total else 0.0


def rouge_1(found: str, reference: str) -> float:
    """The F1 of the words that two texts share, each as often as it occurs in both, 0 to 1."""
    words = [Counter(token.folded for token in tokens(text)) for text in (found, reference)]
    total = sum(sum(one.values()) for one in words)
    return 2 * sum((words[0] & words[1]).values()) / total if total else 0.0


def aligned_rouge(found: Mapping[date, str], reference: Mapping[date, str]) -> float:
    """ROUGE-1 F1 of the days that both have, averaged over the days of the longer timeline: others count 0."""
    days = max(len(found), len(reference))
    shared = set(found) & set(reference)
    return sum(rouge_1(found[day], reference[day]) for day in shared) / days if days else 0.0
