"""`python -m eval all`: every data set of a folder that needs no language model, several at once.

Each set runs as a command in a process of its own, so that memory and crashes of one do not affect another. The output
of each command goes to log.txt beside its figures.
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

from eval.datasets import beir
from eval.reporting import outcome
from rag.errors import SettingsError

LOG = "log.txt"
_RANKED = "trecqa_dev.csv"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One command, without `python -m eval` and `--out`, and the bytes of its corpus."""

    name: str
    arguments: tuple[str, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """How an evaluation ended: its exit code, its seconds, and the last line that it printed."""

    evaluation: Evaluation
    code: int
    seconds: float
    last: str


def evaluations(shared: Path) -> tuple[list[Evaluation], dict[str, str]]:
    """What can be run, largest first, and set → why it cannot. Raises SettingsError when nothing is there."""
    found: list[Evaluation] = []
    left_out: dict[str, str] = {}
    for folder in _folders(shared / "retrieval"):
        why = unscorable(folder)
        if why:
            left_out[folder.name] = why.replace(str(folder), folder.name)  # a result names no path of this machine
        else:
            corpus = sum(path.stat().st_size for path in folder.glob("corpus.jsonl*"))
            found.append(Evaluation(f"retrieval-{folder.name}", ("retrieval", "--data", str(folder)), corpus))
    for folder in _folders(shared / "pages"):
        found.append(Evaluation(f"pages-{folder.name}", ("ingest-pages", "--data", str(folder))))
    ranked = shared / "behaviour" / _RANKED
    if ranked.is_file():
        found.append(Evaluation("trecqa", ("behaviour", "trecqa", "--data", str(ranked)), ranked.stat().st_size))
    if not found and not left_out:
        raise SettingsError(f"--shared is '{shared}', which has no set in retrieval/, pages/ or behaviour/.")
    return sorted(found, key=lambda one: -one.size), left_out


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def unscorable(folder: Path) -> str:
    """Why retrieval on a set cannot be scored, or "". Reads only its labels."""
    try:
        qrels = beir.files(folder, None)["qrels"]
    except SettingsError as error:
        return str(error)
    if not qrels.is_file():
        return f"it has no {qrels.name}"
    with qrels.open(encoding="utf-8", errors="replace") as stream:
        return "" if sum(1 for line in stream if line.strip()) > 1 else f"{qrels.name} names no relevant article"


def run(
    found: Sequence[Evaluation], out: Path, extra: Sequence[str] = (), *, at_once: int = 0,
    on_finish: Callable[[Finished], None] = lambda finished: None,
) -> list[Finished]:  # fmt: skip
    """Runs evaluations, `at_once` of them in parallel (0: one for each core), each into a folder of its own in `out`.

    `extra` is added to every command that embeds. `on_finish` is called with each as it ends. A second call continues
    what was interrupted, as the commands themselves do.
    """
    workers = at_once or os.cpu_count() or 1
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = os.environ | {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_run, one, out / one.name, extra, environment) for one in found]
        done = []
        try:
            for future in as_completed(running):
                done.append(future.result())
                on_finish(done[-1])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def result(done: Sequence[Finished], left_out: Mapping[str, str], seconds: float, embedded: int) -> dict[str, Any]:
    """A result with the seconds of each evaluation and of the whole.

    Its data is named "first" when texts had to be embedded, and "kept" when all vectors came from the cache.
    """
    rows = [outcome.once("seconds", one.evaluation.name, one.seconds) for one in done]
    failed = [one.evaluation.name for one in done if one.code]
    data = {"name": "first" if embedded else "kept", "sets": len(done), "left_out": dict(left_out), "failed": failed}
    return outcome.result("all", rows, data=data, seconds=seconds, embedded=embedded)


def _run(one: Evaluation, out: Path, extra: Sequence[str], environment: dict[str, str]) -> Finished:
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    more = extra if one.arguments[0] in {"retrieval", "behaviour"} else ()
    command = [sys.executable, "-m", "eval", *one.arguments, "--out", str(out), *more]
    with (out / LOG).open("w", encoding="utf-8") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    lines = (out / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return Finished(one, code, time.perf_counter() - began, last)
