"""Plain text and Markdown files become fields: front matter, the lines at the top, the text."""

from __future__ import annotations

import re
from dataclasses import replace

from ingest.cleaning.text import clean, unwrap
from ingest.metadata.fields import Fields
from ingest.metadata.records import record_fields
from ingest.metadata.text_lines import text_fields
from ingest.metadata.values import one_line
from ingest.readers.items import ReadOptions
from ingest.readers.markdown import from_markdown

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S)
_STANDFIRST = ("subtitle", "standfirst", "dek", "deck", "subheadline", "subtitulo", "entradilla", "chapo", "unterzeile")


def text_file_fields(text: str, options: ReadOptions, *, markdown: bool) -> Fields:
    """The fields of a text or Markdown file. Front matter comes before the lines at the top of the text."""
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
    """The values of front matter, read as a subset of YAML: `key: value`, lists, folded text.

    A YAML library would reject `title: Opinion: close it`, which is not valid YAML but is what people write.
    """
    found: dict[str, object] = {}
    folded: dict[str, list[str]] = {}  # the lines of each value, joined once at the end so that time stays linear
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
