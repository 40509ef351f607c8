"""The demo archive and its questions: fictional news written for Dateline, labelled with the articles that answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from eval.datasets import beir
from eval.datasets.records import Problem
from rag.errors import SettingsError
from rag.schema import Turn

FOLDER = Path(__file__).parents[1] / "demo"
ARCHIVE = FOLDER / "archive"
UNANSWERABLE_KINDS = ("unanswerable", "false-premise")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuestion:
    """A question with its labels. `articles` is empty where the archive does not answer."""

    id: str
    text: str
    kind: str
    articles: frozenset[str]
    answers: tuple[str, ...]
    sentences: tuple[str, ...]
    history: tuple[Turn, ...]

    @property
    def answerable(self) -> bool:
        """Whether the archive holds the answer."""
        return self.kind not in UNANSWERABLE_KINDS


def load(folder: Path = FOLDER) -> list[DemoQuestion]:
    """The questions in file order. Raises SettingsError when a line of questions or labels is malformed."""
    problems: list[Problem] = []
    ambiguous: set[str] = set()
    queries = beir.read_queries(folder / "queries_test.jsonl", problems, ambiguous)
    # The corpus is files of many kinds, so the ids in the labels are checked by a test, after ingest.
    relevant, _ = beir.read_qrels(folder / "qrels_test.tsv", None, queries, problems)
    if problems:
        raise SettingsError(f"The demo questions in {folder} are damaged. {problems[0]}. Restore the files.")
    return [
        DemoQuestion(
            id=query.id,
            text=query.text,
            kind=query.meta["kind"],
            articles=frozenset(relevant.get(query.id, ())),
            answers=query.answers,
            sentences=tuple(query.meta["sentences"]),
            history=query.history,
        )
        for query in queries.values()
    ]


EDITOR_FILE = "editor_test.jsonl"
# Labels of other experiments on the archive: they change no figure of this set.
_OTHERS = {"stories.jsonl", EDITOR_FILE}


def digest(folder: Path = FOLDER) -> str:
    """16 hex digits over the names and contents of archive, questions and labels."""
    return digest_of(folder, [p for p in folder.rglob("*") if p.is_file() and p.name not in _OTHERS])


def digest_of(folder: Path, files: Iterable[Path]) -> str:
    """16 hex digits over contents and names, relative to the folder, of these files; hidden files do not count."""
    whole = sha256()
    for path in sorted(path for path in files if not path.name.startswith(".")):
        whole.update(path.relative_to(folder).as_posix().encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
