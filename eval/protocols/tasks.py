"""What all protocols share: the inputs of a run, its tasks, and an archive of the passages of one question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eval.datasets import records
from eval.datasets.records import Problem
from eval.experiments.predictions import CRASHES, ask, prediction
from eval.metrics.answers import Prediction
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.language.identify import detect_language
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.schema import Answer, Article, Coverage
from rag.settings import Settings

ByMeasure = dict[str, dict[str, float]]  # measure → task → value


@dataclass(frozen=True, slots=True)
class Task:
    """One question of a protocol; `run` asks it and returns its prediction.

    Tasks of one `group` (a question under several conditions) are sampled together; "" stands for a group of one.
    """

    id: str
    run: Callable[[], Prediction]
    group: str = ""


@dataclass(slots=True, kw_only=True)
class Setup:
    """The inputs of a run. `archive` is opened by the protocols that ask the same archive again and again."""

    file: Path
    out: Path
    settings: Settings
    embedder: Embedder
    llm: LLM | None
    corpus: Path | None = None
    archive: Archive | None = None
    problems: list[Problem] = field(default_factory=list)  # lines of the file that cannot be used

    def opened(self) -> Archive:
        """The archive in `out`, the same at every call."""
        if self.archive is None:
            self.settings = self.settings.model_copy(update={"data_dir": self.out / "archive", "catalog": ""})
            self.archive = Archive(self.settings)
        return self.archive

    def assistant(self) -> Assistant:
        """An assistant of that archive."""
        return Assistant(self.opened(), self.embedder, self.llm, self.settings)

    def close(self) -> None:
        """Closes the archive, if it was opened."""
        if self.archive is not None:
            self.archive.close()

    def ask_over(self, key: str, question: str, documents: Mapping[str, str], **labels: Any) -> Prediction:
        """Asks over these texts (id → text) as if they were the whole archive.

        Where none of them holds a passage there is nothing to ask, as every face says: that is a refusal.
        """
        try:
            with assistant_over(documents, self.embedder, self.llm, self.settings) as assistant:
                if assistant.archive.catalog.count_passages():
                    answer, error = ask(assistant, question)
                else:
                    answer, error = declined(question, assistant.model), ""
        except CRASHES as crash:
            answer, error = None, f"{type(crash).__name__}: {crash}"
        return prediction(key, question, answer, error=error, **labels)


def declined(question: str, model: str) -> Answer:
    """The refusal of a question to an archive without a passage."""
    refusal = "The archive holds no passage."
    return Answer(
        question=question, answered=False, model=model, coverage=Coverage(articles=0), refusal=refusal, final=True
    )


@contextmanager
def assistant_over(
    documents: Mapping[str, str], embedder: Embedder, llm: LLM | None, settings: Settings
) -> Iterator[Assistant]:
    """An assistant of a temporary archive that holds each of these texts (id → text) as an article."""
    with TemporaryDirectory(prefix="dateline-eval-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "catalog": ""})
        articles = [
            Article(id=key, title="", text=text, language=detect_language(text), source=key)
            for key, text in documents.items()
            if text.strip()
        ]
        with closing(Archive(own)) as archive:
            ingest(articles, archive, embedder)
            yield Assistant(archive, embedder, llm, own)


def tasks_of_lines(setup: Setup, build: Callable[[int, dict[str, Any]], Iterable[Task]]) -> list[Task]:
    """The tasks that `build` makes from each line of the file; a line of another form is noted as a problem."""
    found: list[Task] = []
    for number, row in records.rows(setup.file, setup.problems):
        try:
            found += build(number, row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"not a line of this set ({type(error).__name__} {error}); left out"
            setup.problems.append(Problem(setup.file.name, number, message))
    return found


def by_measure(rows: Iterable[tuple[str, str, float]]) -> ByMeasure:
    """(measure, task, value) gathered by measure."""
    found: ByMeasure = {}
    for measure, task, value in rows:
        found.setdefault(measure, {})[task] = value
    return found
