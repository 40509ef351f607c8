"""`python -m eval behaviour SET`: public protocols of noise, refusal, conflict, attacks and conversation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.datasets.records import digest, first_problem
from eval.experiments import asking
from eval.experiments.answers import summaries
from eval.experiments.asking import Measured, Task, World
from eval.protocols import bipia, mtragun, ramdocs, rgb, trecqa
from eval.reporting import outcome
from rag.errors import SettingsError
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
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
    corpus: Path | None = None, every: int = 1, limit: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Runs a set, predictions line by line into `out`, and returns the result; beside a model the same tasks are
    answered by extraction, which shows what the model adds.

    A second call goes on, also with another sample: what was answered with this data, code, model and these settings
    is not asked again.

    Raises SettingsError when the file is not of this set.
    """
    began = time.perf_counter()
    world = World(file=file, out=out, settings=settings, embedder=embedder, llm=llm, corpus=corpus)
    if not file.is_file():
        raise SettingsError(f"--data is '{file}', expected the file of the set {name}.")
    if name == "trecqa":
        with _reading(name, file):
            return _ranked(world, every, limit, progress, began)
    asked = {one: _asked(name, world, one, every, limit, progress) for one in ([llm, None] if llm else [None])}
    per_query = {_system(one): SETS[name].score(found) for one, found in asked.items()}
    crashed: dict[str, dict[str, str]] = {}
    for one, found in asked.items():
        crashed |= asking.crashes(_system(one), found)
    return outcome.save(
        out, f"behaviour {name}", outcome.rows_of(per_query), per_query, settings=settings, model=_system(llm),
        data={"name": file.stem, "digest": digest([file]), "tasks": len(asked[llm]), **_problems(world)},
        protocol=SETS[name].protocol,
        crashed=crashed, seconds=time.perf_counter() - began, **summaries(asked[llm]),
    )  # fmt: skip


@contextmanager
def _reading(name: str, file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{file} is not a file of the set {name}: {type(error).__name__} {error}."
        raise SettingsError(message) from error


def _problems(world: World) -> dict[str, Any]:
    """What of the file could not be used, each once: model and extraction read it both."""
    found = [str(problem) for problem in dict.fromkeys(world.problems)]
    return {"problems": found[:50], "problem_count": len(found)}


def _system(llm: LLM | None) -> str:
    return llm.name if llm else "extraction"


def _asked(
    name: str, world: World, llm: LLM | None, every: int, limit: int | None, progress: Progress
) -> list[asking.Row]:
    """What a model, or extraction, answers to a sample of a set's tasks."""
    mine = replace(world, llm=llm, archive=None)
    try:
        with _reading(name, world.file):
            tasks = _sample(SETS[name].tasks(mine), every, limit)
        if not tasks:
            raise SettingsError(f"{world.file} has no line of the set {name}. {first_problem(mine.problems)}")
        code = outcome.code_digest("rag", "ingest", "eval/asking.py", f"eval/{name}.py")
        key = json.dumps([digest([world.file]), code, _system(llm), outcome.public(world.settings)])
        items = [(task.id, task.run) for task in tasks]
        path = world.out / (asking.PREDICTIONS if llm == world.llm else f"extraction-{asking.PREDICTIONS}")
        return asking.journal(path, key, items, lambda done: progress(f"{name}, {_system(llm)}", done, len(tasks)))
    finally:
        mine.close()


def _sample(tasks: Sequence[Task], every: int, limit: int | None) -> list[Task]:
    """The tasks of a spread sample of their groups."""
    groups = set(asking.spread(list(dict.fromkeys(task.group or task.id for task in tasks)), every, limit))
    return [task for task in tasks if (task.group or task.id) in groups]


def _ranked(
    world: World, every: int, limit: int | None, progress: Progress, began: float
) -> dict[str, Any]:  # fmt: skip
    """trecqa ranks sentences and asks nothing, so it has no predictions."""
    per_query, left_out = trecqa.measure(world, every, limit, progress)
    n = len(next(iter(next(iter(per_query.values())).values())))
    return outcome.save(
        world.out, "behaviour trecqa", outcome.rows_of(per_query), per_query, settings=world.settings,
        data={"name": world.file.stem, "digest": digest([world.file]), "questions": n, **_problems(world)},
        protocol=trecqa.PROTOCOL,
        left_out=left_out, seconds=time.perf_counter() - began,
    )  # fmt: skip
