"""`python -m eval compare A B`: is run B better than run A, and on which questions do they differ?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics.statistics import interval, sign_flip_p
from eval.reporting import journal, outcome
from eval.reporting.tables import Cell, Table
from rag.errors import SettingsError

ROUNDS = 10_000
FLIPS_SHOWN = 20
ARROW = " → "


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A of one measure over the n questions that both have.

    `low`, `high`: 95% interval of the mean difference (paired bootstrap). `p`: two-sided p-value of the
    randomisation test. `better`, `worse`: questions on which B is higher, lower.
    """

    measure: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    n: int
    better: tuple[str, ...]
    worse: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether the test finds a difference at the 5% level."""
        return self.p < 0.05


def paired(measure: str, a: Mapping[str, float], b: Mapping[str, float]) -> Difference:
    """Compares two runs question by question. Raises SettingsError when they share none.

    The interval is a paired bootstrap over the questions, the p-value that of `sign_flip_p`.
    """
    shared = [query for query in a if query in b]
    if not shared:
        raise SettingsError(f"The two runs share no question for {measure}. Compare runs of the same data set.")
    one, other = (np.array([run[query] for query in shared], dtype=np.float64) for run in (a, b))
    delta = other - one
    low, high = interval(list(delta), rounds=ROUNDS, batch=1000)
    return Difference(
        measure=measure, a=float(one.mean()), b=float(other.mean()), difference=float(delta.mean()),
        low=low, high=high, p=sign_flip_p(delta, rounds=ROUNDS), n=len(shared),
        better=tuple(q for q, d in zip(shared, delta, strict=True) if d > 0),
        worse=tuple(q for q, d in zip(shared, delta, strict=True) if d < 0),
    )  # fmt: skip


def split_name(name: str) -> tuple[Path, str]:
    """`OUT` or `OUT:system` as folder and system ("" when none is named)."""
    if Path(name).exists():
        return Path(name), ""
    folder, _, system = name.rpartition(":")
    return (Path(folder), system) if folder else (Path(name), "")


def compare(first: str, second: str) -> dict[str, list[Difference]]:
    """`A against B` → differences of every measure that both have.

    Without systems named, each system is compared with itself in the other folder; with `OUT:system` those two.
    Raises SettingsError when folders, systems or data sets do not fit.
    """
    (folder_a, system_a), (folder_b, system_b) = split_name(first), split_name(second)
    data_a, data_b = (outcome.load(folder)["data"] for folder in (folder_a, folder_b))
    if data_a.get("digest") != data_b.get("digest"):
        raise SettingsError(
            f"{first} was measured on {data_a.get('name')} {data_a.get('digest')}, {second} on {data_b.get('name')} "
            f"{data_b.get('digest')}. Only runs of the same data can be compared."
        )
    a, b = outcome.load_per_query(folder_a), outcome.load_per_query(folder_b)
    for system, run, name in ((system_a, a, first), (system_b, b, second)):
        if system and system not in run:
            raise SettingsError(f"{name}: there is no system '{system}', only {', '.join(run)}.")
    if system_a or system_b:
        pairs = [(system_a or system_b, system_b or system_a)]
    else:
        pairs = [(s, s) for s in a if s in b] or ([(next(iter(a)), next(iter(b)))] if len(a) == len(b) == 1 else [])
    if not pairs:
        raise SettingsError(f"{first} and {second} have no system in common. Name one each: OUT:system.")
    return {
        f"{one}{ARROW}{other}": [paired(m, a[one][m], b[other][m]) for m in a[one] if m in b[other] and a[one][m]]
        for one, other in pairs
    }


def what_was_found(name: str, queries: Sequence[str]) -> dict[str, str]:
    """Query → the answer that was given or the first five articles that were found."""
    folder, system = split_name(name)
    wanted = set(queries)
    found: dict[str, str] = {}
    predictions = folder / "predictions.jsonl"
    if folder.is_file() or predictions.exists():
        for row in _of_demo(outcome.load(folder)) if folder.is_file() else journal.read(predictions):
            if isinstance(row, dict) and row.get("id") in wanted:
                answer = row.get("answer") or {}
                found[str(row["id"])] = str(answer.get("text") or row.get("error") or "")
        return found
    rankings = [folder / f"ranked_{system}.jsonl"] if system else sorted(folder.glob("ranked_*.jsonl"))[:1]
    for row in journal.read(rankings[0]) if rankings and rankings[0].exists() else []:
        if isinstance(row, dict) and row.get("id") in wanted:
            found[row["id"]] = ", ".join(article for article, _ in row["ranked"][:5])
    return found


def _of_demo(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*result["predictions"], *(result.get("editor") or {}).get("predictions", ())]


def table(pair: str, differences: Sequence[Difference]) -> Table:
    """Measures down; A, B, their difference with its interval, p, and how many questions are better and worse."""
    heads = (pair, "A", "B", "B - A", "p", "better", "worse", "n")
    rows = [
        (
            Cell(d.measure), Cell(f"{d.a:.3f}"), Cell(f"{d.b:.3f}"),
            Cell(f"{d.difference:+.3f}", f"[{d.low:+.3f}, {d.high:+.3f}]", best=d.found), Cell(f"{d.p:.4f}"),
            Cell(str(len(d.better))), Cell(str(len(d.worse))), Cell(str(d.n)),
        )
        for d in differences
    ]  # fmt: skip
    return Table(tuple(Cell(head) for head in heads), tuple(rows))


def flips(first: str, second: str, pair: str, difference: Difference) -> list[str]:
    """The questions that flipped, a line each, with what was found by A and by B; empty when none did."""
    flipped = [*difference.worse[:FLIPS_SHOWN], *difference.better[:FLIPS_SHOWN]]
    names = []
    for name, system in zip((first, second), pair.split(ARROW), strict=True):
        folder, _ = split_name(name)
        names.append(f"{folder}:{system}" if (folder / f"ranked_{system}.jsonl").exists() else str(folder))
    a, b = (what_was_found(name, flipped) for name in names)
    lines = [f"flipped on {difference.measure}: {len(difference.worse)} worse, {len(difference.better)} better"]
    for query in flipped:
        sign = "-" if query in difference.worse else "+"
        lines.append(f"  {sign} {query}\n      A: {a.get(query, '')[:200]}\n      B: {b.get(query, '')[:200]}")
    return lines if flipped else []
