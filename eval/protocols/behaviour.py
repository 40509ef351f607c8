"""`python -m eval behaviour SET`: public protocols of noise, refusal, conflict, attacks and conversation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from eval.datasets.records import digest, first_problem
from eval.experiments import predictions
from eval.experiments.answers import summaries
from eval.metrics.answers import Prediction
from eval.protocols import bipia, mtragun, ramdocs, rgb, tasks, trecqa
from eval.protocols.tasks import ByMeasure, Setup, Task
from eval.reporting import journal, outcome
from eval.reporting.progress import Progress, silent
from rag.errors import SettingsError
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.settings import Settings


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one set is run: the tasks of a setup, the measures of their predictions, and what it does in words."""

    module: ModuleType
    tasks: Callable[[Setup], Sequence[Task]]
    score: Callable[[Sequence[Prediction]], ByMeasure]
    description: str


PROTOCOLS: dict[str, Protocol] = {
    "rgb": Protocol(rgb, rgb.tasks, rgb.score, rgb.PROTOCOL),
    "ramdocs": Protocol(ramdocs, ramdocs.tasks, ramdocs.score, ramdocs.PROTOCOL),
    "bipia": Protocol(bipia, bipia.tasks, bipia.score, bipia.PROTOCOL),
    "mtragun": Protocol(mtragun, mtragun.tasks, mtragun.score, mtragun.PROTOCOL),
}
TRECQA = "trecqa"  # ranks sentences and asks no question, so it has no predictions


def run(
    name: str, file: Path, out: Path, settings: Settings, embedder: Embedder, llm: LLM | None, *,
    corpus: Path | None = None, every: int = 1, limit: int | None = None, progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """Runs a set with the model and by extraction, writes predictions line by line into `out`, returns the result.

    Extraction answers the same tasks, which shows what the model adds. A second call, also with another sample, asks
    only what was not answered yet with the same data, code, model and settings. Raises SettingsError when the file
    does not belong to the set.
    """
    began = time.perf_counter()
    setup = Setup(file=file, out=out, settings=settings, embedder=embedder, llm=llm, corpus=corpus)
    if not file.is_file():
        raise SettingsError(f"--data is '{file}', expected the file of the set {name}.")
    if name == TRECQA:
        with _reading(name, file):
            return _run_trecqa(setup, every, limit, progress, began)
    asked = {one: _asked(name, setup, one, every, limit, progress) for one in ([llm, None] if llm else [None])}
    per_query = {_system(one): PROTOCOLS[name].score(found) for one, found in asked.items()}
    crashed: dict[str, dict[str, str]] = {}
    for one, found in asked.items():
        crashed |= predictions.crashes(_system(one), found)
    return outcome.save(
        out, f"behaviour {name}", outcome.rows_of(per_query), per_query, settings=settings, model=_system(llm),
        data={"name": file.stem, "digest": digest([file]), "tasks": len(asked[llm]), **_problems(setup)},
        protocol=PROTOCOLS[name].description,
        crashed=crashed, seconds=time.perf_counter() - began, **summaries(asked[llm]),
    )  # fmt: skip


@contextmanager
def _reading(name: str, file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{file} is not a file of the set {name}: {type(error).__name__} {error}."
        raise SettingsError(message) from error


def _problems(setup: Setup) -> dict[str, Any]:
    """The problems of the file, each once, though model and extraction both read it."""
    found = [str(problem) for problem in dict.fromkeys(setup.problems)]
    return {"problems": found[:50], "problem_count": len(found)}


def _system(llm: LLM | None) -> str:
    return llm.name if llm else "extraction"


def _asked(
    name: str, setup: Setup, llm: LLM | None, every: int, limit: int | None, progress: Progress
) -> list[Prediction]:
    """The predictions of a model, or of extraction, for a sample of the tasks."""
    own = replace(setup, llm=llm, archive=None)
    try:
        with _reading(name, setup.file):
            sampled = sample(PROTOCOLS[name].tasks(own), every, limit)
        if not sampled:
            raise SettingsError(f"{setup.file} has no line of the set {name}. {first_problem(own.problems)}")
        code = outcome.code_digest("rag", "ingest", *_files(predictions, tasks, PROTOCOLS[name].module))
        key = json.dumps([digest([setup.file]), code, _system(llm), outcome.public(setup.settings)])
        path = setup.out / (journal.PREDICTIONS if llm == setup.llm else f"extraction-{journal.PREDICTIONS}")
        items = [(task.id, task.run) for task in sampled]
        return journal.resume(path, key, items, name=f"{name}, {_system(llm)}", progress=progress)
    finally:
        own.close()


def _files(*modules: ModuleType) -> list[str]:
    """The files of these modules, relative to the project."""
    return [Path(str(module.__file__)).relative_to(outcome.ROOT).as_posix() for module in modules]


def sample(found: Sequence[Task], every: int, limit: int | None) -> list[Task]:
    """The tasks of a spread sample of their groups."""
    groups = set(predictions.spread(list(dict.fromkeys(task.group or task.id for task in found)), every, limit))
    return [task for task in found if (task.group or task.id) in groups]


def _run_trecqa(setup: Setup, every: int, limit: int | None, progress: Progress, began: float) -> dict[str, Any]:
    per_query, left_out = trecqa.measure(setup, every, limit, progress)
    n = len(next(iter(next(iter(per_query.values())).values())))
    return outcome.save(
        setup.out, "behaviour trecqa", outcome.rows_of(per_query), per_query, settings=setup.settings,
        data={"name": setup.file.stem, "digest": digest([setup.file]), "questions": n, **_problems(setup)},
        protocol=trecqa.PROTOCOL, left_out=left_out, seconds=time.perf_counter() - began,
    )  # fmt: skip
