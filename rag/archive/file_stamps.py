"""A record of the state of the index files when they were closed. If it matches at the next start, they are unchanged.

Chroma reads its graph without validation: a truncated or modified file crashes the process with SIGSEGV.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rag.archive import private_files

_NAME = "indexes.closed"


def of(folder: Path) -> list[list[object]]:
    """Path, size in bytes and modification time (ns) of every file below a folder except locks. Reads no content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return [[path.relative_to(folder).as_posix(), (seen := path.stat()).st_size, seen.st_mtime_ns] for path in files]


def read(archive: Path) -> dict[str, object]:
    """The state recorded at the last close; empty after a crash or without a valid record."""
    try:
        noted = json.loads((archive / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def write(archive: Path, noted: dict[str, object]) -> None:
    """Records the state atomically. Raises OSError."""
    new = archive / f"{_NAME}.new"
    private_files.make_file(new)
    new.write_text(json.dumps(noted), encoding="utf-8")
    os.replace(new, archive / _NAME)


def remove(archive: Path) -> None:
    """Deletes the record, before the files may change. Raises OSError."""
    (archive / _NAME).unlink(missing_ok=True)
