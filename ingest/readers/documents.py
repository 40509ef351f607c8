"""Pages, PDF and Word files become text and what they say about themselves. The only import of their parsers."""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingest.cleaning.text import clean, join_lines
from ingest.cleaning.visibility import WHOLE, hidden
from ingest.metadata.fields import (
    Fields,
    byline_names,
    canonical_url,
    date_in_url,
    is_article_type,
    language_code,
    one_line,
    parse_date,
    record_fields,
    records_in,
    slug,
    text_fields,
)
from rag.errors import BadInput
from rag.language.calendar import months, weekdays
from rag.language.tokens import tokens

if TYPE_CHECKING:
    from lxml.etree import _Element  # type: ignore[import-untyped]

# The libraries log every oddity of a page or file; what matters comes back as BadInput.
for _name in ("trafilatura", "pypdf", "htmldate"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# What the parsers raise on damaged input beside their own errors (found by feeding them 48,000 damaged files).
_DAMAGED = (ValueError, TypeError, AttributeError, LookupError, AssertionError, OSError, RecursionError)

# --- pages ---------------------------------------------------------------------------------------------

# Boxes for readers who hear a page, and what scripts show or hide by name.
_UNSEEN_CLASSES = re.compile(
    r"(?:^|\s)(?:sr-only|visually-?hidden|screen-reader-text|u-hidden|is-hidden)(?:\s|$)", re.I
)
# A page may have so many elements, and one of them so many attributes: the parsers take about 60 microseconds for an
# element, and time that grows with the square of the attributes. The largest of 181 news pages has 9,000 elements.
_MOST_ELEMENTS = 60_000
_MANY_ATTRIBUTES = re.compile(
    r"<[a-zA-Z][^\s/>]*+(?:[\s/]++[^\s=>/]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"']++))?+){300}"
)
# Boxes of a page that trafilatura sometimes takes for text (seen in the demo pages; on pages/article_extraction
# they add .0006 to F1, and further tokens such as sidebar, widget, tags or bio change nothing).
_BOXES = re.compile(
    r"(^|[\s_-])(share|sharing|share-?(bar|tools?|buttons?)|socials?|social-?(bar|links|media|share)|compartir|redes|"
    r"newsletter\w*|sign-?up|signup-?\w*|subscribe-?(box|form)|boletin(-caja)?|promo|most-?read|mas-?leid[ao]s?|"
    r"read-?more|related(-?(articles|stories|posts|content|links|news))?|relacionad[ao]s|recirc\w*|recommended|"
    r"teasers?|support|donate|membership|outbrain|taboola|cookie-?\w*|cookies|ad-?slot|advert(isement)?|"
    r"paywall-?(box|prompt)|inline-promo)($|[\s_-])",
    re.I,
)
_BREAK = "\x1f"  # stands for <br>: a line feed in the source of a page is just a space
_SKIPPED = {"script", "style", "figcaption", "form", "button", "graphic", "iframe"}
_NOT_FOUND = re.compile(
    r"\b(404|403|410|page not found|not found|access denied|no longer available|pagina no encontrada|no (existe|"
    r"encontrad[oa])|"
    r"seite nicht gefunden|nicht gefunden|page introuvable|non trouvee|just a moment|are you a robot|captcha)\b", re.I
)  # fmt: skip


def page_fields(markup: str, url: str = "") -> Fields:
    """What a web page says: its article's text in paragraphs, title, byline, outlet, dates, address.

    JSON-LD is believed before meta tags, and those before what is visible. Raises BadInput where the page
    holds no article: a section front, a search result, an error page.
    """
    if _is_feed(markup):
        raise BadInput("not an article", "it is a feed, not a page: give its address or file to the feed reader")
    tree = _parsed(markup)
    said = _page_metadata(tree, url)
    _drop_hidden(tree)
    blocks = _without_head(_article_blocks(tree), said)
    text = clean("\n\n".join(blocks))
    _check_article(tree, said, blocks)
    return replace(said, text=text)


_FEED = re.compile(r"<(?:rss|feed|rdf)\b", re.I)
_BEFORE_ROOT = (("<!--", "-->"), ("<?", ">"), ("<!", ">"))


def _is_feed(markup: str) -> bool:
    """Whether a feed opens behind declarations and comments."""
    at = 0
    start = markup[:10_000]
    while True:
        while at < len(start) and (start[at].isspace() or start[at] == "\ufeff"):
            at += 1
        ends = next(
            (end for opens, end in (("<!--", "-->"), ("<?", ">"), ("<!", ">")) if start.startswith(opens, at)), ""
        )
        if not ends:
            return bool(_FEED.match(start, at))
        found = start.find(ends, at)
        if found < 0:
            return False
        at = found + len(ends)


def fragment_text(markup: str) -> str:
    """The words of a piece of HTML (the body of a ninjs item, a feed entry) in paragraphs; hidden ones left out."""
    tree = _parsed(f"<html><body>{markup}</body></html>")
    _drop_hidden(tree)
    return clean("\n\n".join(_blocks(tree)))


_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(0*([0-8]|1[124-9]|2\d|3[01])|x0*([0-8bcef]|1[0-9a-f]));?(?![0-9a-f])",
    re.I,
)


def _parsed(markup: str) -> _Element:
    import lxml.html  # type: ignore[import-untyped]

    # lxml refuses a str that declares its encoding, and later on control characters that it let through.
    markup = _CONTROL.sub("", re.sub(r"\A\s*<\?xml[^>]*\?>", "", markup))
    if _MANY_ATTRIBUTES.search(markup):
        raise BadInput("malformed", "an element of the page has hundreds of attributes; save its text as .txt")
    try:
        parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)
        tree = lxml.html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as exc:
        raise BadInput("malformed", "the page cannot be parsed as HTML; check that it was saved completely") from exc
    if sum(1 for _ in islice(tree.iter(), _MOST_ELEMENTS + 1)) > _MOST_ELEMENTS:
        raise BadInput("too large", f"the page has more than {_MOST_ELEMENTS:,} elements; save its text as .txt")
    return tree


def _article_blocks(tree: _Element) -> list[str]:
    """The paragraphs and headings that trafilatura takes for the article, in order."""
    from trafilatura import bare_extraction

    _join_pieces(tree)
    _strip_crowds(tree)
    # favor_precision without comments is the best setting on pages/article_extraction (181 pages, F1 of
    # 4-word shingles): .964; default .953, without comments .960, recall .959, fast .962, no tables .957.
    # With what is done here beside it, precision .967, recall .982, F1 .975.
    try:
        found = bare_extraction(tree, favor_precision=True, include_comments=False, with_metadata=False)
    except _DAMAGED as exc:
        raise BadInput("malformed", f"the page cannot be analysed ({type(exc).__name__}); save it anew") from exc
    return [] if found is None or found.body is None else list(_blocks(found.body))


# A paragraph of an article has a few dozen of them; trafilatura takes time that grows with their number squared.
_MANY_INLINE = 2000
_INLINE_TAGS = (
    "a abbr b big cite code del em font i ins kbd mark q s samp small span strike strong sub sup tt u var"
).split()


def _strip_crowds(tree: _Element) -> None:
    """Leaves only the words of inline elements where thousands of them stand in one element."""
    from lxml.etree import strip_tags

    crowds = Counter(parent for element in tree.iter(*_INLINE_TAGS) if (parent := element.getparent()) is not None)
    if max(crowds.values(), default=0) <= _MANY_INLINE:
        return
    strip_tags(tree, *_INLINE_TAGS)
    for element in tree.iter("*"):
        # Many pieces of text side by side become one: lxml joins them again for each of them.
        element.text, element.tail = element.text, element.tail


def _join_pieces(tree: _Element) -> None:
    """Moves the later pieces of an article body that lies in several containers into the first of them.

    trafilatura reads only the first (seen on wired.com, where advertisements stand between the pieces).
    """
    within: set[_Element] = set()
    pieces: list[_Element] = []
    for element in tree.iter("*"):
        named = element.tag == "div" and _PIECE.search(element.get("class") or "")
        inside = element.getparent() in within
        if named or inside:
            within.add(element)
        if named and not inside:
            pieces.append(element)
    for piece in pieces[1:]:
        if piece.get("class") == pieces[0].get("class"):
            pieces[0].extend(list(piece))


_PIECE = re.compile(r"(?:^| )(?:article__body|body__inner-container|body__container|article-body)(?: |$)")


def _blocks(element: _Element) -> Iterator[str]:
    """The texts of the block elements below an element: paragraphs, headings, list items, table rows."""
    holders: set[_Element] = set()  # what holds a block element, at any depth
    for block in element.iter(*_BLOCK_TAGS):
        while block is not None and block not in holders and block is not element:
            holders.add(block)
            block = block.getparent()
    yield from _blocks_of(element, holders)


def _blocks_of(element: _Element, holders: set[_Element]) -> Iterator[str]:
    inline: list[str] = [element.text or ""]
    for child in element:
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag in _SKIPPED or not tag:
            inline.append(child.tail or "")
        elif tag in {"lb", "br"}:
            inline.append(_BREAK + (child.tail or ""))
        elif child in holders:
            yield from _lines(inline)
            yield from _marked(tag, child, holders)
            inline = [child.tail or ""]
        else:
            inline.append(_inline_text(child) + (child.tail or ""))
    yield from _lines(inline)


_BLOCK_NAMES = (
    "p head h1 h2 h3 h4 h5 h6 list item ul ol li quote blockquote table row tr div section article main pre code body"
)
_BLOCK_TAGS = frozenset(_BLOCK_NAMES.split())


def _marked(tag: str, element: _Element, holders: set[_Element]) -> Iterator[str]:
    if tag in {"row", "tr"}:
        cells = (" ".join(_blocks_of(cell, holders)) for cell in element)
        yield " | ".join(cell for cell in cells if cell)
    elif tag in {"item", "li"}:
        yield from (f"- {block}" for block in _blocks_of(element, holders))
    else:
        yield from _blocks_of(element, holders)


def _inline_text(element: _Element) -> str:
    inner = (
        _inline_text(c) + (c.tail or "") if c.tag not in {"lb", "br"} else _BREAK + (c.tail or "") for c in element
    )
    return "" if element.tag in _SKIPPED else (element.text or "") + "".join(inner)


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """The blocks of running inline text: two or more <br> part blocks, one parts lines."""
    block: list[str] = []
    for line in [*"".join(parts).split(_BREAK), ""]:
        line = " ".join(line.split())
        if line:
            block.append(line)
        elif block:
            yield "\n".join(block)
            block = []


def _drop_hidden(tree: _Element) -> None:
    """Removes what a browser would not show, and boxes that are known not to be the article."""
    found = hidden(tree)
    paragraphs = _paragraph_lengths(tree)
    total = paragraphs[tree] or 1

    # Some pages put such a mark on the wrapper of everything (a dialog was open when it was saved).
    def small(element: _Element) -> bool:
        return element.tag not in WHOLE and paragraphs[element] < 0.3 * total

    roots: dict[_Element, _Element] = {}  # of text that cannot be seen: the outermost element of that kind
    for one in found:
        if one.text_only:
            roots[one.element] = roots.get(one.element.getparent(), one.element)
    for one in found:
        if one.text_only and (one.certain or small(roots[one.element])):
            _blank(one.element)
    gone = {one.element for one in found if not one.text_only and (one.certain or small(one.element))}
    for element in tree.iter("*"):
        if element.tag in WHOLE:
            continue
        unseen = element.tag in {"template", "noscript"} or element.get("hidden") is not None
        if unseen or (_for_other_readers(element) or _is_box(element)) and small(element):
            gone.add(element)
    _drop_all(gone)


def _paragraph_lengths(tree: _Element) -> dict[_Element, int]:
    """How many characters the paragraphs in each element hold."""
    text: dict[_Element, int] = {}
    held: dict[_Element, int] = {}
    for element in reversed(list(tree.iter("*"))):  # children before their parents
        length = len(element.text or "") + sum(text.get(child, 0) + len(child.tail or "") for child in element)
        text[element] = length
        held[element] = sum(held.get(child, 0) for child in element) + (length if element.tag == "p" else 0)
    return held


def _for_other_readers(element: _Element) -> bool:
    return element.get("aria-hidden") == "true" or bool(_UNSEEN_CLASSES.search(element.get("class") or ""))


def _is_box(element: _Element) -> bool:
    named = _BOXES.search(element.get("class") or "") or _BOXES.search(element.get("id") or "")
    if not named or element.tag == "p" and len(element.text_content()) > 300:
        return False
    return next(element.iter("h1"), None) is None


def _blank(element: _Element) -> None:
    """Takes the element's own words away; its children keep theirs."""
    element.text = None
    for child in element:
        child.tail = None


def _drop_all(gone: set[_Element]) -> None:
    """Removes elements, and leaves the text behind them. One at a time would copy that text again and again."""
    for parent in {parent for element in gone if (parent := element.getparent()) is not None}:
        before, words, changed = None, [parent.text or ""], False
        for child in [*parent, None]:
            if child is not None and child in gone:
                words.append(child.tail or "")
                changed = True
                continue
            if changed and before is None:
                parent.text = "".join(words)
            elif changed:
                before.tail = "".join(words)  # type: ignore[union-attr]
            before, words, changed = child, [child.tail or "" if child is not None else ""], False
    for element in gone:
        parent = element.getparent()
        if parent is not None:
            element.tail = None
            parent.remove(element)


def _without_head(blocks: list[str], said: Fields) -> list[str]:
    """The blocks below the title: without it, the kicker above, the byline and the date line beneath."""
    title, names = slug(said.title), slug(said.byline)
    top = next((i for i, block in enumerate(blocks[:5]) if title and slug(block) == title), -1)
    if all(len(block) < 120 for block in blocks[: top + 1]):
        blocks = blocks[top + 1 :]
    kept = []
    for index, block in enumerate(blocks):
        bare = slug(byline_names(block))
        credit = (
            bool(names)
            and len(block) < 120
            and (bare == names or bare.startswith(names + "-") and block[-1] not in '.!?”"')
        )
        if index < 4 and (credit or parse_date(block)):
            continue
        kept.append(block)
    return kept


def _check_article(tree: _Element, said: Fields, blocks: list[str]) -> None:
    """Raises BadInput where the blocks are headlines and links rather than the prose of an article."""
    total = sum(map(len, blocks))
    prose = sum(len(b) for b in blocks if len(b) >= 80 or b.rstrip('"”’»')[-1:] in tuple(".!?。！？…"))
    heading = f"{said.title} {' '.join(tree.xpath('//title/text()')[:1])}"
    fix = "Save the page of a single article, or give its text as .txt."
    if _NOT_FOUND.search(heading) and total < 1500:
        raise BadInput("not an article", f"it is an error page ('{one_line(heading)[:80]}'). {fix}")
    kinds = {kind for record in _linked_data(tree) if isinstance(kind := _kind(record), str)}
    article = _meta(tree, "og:type") == "article" or any(map(is_article_type, kinds))
    if prose < 60 or prose < (0.1 if article else 0.35) * total:
        raise BadInput("not an article", f"{prose} characters of running text found, expected an article. {fix}")
    path = urlsplit(said.url)
    if path.path in {"/", "/index.html", "/index.php"} and said.url and not path.query and not article:
        raise BadInput("not an article", f"it is the front page of a site ({said.url}). {fix}")
    front = _meta(tree, "og:type") == "website" or bool(kinds & {"CollectionPage", "WebSite", "SearchResultsPage"})
    paragraphs = [b for b in blocks if len(b) >= 80]
    if front and not article and len(paragraphs) < 3 and not said.published:
        raise BadInput("not an article", f"it is the front page of a site or section. {fix}")


def _page_metadata(tree: _Element, url: str) -> Fields:
    linked = next((record_fields(r) for r in _linked_data(tree) if is_article_type(_kind(r))), Fields())
    address = (
        canonical_url(_first(tree, "//link[@rel='canonical']/@href"))
        or canonical_url(_meta(tree, "og:url"))
        or linked.url
    )
    address = address or canonical_url(url)
    # Some publishers give their host as their name; then og:site_name is the better one.
    named = linked.outlet if " " in linked.outlet or "." not in linked.outlet else ""
    outlet = named or _meta(tree, "og:site_name") or linked.outlet or _meta(tree, "application-name", "publisher")
    published = linked.published or parse_date(_meta(tree, *_PUBLISHED)) or _visible_date(tree) or date_in_url(address)
    modified = linked.modified or parse_date(
        _meta(tree, "article:modified_time", "og:updated_time", "last-modified", "dateModified")
    )
    return Fields(
        url=address,
        title=linked.title or _page_title(tree, outlet),
        outlet=outlet if "://" not in outlet else "",
        byline=linked.byline or _byline(tree),
        genre=linked.genre or _meta(tree, "article:section", "section"),
        language=linked.language or language_code(_first(tree, "/html/@lang") or _meta(tree, "og:locale", "language")),
        published=published,
        modified=modified if modified != published else None,
    )


_PUBLISHED = (
    "article:published_time", "og:article:published_time", "datePublished", "article:published", "publishdate",
    "pubdate", "publish-date", "parsely-pub-date", "sailthru.date", "dc.date.issued", "dc.date", "dc.date.created",
    "dcterms.created", "date", "pub_date", "cxenseparse:recs:publishtime", "publication_date",
    "originalpublicationdate", "iso-8601-publish-date", "article_date_original",
)  # fmt: skip


def _kind(record: object) -> object:
    kind = record.get("@type") if isinstance(record, dict) else None
    return next((k for k in kind if is_article_type(k)), None) if isinstance(kind, list) else kind


def _linked_data(tree: _Element) -> list[dict[str, object]]:
    """The JSON-LD objects of a page; a script that is no JSON says nothing."""
    found: list[dict[str, object]] = []
    for script in tree.xpath("//script[contains(@type, 'ld+json')]"):
        try:
            value = json.loads(_without_cdata(script.text or ""), strict=False)
            found += [record for record in records_in(value) if isinstance(record, dict)]
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("mainEntity"), dict):
            found.append(value["mainEntity"])
    return found


def _without_cdata(source: str) -> str:
    """A script without `//<![CDATA[` and `//]]>` around it."""
    source = source.strip()
    for mark in ("//", "<![CDATA["):
        source = source.removeprefix(mark).lstrip()
    return source.removesuffix("]]>").rstrip().removesuffix("//") if source.endswith("]]>") else source


@lru_cache(maxsize=256)
def _meta_query(name: str) -> str:
    lower = "translate(@{}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')"
    tests = " or ".join(f"{lower.format(a)}='{name.lower()}'" for a in ("property", "name", "itemprop", "http-equiv"))
    return f"//meta[{tests}]/@content"


def _meta(tree: _Element, *names: str) -> str:
    """The first non-empty content of the meta tags with these names, in their order."""
    return next((value for name in names if (value := _first(tree, _meta_query(name)))), "")


def _first(tree: _Element, query: str) -> str:
    found = tree.xpath(query)
    return next((one for f in found if (one := one_line(str(f if isinstance(f, str) else f.text_content())))), "")


def _page_title(tree: _Element, outlet: str) -> str:
    """The headline: og:title, h1 or title without ` | Outlet` at its end."""
    heading = _first(tree, "//h1[@itemprop='headline']") or _first(tree, "//article//h1") or _first(tree, "//h1")
    title = _meta(tree, "og:title", "twitter:title", "dc.title") or heading or _first(tree, "//title")
    if heading and slug(title).startswith(slug(heading)) and len(heading) > 15:
        return heading
    parts = list(_SEPARATOR.finditer(title[:_LONG_TITLE]))
    if not parts:
        return title
    mark, name, tail = parts[-1][0], title[: parts[-1].start()], title[parts[-1].end() :]
    known = slug(tail) in {slug(outlet), slug(_first(tree, "//meta[@property='og:site_name']/@content"))}
    return name if (known or "|" in mark or "_" in mark) and len(name) > 10 else title


_SEPARATOR = re.compile(r"\s+[|–—•·-]\s+|\s*[|_]\s*")
_LONG_TITLE = 1000


def _byline(tree: _Element) -> str:
    """The authors in meta tags, else the visible byline where it reads like names."""
    named = _meta(tree, "author", "article:author", "dc.creator", "parsely-author", "sailthru.author", "byl")
    if named and "://" not in named and len(named) <= 150:
        return byline_names(named)
    for query in ("//*[@itemprop='author']", "//a[@rel='author']", _CLASS.format("byline"), "//address"):
        text = byline_names(re.split(r"\s[|·•–—-]\s|,|\d", _first(tree, query))[0])
        if 3 <= len(text) <= 80 and text[0].isupper() and len(text.split()) <= 8 and not _NO_NAME.match(text):
            return text
    return ""


_NO_NAME = re.compile(r"submitted|published|posted|updated|share|comment|publicado|actualizado", re.I)
_CLASS = "//*[not(self::body) and contains(concat(' ', translate(@class, '-_', '  '), ' '), ' {} ')]"


def _visible_date(tree: _Element) -> datetime | None:
    """The day of the first <time> or marked date in or below the headline; None where the page shows none."""
    places = ("//article//time", "(//h1)[1]/following::time", "//main//time")
    queries = ["//*[@itemprop='datePublished']", *places]
    for query in queries:
        for element in tree.xpath(query)[:3]:
            found = parse_date(element.get("datetime") or element.get("content")) or parse_date(
                one_line(element.text_content())
            )
            if found:
                return found
    marked = (e for e in tree.xpath("(//h1)[1]/following::*[@class]") if _DATE_CLASS.search(e.get("class")))
    for element in islice(marked, 3):
        said = text_fields("-\n" + one_line(element.text_content())[:120]).published
        if said:
            return said
    return _date_below_headline(tree)


_DATE_CLASS = re.compile(r"(^|[_-])(date|dateline|fecha|pubdate|published|timestamp)($|[_-])", re.I)


def _date_below_headline(tree: _Element) -> datetime | None:
    """A date that stands by itself right below the headline, unmarked, unless the words before it call it an update."""
    for headline in tree.xpath("//h1")[:3]:  # some pages have one for small screens besides
        before = ""
        for text in headline.xpath("following::text()[normalize-space() and not(parent::script or parent::style)]")[:5]:
            found = parse_date(one_line(text)) if _opens_with_date(text) else None
            if found and not _UPDATE.search(before):
                return found
            before = text
    return None


def _opens_with_date(text: str) -> bool:
    """Whether nothing but a month, a weekday or a word for publishing stands before the first digit."""
    words = [token.text for token in tokens(re.split(r"\d", text, maxsplit=1)[0])]
    return all(months(word) or weekdays(word) or _PUBLISHING.fullmatch(word) for word in words)


_PUBLISHING = re.compile("published|posted|publicado|on|el", re.I)
_UPDATE = re.compile(r"updat|modif|actuali[sz]|aktuali|mis à jour|更新", re.I)


# --- PDF and Word --------------------------------------------------------------------------------------


def pdf_fields(data: bytes, max_chars: int) -> Fields:
    """What a PDF says: its text in paragraphs, title and author where it states them.

    The day on which the file was made is not the day of publication and is not taken.

    Raises BadInput where it is encrypted, damaged, longer than `max_chars`, or holds pictures of pages only.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        pages = _pdf_pages((page.extract_text() for page in reader.pages), max_chars)
        info = reader.metadata
        title, author = str(info.title or "") if info else "", str(info.author or "") if info else ""
    except (FileNotDecryptedError, DependencyError) as exc:
        raise BadInput("password-protected", "the PDF is encrypted; save it without a password") from exc
    except BadInput:
        raise
    except (PyPdfError, *_DAMAGED) as exc:
        raise BadInput("malformed", f"the PDF is damaged ({type(exc).__name__}); open it and save it anew") from exc
    text = _pdf_text(pages)
    if not text:
        raise BadInput("empty", "the PDF holds no text, only pictures of pages; run OCR on it first")
    usable = (
        8 <= len(title) <= 250
        and " " in title
        and not re.search(r"\.(docx?|indd|qxd|pdf|pub)\b|^microsoft|untitled", title, re.I)
    )
    said = text_fields(text, one_line(title) if usable else "")
    return said if said.byline else replace(said, byline=byline_names(author) if " " in author else "")


def _pdf_pages(texts: Iterable[str], max_chars: int) -> list[list[str]]:
    pages, total = [], 0
    for text in texts:
        total += len(text)
        if total > max_chars:
            raise BadInput("too large", f"the PDF holds more than {max_chars:,} characters; split it")
        pages.append([re.sub(r"\s+", " ", line).strip() for line in clean(text).split("\n")])
    return pages


def _pdf_text(pages: list[list[str]]) -> str:
    """The paragraphs of a PDF: lines joined, running heads and page numbers left out."""
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
        # A line that stops well short of the measure ends a paragraph, or is a heading.
        if not line or len(line) < 0.75 * width:
            blocks.append([])
    return clean("\n\n".join(join_lines(block) for block in blocks if block))


def docx_fields(data: bytes, max_bytes: int) -> Fields:
    """What a Word file says: paragraphs, headings and tables in order, without hidden text; its title and author.

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
        blocks = [block for item in document.iter_inner_content() for block in _docx_blocks(item)]
    except (OpcError, zipfile.BadZipFile, KeyError, SyntaxError, *_DAMAGED) as exc:
        raise BadInput(
            "malformed", f"the Word file is damaged ({type(exc).__name__}); open it and save it anew"
        ) from exc
    text = clean("\n\n".join(blocks))
    if not text:
        raise BadInput("empty", "the Word file holds no text")
    title, author = document.core_properties.title or "", document.core_properties.author or ""
    headed = one_line(title) if slug(title) and slug(title) == slug(blocks[0]) else ""
    said = text_fields(text, headed)
    # "python-docx" and a login name are no authors.
    return said if said.byline or " " not in author else replace(said, byline=byline_names(author))


def _docx_blocks(item: object, depth: int = 0) -> Iterator[str]:
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

    if isinstance(item, Paragraph):
        yield from filter(None, ["".join(_docx_words(item)).strip()])
    elif isinstance(item, Table) and depth < 20:
        for row in item.rows:
            # Each cell once: `row.cells` repeats it for every column that it says it spans, a thousand million of them.
            cells = [_Cell(cell, item) for cell in row._tr.tc_lst if cell.vMerge != "continue"]
            texts = (
                " ".join(block for inner in cell.iter_inner_content() for block in _docx_blocks(inner, depth + 1))
                for cell in cells
            )
            yield " | ".join(text for one in texts if (text := " ".join(one.split())))


def _docx_words(paragraph: Any) -> Iterator[str]:
    """The words of a paragraph that can be seen, those of links too."""
    for part in paragraph.iter_inner_content():
        for run in getattr(part, "runs", [part]):
            if not _docx_hidden(run):
                yield run.text


def _docx_hidden(run: Any) -> bool:
    """Hidden, as large as a point, or white on a ground of no other colour."""
    font = run.font
    if font.hidden or font.size is not None and font.size.pt <= 1:
        return True
    white = font.color is not None and str(font.color.rgb or "").upper() == "FFFFFF"
    return white and not run._r.xpath("./w:rPr/w:shd | ./w:rPr/w:highlight | ancestor::*/w:tcPr/w:shd | ../w:pPr/w:shd")
