"""The demo archive and its questions: fictional news written for Dateline, with labels on article ids."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rag.schema import Turn

FOLDER = Path(__file__).parents[1] / "demo"
ARCHIVE = FOLDER / "archive"
REFUSED_KINDS = ("unanswerable", "false-premise")

# Shown on the page of the demo archive; all are in the gold set.
EXAMPLES_KEY = "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with its gold labels. `articles` is empty where the archive does not answer."""

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
        return self.kind not in REFUSED_KINDS


def load(folder: Path = FOLDER, split: str = "test") -> list[Question]:
    """The questions of a data set in BEIR layout with our `meta`, in file order."""
    relevant: dict[str, set[str]] = {}
    for line in (folder / f"qrels_{split}.tsv").read_text(encoding="utf-8").strip().split("\n")[1:]:
        query, article, score = line.split("\t")
        if int(score) > 0:
            relevant.setdefault(query, set()).add(article)
    questions = []
    for line in (folder / f"queries_{split}.jsonl").read_text(encoding="utf-8").strip().split("\n"):
        row = json.loads(line)
        meta = row["meta"]
        questions.append(
            Question(
                id=row["_id"],
                text=row["text"],
                kind=meta["kind"],
                articles=frozenset(relevant.get(row["_id"], set())),
                answers=tuple(meta["answers"]),
                sentences=tuple(meta["sentences"]),
                history=tuple(Turn(question=q, answer=a) for q, a in meta["history"]),
            )
        )
    return questions


def digest(folder: Path = FOLDER) -> str:
    """A fingerprint of archive, questions and labels."""
    whole = sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        whole.update(path.relative_to(folder).as_posix().encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
