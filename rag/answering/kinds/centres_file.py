"""The centres of the kinds' examples on disk, so that a process that asks once need not embed all examples anew."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from rag.archive.private_files import make_folder
from rag.models.files import sha256_of

FOLDER = "kinds"


def read(cache: Path, key: str) -> np.ndarray | None:
    """The array stored under a key, float32; None where there is none, or the file is damaged or not one of ours."""
    with suppress(OSError, ValueError, EOFError):
        stored = _file(cache, key).read_bytes()
        seal, content = stored[:64], stored[64:]
        if seal == _seal(key, content):
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), dtype=np.float32)
    return None


def write(cache: Path, key: str, array: np.ndarray) -> None:
    """Stores an array under a key. Where the folder cannot be written, nothing is stored, and nothing is raised."""
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float32), allow_pickle=False)
    content = buffer.getvalue()
    file = _file(cache, key)
    with suppress(OSError):
        make_folder(file.parent)
        with NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}.", delete=False) as part:
            part.write(_seal(key, content) + content)
        try:
            os.replace(part.name, file)
        except OSError:
            Path(part.name).unlink(missing_ok=True)


def _file(cache: Path, key: str) -> Path:
    return cache.expanduser() / FOLDER / f"{sha256_of(key.encode())[:16]}.npy"


def _seal(key: str, content: bytes) -> bytes:
    """What shows that a file holds this content for this key: 64 hexadecimal digits in ASCII."""
    return sha256_of(key.encode() + b"\0" + content).encode()
