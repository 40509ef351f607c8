"""`python -m eval behaviour SET`: public protocols of noise, refusal, conflict, attacks and conversation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval import asking, bipia, mtragun, outcome, ramdocs, rgb, trecqa
from eval.answers import summaries
from eval.asking import Measured, Task, World
from eval.records import digest
from rag.embed import Embedder
from rag.errors import SettingsError
from rag.llm import LLM
from rag.settings import Settings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one set is run: its tasks in a world, and the measures of the predictions."""

    tasks: Callable[[World], Sequence[Task]]
    score: Callable[[Sequence[asking.Row]], Measured]
    protocol: str


SETS: dict[str, Behaviour] = {
    "rgb": Behaviour(rgb.tasks, rgb.score, rgb.PROTOCOL),
    "ramdocs": Behaviour(ramdocs.tasks, ramdocs.score, ramdocs.PROTOCOL),
    "bipia": Behaviour(bipia.tasks, bipia.score, bipia.PROTOCOL),
    "mtragun": Behaviour(mtragun.tasks, mtragun.score, mtragun.PROTOCOL),
}


def run(
    name: str, file: Path, out: Path, settings: Settings, embedder: Embedder, llm: LLM | None, *,
    corpus: Path | None = None, every: int = 1, progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Runs a set, predictions line by line into `out`, and returns the result. A second call goes on.

    Raises SettingsError when the file is not of this set.
    """
    began = time.perf_counter()
    world = World(file=file, out=out, settings=settings, embedder=embedder, llm=llm, corpus=corpus)
    if not file.is_file():
        raise SettingsError(f"--data is '{file}', expected the file of the set {name}.")
    try:
        if name == "trecqa":
            return _ranked(world, every, progress, began)
        kind = SETS[name]
        tasks = kind.tasks(world)[::every]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file} is not a file of the set {name}: {type(error).__name__} {error}."
        raise SettingsError(message) from error
    try:
        system = llm.name if llm else "extraction"
        key = json.dumps([digest([file]), outcome.code_digest("rag", "ingest", "eval"), system, every])
        items = [(task.id, task.run) for task in tasks]
        found = asking.journal(
            out / asking.PREDICTIONS, key, items, lambda done: progress(name, done, len(tasks))
        )  # fmt: skip
    finally:
        world.close()
    per_query = {system: kind.score(found)}
    return outcome.save(
        out, f"behaviour {name}", outcome.rows_of(per_query), per_query, settings=settings, model=system,
        data={"name": file.stem, "digest": digest([file]), "tasks": len(tasks)}, protocol=kind.protocol,
        crashed=asking.crashes(system, found), seconds=time.perf_counter() - began, **summaries(found),
    )  # fmt: skip


def _ranked(world: World, every: int, progress: Progress, began: float) -> dict[str, Any]:
    """trecqa ranks sentences and asks nothing, so it has no predictions."""
    per_query, left_out = trecqa.measure(world, every, progress)
    n = len(next(iter(next(iter(per_query.values())).values())))
    return outcome.save(
        world.out, "behaviour trecqa", outcome.rows_of(per_query), per_query, settings=world.settings,
        data={"name": world.file.stem, "digest": digest([world.file]), "questions": n}, protocol=trecqa.PROTOCOL,
        left_out=left_out, seconds=time.perf_counter() - began,
    )  # fmt: skip
