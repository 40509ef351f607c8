"""A file that gets one line for each finished item, so that an interrupted run continues where it stopped.

The first line is `{"key": …}`, which names the data, code and settings of the run; each further line is an entry with
an `id`. A file with another key is started afresh.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from eval.reporting.progress import Progress, silent

Entry = Mapping[str, Any]
PREDICTIONS = "predictions.jsonl"  # the journal of a run that asks questions


class Journal:
    """The entries of a file that is open for appending: those of earlier runs with the same key, and new ones."""

    def __init__(self, stream: TextIO, entries: dict[str, Entry]) -> None:
        self.entries = entries  # id → entry
        self._stream = stream

    def add(self, entry: Entry) -> None:
        """Appends an entry; it is in the file when this returns."""
        self.entries[str(entry["id"])] = entry
        self._stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._stream.flush()


@contextmanager
def opened(path: Path, key: str) -> Iterator[Journal]:
    """The journal of this file. Its entries are kept when its key is the same, discarded when it is not."""
    lines = read(path) if path.exists() else []
    same = bool(lines) and lines[0] == {"key": key}
    entries: dict[str, Entry] = (
        {str(entry["id"]): entry for entry in lines[1:] if isinstance(entry, dict)} if same else {}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if same else "w", encoding="utf-8") as stream:
        # An interrupt may have cut the last line: a line end keeps the next entry apart from it.
        stream.write("\n" if same else json.dumps({"key": key}) + "\n")
        yield Journal(stream, entries)


def resume(
    path: Path, key: str, items: Iterable[tuple[str, Callable[[], Entry]]], *, name: str = "",
    progress: Progress = silent,
) -> list[Entry]:  # fmt: skip
    """The entries of all items (id, function that makes the entry) in their order; makes those that are missing."""
    todo, found = list(items), []
    with opened(path, key) as journal:
        for item, make in todo:
            if item not in journal.entries:
                journal.add(make())
            found.append(journal.entries[item])
            progress(name, len(found), len(todo))
    return found


def read(path: Path) -> list[Any]:
    """The values of a JSON Lines file. Lines that are not JSON, such as one cut by an interrupt, are left out."""
    values = []
    # str.splitlines would also split at U+2028 and the like, which may stand unescaped within a JSON string.
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            values.append(json.loads(line))
        except ValueError:
            continue
    return values
