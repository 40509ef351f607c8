"""The name of a folder of derived indexes.

A catalogue that several folders share knows by it how far the indexes of each are.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from rag.errors import StorageError

_FILE = "indexes.id"


def of(folder: Path) -> str:
    """The name of this folder: 32 hexadecimal digits in a file in it, made when it is first asked for.

    A copy of a folder must not keep the file, or both would count as one. Raises StorageError.
    """
    path = folder / _FILE
    try:
        with suppress(FileExistsError):
            _written_at_once(path, uuid.uuid4().hex)
        return path.read_text().strip()
    except OSError as error:
        raise StorageError(
            f"The archive folder {folder} cannot be written: {error.strerror or error}. Check free space and write "
            "permission, or name another folder with --data-dir."
        ) from error


def _written_at_once(path: Path, text: str) -> None:
    """Makes the file with its content, so that no other process reads half of it. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError
    draft = path.with_name(f"{path.name}.{text}")
    try:
        draft.write_text(text)
        path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
