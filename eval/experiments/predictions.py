"""Questions through the assistant, one prediction a line, kept when interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from eval.datasets import records
from eval.datasets.demo import REFUSED_KINDS
from eval.datasets.records import Problem
from eval.metrics import answers as scores
from eval.reporting.compare import json_lines
from eval.reporting.outcome import SEED
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.interfaces.json import answer_data
from rag.language.identify import detect_language
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.schema import Answer, Article, Turn
from rag.settings import Settings

PREDICTIONS = "predictions.jsonl"
HITS_KEPT = 5
# What a crash of one question may be: errors that a user could meet, and slips of ours on odd input.
CRASHES = (DatelineError, ValueError, LookupError, TypeError, RuntimeError, AttributeError)


def answerable(meta: Mapping[str, Any]) -> bool | None:
    """Whether the archive answers a question, as far as its labels say; None when they do not."""
    if "kind" in meta:
        return meta["kind"] not in REFUSED_KINDS
    if "answerability" in meta:
        return {"ANSWERABLE": True, "PARTIAL": True, "UNANSWERABLE": False}.get(str(meta["answerability"]))
    if "answer_in_own_results" in meta:
        return bool(meta["answer_in_own_results"]) or None  # elsewhere in the pool it may still be answered
    return None


def prediction(
    key: str, question: str, answer: Answer | None, *, answers: Sequence[str] = (), options: Sequence[str] = (),
    articles: Sequence[str] = (), can_answer: bool | None = None, error: str = "", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """What was answered beside what was expected, as plain data; `right` is None where no label says."""
    found = {
        "id": key, "question": question, "answers": list(answers), "options": list(options),
        "articles": list(articles), "answerable": can_answer, "error": error, **more,
        "answer": answer_data(replace(answer, hits=answer.hits[:HITS_KEPT])) if answer else None,
    }  # fmt: skip
    labelled = bool(answers) or can_answer is False
    return found | {"right": scores.right(found) if labelled else None}


def ask(assistant: Assistant, question: str, history: Sequence[Turn] = ()) -> tuple[Answer | None, str]:
    """The answer, or None and what crashed."""
    try:
        return assistant.ask(question, history=history), ""
    except CRASHES as error:
        return None, f"{type(error).__name__}: {error}"


def journal(
    path: Path, key: str, items: Iterable[tuple[str, Callable[[], dict[str, Any]]]], moved: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Runs what the file does not have yet under this key, adding a line for each; all of it, in order of `items`."""
    lines = json_lines(path) if path.exists() else []
    same = bool(lines) and lines[0] == {"key": key}
    done = {str(row["id"]): row for row in lines[1:] if isinstance(row, dict)} if same else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    found = []
    with path.open("a" if same else "w", encoding="utf-8") as stream:
        stream.write("\n" if same else json.dumps({"key": key}) + "\n")  # an interrupt may have cut the last line
        for name, make in items:
            if name not in done:
                done[name] = make()
                stream.write(json.dumps(done[name], ensure_ascii=False) + "\n")
                stream.flush()
            found.append(done[name])
            moved(len(found))
    return found


def crashes(system: str, found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """System → question → error, of the questions that crashed; empty when none did."""
    errors = {str(one["id"]): str(one["error"]) for one in found if one["error"]}
    return {system: errors} if errors else {}


@contextmanager
def assistant_over(
    documents: Mapping[str, str], embedder: Embedder, llm: LLM | None, settings: Settings
) -> Iterator[Assistant]:
    """An assistant of a passing archive that holds these texts, each as an article of its own."""
    with TemporaryDirectory(prefix="dateline-eval-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder)})
        with closing(Archive(own)) as archive:
            ingest(
                [
                    Article(id=key, title="", text=text, language=detect_language(text), source=key)
                    for key, text in documents.items()
                    if text.strip()
                ],
                archive,
                embedder,
            )
            yield Assistant(archive, embedder, llm, own)


Row = dict[str, Any]
Measured = dict[str, dict[str, float]]  # measure → task → value


@dataclass(frozen=True, slots=True)
class Task:
    """One question of a protocol; `run` asks it and returns its prediction.

    Tasks of one `group` (a question under several conditions) are sampled together; "" stands for the id.
    """

    id: str
    run: Callable[[], Row]
    group: str = ""


def spread(keys: Sequence[str], every: int = 1, limit: int | None = None) -> list[str]:
    """A sample of 1 in `every` keys, at most `limit`, in their order: one drawn from each of as many equal stretches.

    The same in every run. Drawn, since every third attack, say, has the same place.
    """
    count = min(-(-len(keys) // max(every, 1)), limit or len(keys))
    if count >= len(keys):
        return list(keys)
    random, n = Random(SEED), len(keys)
    return [keys[random.randrange(i * n // count, (i + 1) * n // count)] for i in range(count)]


@dataclass(slots=True, kw_only=True)
class World:
    """What the protocols are run with. `archive` is opened by those that ask one archive again and again."""

    file: Path
    out: Path
    settings: Settings
    embedder: Embedder
    llm: LLM | None
    corpus: Path | None = None
    archive: Archive | None = None
    problems: list[Problem] = field(default_factory=list)  # what of the file cannot be used

    def opened(self) -> Archive:
        """The archive in `out`, the same at every call."""
        if self.archive is None:
            self.settings = self.settings.model_copy(update={"data_dir": self.out / "archive"})
            self.archive = Archive(self.settings)
        return self.archive

    def assistant(self) -> Assistant:
        """An assistant of that archive."""
        return Assistant(self.opened(), self.embedder, self.llm, self.settings)

    def close(self) -> None:
        """Lets go of the archive."""
        if self.archive is not None:
            self.archive.close()

    def ask_over(self, key: str, question: str, documents: Mapping[str, str], **labels: Any) -> Row:
        """Asks over these texts alone, as if they were the archive."""
        try:
            with assistant_over(documents, self.embedder, self.llm, self.settings) as assistant:
                answer, error = ask(assistant, question)
        except CRASHES as crash:
            answer, error = None, f"{type(crash).__name__}: {crash}"
        return prediction(key, question, answer, error=error, **labels)


def tasks_of_lines(world: World, build: Callable[[int, Row], Iterable[Task]]) -> list[Task]:
    """The tasks that `build` makes of each line of the set's file; a line that is none of this set is a problem."""
    found: list[Task] = []
    for number, row in records.rows(world.file, world.problems):
        try:
            found += build(number, row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"not a line of this set ({type(error).__name__} {error}); left out"
            world.problems.append(Problem(world.file.name, number, message))
    return found


def by_measure(rows: Iterable[tuple[str, str, float]]) -> Measured:
    """(measure, task, value) gathered by measure."""
    found: Measured = {}
    for measure, task, value in rows:
        found.setdefault(measure, {})[task] = value
    return found
