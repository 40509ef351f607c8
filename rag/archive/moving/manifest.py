"""The manifest of an export: its format, how many rows of each kind it holds, and its files with their digests."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from rag.archive import private_files
from rag.archive.moving.contents import BY_NAME, CONTENTS
from rag.errors import ArchiveMismatch, BadInput, StorageError

NAME = "manifest.json"
FORMAT, FORMAT_VERSION = "dateline-export", 1
MOST_PART_BYTES = 1 << 29  # of a part, as it is stored and unpacked
_MOST_BYTES = 1 << 26  # of a manifest: 250,000 parts, 4 TB
_PART_NAME = re.compile(r"([a-z_]{1,40})-[0-9]{6}\.jsonl\.gz")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of an export: gzip of JSON Lines in UTF-8. `sha256` is that of the file as it is stored."""

    name: str
    content: str
    rows: int
    bytes: int
    unpacked_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many rows of a kind an export holds, and a digest of them that does not depend on their order: the sum,
    modulo 2^256, of the SHA-256 of each line with its newline."""

    rows: int
    digest: str


@dataclass(slots=True)
class Sum:
    """Adds up the `Total` of rows."""

    rows: int = 0
    value: int = field(default=0)

    def add(self, line: bytes) -> None:
        """Adds a line, with its newline."""
        self.rows += 1
        self.value = (self.value + int.from_bytes(sha256(line).digest(), "big")) % (1 << 256)

    @property
    def total(self) -> Total:
        """The total of all lines so far."""
        return Total(rows=self.rows, digest=f"{self.value:064x}")


def line_of(row: dict[str, Any]) -> bytes:
    """A row as a line of a part, with its newline."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export says of itself. `embedder` is the model of its vectors, "" where it holds no article."""

    embedder: str
    made_at: str
    articles: int
    contents: dict[str, Total]
    parts: tuple[Part, ...]

    def write(self, folder: Path) -> None:
        """Writes it into the folder, whole or not at all. Raises OSError."""
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        new = folder / f"{NAME}.new"
        private_files.make_file(new)
        with new.open("w", encoding="utf-8") as file:
            json.dump(head | asdict(self), file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, folder / NAME)
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut, where the system can. Raises OSError."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_part_name(name: str) -> bool:
    """Whether a file of this name may belong to an export; such a name leads nowhere else."""
    match = _PART_NAME.fullmatch(name)
    return match is not None and match[1] in BY_NAME


def read(folder: Path) -> tuple[Manifest, str]:
    """The manifest in a folder and its SHA-256. Raises BadInput, ArchiveMismatch, StorageError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(
            "export",
            f"{folder} is no finished export: it has no {NAME}, which is written last. "
            "Name the folder that dateline export has written, or export again.",
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error
    if len(content) > _MOST_BYTES:
        raise damaged(path, f"it is larger than {_MOST_BYTES:,} bytes")
    try:
        data = json.loads(content)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f'it does not say "format": "{FORMAT}"')
        version = data.get("format_version")
        if version != FORMAT_VERSION:
            raise ArchiveMismatch(
                f"The export {folder} has format {version!r}; this program reads format {FORMAT_VERSION}. "
                "Import it with the version of Dateline that made it, or a later one (pip install -U dateline)."
            )
        return _parsed(data), sha256(content).hexdigest()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(path, f"{error}" or type(error).__name__) from error


def damaged(path: Path, why: str) -> BadInput:
    """The error for a file of an export that cannot be used; `why` completes the sentence."""
    return BadInput(
        "export", f"{path} cannot be used: {why}. Copy this file again from where the export was made, or export again."
    )


def _parsed(data: dict[str, Any]) -> Manifest:
    contents = {
        _string(name): Total(rows=_count(one["rows"]), digest=_sha256(one["digest"]))
        for name, one in data["contents"].items()
    }
    if contents.keys() != BY_NAME.keys():
        raise ValueError(f"expected the contents {', '.join(BY_NAME)}")
    manifest = Manifest(
        embedder=_string(data["embedder"]),
        made_at=_string(data["made_at"]),
        articles=_count(data["articles"]),
        contents=contents,
        parts=tuple(_part(one) for one in data["parts"]),
    )
    _check_parts(manifest.parts, contents)
    return manifest


def _check_parts(parts: Iterable[Part], contents: dict[str, Total]) -> None:
    names, rows, last = set(), dict.fromkeys(contents, 0), 0
    order = [content.name for content in CONTENTS]
    for part in parts:
        if part.name in names:
            raise ValueError(f"it names {part.name} twice")
        place = order.index(part.content)
        if place < last:
            raise ValueError(f"{part.name} is out of order")
        names.add(part.name)
        rows[part.content] += part.rows
        last = place
    for name, total in contents.items():
        if rows[name] != total.rows:
            raise ValueError(f"its parts hold {rows[name]} rows of {name}, and it says {total.rows}")


def _part(one: dict[str, Any]) -> Part:
    part = Part(
        name=_string(one["name"]),
        content=_string(one["content"]),
        rows=_count(one["rows"]),
        bytes=_count(one["bytes"]),
        unpacked_bytes=_count(one["unpacked_bytes"]),
        sha256=_sha256(one["sha256"]),
    )
    if not is_part_name(part.name) or not part.name.startswith(f"{part.content}-"):
        raise ValueError(f"{part.name[:100]!r} is no name of a part of {part.content[:100]!r}")
    if max(part.bytes, part.unpacked_bytes) > MOST_PART_BYTES:
        raise ValueError(f"{part.name} is larger than {MOST_PART_BYTES:,} bytes")
    return part


def _string(value: object) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError(f"{str(value)[:100]!r} is no short text")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 50:
        raise ValueError(f"{str(value)[:100]!r} is no count")
    return value


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(f"{str(value)[:100]!r} is no SHA-256 in hexadecimal digits")
    return value
