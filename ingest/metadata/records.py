"""Records of JSON, CSV, JSON-LD and front matter become fields, under whatever names they give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from ingest.metadata.addresses import canonical_url
from ingest.metadata.dates import parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.values import byline_names, language_code, one_line
from rag.language.tokens import fold

# Our field -> names that records use for it, the most reliable first, in lower case without separators: our own,
# schema.org, ninjs (IPTC), JSON Feed, news APIs, and words of Spanish, French, German, Italian and Portuguese.
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "_id", "uri", "guid", "articleid", "docid", "documentid", "uuid", "identifier"),
    "url": ("url", "link", "canonicalurl", "weburl", "articleurl", "permalink", "mainentityofpage", "enlace"),
    "title": ("title", "headline", "headlines", "headlinetext", "titulo", "titular", "titre", "titel", "name"),
    "outlet": (
        "outlet", "publisher", "source", "provider", "infosource", "infosources", "sitename", "publication",
        "newspaper", "medio", "fuente", "media", "zeitung", "journal", "quelle", "veiculo",
    ),
    "byline": ("byline", "author", "authors", "by", "creator", "writer", "firma", "autor", "autores", "auteur"),
    "published": (
        "published", "datepublished", "publishedat", "publisheddate", "publishdate", "publicationdate", "datepublish",
        "publishedon", "publishtime", "pubdate", "date", "firstcreated", "versioncreated", "firstpublished",
        "fecha", "publicado", "fechapublicacion", "datum", "veroffentlicht", "publie", "data", "timestamp", "time",
    ),
    "modified": ("modified", "datemodified", "modifiedat", "updated", "updatedat", "lastmodified", "dateupdated",
                 "versioncreated", "actualizado", "modificado", "aktualisiert"),
    "language": ("language", "lang", "inlanguage", "idioma", "lengua", "sprache", "langue", "lingua"),
    "genre": ("genre", "section", "articlesection", "category", "seccion", "categoria", "rubrique", "ressort"),
    "text": (
        "text", "body", "content", "articlebody", "bodytext", "bodyxhtml", "bodyhtml", "contenthtml", "contenttext",
        "bodies", "fulltext", "maintext", "articletext", "article", "story", "paragraphs", "texto", "cuerpo",
        "contenido", "texte", "contenu", "inhalt", "testo", "conteudo",
    ),
}  # fmt: skip
_LISTS = (
    "articles",
    "items",
    "@graph",
    "data",
    "results",
    "docs",
    "documents",
    "records",
    "stories",
    "news",
    "entries",
)
_STATUS = {"canceled", "cancelled", "withheld", "withdrawn", "killed", "deleted", "retracted"}
Record = Mapping[str, object]


def records_in(value: object) -> Iterator[object]:
    """Yields the records in a JSON value: itself, the members of a list, or those of {"articles": [...]} or @graph.

    A value that is not an object is yielded as it is, so that it can be counted as malformed.
    """
    waiting = [value]  # a stack instead of recursion: lists may be nested deeply
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
            continue
        listed = (
            next((value[k] for k in _LISTS if isinstance(value.get(k), list)), None)
            if isinstance(value, dict)
            else None
        )
        members = [m for m in listed or () if isinstance(m, dict)]
        if isinstance(value, dict) and members and not _is_article(value):
            yield from [m for m in members if _is_article(m)] or members
        else:
            yield value


def _is_article(record: Record) -> bool:
    kinds = record.get("@type")
    if kinds is None:
        return record_fields(record).text != ""
    return any(is_article_type(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))


def is_article_type(kind: object) -> bool:
    """Whether a schema.org type is that of an article: NewsArticle, BlogPosting, Report and the like."""
    return isinstance(kind, str) and bool(re.search(r"(Article|Posting|Report)$", kind))


def record_fields(record: Record, mapping: Mapping[str, str] | None = None) -> Fields:
    """The fields of a record, found by the names in `NAMES` or, where it has one, by the user's `mapping`.

    Outlet and authors may be objects or lists. A date that cannot be read is None.
    """
    flat = _flat(record)
    own = mapping or {}

    def raw(name: str) -> object:
        return _at(record, own[name]) if name in own else _first(flat, NAMES[name])

    text = raw("text")
    published, modified = parse_date(_plain(raw("published"))), parse_date(_plain(raw("modified")))
    outlet = one_line(_string(raw("outlet")))
    identity = raw("id")
    uri = _string(identity) if not isinstance(identity, dict | list) else ""
    return Fields(
        id=uri,
        url=canonical_url(_string(raw("url"))) or canonical_url(_string(record.get("@id"))) or canonical_url(uri),
        title=one_line(_string(raw("title"))),
        outlet=_host(outlet) or outlet if "://" in outlet else outlet,
        byline=byline_names(_string(raw("byline"))),
        genre=one_line(_string(raw("genre"))),
        language=language_code(_string(raw("language"))),
        text=_string(text, "\n\n"),
        published=published,
        modified=modified if modified != published else None,
        withdrawn=str(flat.get("pubstatus") or flat.get("status") or "").casefold() in _STATUS,
    )


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def has_text_name(record: Record, mapping: Mapping[str, str]) -> bool:
    """Whether a record has a field for the text, even an empty one."""
    if "text" in mapping:
        return _at(record, mapping["text"]) is not None or mapping["text"] in record
    return any(name in NAMES["text"] for name in _flat(record))


def _flat(record: Record) -> dict[str, object]:
    """The values by name in lower case without separators. Those inside `meta` or `metadata` come last."""
    flat: dict[str, object] = {}
    inner = [record.get(name) for name in ("meta", "metadata")]
    for mapping in [record, *(m for m in inner if isinstance(m, dict))]:
        for key, value in mapping.items():
            flat.setdefault(re.sub(r"(?<!^)[_\-\s]", "", fold(str(key))), value)
    return flat


def _first(flat: Mapping[str, object], names: Sequence[str]) -> object:
    return next((flat[name] for name in names if flat.get(name) not in (None, "", [], {})), None)


def _at(record: object, path: str) -> object:
    """The value at a dotted path, None where there is none. A key that itself contains the dots comes first."""
    if isinstance(record, dict) and path in record:
        return record[path]
    head, _, rest = path.partition(".")
    if isinstance(record, dict):
        value = record.get(head)
    elif isinstance(record, list) and head.isdigit() and int(head) < len(record):
        value = record[int(head)]
    else:
        return None
    return _at(value, rest) if rest else value


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | None) else _string(value)


def _string(value: object, joint: str = ", ") -> str:
    """A value as text: of an object its name or text, of a list its members joined by `joint`."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, dict):
        keys = ("name", "value", "@value", "text", "content", "body", "title", "label", "@id")
        return next((_string(value[k], joint) for k in keys if value.get(k)), "")
    if isinstance(value, list):
        return joint.join(filter(None, (_string(member, joint) for member in value)))
    return str(value).strip()
