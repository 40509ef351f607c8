"""PDF files become text in paragraphs, title and author. The only file that imports pypdf."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ingest.cleaning.text import clean, join_lines
from ingest.metadata.fields import Fields
from ingest.metadata.text_lines import text_fields
from ingest.metadata.values import byline_names, one_line
from ingest.readers.items import DAMAGE_ERRORS
from rag.errors import BadInput

# pypdf logs every oddity of a file; what matters is raised as BadInput.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def pdf_fields(data: bytes, max_chars: int) -> Fields:
    """The text of a PDF in paragraphs, with its title and author where it states them.

    The day on which the file was created is not the day of publication, and is ignored.

    Raises BadInput where it is encrypted, damaged, longer than `max_chars`, or holds pictures of pages only.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        pages = _pages((page.extract_text() for page in reader.pages), max_chars)
        info = reader.metadata
        title, author = str(info.title or "") if info else "", str(info.author or "") if info else ""
    except (FileNotDecryptedError, DependencyError) as exc:
        raise BadInput("password-protected", "the PDF is encrypted; save it without a password") from exc
    except BadInput:
        raise
    except (PyPdfError, *DAMAGE_ERRORS) as exc:
        raise BadInput("malformed", f"the PDF is damaged ({type(exc).__name__}); open it and save it again") from exc
    text = _text(pages)
    if not text:
        raise BadInput("empty", "the PDF contains no text, only images of pages; run OCR on it first")
    usable = (
        8 <= len(title) <= 250
        and " " in title
        and not re.search(r"\.(docx?|indd|qxd|pdf|pub)\b|^microsoft|untitled", title, re.I)
    )
    said = text_fields(text, one_line(title) if usable else "")
    return said if said.byline else replace(said, byline=byline_names(author) if " " in author else "")


def _pages(texts: Iterable[str], max_chars: int) -> list[list[str]]:
    pages, total = [], 0
    for text in texts:
        total += len(text)
        if total > max_chars:
            raise BadInput("too large", f"the PDF holds more than {max_chars:,} characters; split it")
        pages.append([re.sub(r"\s+", " ", line).strip() for line in clean(text).split("\n")])
    return pages


def _text(pages: list[list[str]]) -> str:
    """The paragraphs of the pages, with lines joined and without running heads and page numbers."""
    edges = Counter(re.sub(r"\d+", "0", line) for page in pages for line in {*page[:2], *page[-2:]} if line)
    running = {line for line, times in edges.items() if len(pages) >= 3 and times > 0.6 * len(pages)}
    lines = [
        line for page in pages for line in page
        if re.sub(r"\d+", "0", line) not in running and not re.fullmatch(r"[-–— ]*\d{1,4}[-–— ]*", line)
    ]  # fmt: skip
    full = sorted(map(len, filter(None, lines)))
    width = full[int(0.8 * len(full))] if full else 0
    blocks: list[list[str]] = [[]]
    for line in lines:
        blocks[-1] += [line] if line else []
        # A line that is clearly shorter than the full width ends a paragraph, or is a heading.
        if not line or len(line) < 0.75 * width:
            blocks.append([])
    return clean("\n\n".join(join_lines(block) for block in blocks if block))
