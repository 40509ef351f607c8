"""`python -m eval check`: whether the verdict on a sentence tells true ones from planted errors.

Each sentence is compared with all sentences of its articles, as those of a language model are with the evidence.
Measured are precision and recall of "supported", the area under the curve, calibration, and for each kind of error how
often it passes. Does not measure retrieval, and no language model writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from eval.datasets import check_pairs
from eval.datasets import demo as demo_set
from eval.datasets.planted_errors import Pair
from eval.datasets.records import digest
from eval.metrics import verdicts
from eval.metrics.statistics import percentiles
from eval.reporting import outcome
from eval.reporting.outcome import Row, once, row
from eval.reporting.progress import Progress
from rag.answering.check.verdicts import judged
from rag.answering.citations import link
from rag.answering.sentence_selection import Candidate
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage, Verdict

WORDS, ROLES = "comparison of words", "words and roles"
MOST = 150  # pairs of a source, a language and a kind
LEAST_WORDS = 3  # of a sentence that may be cited
THRESHOLDS = tuple(number / 20 for number in range(1, 20))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a system says about a pair: its probability that the sentence is supported, its verdict, the time taken."""

    pair: Pair
    probability: float
    verdict: Verdict
    milliseconds: float

    @property
    def right(self) -> bool:
        """Whether the sentence is labelled as supported."""
        return self.pair.verdict == "supported"

    @property
    def passes(self) -> bool:
        """Whether the system calls it supported."""
        return self.verdict == "supported"


@lru_cache(maxsize=1024)
def candidates(article: Article) -> tuple[Candidate, ...]:
    """The sentences of an article that may be cited."""
    passage = Passage(article=article, number=0, start=0, end=len(article.text))
    spans = sentence_spans(article.text)
    return tuple(Candidate(passage, s, e) for s, e in spans if len(article.text[s:e].split()) >= LEAST_WORDS)


def by_words(pair: Pair) -> Judged:
    """The verdict of `citations.link` alone: names, numbers and words are found in the quotations."""
    began = time.perf_counter()
    _, reason = link(pair.text, [c for a in pair.articles for c in candidates(a)], language=pair.language)
    taken = (time.perf_counter() - began) * 1000
    return Judged(pair, 0.0 if reason else 1.0, "unsupported" if reason else "supported", taken)


def by_roles(pair: Pair) -> Judged:
    """The verdict that an answer shows: words, and who did what when."""
    began = time.perf_counter()
    quotes, lacking = link(pair.text, [c for a in pair.articles for c in candidates(a)], language=pair.language)
    found = judged(pair.text, quotes, lacking, pair.language)
    taken = (time.perf_counter() - began) * 1000
    return Judged(pair, float(found.verdict == "supported"), found.verdict, taken)


SYSTEMS: Mapping[str, Callable[[Pair], Judged]] = {WORDS: by_words, ROLES: by_roles}


def scores(system: str, found: Sequence[Judged]) -> list[Row]:
    """Rows over all pairs, over each kind of error, of true sentence, language and source."""
    passing, contradicted = [j for j in found if j.passes], [j for j in found if j.verdict == "contradicted"]
    true, false = [j for j in found if j.right], [j for j in found if not j.right]
    opposite = [j for j in false if j.pair.verdict == "contradicted"]
    probabilities, labels = [j.probability for j in found], [j.right for j in found]
    rows = [
        row("precision of supported", system, [float(j.right) for j in passing]),
        row("recall of supported", system, [float(j.passes) for j in true]),
        row("false and supported", system, [float(j.passes) for j in false]),
        row("precision of contradicted", system, [float(not j.right) for j in contradicted]),
        row("recall of contradicted", system, [float(j.verdict == "contradicted") for j in opposite]),
        once("area under the curve", system, verdicts.area_under_curve(probabilities, labels), len(found)),
        once("Brier score", system, verdicts.brier(probabilities, labels), len(found)),
    ]
    rows += _shares("passes, error", system, ((j.pair.kind, j) for j in false))
    rows += _shares("passes, true", system, ((j.pair.kind, j) for j in true))
    for name, some in (("true", true), ("false", false)):
        rows += _shares(f"passes, {name}", system, ((f"in {j.pair.language}", j) for j in some))
        rows += _shares(f"passes, {name}", system, ((f"of {j.pair.source}", j) for j in some))
    return rows


def _shares(name: str, system: str, kinds: Iterable[tuple[str, Judged]]) -> list[Row]:
    groups: dict[str, list[float]] = {}
    for kind, one in kinds:
        groups.setdefault(kind, []).append(float(one.passes))
    return [row(f"{name}: {kind}", system, values) for kind, values in sorted(groups.items())]


def run(shared: Path | None, progress: Progress, most: int = MOST, *, testing: bool = True) -> dict[str, Any]:
    """Judges the pairs of one half of the articles by each system; the result as plain data."""
    outcome.provenance()
    began = time.perf_counter()
    pairs = check_pairs.sample(check_pairs.pairs(shared, testing=testing), most)
    found: dict[str, list[Judged]] = {system: [] for system in SYSTEMS}
    for number, pair in enumerate(pairs, start=1):
        for system, judge in SYSTEMS.items():
            found[system].append(judge(pair))
        progress("sentences", number, len(pairs))
    return outcome.result(
        "check",
        [one for system, some in found.items() for one in scores(system, some)],
        data={
            "name": "planted errors and written claims", "pairs": len(pairs),
            "digest": f"{demo_set.digest()}-{digest([check_pairs.REWRITTEN, check_pairs.CLAIMS])}",
            "sources": sorted({pair.source for pair in pairs}),
        },
        reliability={s: verdicts.reliability(*_values(some)) for s, some in found.items()},
        trade_off={s: verdicts.trade_off(*_values(some), THRESHOLDS) for s, some in found.items()},
        latency_ms={s: verdict_times(some) for s, some in found.items()},
        seconds=round(time.perf_counter() - began, 1),
    )  # fmt: skip


def _values(found: Sequence[Judged]) -> tuple[list[float], list[bool]]:
    return [j.probability for j in found], [j.right for j in found]


def verdict_times(found: Sequence[Judged]) -> dict[str, float]:
    """Percentiles of the milliseconds that a verdict took."""
    return percentiles([j.milliseconds for j in found])
