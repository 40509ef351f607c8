"""`python -m eval bench several`: workers and servers on one PostgreSQL and one Milvus, while a worker is killed.

The demo archive and generated notices are queued. Workers store them; one of them is killed again and again and started
anew; both servers are asked meanwhile. At the end the archive is moved into a folder, without embedding, and asked the
same questions there: the figures beside each other say whether the engines give other answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eval.datasets import demo as demo_set
from eval.datasets import generated
from eval.experiments import demo
from eval.metrics.statistics import percentiles
from eval.performance import clients
from eval.performance import load as bench_load
from eval.performance.clients import Served
from eval.reporting import outcome
from eval.reporting.progress import Progress
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import DatelineError, SettingsError
from rag.settings import Settings

WORKERS, SERVERS, KILLS = 2, 2, 10
MANY, FOLDER = "PostgreSQL, Milvus", "folder"
_PATIENCE_SECONDS = 3600.0  # for the queue to become empty
_FOLLOWING_SECONDS = 300.0  # for the servers to follow the last change
_SENTENCES = 2  # of a generated notice, so that it is one passage


def run(settings: Settings, out: Path, articles: int, progress: Progress) -> dict[str, Any]:
    """Stores `articles` generated notices beside the demo archive, and saves what was counted and measured.

    `settings` name the engines, both empty. Raises SettingsError where they name none or hold an archive.
    """
    _check(settings)
    began = time.perf_counter()
    environ = os.environ | {"DATELINE_CATALOG": settings.catalog, "DATELINE_INDEX": settings.index}
    with TemporaryDirectory(prefix="dateline-several-") as temporary:
        house = _House(Path(temporary), environ)
        queued = house.queue(_notices(Path(temporary) / "notices.jsonl", articles))
        counted = _stored(house, queued, progress)
        rows = [outcome.once(measure, MANY, value) for measure, value in counted.pop("rows").items()]
        rows += _figures(settings.model_copy(update={"data_dir": house.folder / "eval"}), MANY)
        house.command("move", "--to", str(house.folder / "moved"), "--data-dir", str(house.folder / "eval"))
        alone = {"data_dir": house.folder / "moved", "catalog": "", "index": ""}
        rows += _figures(settings.model_copy(update=alone), FOLDER)
    data = {"name": "demo and generated notices", "digest": demo_set.digest(), "notices": articles}
    more = counted | {"ratios_to_plain": {}, "seconds": time.perf_counter() - began}
    return bench_load.save(out, rows, data, settings, more, command="bench several")


def _check(settings: Settings) -> None:
    if not (settings.catalog and settings.index):
        raise SettingsError(
            "bench several needs DATELINE_CATALOG=postgresql://… and DATELINE_INDEX=milvus://…, empty ones."
        )
    with (
        TemporaryDirectory() as folder,
        closing(Archive(settings.model_copy(update={"data_dir": Path(folder)}))) as archive,
    ):
        if archive.catalog.coverage().articles:
            raise SettingsError("The database at DATELINE_CATALOG holds articles. Name an empty one.")


def _notices(file: Path, count: int) -> Path:
    """Writes generated articles of one passage each as JSON Lines."""
    with file.open("w", encoding="utf-8") as lines:
        for number, article in enumerate(generated.articles(4 * count)):
            text = ". ".join(article.text.split(". ")[:_SENTENCES]) + "."
            lines.write(json.dumps({"id": f"notice-{number}", "title": article.title, "text": text}) + "\n")
    return file


class _House:
    """The processes on one pair of engines, each with a folder of its own."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = {**environ, "PYTHONUNBUFFERED": "1"}

    def command(self, *arguments: str) -> Any:
        """What a command prints with --json. Raises DatelineError with its errors where it fails."""
        ran = subprocess.run(
            self._line(*arguments, "--json"), capture_output=True, text=True, check=False, env=self._environ, cwd=_ROOT
        )
        if ran.returncode:
            raise DatelineError(f"dateline {arguments[0]} ended with {ran.returncode}: {ran.stderr.strip()[-500:]}")
        return json.loads(ran.stdout)

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "app", *arguments]

    def queue(self, *files: Path) -> list[str]:
        """Queues the demo archive and these files; the ids of the jobs."""
        own = ("--data-dir", str(self.folder / "queue"))
        return [self.command("ingest", "--queue", str(path), *own)["id"] for path in (demo_set.ARCHIVE, *files)]

    def waiting(self) -> int:
        """How many articles wait in the queue."""
        return sum(job["waiting"] for job in self.command("jobs", "--data-dir", str(self.folder / "queue"))["jobs"])

    def report(self, job: str) -> dict[str, Any]:
        """The report of a job."""
        found: dict[str, Any] = self.command("jobs", job, "--data-dir", str(self.folder / "queue"))
        return found

    def worker(self, number: int) -> subprocess.Popen[bytes]:
        """Starts a worker."""
        with (self.folder / f"worker-{number}.log").open("ab") as log:
            line = self._line("worker", "--data-dir", str(self.folder / f"worker-{number}"))
            return subprocess.Popen(line, stdout=log, stderr=log, env=self._environ, cwd=_ROOT)

    @contextmanager
    def servers(self) -> Iterator[list[Served]]:
        """The servers, ready to answer."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(clients.serving(self.folder / f"server-{number}", "none", environ=self._environ))
                for number in range(SERVERS)
            ]


_ROOT = Path(__file__).parents[2]


def _stored(house: _House, jobs: list[str], progress: Progress) -> dict[str, Any]:
    """Lets the workers store what is queued, kills one again and again, and asks the servers meanwhile."""
    total, began = house.waiting(), time.perf_counter()
    questions = cycle(question.text for question in demo_set.load())
    statuses, milliseconds, kills = Counter[str](), list[float](), 0
    workers = [house.worker(number) for number in range(WORKERS)]
    try:
        with house.servers() as servers:
            while (left := house.waiting()) and time.perf_counter() - began < _PATIENCE_SECONDS:
                progress("articles stored", total - left, total)
                if kills < KILLS and total - left >= total * kills / KILLS:
                    workers[0].kill()
                    workers[0].wait(30)
                    workers[0], kills = house.worker(0), kills + 1
                for server in servers:
                    status, took = _asked(server, next(questions))
                    statuses[status] += 1
                    milliseconds += [took] if status == "200" else []
            stored = time.perf_counter() - began
            behind = _followed(servers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(60)
    reports = [house.report(job)["report"] for job in jobs]
    rows = {
        "articles queued": total,
        "articles stored": sum(report["kept"] for report in reports),
        "articles rejected": sum(sum(report["rejected"].values()) for report in reports),
        "workers killed": kills,
        "seconds until all were stored": stored,
        "changes that a server lacks at the end": behind,
        "questions asked meanwhile": sum(statuses.values()),
        "of these answered": statuses["200"],
        **{f"milliseconds of an answer, {name}": value for name, value in percentiles(milliseconds).items()},
    }
    return {"rows": rows, "statuses": dict(statuses), "workers": WORKERS, "servers": SERVERS}


def _asked(server: Served, question: str) -> tuple[str, float]:
    """The status of an answer over HTTP, and the milliseconds that it took."""
    connection, began = server.connect(), time.perf_counter()
    try:
        body = json.dumps({"question": question})
        connection.request("POST", "/api/ask", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        return str(reply.status), (time.perf_counter() - began) * 1000
    except OSError as error:
        return type(error).__name__, 0.0
    finally:
        connection.close()


def _followed(servers: list[Served]) -> float:
    """How many changes the server that is furthest behind lacks, at the latest after _FOLLOWING_SECONDS."""
    until = time.perf_counter() + _FOLLOWING_SECONDS
    while (
        behind := max(server.gauge("dateline_changes_behind") for server in servers)
    ) and time.perf_counter() < until:
        time.sleep(0.5)
    return behind


def _figures(settings: Settings, system: str) -> list[outcome.Row]:
    """The figures of the demo questions, by extraction, and whether `doctor` finds the archive sound.

    Stories are not waited for: threading thousands of notices takes Milvus Lite, which the tests use, half an hour.
    """
    questions = demo_set.load()
    with Assistant.open(settings=settings, with_llm=False) as assistant:
        health = assistant.archive.health()
        rows = [row for row in demo.measure_retrieval(assistant, questions) if row.system == "dateline"]
        rows += demo.measure_answers([demo.ask(assistant, one) for one in questions], system, assistant.archive.catalog)
    named = [outcome.Row(row.measure, system, row.value, row.low, row.high, row.n) for row in rows]
    return [*named, outcome.once("passages", system, health.passages or 0), outcome.once("sound", system, health.sound)]
