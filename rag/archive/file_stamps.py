"""A note of what the files of the indexes were when they were closed: equal at the next start, nothing touched them.

Chroma reads its graph without looking: a file that was cut off or has other bytes ends the process by SIGSEGV.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rag.archive import private_files

_NAME = "indexes.closed"


def of(folder: Path) -> list[list[object]]:
    """Name, size in bytes and time of change of every file beneath a folder; locks left out. Reads no content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return [[path.relative_to(folder).as_posix(), (seen := path.stat()).st_size, seen.st_mtime_ns] for path in files]


def read(archive: Path) -> dict[str, object]:
    """What was noted at the last close; empty after a crash, and where there is no such note."""
    try:
        noted = json.loads((archive / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def write(archive: Path, noted: dict[str, object]) -> None:
    """Notes it, whole or not at all. Raises OSError."""
    new = archive / f"{_NAME}.new"
    private_files.make_file(new)
    new.write_text(json.dumps(noted), encoding="utf-8")
    os.replace(new, archive / _NAME)


def remove(archive: Path) -> None:
    """From here on the files may change. Raises OSError."""
    (archive / _NAME).unlink(missing_ok=True)
