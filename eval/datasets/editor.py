"""The editor's questions: asked of the demo archive as in a newsroom, each with the facts that its answer must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from eval.datasets import demo as demo_set
from rag.errors import SettingsError
from rag.schema import Turn

FILE = demo_set.FOLDER / demo_set.EDITOR_FILE
# What a right answer does: give the facts; decline; or, to a question that assumes what is wrong, decline or put it
# right with the facts.
Expected = Literal["answer", "refusal", "correction"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Wordings of which one must be in the answer. `derived`: it follows from the archive, which does not print it."""

    wordings: tuple[str, ...]
    derived: bool = False


@dataclass(frozen=True, slots=True)
class FalseStatement:
    """Wordings that make an answer false, unless the answer also has one of `unless`, which puts them in their place.

    The first toll misleads where it stands alone, and informs beside the final one.
    """

    says: tuple[str, ...]
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorQuestion:
    """A question with its labels, asked on the day `today`.

    `articles` is empty where the answer is in no article: for refusals and for questions about the archive itself.
    """

    id: str
    text: str
    kind: str
    language: str
    today: date
    history: tuple[Turn, ...]
    expects: Expected
    articles: frozenset[str]
    facts: tuple[Fact, ...]
    false: tuple[FalseStatement, ...]


def load(file: Path = FILE) -> list[EditorQuestion]:
    """The questions in file order. Raises SettingsError, with the number of the line, when one is malformed."""
    found: dict[str, EditorQuestion] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            question = _question(json.loads(line))
            if question.id in found:
                raise ValueError(f"the id '{question.id}' is taken")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{file}:{number} is malformed: {type(error).__name__} {error}. Restore the file."
            raise SettingsError(message) from None
        found[question.id] = question
    return list(found.values())


def digest(folder: Path = demo_set.FOLDER) -> str:
    """16 hex digits over the names and contents of the archive and of these questions with their labels."""
    archive = [path for path in (folder / demo_set.ARCHIVE.name).rglob("*") if path.is_file()]
    return demo_set.digest_of(folder, [*archive, folder / demo_set.EDITOR_FILE])


def _question(line: Mapping[str, Any]) -> EditorQuestion:
    expects, facts = line.get("expects", "answer"), tuple(_fact(one) for one in line.get("facts", ()))
    if expects not in get_args(Expected):
        raise ValueError(f"expects is '{expects}'")
    if bool(facts) == (expects == "refusal"):
        raise ValueError("a refusal has no facts, all else has some")
    return EditorQuestion(
        id=line["id"],
        text=line["text"],
        kind=line["kind"],
        language=line.get("language", "en"),
        today=date.fromisoformat(line["today"]),
        history=tuple(Turn(question=question, answer=answer) for question, answer in line.get("history", ())),
        expects=expects,
        articles=frozenset(line.get("articles", ())),
        facts=facts,
        false=tuple(FalseStatement(_wordings(one["says"]), tuple(one["unless"])) for one in line.get("false", ())),
    )


def _fact(one: Any) -> Fact:
    """A list of wordings, or {"any": wordings, "derived": true}."""
    if isinstance(one, Mapping):
        return Fact(_wordings(one["any"]), derived=bool(one["derived"]))
    return Fact(_wordings(one))


def _wordings(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one.strip() for one in found):
        raise ValueError(f"{found!r} is not a list of wordings")
    return tuple(found)
