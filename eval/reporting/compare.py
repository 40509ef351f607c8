"""`python -m eval compare A B`: is B better than A, and which questions flipped? A and B: folders, or demo files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.reporting import outcome
from rag.errors import SettingsError

ROUNDS = 10_000
FLIPS_SHOWN = 20


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

    Randomisation test (Fisher; Smucker et al. 2007, "A comparison of statistical significance tests for
    information retrieval evaluation"): signs of the differences are flipped at random, and p is the share of
    flips whose mean is as far from 0 as the observed one: (count + 1) / (rounds + 1).
    """
    shared = [query for query in a if query in b]
    if not shared:
        raise SettingsError(f"The two runs share no question for {measure}. Compare runs of the same data set.")
    one, other = (np.array([run[query] for query in shared], dtype=np.float64) for run in (a, b))
    delta = other - one
    random = np.random.default_rng(outcome.SEED)
    means, flipped = [], []
    for _ in range(0, ROUNDS, 1000):  # in parts: 10,000 draws of 5,000 questions would take 400 MB
        means.append(delta[random.integers(0, len(delta), size=(1000, len(delta)))].mean(axis=1))
        flipped.append((delta * random.choice((-1.0, 1.0), size=(1000, len(delta)))).mean(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    # The tolerance keeps equal sums equal that were added in another order.
    as_far = int((np.abs(np.concatenate(flipped)) >= abs(delta.mean()) - 1e-12).sum())
    return Difference(
        measure=measure, a=float(one.mean()), b=float(other.mean()), difference=float(delta.mean()),
        low=float(low), high=float(high), p=(as_far + 1) / (ROUNDS + 1), n=len(shared),
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
        f"{one} → {other}": [paired(m, a[one][m], b[other][m]) for m in a[one] if m in b[other] and a[one][m]]
        for one, other in pairs
    }


def what_was_found(name: str, queries: Sequence[str]) -> dict[str, str]:
    """Query → the answer given, or the articles found first, for reading the flips."""
    folder, system = split_name(name)
    wanted = set(queries)
    found: dict[str, str] = {}
    predictions = folder / "predictions.jsonl"
    if folder.is_file() or predictions.exists():
        for row in outcome.load(folder)["predictions"] if folder.is_file() else json_lines(predictions):
            if isinstance(row, dict) and row.get("id") in wanted:
                answer = row.get("answer") or {}
                found[str(row["id"])] = str(answer.get("text") or row.get("error") or "")
        return found
    rankings = [folder / f"ranked_{system}.jsonl"] if system else sorted(folder.glob("ranked_*.jsonl"))[:1]
    for row in json_lines(rankings[0]) if rankings and rankings[0].exists() else []:
        if isinstance(row, list) and row[0] in wanted:
            found[row[0]] = ", ".join(article for article, _ in row[1][:5])
    return found


def json_lines(path: Path) -> list[Any]:
    """The values of a JSON Lines file; lines cut by an interrupt are left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").split("\n"):  # splitlines knows line ends that JSON lets stand
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def as_text(first: str, second: str, found: Mapping[str, Sequence[Difference]]) -> str:
    """A table for each pair of systems, and the questions that flipped on its first measure, with what was found."""
    lines = []
    for pair, differences in found.items():
        lines.append(pair)
        lines.append(f"{'measure':34} {'A':>7} {'B':>7} {'B - A':>7}   95% interval       p       better worse  n")
        for d in differences:
            mark = "*" if d.found else " "
            lines.append(
                f"{d.measure[:34]:34} {d.a:7.3f} {d.b:7.3f} {d.difference:+7.3f} {mark} [{d.low:+.3f}, {d.high:+.3f}]"
                f"   {d.p:6.4f}  {len(d.better):6} {len(d.worse):5}  {d.n}"
            )
        if not any(d.found for d in differences):
            lines.append("No difference is found.")
        lines += _flips(first, second, pair.split(" → "), differences[0]) if differences else []
    return "\n".join(lines)


def _flips(first: str, second: str, systems: Sequence[str], difference: Difference) -> list[str]:
    flipped = [*difference.worse[:FLIPS_SHOWN], *difference.better[:FLIPS_SHOWN]]
    names = [f"{split_name(n)[0]}:{s}" if (split_name(n)[0] / f"ranked_{s}.jsonl").exists() else str(split_name(n)[0])
             for n, s in zip((first, second), systems, strict=True)]  # fmt: skip
    a, b = (what_was_found(name, flipped) for name in names)
    lines = [f"\nflipped on {difference.measure}: {len(difference.worse)} worse, {len(difference.better)} better"]
    for query in flipped:
        sign = "-" if query in difference.worse else "+"
        lines.append(f"  {sign} {query}\n      A: {a.get(query, '')[:200]}\n      B: {b.get(query, '')[:200]}")
    return lines if flipped else []
