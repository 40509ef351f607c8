"""ZIP archives and gzip streams, read without unpacking to disk and bounded in what they may unpack to."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from ingest.readers.items import Place, ReadOptions, Rejected, rejected, shortened
from rag.errors import BadInput
from rag.schema import Article

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A gzip file of records may unpack to this many times its size; news text compresses 3 to 10 times.
_GZIP_RATIO = 200
# A ZIP archive may unpack to this many times `max_bytes`, and hold this many entries.
_ARCHIVE_BYTES = 20
_ARCHIVE_ENTRIES = 100_000

# Reads one opened file.
ReadStream = Callable[[IO[bytes], Place, ReadOptions], Iterator[Article | Rejected]]


def read_zip(path: Path, options: ReadOptions, read_stream: ReadStream) -> Iterator[Article | Rejected]:
    """The articles of an archive's members, each read by `read_stream`; nothing is unpacked to disk.

    Raises BadInput where the archive is damaged or unpacks to too much.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as exc:
        raise BadInput("malformed", "it is not a ZIP archive, or a damaged one; create it again") from exc
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        limit = _ARCHIVE_BYTES * options.max_bytes
        if len(members) > _ARCHIVE_ENTRIES or sum(m.file_size for m in members) > limit:
            raise BadInput(
                "unsafe archive", f"it unpacks to more than {limit:,} bytes or {_ARCHIVE_ENTRIES:,} files; split it"
            )
        for member in members:
            source = f"{path}!{shortened(member.filename, 500)}"
            if not options.wanted(source):
                continue
            try:
                yield from _read_member(archive, member, source, options, read_stream)
            except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError) as exc:
                yield rejected(
                    source, BadInput("malformed", f"it cannot be unpacked ({exc}); create the archive again")
                )
            except Exception as exc:
                yield rejected(source, exc)


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str, options: ReadOptions, read_stream: ReadStream
) -> Iterator[Article | Rejected]:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member.filename):
        raise BadInput("unsafe archive", "its name leads out of the archive; expected a relative path without '..'")
    if any(part.startswith((".", "__MACOSX")) for part in name.parts):
        return
    if member.flag_bits & 1:
        raise BadInput("password-protected", "it is encrypted; pack it without a password")
    if name.suffix.lower() == ".zip":
        raise BadInput("unsafe archive", "an archive inside an archive is not opened; unpack it first")
    with archive.open(member) as stream:
        yield from read_stream(stream, Place(name.name, source, member.file_size), options)


def unpacked(stream: IO[bytes], place: Place, limit: int, *, records: bool) -> IO[bytes]:
    """The contents of a gzip stream. A small file can unpack to terabytes: reading past the limit raises BadInput.

    The limit is `limit` bytes, for a file of `records` more where its size on disk allows it.
    """
    most = max(limit, _GZIP_RATIO * place.packed_bytes if records else 0)
    return cast(IO[bytes], io.BufferedReader(_LimitedStream(gzip.GzipFile(fileobj=stream), most)))


class _LimitedStream(io.RawIOBase):
    """A stream that raises BadInput when more than `limit` bytes are read."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise BadInput(
                "too large", f"it unpacks to more than {self._limit:,} bytes; unpack and split it, or raise max_bytes"
            )
        view[: len(data)] = data
        return len(data)
