"""The files of an export: written with their digests, and read within bounds, since they come from anywhere."""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from rag.archive import private_files
from rag.archive.moving.manifest import Part, Sum, damaged, line_of

# Of a part, unpacked: it is stored in one transaction. A longer line makes a longer part.
PART_BYTES = 16_000_000
# Of gzip: on the demo archive, two to three times as fast as level 9; texts come out 9% larger, vectors 2%.
_LEVEL = 3
_READ_BYTES = 1 << 20


class _Hashed:
    """A file that counts and hashes what goes through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count, self.sha256 = 0, sha256()

    def write(self, content: bytes) -> int:
        self._seen(content)
        return self._file.write(content)

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._seen(content)
        return content

    def flush(self) -> None:
        self._file.flush()

    def _seen(self, content: bytes) -> None:
        self.count += len(content)
        self.sha256.update(content)


class Writer:
    """Writes the rows of one kind into as many parts as they need."""

    def __init__(self, folder: Path, content: str, part_bytes: int) -> None:
        self.parts: list[Part] = []
        self.sum = Sum()
        self._folder, self._content, self._part_bytes = folder, content, part_bytes

    def write(self, rows: Iterator[dict[str, Any]]) -> Iterator[Part]:
        """Writes all rows; each part, when it is complete and on the disk. Raises OSError."""
        row = next(rows, None)
        while row is not None:
            name = f"{self._content}-{len(self.parts) + 1:06}.jsonl.gz"
            path = self._folder / name
            private_files.make_file(path)
            before, unpacked = self.sum.rows, 0
            with path.open("wb") as file:
                hashed = _Hashed(file)
                # Neither a name nor a time in the file: the same rows make the same bytes.
                with gzip.GzipFile("", "wb", _LEVEL, hashed, mtime=0) as packed:
                    while row is not None and unpacked < self._part_bytes:
                        line = line_of(row)
                        packed.write(line)
                        self.sum.add(line)
                        unpacked += len(line)
                        row = next(rows, None)
                file.flush()
                os.fsync(file.fileno())
            part = Part(
                name=name, content=self._content, rows=self.sum.rows - before, bytes=hashed.count,
                unpacked_bytes=unpacked, sha256=hashed.sha256.hexdigest(),
            )  # fmt: skip
            self.parts.append(part)
            yield part


def check(folder: Path, part: Part) -> None:
    """Raises BadInput when the file of a part is missing or not what the manifest says. Reads all of it."""
    path = folder / part.name
    try:
        with _opened(path, part) as file:
            hashed = _Hashed(file)
            while hashed.count <= part.bytes and hashed.read(_READ_BYTES):
                pass
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error
    _compare(path, part, hashed)


def rows(folder: Path, part: Part) -> Iterator[object]:
    """The values of the lines of a part; at the end it is certain that they are what the manifest says.

    Raises BadInput, at the latest at the end.
    """
    path = folder / part.name
    try:
        with _opened(path, part) as file:
            hashed = _Hashed(file)
            left, count = part.unpacked_bytes, 0
            with gzip.GzipFile("", "rb", fileobj=hashed) as packed:
                while line := packed.readline(left + 1):
                    left, count = left - len(line), count + 1
                    if left < 0 or count > part.rows:
                        raise damaged(path, "it unpacks to more than the manifest says")
                    yield json.loads(line)
            while hashed.count <= part.bytes and hashed.read(_READ_BYTES):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, f"{getattr(error, 'strerror', None) or error}") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"line {count} is no JSON ({error})") from error
    _compare(path, part, hashed)
    if left or count != part.rows:
        raise damaged(path, f"it holds {count} rows, and the manifest says {part.rows}")


def _opened(path: Path, part: Part) -> IO[bytes]:
    """The file, if it is a regular one of the size that the manifest says: neither a link nor a pipe is followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb", buffering=0)
    seen = os.fstat(file.fileno())
    if not stat.S_ISREG(seen.st_mode) or seen.st_size != part.bytes:
        file.close()
        raise damaged(path, f"it is no file of {part.bytes:,} bytes, as the manifest says")
    return file


def _compare(path: Path, part: Part, hashed: _Hashed) -> None:
    found = hashed.sha256.hexdigest()
    if hashed.count != part.bytes or found != part.sha256:
        raise damaged(path, f"its SHA-256 is {found}, and the manifest says {part.sha256}")
