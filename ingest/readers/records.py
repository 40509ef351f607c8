"""JSON, JSON lines and CSV become articles, one record at a time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from ingest.metadata.addresses import article_id
from ingest.metadata.fields import Fields
from ingest.metadata.records import has_text_name, is_article_type, record_fields, records_in
from ingest.metadata.values import unescaped
from ingest.readers.articles import make_article
from ingest.readers.items import Place, ReadOptions, Rejected, rejected, shortened
from ingest.readers.pages.page import fragment_text
from rag.errors import BadInput
from rag.schema import Article


def json_lines(lines: Iterable[str], place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of JSON lines. Raises BadInput where there is no record at all."""
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
            yield rejected(source, BadInput("malformed", f"it is not valid JSON ({what}); expected one object a line"))
            continue
        except Exception as exc:
            yield rejected(source, exc)
            continue
        yield from _records(value, source, place, options)
    if empty:
        raise BadInput("empty", "the file holds no record; expected one JSON object a line")


def json_text(text: str, place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of one JSON text: an object, a list of objects, or an object that holds such a list.

    Raises BadInput where it is not valid JSON.
    """
    try:
        value = json.loads(text.lstrip("\ufeff"), strict=False)
    except RecursionError as exc:
        raise BadInput("malformed", "the JSON is nested too deeply; expected an object or a list of objects") from exc
    except json.JSONDecodeError as exc:
        if exc.msg == "Extra data":  # JSON lines under another name
            yield from json_lines(io.StringIO(text), place, options)
            return
        raise BadInput(
            "malformed", f"it is not valid JSON (line {exc.lineno}, column {exc.colno}: {exc.msg}); correct it there"
        ) from exc
    except ValueError as exc:
        raise BadInput("malformed", f"the JSON cannot be read ({type(exc).__name__}: {exc}); correct it") from exc
    yield from _records(value, place.source, place, options)


def csv_rows(lines: Iterator[str], place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    """The articles of a table whose first line names the columns. Raises BadInput where none of them is the text."""
    # The default of 131,072 characters a field is too short for some articles. The csv module has one global limit.
    csv.field_size_limit(min(options.max_bytes, 2**31 - 1))
    first = next(lines, "")
    delimiter = "\t" if place.suffix == ".tsv" else max(",;\t|", key=first.count)
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as exc:
        raise BadInput(
            "malformed", f"its first line is not a header ({exc}); expected the names of the columns"
        ) from exc
    if not has_text_name(dict.fromkeys(header), options.mapping):
        raise _unknown_shape(header)
    rows = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as exc:
            yield rejected(
                f"{place.source}:{rows.line_num + 1}", BadInput("malformed", f"{exc}; check the quotes of this row")
            )
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            record, source = dict(zip(header, row, strict=False)), f"{place.source}:{rows.line_num + 1}"
            if options.wanted(source):
                yield from _records(record, source, place, options)


def _records(value: object, source: str, place: Place, options: ReadOptions) -> Iterator[Article | Rejected]:
    if not value:
        yield rejected(source, BadInput("empty", "it holds no record; expected objects with a title and a text"))
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
                yield rejected(where, exc)
    except Exception as exc:
        yield rejected(f"{source}!{number + 1}", exc)


def _record_article(record: object, place: Place, options: ReadOptions) -> Article:
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
    article = make_article(
        fields, place, options, within=fields.published.isoformat() if fields.published else "record"
    )
    return article if fields.id or fields.url else _with_distinct_id(article, place.derived)


def _with_distinct_id(article: Article, derived: dict[str, str]) -> Article:
    """The article, under another id where a record of the same file with another text already has its id.

    That happens to records without id and address that share their title and day.
    """
    if derived.setdefault(article.id, article.text) == article.text:
        return article
    own = article_id(Fields(title=article.text), article.id)
    return replace(article, id=f"{article.id}-{own.rpartition('-')[2]}")


def _unknown_shape(names: Iterable[str]) -> BadInput:
    found = ", ".join(f"'{shortened(str(name), 40)}'" for name in islice(names, 12)) or "none"
    return BadInput(
        "not an article",
        f"no field for the text among {found}; expected 'text', 'body' or the like. "
        "Name yours with the mapping option: text=<name>",
    )
