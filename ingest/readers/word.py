"""Word files become text, title and author. The only file that imports python-docx."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ingest.cleaning.text import clean
from ingest.metadata.fields import Fields
from ingest.metadata.text_lines import text_fields
from ingest.metadata.values import byline_names, one_line, slug
from ingest.readers.items import DAMAGE_ERRORS
from rag.errors import BadInput


def docx_fields(data: bytes, max_bytes: int) -> Fields:
    """The visible paragraphs, headings and tables of a Word file in order, with its title and author.

    Raises BadInput where it is encrypted, damaged or unpacks to more than `max_bytes`.
    """
    import docx
    from docx.opc.exceptions import OpcError

    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadInput("password-protected", "the file is an encrypted or old Word file; save it as plain .docx")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(member.file_size for member in packed.infolist()) > max_bytes:
                raise BadInput(
                    "too large", f"the Word file unpacks to more than {max_bytes:,} bytes; remove its pictures"
                )
        document = docx.Document(io.BytesIO(data))
        blocks = [block for item in document.iter_inner_content() for block in _blocks(item)]
    except (OpcError, zipfile.BadZipFile, KeyError, SyntaxError, *DAMAGE_ERRORS) as exc:
        raise BadInput(
            "malformed", f"the Word file is damaged ({type(exc).__name__}); open it and save it again"
        ) from exc
    text = clean("\n\n".join(blocks))
    if not text:
        raise BadInput("empty", "the Word file contains no visible text")
    title, author = document.core_properties.title or "", document.core_properties.author or ""
    headed = one_line(title) if slug(title) and slug(title) == slug(blocks[0]) else ""
    said = text_fields(text, headed)
    # An author without a space is a login name or the name of a program.
    return said if said.byline or " " not in author else replace(said, byline=byline_names(author))


def _blocks(item: object, depth: int = 0) -> Iterator[str]:
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

    if isinstance(item, Paragraph):
        yield from filter(None, ["".join(_visible_words(item)).strip()])
    elif isinstance(item, Table) and depth < 20:
        for row in item.rows:
            # Each cell once: `row.cells` repeats a cell for each column that it claims to span, which may be 10^9.
            cells = [_Cell(cell, item) for cell in row._tr.tc_lst if cell.vMerge != "continue"]
            texts = (
                " ".join(block for inner in cell.iter_inner_content() for block in _blocks(inner, depth + 1))
                for cell in cells
            )
            yield " | ".join(text for one in texts if (text := " ".join(one.split())))


def _visible_words(paragraph: Any) -> Iterator[str]:
    """Yields the visible text of a paragraph, that of links included."""
    for part in paragraph.iter_inner_content():
        for run in getattr(part, "runs", [part]):
            if not _is_hidden(run):
                yield run.text


def _is_hidden(run: Any) -> bool:
    """Whether a run is marked as hidden, has at most one point, or is white without a background of its own."""
    font = run.font
    if font.hidden or font.size is not None and font.size.pt <= 1:
        return True
    white = font.color is not None and str(font.color.rgb or "").upper() == "FFFFFF"
    return white and not run._r.xpath("./w:rPr/w:shd | ./w:rPr/w:highlight | ancestor::*/w:tcPr/w:shd | ../w:pPr/w:shd")
