"""Files and folders become articles, one at a time; what cannot become one is a `Rejected`, never an exception."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from ingest.cleaning.text import clean, uncitable_spans, unwrap
from ingest.metadata.fields import (
    NAMES,
    Fields,
    article_id,
    bounded,
    dateline_fields,
    has_text_name,
    is_article_type,
    language_code,
    one_line,
    record_fields,
    records_in,
    text_fields,
    unescaped,
)
from ingest.readers.documents import docx_fields, fragment_text, page_fields, pdf_fields
from ingest.readers.markdown import from_markdown
from rag.errors import BadInput, SettingsError
from rag.language.identify import detect_language
from rag.schema import Article

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FORMATS = ".txt .md .html .htm .xhtml .json .jsonl .ndjson .csv .tsv .pdf .docx, .gz of the text ones, .zip"
_PLAIN = {".txt": "text", ".text": "text", "": "text", ".md": "markdown", ".markdown": "markdown", ".html": "page",
          ".htm": "page", ".xhtml": "page", ".json": "json", ".pdf": "pdf", ".docx": "docx"}  # fmt: skip
_STREAMED = {".jsonl", ".ndjson", ".csv", ".tsv"}
# Decodable, but never an article: what lies beside saved pages and in project folders.
_OTHER_SUFFIXES = (
    ".js .mjs .css .map .py .ts .sh .xml .rss .atom .svg .yaml .yml .toml .ini .cfg .log .sql .png .jpg .jpeg "
    ".gif .webp .ico .avif .mp3 .mp4 .mov .wav .woff .woff2 .ttf .exe .dll .so .doc .rtf .odt .xls .xlsx .ppt "
    ".pptx .epub .tar .tgz .7z .rar .bz2 .xz .zst .db .sqlite .parquet .pickle .pkl .npy .warc"
)
_OTHER = frozenset(_OTHER_SUFFIXES.split())
# A compressed stream may unpack to this many times its size (news text packs about 3 to 10 times), an archive to
# this many times `max_bytes`, with this many entries.
_PACKED_RATIO = 200
_ARCHIVE_BYTES = 20
_ARCHIVE_ENTRIES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read: bounds, the user's own names, and what to assume where a source is silent.

    `max_bytes` bounds one article's file, or one record of JSONL and CSV. `mapping` gives our field names
    (id, url, title, outlet, byline, published, modified, language, genre, text) the names in the user's
    JSON or CSV, dotted for nested ones: {"text": "doc.body"}. `min_chars` counts title and text together;
    15 keeps the shortest claim of clef2020_claims (17). `wanted` is asked before an archive member or a record is
    read, with its source; False leaves it out.
    """

    max_bytes: int = 50_000_000
    mapping: Mapping[str, str] = field(default_factory=dict)
    published: datetime | None = None
    outlet: str = ""
    language: str = ""
    min_chars: int = 15
    wanted: Callable[[str], bool] = field(default=lambda source: True, compare=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mapping) - set(NAMES))
        if unknown:
            raise SettingsError(f"The mapping names the field '{unknown[0]}', expected one of {', '.join(NAMES)}.")
        if self.max_bytes < 1:
            raise SettingsError(f"max_bytes is {self.max_bytes}, expected at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A file, archive member or record that is not in the archive, and why; `reason` is a short class to count by."""

    source: str
    reason: str
    message: str


@dataclass(slots=True)
class _Place:
    """Where something is read from: what it is called, what kind that makes it, and where a reader finds it."""

    name: str
    source: str
    packed_bytes: int
    derived: dict[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem


def discover(paths: Iterable[Path]) -> list[Path]:
    """The files that these files and folders stand for: absolute, each once, sorted; hidden ones in folders left out.

    A path that does not exist is in it too: `read` says so.
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
    """Every article of these files and folders in order, lazily, one file in memory at a time.

    What cannot be read comes as `Rejected` in its place; the rest goes on.
    """
    for path in discover(paths):
        try:
            if not path.is_file():
                raise BadInput("unreadable", "there is no such file" if not path.exists() else "it is no regular file")
            if path.suffix.lower() == ".zip":
                yield from _read_zip(path, options)
                continue
            with path.open("rb") as stream:
                yield from _read_stream(stream, _Place(path.name, str(path), path.stat().st_size), options)
        except Exception as exc:
            yield _rejected(str(path), exc)


def read_bytes(data: bytes, name: str, options: ReadOptions, source: str = "") -> Iterator[Article | Rejected]:
    """The articles in `data`, read as a file called `name` would be; `source` may be the address it came from."""
    place = _Place(name, source or name, len(data))
    try:
        yield from _read_stream(io.BytesIO(data), place, options)
    except Exception as exc:
        yield _rejected(place.source, exc)


def _rejected(source: str, error: Exception) -> Rejected:
    """What is said of a file, a member of an archive or a record that could not be read.

    The parsers are other people's, and no list of what they raise was ever complete: one bad file must not end the
    ingest of the others.
    """
    problem = _problem(error)
    return Rejected(source=source, reason=problem.reason, message=f"{source}: {_short(str(problem), 1000)}")


def _problem(error: Exception) -> BadInput:
    kind = type(error).__name__
    if isinstance(error, BadInput):
        return error
    if isinstance(error, MemoryError):
        return BadInput("too large", f"it takes more memory than there is ({kind}); split it")
    if isinstance(error, RecursionError):
        return BadInput("malformed", f"it is nested too deeply ({kind}); save it in a simpler form")
    if isinstance(error, OSError):
        return BadInput("unreadable", f"{error.strerror or error} ({kind}); check its permissions")
    return BadInput("malformed", f"it cannot be read ({kind}: {_short(str(error), 200)}); check it, or save it anew")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- containers ------------------------------------------------------------------------------------------


def _read_zip(path: Path, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of an archive's members; nothing is unpacked to disk."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as exc:
        raise BadInput("malformed", "it is no ZIP archive or a damaged one; make it anew") from exc
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        limit = _ARCHIVE_BYTES * options.max_bytes
        if len(members) > _ARCHIVE_ENTRIES or sum(m.file_size for m in members) > limit:
            raise BadInput(
                "unsafe archive", f"it unpacks to more than {limit:,} bytes or {_ARCHIVE_ENTRIES:,} files; split it"
            )
        for member in members:
            source = f"{path}!{_short(member.filename, 500)}"
            if not options.wanted(source):
                continue
            try:
                yield from _read_member(archive, member, source, options)
            except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError) as exc:
                yield _rejected(source, BadInput("malformed", f"it cannot be unpacked ({exc}); make the archive anew"))
            except Exception as exc:
                yield _rejected(source, exc)


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str, options: ReadOptions
) -> Iterator[Article | Rejected]:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member.filename):
        raise BadInput("unsafe archive", "its name climbs out of the archive; expected a plain relative path")
    if any(part.startswith((".", "__MACOSX")) for part in name.parts):
        return
    if member.flag_bits & 1:
        raise BadInput("password-protected", "it is encrypted; pack it without a password")
    if name.suffix.lower() == ".zip":
        raise BadInput("unsafe archive", "an archive inside an archive is not opened; unpack it first")
    with archive.open(member) as stream:
        yield from _read_stream(stream, _Place(name.name, source, member.file_size), options)


class _Limited(io.RawIOBase):
    """A stream that stops with BadInput after `limit` bytes: a small gzip file can hold terabytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
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


def _read_stream(stream: IO[bytes], place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    try:
        if place.suffix == ".gz":
            place = replace(place, name=place.name[:-3])
            limit = max(options.max_bytes, _PACKED_RATIO * place.packed_bytes if place.suffix in _STREAMED else 0)
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield from _read_plain(io.BufferedReader(_Limited(cast(IO[bytes], unpacked), limit)), place, options)
        else:
            yield from _read_plain(stream, place, options)
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        yield _rejected(
            place.source, BadInput("malformed", f"the gzip data are damaged ({exc}); what came before was read")
        )
    except Exception as exc:
        yield _rejected(place.source, exc)


def _read_plain(stream: IO[bytes], place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    if place.suffix in _OTHER or place.suffix in {".zip", ".gz"}:
        raise BadInput("unsupported", f"'{place.suffix}' files are not read; expected {FORMATS}")
    if place.suffix in _STREAMED:
        lines = _lines(stream, options.max_bytes)
        records = _json_lines if place.suffix in {".jsonl", ".ndjson"} else _csv_rows
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


def _read_data(data: bytes, place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of one whole file in memory."""
    kind = "pdf" if data.startswith(b"%PDF-") else _PLAIN.get(place.suffix, "")
    if kind == "pdf":
        yield _article(pdf_fields(data, options.max_bytes), place, options)
    elif kind == "docx":
        yield _article(docx_fields(data, options.max_bytes), place, options)
    else:
        text = _decoded(data, place)
        kind = _sniffed(text, kind)
        if kind == "json":
            yield from _json_text(text, place, options)
        elif kind == "page":
            address = place.source if place.source.startswith(("http://", "https://")) else ""
            yield _article(page_fields(text, address), place, options)
        else:
            yield _article(_text_file_fields(text, options, markdown=kind == "markdown"), place, options)


def _sniffed(text: str, kind: str) -> str:
    """The kind of a text: that of its suffix unless it is plainly something else."""
    start = text[:500].lstrip("\ufeff \t\r\n").lower()
    if kind in {"", "text", "json"} and re.match(
        r"<(!doctype html|html|head|body)\b|<\?xml[^>]*>\s*<(!doctype html|html|rss|feed)\b", start
    ):
        return "page"
    return "json" if kind == "" and start.startswith(("{", "[")) else kind


# --- characters ------------------------------------------------------------------------------------------

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def decode(data: bytes) -> str:
    """The text of bytes: by byte-order mark, as UTF-8, by the charset a page declares, or as the likeliest legacy one.

    Raises BadInput("not text") for binary data.
    """
    marked = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), "")
    if not marked and b"\0" in data[:100_000]:
        raise BadInput("not text", "it holds binary data; expected text in UTF-8 or another common encoding")
    encoding = marked or _encoding(data)
    text = data.decode(encoding, "replace")
    odd = sum(1 for c in text[:20_000] if c == "\ufffd" or (c < " " and c not in "\n\r\t\f\x1a\x1b"))
    if odd > 0.05 * len(text[:20_000]):
        raise BadInput("not text", "most of it is no text in any known encoding; save it as UTF-8")
    return text


def _encoding(data: bytes) -> str:
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    # A few broken bytes in much good UTF-8 (a file cut in the middle of a character) do not make it another encoding.
    good, bad = len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", data)), data.decode("utf-8", "replace").count("\ufffd")
    if bad <= 0.02 * good + (good > 5):
        return "utf-8"
    declared = re.search(rb"charset=[\"']?\s*([\w.:-]+)", data[:5000]) if data.lstrip()[:1] == b"<" else None
    return (_charset(declared[1].decode("ascii", "replace")) if declared else "") or _likeliest(data)


# What pages are written in (the encodings of the WHATWG standard under their names here). A declared name is never
# looked up beyond them: among Python's codecs are some that compress, encrypt, or make no text at all.
_CHARSETS = frozenset(
    "utf-8 cp866 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13 "
    "iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u mac-roman mac-cyrillic cp874 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 gb18030 big5hkscs euc_jp iso2022_jp cp932 cp949".split()
)
# Browsers read Latin-1 as its superset, and so must we: “quotes” are in the difference. So it is with the others.
_SUPERSETS = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs",
    "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
}  # fmt: skip


def _charset(label: str) -> str:
    """The codec of a declared charset; "" where it names none."""
    try:
        name = codecs.lookup(label.lower().removeprefix("x-").replace("windows-949", "cp949")).name
    except (LookupError, ValueError):
        return ""
    name = _SUPERSETS.get(name, name)
    return name if name in _CHARSETS else ""


def _likeliest(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:100_000]
    accented = len(re.findall(rb"[\x80-\xff]", sample))
    # Western European text: single accented letters inside ASCII words. Detectors mistake short ones for cp1250.
    if (
        accented < 0.15 * len(sample)
        and not re.search(rb"[\x80-\xff]{3}", sample)
        and not re.search(rb"[\x81\x8d\x8f\x90\x9d]", sample)
    ):
        return "cp1252"
    best = from_bytes(sample).best()
    return best.encoding if best else "cp1252"


def _decoded(data: bytes, place: _Place) -> str:
    try:
        return decode(data)
    except BadInput as exc:
        if place.suffix in _PLAIN:
            raise
        raise BadInput("unsupported", f"'{place.suffix}' is no text that can be read; expected {FORMATS}") from exc


def _lines(stream: IO[bytes], limit: int) -> Iterator[str]:
    """The lines of a stream with their ends, each decoded for itself where it is not in the encoding of the rest."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream), 65_536)
    head = buffered.peek(65_536)
    encoding = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), "utf-8")
    wide = encoding in {"utf-16", "utf-32"}
    if not wide and b"\0" in head:
        raise BadInput("not text", "it holds binary data; expected one record a line")
    text = io.TextIOWrapper(buffered, encoding, errors="replace" if wide else "surrogateescape", newline="\n")
    while line := text.readline(limit + 1):
        if len(line) > limit:
            raise BadInput("too large", f"a line is longer than {limit:,} characters; expected one record a line")
        if not wide and re.search("[\udc80-\udcff]", line):
            line = decode(line.encode("utf-8", "surrogateescape"))
        yield line


# --- records ---------------------------------------------------------------------------------------------


def _json_lines(lines: Iterable[str], place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    empty = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        empty, source = False, f"{place.source}:{number}"
        if not options.wanted(source):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            what = f"column {exc.colno}: {exc.msg}" if isinstance(exc, json.JSONDecodeError) else type(exc).__name__
            yield _rejected(source, BadInput("malformed", f"no valid JSON ({what}); expected one object a line"))
            continue
        except Exception as exc:
            yield _rejected(source, exc)
            continue
        yield from _records(value, source, place, options)
    if empty:
        raise BadInput("empty", "the file holds no record; expected one JSON object a line")


def _json_text(text: str, place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    try:
        value = json.loads(text.lstrip("\ufeff"), strict=False)
    except RecursionError as exc:
        raise BadInput("malformed", "the JSON is nested too deeply; expected an object or a list of objects") from exc
    except json.JSONDecodeError as exc:
        if exc.msg == "Extra data":  # JSON lines under another name
            yield from _json_lines(io.StringIO(text), place, options)
            return
        raise BadInput(
            "malformed", f"no valid JSON (line {exc.lineno}, column {exc.colno}: {exc.msg}); correct it there"
        ) from exc
    except ValueError as exc:
        raise BadInput("malformed", f"no JSON that can be read ({type(exc).__name__}: {exc}); correct it") from exc
    yield from _records(value, place.source, place, options)


def _csv_rows(lines: Iterator[str], place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    # The module's default of 131,072 characters a field is shorter than many an article; the setting is global.
    csv.field_size_limit(min(options.max_bytes, 2**31 - 1))
    first = next(lines, "")
    delimiter = "\t" if place.suffix == ".tsv" else max(",;\t|", key=first.count)
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as exc:
        raise BadInput("malformed", f"its first line is no header ({exc}); expected the names of the columns") from exc
    if not has_text_name(dict.fromkeys(header), options.mapping):
        raise _unknown_shape(header)
    rows = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as exc:
            yield _rejected(
                f"{place.source}:{rows.line_num + 1}", BadInput("malformed", f"{exc}; check the quotes of this row")
            )
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            record, source = dict(zip(header, row, strict=False)), f"{place.source}:{rows.line_num + 1}"
            if options.wanted(source):
                yield from _records(record, source, place, options)


def _records(value: object, source: str, place: _Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    if not value:
        yield _rejected(source, BadInput("empty", "it holds no record; expected objects with a title and a text"))
        return
    number = 0
    try:
        for number, record in enumerate(records_in(value), start=1):
            where = source if record is value else f"{source}!{number}"
            if where != source and not options.wanted(where):
                continue
            try:
                yield _record_article(record, replace(place, source=where), options)
            except Exception as exc:
                yield _rejected(where, exc)
    except Exception as exc:
        yield _rejected(f"{source}!{number + 1}", exc)


def _record_article(record: object, place: _Place, options: ReadOptions) -> Article:
    if not isinstance(record, dict):
        raise BadInput(
            "malformed", f"the record is {type(record).__name__}, expected an object with a title and a text"
        )
    kind = record.get("@type")
    if isinstance(kind, str) and not is_article_type(kind) and not options.mapping:
        raise BadInput("not an article", f"its @type is '{kind[:60]}', expected NewsArticle or the like")
    fields = record_fields(record, options.mapping)
    if not fields.text and not fields.withdrawn:
        if has_text_name(record, options.mapping):
            raise BadInput(
                "empty", f"the record '{fields.title[:60]}' has no text; fill its text field or leave it out"
            )
        raise _unknown_shape(record)
    if re.search(r"</?(p|br|div|h[1-6]|ul|ol|li|em|strong|b|i|a|span|figure|blockquote)\b[^<>]*>", fields.text, re.I):
        fields = replace(fields, text=fragment_text(fields.text))
    elif "&" in fields.text:
        fields = replace(fields, text=unescaped(fields.text))
    article = _article(fields, place, options, within=fields.published.isoformat() if fields.published else "record")
    return article if fields.id or fields.url else _told_apart(article, place.derived)


def _told_apart(article: Article, derived: dict[str, str]) -> Article:
    """The article under an id of its own: records without id or address may share their title and day."""
    if derived.setdefault(article.id, article.text) == article.text:
        return article
    own = article_id(Fields(title=article.text), article.id)
    return replace(article, id=f"{article.id}-{own.rpartition('-')[2]}")


def _unknown_shape(names: Iterable[str]) -> BadInput:
    found = ", ".join(f"'{_short(str(name), 40)}'" for name in islice(names, 12)) or "none"
    return BadInput(
        "not an article",
        f"no field for the text among {found}; expected 'text', 'body' or the like. "
        "Name yours with the mapping option: text=<name>",
    )


# --- text files and the article itself -------------------------------------------------------------------

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S)
_STANDFIRST = ("subtitle", "standfirst", "dek", "deck", "subheadline", "subtitulo", "entradilla", "chapo", "unterzeile")


def _text_file_fields(text: str, options: ReadOptions, *, markdown: bool) -> Fields:
    """What a text or Markdown file says: its front matter, then the lines at its top, then its text."""
    front = _FRONT_MATTER.match(text)
    record = _front_matter(front[1]) if front else {}
    said = record_fields({**record, "text": ""}, options.mapping)
    body = text[front.end() :] if front else text
    if markdown:
        heading = re.search(r"^#[ \t]++(.+)$", body[:1000], re.M)
        if heading and not said.title:
            said = replace(said, title=one_line(from_markdown(heading[1].strip().rstrip("#").rstrip())))
            body = body[: heading.start()] + body[heading.end() :]
        body = from_markdown(body)
    top = text_fields(clean(body), said.title)
    rest = top.text if markdown else unwrap(top.text)
    standfirst = next((str(record[name]) for name in _STANDFIRST if record.get(name)), "")
    return replace(
        said,
        title=said.title or top.title,
        outlet=said.outlet or top.outlet,
        byline=said.byline or top.byline,
        published=said.published or top.published,
        text=f"{standfirst}\n\n{rest}" if standfirst and standfirst not in rest else rest,
    )


def _front_matter(block: str) -> dict[str, object]:
    """The simple part of YAML that front matter is written in: `key: value`, lists, folded text.

    No YAML library: `title: Opinion: close it` is no valid YAML, and is what people write.
    """
    found: dict[str, object] = {}
    folded: dict[str, list[str]] = {}  # the lines of a value: joined at the end, since each joining copies them all
    key = ""
    for line in block.splitlines():
        pair = re.match(r"([\w-]+)[ \t]*:(?:[ \t]+(.*))?$", line)
        if pair:
            key, value = pair[1].lower(), (pair[2] or "").strip()
            listed = re.fullmatch(r"\[(.*)\]", value)
            found[key] = [_unquoted(v) for v in listed[1].split(",")] if listed else _unquoted(value)
            folded[key] = [] if found[key] in (">", ">-", "|", "|-") else [str(found[key])]
        elif key and line.strip() and not line.lstrip().startswith("#"):
            item = re.match(r"\s*-\s+(.*)", line)
            before = found[key]
            if item and isinstance(before, list):
                before.append(_unquoted(item[1]))
            elif item:
                found[key] = [_unquoted(item[1])]
            elif isinstance(before, str):
                folded[key].append(line.strip())
    return found | {k: " ".join(folded[k]).strip() for k, value in found.items() if isinstance(value, str)}


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace('\\"', '"').replace("''", "'")
    comment = re.search(r"\s#", value)
    return value[: comment.start()].rstrip() if comment else value


def _article(fields: Fields, place: _Place, options: ReadOptions, within: str = "") -> Article:
    """The article that the fields make, checked; its id never depends on anything but its source."""
    fields = bounded(fields)
    text = clean(fields.text)
    title = one_line(clean(fields.title)) or _opening(text)
    if not text and not fields.withdrawn:
        raise BadInput("empty", "no text is left of it; expected the text of an article")
    length = len(text) + (0 if text.startswith(title) else len(title))
    if length < options.min_chars and not fields.withdrawn:
        raise BadInput("too short", f"it has {length} characters, expected at least {options.min_chars}")
    line = dateline_fields(text)
    language = fields.language or language_code(options.language)
    return Article(
        id=article_id(replace(fields, title=title), place.stem, within),
        title=title,
        text=text,
        url=fields.url,
        outlet=clean(fields.outlet) or options.outlet or line.outlet,
        byline=clean(fields.byline),
        genre=clean(fields.genre),
        published=fields.published or line.published or options.published,
        modified=fields.modified,
        language=language or detect_language(text),
        status="withdrawn" if fields.withdrawn else "live",
        uncitable=uncitable_spans(text),
        source=place.source,
    )


def _opening(text: str) -> str:
    """The first line of a text as a title of at most 120 characters."""
    first = text.split("\n", 1)[0]
    return first if len(first) <= 120 else first[:119].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
