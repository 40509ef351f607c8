"""What a web page states about its article: JSON-LD first, then meta tags, then what is visible."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from itertools import islice

from ingest.cleaning.visibility import Element
from ingest.metadata.addresses import canonical_url
from ingest.metadata.dates import date_in_url, parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.records import is_article_type, record_fields, records_in
from ingest.metadata.text_lines import text_fields
from ingest.metadata.values import byline_names, language_code, one_line, slug
from rag.language.calendar import months, weekdays
from rag.language.tokens import tokens

_PUBLISHED = (
    "article:published_time", "og:article:published_time", "datePublished", "article:published", "publishdate",
    "pubdate", "publish-date", "parsely-pub-date", "sailthru.date", "dc.date.issued", "dc.date", "dc.date.created",
    "dcterms.created", "date", "pub_date", "cxenseparse:recs:publishtime", "publication_date",
    "originalpublicationdate", "iso-8601-publish-date", "article_date_original",
)  # fmt: skip
_MODIFIED = ("article:modified_time", "og:updated_time", "last-modified", "dateModified")


def page_metadata(tree: Element, url: str) -> Fields:
    """All fields but the text; `url` is where the page was downloaded, "" where that is not known."""
    linked = next((record_fields(r) for r in linked_data(tree) if is_article_type(record_type(r))), Fields())
    address = (
        canonical_url(first_text(tree, "//link[@rel='canonical']/@href"))
        or canonical_url(meta_content(tree, "og:url"))
        or linked.url
        or canonical_url(url)
    )
    # Some publishers give their host as their name in JSON-LD; og:site_name then comes first.
    named = linked.outlet if " " in linked.outlet or "." not in linked.outlet else ""
    outlet = (
        named
        or meta_content(tree, "og:site_name")
        or linked.outlet
        or meta_content(tree, "application-name", "publisher")
    )
    published = (
        linked.published or parse_date(meta_content(tree, *_PUBLISHED)) or _visible_date(tree) or date_in_url(address)
    )
    modified = linked.modified or parse_date(meta_content(tree, *_MODIFIED))
    tagged = first_text(tree, "/html/@lang") or meta_content(tree, "og:locale", "language")
    return Fields(
        url=address,
        title=linked.title or _page_title(tree, outlet),
        outlet=outlet if "://" not in outlet else "",
        byline=linked.byline or _byline(tree),
        genre=linked.genre or meta_content(tree, "article:section", "section"),
        language=linked.language or language_code(tagged),
        published=published,
        modified=modified if modified != published else None,
    )


def record_type(record: object) -> object:
    """The @type of a JSON-LD record; of several the first that is a type of article. None where it has none."""
    kind = record.get("@type") if isinstance(record, dict) else None
    return next((k for k in kind if is_article_type(k)), None) if isinstance(kind, list) else kind


def linked_data(tree: Element) -> list[dict[str, object]]:
    """The JSON-LD objects of a page. A script that is not valid JSON is passed over."""
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


def meta_content(tree: Element, *names: str) -> str:
    """The content of the first of these meta tags that has any, "" where none has.

    A tag is named by its property, name, itemprop or http-equiv, without regard to case.
    """
    return next((value for name in names if (value := first_text(tree, _meta_query(name)))), "")


def first_text(tree: Element, query: str) -> str:
    """The first non-empty text among the elements or attributes that an XPath query finds, in one line."""
    found = tree.xpath(query)
    return next((one for f in found if (one := one_line(str(f if isinstance(f, str) else f.text_content())))), "")


_SEPARATOR = re.compile(r"\s+[|–—•·-]\s+|\s*[|_]\s*")
_LONG_TITLE = 1000


def _page_title(tree: Element, outlet: str) -> str:
    """The headline: from og:title, h1 or title, without ` | Outlet` at its end."""
    heading = (
        first_text(tree, "//h1[@itemprop='headline']") or first_text(tree, "//article//h1") or first_text(tree, "//h1")
    )
    title = meta_content(tree, "og:title", "twitter:title", "dc.title") or heading or first_text(tree, "//title")
    if heading and slug(title).startswith(slug(heading)) and len(heading) > 15:
        return heading
    parts = list(_SEPARATOR.finditer(title[:_LONG_TITLE]))
    if not parts:
        return title
    mark, name, tail = parts[-1][0], title[: parts[-1].start()], title[parts[-1].end() :]
    known = slug(tail) in {slug(outlet), slug(first_text(tree, "//meta[@property='og:site_name']/@content"))}
    return name if (known or "|" in mark or "_" in mark) and len(name) > 10 else title


_NO_NAME = re.compile(r"submitted|published|posted|updated|share|comment|publicado|actualizado", re.I)
_CLASS = "//*[not(self::body) and contains(concat(' ', translate(@class, '-_', '  '), ' '), ' {} ')]"


def _byline(tree: Element) -> str:
    """The authors in meta tags, else the visible byline where it reads like names."""
    named = meta_content(tree, "author", "article:author", "dc.creator", "parsely-author", "sailthru.author", "byl")
    if named and "://" not in named and len(named) <= 150:
        return byline_names(named)
    for query in ("//*[@itemprop='author']", "//a[@rel='author']", _CLASS.format("byline"), "//address"):
        text = byline_names(re.split(r"\s[|·•–—-]\s|,|\d", first_text(tree, query))[0])
        if 3 <= len(text) <= 80 and text[0].isupper() and len(text.split()) <= 8 and not _NO_NAME.match(text):
            return text
    return ""


_DATE_CLASS = re.compile(r"(^|[_-])(date|dateline|fecha|pubdate|published|timestamp)($|[_-])", re.I)


def _visible_date(tree: Element) -> datetime | None:
    """The date that a reader sees in or below the headline; None where the page shows none.

    A <time> element comes first, then an element whose class names a date, then a date that stands by itself.
    """
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


def _date_below_headline(tree: Element) -> datetime | None:
    """A date in the first five texts below the headline, unless the text before it says that it is an update."""
    for headline in tree.xpath("//h1")[:3]:  # some pages have another headline for small screens
        before = ""
        for text in headline.xpath("following::text()[normalize-space() and not(parent::script or parent::style)]")[:5]:
            found = parse_date(one_line(text)) if _opens_with_date(text) else None
            if found and not _UPDATE.search(before):
                return found
            before = text
    return None


_PUBLISHING = re.compile("published|posted|publicado|on|el", re.I)
_UPDATE = re.compile(r"updat|modif|actuali[sz]|aktuali|mis à jour|更新", re.I)


def _opens_with_date(text: str) -> bool:
    """Whether only a month, a weekday or a word for publishing stands before the first digit."""
    words = [token.text for token in tokens(re.split(r"\d", text, maxsplit=1)[0])]
    return all(months(word) or weekdays(word) or _PUBLISHING.fullmatch(word) for word in words)
