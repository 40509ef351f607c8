"""Hostile and damaged inputs for every reader, generated from a seed, for the tests and for `python -m eval fuzz`."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

from rag.errors import SettingsError

# A strategy of hypothesis, which is installed with the extra 'dev' only.
Strategy = Any

PROSE = (
    "The council voted on Monday to close the bridge for nine weeks, because the bearings that carry its deck have "
    "worn through, and said that buses would run every ten minutes."
)
_TAGS = (
    "p div span a b i em ul ol li table tr td th h1 h2 article main section blockquote pre code br hr img style "
    "script template noscript title head body html form button figure figcaption font time address iframe svg"
).split()
_ATTRIBUTES = ("class", "id", "style", "hidden", "href", "itemprop", "aria-hidden", "datetime", "rel", "color")
_VALUES = (
    "share", "byline", "date", "article-body", "display:none", "font-size:0", "color:#fff;background:white",
    "NewsArticle", "left:-9999px", "clip:rect(0,0,0,0)", "transform:scale(0)", "font:1px/1 x", "2025-02-30", "http://[",
    "related-articles", "opacity:0;color:#0000", "width:1px;overflow:hidden", "\\64isplay:none", "color:hsl(1e9,9%,9%)",
)  # fmt: skip
_CSS = (
    ".share{display:none}",
    "@import x;",
    "@media screen{",
    "}",
    "{",
    "/*",
    "*/",
    "#id{color:#fff}",
    "p>i{opacity:0}",
    "\\",
)
_MARKDOWN = (
    "# ", "## Head", "**", "__", "*", "_", "`", "```", "[", "](", ")", "![", "](http://a.example/)", "\n\n", "\n", "> ",
    "- ", "1. ", "<!--", "-->", "<div hidden>", "</div>", "---\n", "title: x\n", "tags: [a, b]\n", "[^1]: ", "\\", "~~",
    "| a | b |", "<style>", "</style>", "<http://", "  ",
)  # fmt: skip
_LINES = (
    "Related articles", "Read also:", "Read more", "By Nora Field", "3 June 2025", "MADRID, 27 (EFE) -", "Most read",
    "Mayor opens the new bridge", "Correction: An earlier version of this article gave another number.", PROSE, "", " ",
    "The Tide, 3 June 2025, page 1", "“No,” he said.", "Advertisement", "……", "wo-", "http://a.example/?utm_a=1&b",
)  # fmt: skip
_NAMES = (
    "id", "url", "title", "text", "body", "outlet", "author", "date", "published", "language", "@type", "@graph",
    "articles", "meta", "status", "pubstatus", "mainEntity", "content", "html", "section",
)  # fmt: skip
_ODD = (
    10**400, -(10**30), 1e308, float("nan"), float("inf"), "http://[", "\ud800", "\x00", "&#" + "9" * 5000 + ";",
    "2025-13-45", "03/04/2025", "a" * 5000, "\u0301\u0316" * 100, "usable", "canceled", 20250214, 1739500000000,
)  # fmt: skip


@cache
def strategies() -> dict[str, Strategy]:
    """Kind of input → strategy of (file name, bytes). Raises SettingsError when hypothesis is not installed."""
    try:
        from hypothesis import strategies as st
    except ImportError as error:
        raise SettingsError(
            "Fuzzing needs hypothesis. Install it with: pip install -c constraints.txt '.[dev]'"
        ) from error
    texts = st.text(max_size=60) | st.sampled_from(_LINES)
    return {
        "bytes": st.tuples(st.sampled_from(_names()), st.binary(max_size=2000)),
        "text": _named(".txt", st.lists(texts, max_size=30).map("\n".join)),
        "markdown": _named(".md", st.lists(st.sampled_from(_MARKDOWN) | texts, max_size=40).map("".join)),
        "html": _named(".html", _pages(st, texts)),
        "charset": _charsets(st),
        "json": _named(".json", _values(st).map(_dumped)),
        "jsonl": _named(".jsonl", st.lists(_values(st).map(_dumped) | texts, max_size=8).map("\n".join)),
        "csv": _named(".csv", _tables(st, texts)),
        "pdf": st.builds(lambda data: ("fuzz.pdf", data), _mutated(st, st.text(max_size=80).map(pdf))),
        "docx": st.builds(lambda data: ("fuzz.docx", data), _documents(st, texts)),
        "gzip": st.builds(lambda data: ("fuzz.json.gz", data), _mutated(st, _values(st).map(_packed))),
        "zip": st.builds(lambda data: ("fuzz.zip", data), _mutated(st, _archives(st, texts))),
    }


def generate(strategy: Strategy, once: Callable[[tuple[str, bytes]], None], *, count: int, seed: str) -> None:
    """Calls a function with `count` inputs, the same ones for the same seed; its exceptions are passed on."""
    import hypothesis

    chosen = hypothesis.settings(
        max_examples=count, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    given: Any = hypothesis.given  # it is untyped
    decorated = given(strategy)(once)
    for decorate in (chosen, hypothesis.seed(seed)):
        decorated = decorate(decorated)
    decorated()


def _names() -> list[str]:
    suffixes = ".txt .md .html .xhtml .json .jsonl .csv .tsv .pdf .docx .gz .json.gz .zip .exe".split()
    return [f"fuzz{suffix}" for suffix in suffixes] + ["fuzz"]


def _named(suffix: str, texts: Strategy) -> Strategy:
    return texts.map(lambda text: (f"fuzz{suffix}", text.encode("utf-8", "surrogatepass")))


def _pages(st: Any, texts: Strategy) -> Strategy:
    attributes = st.dictionaries(
        st.sampled_from(_ATTRIBUTES), st.sampled_from(_VALUES) | st.text(max_size=12), max_size=3
    )

    def element(inner: Strategy) -> Strategy:
        return st.builds(_element, st.sampled_from(_TAGS), attributes, st.lists(inner, max_size=4), st.booleans())

    others = st.sampled_from(
        ("<!--", "-->", "<![CDATA[", "]]>", "<?xml ?>", "<!doctype html>", "&#0;", "&nbsp;", "<", *_CSS)
    )
    data = _values(st).map(lambda value: f"<script type='application/ld+json'>{_dumped(value)}</script>")
    trees = st.recursive(texts | others | data, element, max_leaves=25)
    return (
        st.lists(trees, min_size=1, max_size=4)
        .map("".join)
        .map(lambda body: f"<article><p>{PROSE}</p>{body}</article>")
    )


def _element(tag: str, attributes: dict[str, str], inner: list[str], closed: bool) -> str:
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{tag}{said}>{''.join(inner)}" + (f"</{tag}>" if closed else "")


def _charsets(st: Any) -> Strategy:
    labels = st.sampled_from(
        ("rot13", "hex", "idna", "punycode", "undefined", "utf-7", "big5", "x-sjis", "iso-2022-jp")
    )
    return st.builds(
        lambda label, data: ("fuzz.html", f"<meta charset={label}><p>{PROSE}</p><p>".encode() + data),
        labels | st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=12), st.binary(max_size=200),
    )  # fmt: skip


def _values(st: Any) -> Strategy:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_ODD) | st.text(max_size=20)
    names = st.sampled_from(_NAMES) | st.text(max_size=8)
    nested = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=12
    )
    return nested | st.builds(
        lambda value: {"text": PROSE} | (value if isinstance(value, dict) else {"date": value}), nested
    )


def _dumped(value: object) -> str:
    return json.dumps(value)


def _packed(value: object) -> bytes:
    return gzip.compress(_dumped(value).encode(), mtime=0)


def _tables(st: Any, texts: Strategy) -> Strategy:
    def written(header: list[str], rows: list[list[str]], loose: str) -> str:
        out = io.StringIO()
        csv.writer(out, escapechar="\\").writerows([[*header, "text"], *rows])
        return out.getvalue() + loose

    rows = st.lists(st.lists(texts, max_size=5), max_size=6)
    return st.builds(
        written, st.lists(st.sampled_from(_NAMES), max_size=4), rows, st.sampled_from(("", '"', '"a', "\0", ";;"))
    )


def _mutated(st: Any, data: Strategy) -> Strategy:
    """The data, as it is or with bytes replaced, cut off or repeated."""

    def changed(whole: bytes, places: list[tuple[int, int]], end: int, twice: bool) -> bytes:
        found = bytearray(whole)
        for place, byte in places:
            if found:
                found[place % len(found)] = byte
        cut = bytes(found[: len(found) - end % (len(found) + 1)] if end else found)
        return cut * 2 if twice else cut

    places = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=8)
    return st.builds(changed, data, places, st.just(0) | st.integers(0, 500), st.booleans())


def pdf(text: str) -> bytes:
    """A PDF of one page that shows a text."""
    shown = "".join(c for c in text if " " <= c < "\x7f" and c not in "()\\") or "x"
    stream = f"BT /F1 12 Tf 40 700 Td ({shown} {PROSE}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length " + str(len(stream)).encode() + b">>stream\n" + stream + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(body))
        body += b"%d 0 obj" % number + part + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    return body + head + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(body)


_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def docx(body: str) -> bytes:
    """A Word file with this XML as the body of its document."""
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        f'ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" Type="{_OFFICE}" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
    }
    return packed({name: text.encode("utf-8", "replace") for name, text in files.items()})


def packed(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of these files, byte for byte the same each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _documents(st: Any, texts: Strategy) -> Strategy:
    marks = (
        "<w:vanish/>",
        '<w:vanish w:val="x"/>',
        '<w:color w:val="FFFFFF"/>',
        '<w:sz w:val="1"/>',
        '<w:sz w:val="x"/>',
        "",
    )
    plain = texts.map(lambda text: "".join(c for c in text if c.isprintable() and c not in "<&>"))
    runs = st.builds(
        lambda mark, text: f"<w:r><w:rPr>{mark}</w:rPr><w:t>{text}</w:t></w:r>", st.sampled_from(marks), plain
    )
    paragraphs = st.lists(runs, max_size=4).map(lambda parts: f"<w:p>{''.join(parts)}</w:p>")
    spans = st.sampled_from(("", '<w:gridSpan w:val="3"/>', '<w:gridSpan w:val="999999999"/>', "<w:vMerge/>", "<w:x/>"))

    def table(inner: Strategy) -> Strategy:
        cells = st.builds(
            lambda span, parts: f"<w:tc><w:tcPr>{span}</w:tcPr>{''.join(parts)}</w:tc>",
            spans,
            st.lists(inner, max_size=3),
        )
        return st.lists(cells, max_size=3).map(lambda parts: f"<w:tbl><w:tr>{''.join(parts)}</w:tr></w:tbl>")

    bodies = st.lists(st.recursive(paragraphs, table, max_leaves=6), max_size=4)
    whole = bodies.map(lambda parts: docx("".join(parts) + f"<w:p><w:r><w:t>{PROSE}</w:t></w:r></w:p>"))
    return whole | _mutated(st, whole)


def _archives(st: Any, texts: Strategy) -> Strategy:
    names = st.sampled_from(
        ("a.txt", "b.html", "../c.txt", "/d.txt", "e.zip", "f.json", "__MACOSX/a", "C:\\g.txt", "a\0b.md")
    )
    return st.dictionaries(names, texts.map(lambda text: text.encode("utf-8", "replace")), max_size=4).map(packed)
