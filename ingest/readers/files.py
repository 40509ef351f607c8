"""Files and folders become articles, one at a time; what cannot become one is a `Rejected`, never an exception."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from ingest.readers.archives import read_zip, unpacked
from ingest.readers.articles import make_article
from ingest.readers.encoding import decode, decoded_lines
from ingest.readers.items import Place, ReadOptions, Rejected, rejected
from ingest.readers.pages.page import page_fields
from ingest.readers.pdf import pdf_fields
from ingest.readers.records import csv_rows, json_lines, json_text
from ingest.readers.text_files import text_file_fields
from ingest.readers.word import docx_fields
from rag.errors import BadInput
from rag.schema import Article

__all__ = ["FORMATS", "ReadOptions", "Rejected", "discover", "read", "read_bytes"]

FORMATS = ".txt .md .html .htm .xhtml .json .jsonl .ndjson .csv .tsv .pdf .docx, .gz of the text ones, .zip"
_FORMAT_OF = {".txt": "text", ".text": "text", "": "text", ".md": "markdown", ".markdown": "markdown", ".html": "page",
          ".htm": "page", ".xhtml": "page", ".json": "json", ".pdf": "pdf", ".docx": "docx"}  # fmt: skip
_STREAMED = {".jsonl", ".ndjson", ".csv", ".tsv"}  # read record by record, never whole
# Files that lie beside saved pages and in project folders, and never hold an article.
_OTHER_SUFFIXES = (
    ".js .mjs .css .map .py .ts .sh .xml .rss .atom .svg .yaml .yml .toml .ini .cfg .log .sql .png .jpg .jpeg "
    ".gif .webp .ico .avif .mp3 .mp4 .mov .wav .woff .woff2 .ttf .exe .dll .so .doc .rtf .odt .xls .xlsx .ppt "
    ".pptx .epub .tar .tgz .7z .rar .bz2 .xz .zst .db .sqlite .parquet .pickle .pkl .npy .warc"
)
_OTHER = frozenset(_OTHER_SUFFIXES.split())


def discover(paths: Iterable[Path]) -> list[Path]:
    """The absolute paths of these files and of all files in these folders, sorted, each once.

    Hidden files and folders inside a folder are left out. A path that does not exist is kept: `read` rejects it.
    """
    found: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            found.add(path.absolute())
            continue
        for folder, folders, names in os.walk(path.absolute()):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found.update(Path(folder, name) for name in names if not name.startswith("."))
    return sorted(found)


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[Article | Rejected]:
    """Yields every article of these files and folders in order, with one file in memory at a time.

    What cannot be read is yielded as `Rejected` in its place, and reading continues.
    """
    for path in discover(paths):
        try:
            if not path.is_file():
                raise BadInput(
                    "unreadable", "there is no such file" if not path.exists() else "it is not a regular file"
                )
            if path.suffix.lower() == ".zip":
                yield from read_zip(path, options, _read_stream)
                continue
            with path.open("rb") as stream:
                yield from _read_stream(stream, Place(path.name, str(path), path.stat().st_size), options)
        except Exception as exc:
            yield rejected(str(path), exc)


def read_bytes(data: bytes, name: str, options: ReadOptions, source: str = "") -> Iterator[Article | Rejected]:
    """Yields the articles in `data`, read like a file called `name`.

    `source` is what the articles and rejections give as their source: an address where `data` was downloaded.
    """
    place = Place(name, source or name, len(data))
    try:
        yield from _read_stream(io.BytesIO(data), place, options)
    except Exception as exc:
        yield rejected(place.source, exc)


def _read_stream(stream: IO[bytes], place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    try:
        if place.suffix == ".gz":
            place = replace(place, name=place.name[:-3])
            stream = unpacked(stream, place, options.max_bytes, records=place.suffix in _STREAMED)
        yield from _read_unpacked(stream, place, options)
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        yield rejected(
            place.source, BadInput("malformed", f"the gzip data are damaged ({exc}); what came before was read")
        )
    except Exception as exc:
        yield rejected(place.source, exc)


def _read_unpacked(stream: IO[bytes], place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    if place.suffix in _OTHER or place.suffix in {".zip", ".gz"}:
        raise BadInput("unsupported", f"'{place.suffix}' files are not read; expected {FORMATS}")
    if place.suffix in _STREAMED:
        lines = decoded_lines(stream, options.max_bytes)
        records = json_lines if place.suffix in {".jsonl", ".ndjson"} else csv_rows
        yield from records(lines, place, options)
        return
    data = stream.read(options.max_bytes + 1)
    if len(data) > options.max_bytes:
        raise BadInput(
            "too large", f"it is larger than {options.max_bytes:,} bytes; split it, use JSONL, or raise max_bytes"
        )
    if not data.strip():
        raise BadInput("empty", "the file is empty; expected the text of an article")
    yield from _read_data(data, place, options)


def _read_data(data: bytes, place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of one file that is whole in memory."""
    kind = "pdf" if data.startswith(b"%PDF-") else _FORMAT_OF.get(place.suffix, "")
    if kind == "pdf":
        yield make_article(pdf_fields(data, options.max_bytes), place, options)
    elif kind == "docx":
        yield make_article(docx_fields(data, options.max_bytes), place, options)
    else:
        text = _decoded(data, place)
        kind = _sniffed(text, kind)
        if kind == "json":
            yield from json_text(text, place, options)
        elif kind == "page":
            address = place.source if place.source.startswith(("http://", "https://")) else ""
            yield make_article(page_fields(text, address), place, options)
        else:
            yield make_article(text_file_fields(text, options, markdown=kind == "markdown"), place, options)


def _sniffed(text: str, kind: str) -> str:
    """The format of a text: that of its suffix, unless its beginning is plainly HTML or, without a suffix, JSON."""
    start = text[:500].lstrip("\ufeff \t\r\n").lower()
    if kind in {"", "text", "json"} and re.match(
        r"<(!doctype html|html|head|body)\b|<\?xml[^>]*>\s*<(!doctype html|html|rss|feed)\b", start
    ):
        return "page"
    return "json" if kind == "" and start.startswith(("{", "[")) else kind


def _decoded(data: bytes, place: Place) -> str:
    try:
        return decode(data)
    except BadInput as exc:
        if place.suffix in _FORMAT_OF:
            raise
        raise BadInput("unsupported", f"'{place.suffix}' is not a text that can be read; expected {FORMATS}") from exc
