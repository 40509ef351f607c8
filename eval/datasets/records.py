"""Reading and checking the lines of data files: JSON objects with ids, relevance judgements, and a digest."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line of a file (line 0: with the whole file), and what was done about it."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


def first_problem(problems: Sequence[Problem]) -> str:
    """The first problem as a sentence for an error message."""
    return f"First problem: {problems[0]}" if problems else "It is empty."


def digest(files: Sequence[Path]) -> str:
    """16 hex digits over names and decompressed bytes of these files; a missing file counts as empty."""
    whole = sha256()
    for path in files:
        whole.update(path.name.removesuffix(".gz").encode() + b"\0")
        if path.is_file():
            for line in _lines(path, []):
                whole.update(line[1])
    return whole.hexdigest()[:16]


def _lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line; a truncated gzip file gives the lines that can be decompressed, and a problem."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"the gzip file is cut short or damaged ({error}); read up to here"
        problems.append(Problem(path.name, number, message))


def objects(path: Path, problems: list[Problem], ambiguous: set[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Line, id and object of each line of a JSON Lines file that is one with a new, non-empty `_id`.

    `ambiguous` gathers ids that occur again with another text, whose labels could mean either.
    """
    texts: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, row in rows(path, problems):
        if not str(row.get("_id") or "") or not isinstance(row.get("text"), str):
            problems.append(Problem(path.name, number, "expected an object with _id and text; left out"))
        elif str(row["_id"]) in seen:
            first = seen[str(row["_id"])]
            problems.append(Problem(path.name, number, f"the id '{row['_id']}' is also on line {first}; left out"))
            ambiguous |= {str(row["_id"])} if texts[str(row["_id"])] != row["text"] else set()
        else:
            seen[str(row["_id"])], texts[str(row["_id"])] = number, row["text"]
            yield number, str(row["_id"]), row


def rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line that holds a JSON object; other lines become problems."""
    for number, line in _lines(path, problems):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(path.name, number, f"not JSON ({error}); left out"))
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(Problem(path.name, number, "expected an object; left out"))


def judgements(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str, str, int]]:
    """Line number, query, article and grade, from three columns or TREC's four (query, iteration, article, grade)."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for number, row in enumerate(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if not row or (number == 1 and not _is_grade(row[-1])):
                continue
            if len(row) not in (3, 4) or not _is_grade(row[-1]):
                expected = "query-id, corpus-id and a whole number, separated by tabs"
                problems.append(Problem(path.name, number, f"expected {expected}; found {len(row)} columns; left out"))
                continue
            yield number, row[0], row[-2], int(row[-1])


def _is_grade(text: str) -> bool:
    return text.strip().lstrip("-").isdigit()
