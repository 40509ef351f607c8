"""`python -m eval all`: every set of a folder of shared data that needs no language model, several at once.

Each set runs as the command that one would type, in a process of its own, so what one of them does to memory or with a
crash is no other's; its words go to log.txt beside its figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets import beir as datasets
from eval.reporting import outcome
from rag.errors import SettingsError

LOG = "log.txt"
_RANKED = "trecqa_dev.csv"


@dataclass(frozen=True, slots=True)
class Job:
    """One command without its `python -m eval` and `--out`, and how much there is to read for it."""

    name: str
    arguments: tuple[str, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its exit code, seconds, and the last line it said."""

    job: Job
    code: int
    seconds: float
    last: str


def jobs(shared: Path) -> tuple[list[Job], dict[str, str]]:
    """What can be run, largest first, and set → why it cannot. Raises SettingsError when nothing is there."""
    found: list[Job] = []
    left_out: dict[str, str] = {}
    for folder in _folders(shared / "retrieval"):
        why = unscorable(folder)
        if why:
            left_out[folder.name] = why.replace(str(folder), folder.name)  # a result tells no path of this machine
        else:
            corpus = sum(path.stat().st_size for path in folder.glob("corpus.jsonl*"))
            found.append(Job(f"retrieval-{folder.name}", ("retrieval", "--data", str(folder)), corpus))
    for folder in _folders(shared / "pages"):
        found.append(Job(f"pages-{folder.name}", ("ingest-pages", "--data", str(folder))))
    ranked = shared / "behaviour" / _RANKED
    if ranked.is_file():
        found.append(Job("trecqa", ("behaviour", "trecqa", "--data", str(ranked)), ranked.stat().st_size))
    if not found and not left_out:
        raise SettingsError(f"--shared is '{shared}', which has no set in retrieval/, pages/ or behaviour/.")
    return sorted(found, key=lambda job: -job.size), left_out


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def unscorable(folder: Path) -> str:
    """Why the retrieval of a set cannot be scored, or "". Reads its labels alone."""
    try:
        qrels = datasets.files(folder, None)["qrels"]
    except SettingsError as error:
        return str(error)
    if not qrels.is_file():
        return f"it has no {qrels.name}"
    with qrels.open(encoding="utf-8", errors="replace") as stream:
        return "" if sum(1 for line in stream if line.strip()) > 1 else f"{qrels.name} names no relevant article"


def run(
    found: Sequence[Job], out: Path, extra: Sequence[str] = (), *, at_once: int = 0,
    told: Callable[[Done], None] = lambda done: None,
) -> list[Done]:  # fmt: skip
    """Runs the jobs, `at_once` of them side by side (0: one for each core), each with its figures in a folder of `out`.

    `extra` goes to every command that embeds. `told` hears of each as it ends. A second call takes up what was
    interrupted, as the commands themselves do.
    """
    workers = at_once or os.cpu_count() or 1
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = os.environ | {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_run, job, out / job.name, extra, environment) for job in found]
        done = []
        try:
            for future in as_completed(running):
                done.append(future.result())
                told(done[-1])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def result(done: Sequence[Done], left_out: Mapping[str, str], seconds: float, embedded: int) -> dict[str, Any]:
    """How long each set took, in the form of every result: a row for each, and the whole.

    The data's name tells a first run, which has `embedded` so many texts, from one whose vectors were all kept.
    """
    rows = [outcome.Row("seconds", one.job.name, one.seconds, one.seconds, one.seconds, 1) for one in done]
    failed = [one.job.name for one in done if one.code]
    data = {"name": "first" if embedded else "kept", "sets": len(done), "left_out": dict(left_out), "failed": failed}
    return outcome.result("all", rows, data=data, seconds=seconds, embedded=embedded)


def _run(job: Job, out: Path, extra: Sequence[str], environment: dict[str, str]) -> Done:
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    more = extra if job.arguments[0] in {"retrieval", "behaviour"} else ()
    command = [sys.executable, "-m", "eval", *job.arguments, "--out", str(out), *more]
    with (out / LOG).open("w", encoding="utf-8") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    lines = (out / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return Done(job, code, time.perf_counter() - began, last)
