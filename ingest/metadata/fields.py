"""What a source says about an article: dates, addresses, names, and where each stands in a record or a text."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rag.language.tokens import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a source says about one article, as yet unchecked; empty where it is silent."""

    id: str = ""
    url: str = ""
    title: str = ""
    outlet: str = ""
    byline: str = ""
    genre: str = ""
    language: str = ""
    text: str = ""
    published: datetime | None = None
    modified: datetime | None = None
    withdrawn: bool = False


# What is longer is no title, no name and no address: some readers take a whole broken file for one. All but the text
# stands in every passage or in every list of articles.
_LONGEST = {"title": 1000, "outlet": 200, "byline": 500, "genre": 200}
_LONGEST_URL = 2000  # browsers and proxies take about as much


def bounded(fields: Fields) -> Fields:
    """The fields with all but the text cut to a length that can be shown; an address that is too long is none."""
    cut = {
        name: f"{value[: most - 1]}…"
        for name, most in _LONGEST.items()
        if len(value := str(getattr(fields, name))) > most
    }
    url = fields.url if len(fields.url) <= _LONGEST_URL else ""
    return replace(fields, url=url, **cut) if cut or url != fields.url else fields  # type: ignore[arg-type]


# --- dates -------------------------------------------------------------------------------------------

_MONTH_NAMES = (
    "january jan enero ene januar janner janvier janv gennaio gen janeiro januari gener|"
    "february feb febrero februar feber fevrier fevr fev febbraio fevereiro februari febrer|"
    "march mar marzo marz mrz mars marco maart marts marc|april apr abril abr avril avr aprile|"
    "may mayo mai maggio mag maio mei maj maig|june jun junio juni juin giugno giu junho juny|"
    "july jul julio juli juillet juil luglio lug julho juliol|"
    "august aug agosto ago aout augustus augusti agost|"
    "september sep sept septiembre setiembre set septembre settembre setembro septembre setembre|"
    "october oct octubre oktober okt octobre ottobre ott outubro out|"
    "november nov noviembre novembre novembro|"
    "december dec diciembre dic dezember dez decembre dicembre dezembro desember desembre"
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES.split("|"), start=1) for name in names.split()}
_ZONE = r"(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})"
_TIME = (
    rf"(?:(?:,|\bat|\ba las|\bum|\ba|-|–|\||·)*\s*(?P<hour>\d{{1,2}})\s?[:.h]\s?(?P<minute>\d{{2}})(?::\d{{2}})?"
    rf"\s*(?P<half>[ap]\.?m\.?)?\s*(?:h|hrs|uhr|horas)?\.?\s*\(?{_ZONE}?\)?)?"
)
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_DATES = [
    re.compile(pattern)
    for pattern in (
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s+(?:de |d'|"
        rf"of )?(?P<month>[^\W\d]{{3,10}})\.?,?\s+(?:de |del )?(?P<year>\d{{4}})\s*{_TIME}",
        rf"{_WEEKDAY}(?P<month>[^\W\d]{{3,10}})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|"
        rf"th)?,?\s+(?P<year>\d{{4}})\s*{_TIME}",
        rf"(?P<year>\d{{4}})(?P<sep>[./-])(?P<month>\d{{1,2}})(?P=sep)(?P<day>\d{{1,2}})\s*{_TIME}",
        rf"(?P<first>\d{{1,2}})(?P<sep>[./-])(?P<second>\d{{1,2}})(?P=sep)(?P<year>\d{{4}})\s*{_TIME}",
        r"(?P<year>\d{4})[年년]\s?(?P<month>\d{1,2})[月월]\s?(?P<day>\d{1,2})[日일]\s*"
        r"(?:(?P<hour>\d{1,2})[:：](?P<minute>\d{2}))?(?::\d{2})?",
    )
]
_RFC_2822 = re.compile(r"(?:[A-Za-z]{3},\s*)?\d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}(?::\d{2})? .+")


def parse_date(value: object) -> datetime | None:
    """The moment that a date names, or None where it names none for certain: nothing is guessed.

    ISO 8601, RFC 2822, and written dates of eight languages; a day alone is midnight without zone.
    `03/04/2025` is two dates in two countries, `31/02/2024` none: both give None. Numbers are seconds
    (or milliseconds) since 1970, or YYYYMMDD.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, datetime):
        return _within(value)
    if isinstance(value, int | float):
        return _from_number(value)
    text = str(value).strip()
    if not 8 <= len(text) <= 60:
        return None
    try:
        if text[0].isdigit() and not re.fullmatch(r"\d{9,}", text) and "W" not in text:
            return _within(datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d\d:?\d\d$|Z$)", "", text)))
    except ValueError:
        pass
    return _within(_from_rfc(text) or _from_words(text))


def _within(moment: datetime | None) -> datetime | None:
    return moment if moment and 1800 <= moment.year <= 2100 else None


def _from_number(value: float) -> datetime | None:
    if 18000101 <= value <= 21001231:
        return parse_date(str(int(value)))
    if not abs(value) < 1e15:  # nor is it one that a float can hold
        return None
    seconds = value / 1000 if value > 1e11 else value
    return datetime.fromtimestamp(seconds, UTC) if 1e8 < seconds < 4.1e9 else None


def _from_rfc(text: str) -> datetime | None:
    if not _RFC_2822.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _from_words(text: str) -> datetime | None:
    folded = re.sub(r"\s+", " ", fold(text)).strip(" .,")
    for pattern in _DATES:
        match = pattern.fullmatch(folded)
        if match:
            return _from_parts({k: v for k, v in match.groupdict().items() if v})
    return None


def _from_parts(parts: Mapping[str, str]) -> datetime | None:
    if "first" in parts:
        day, month = _day_and_month(int(parts["first"]), int(parts["second"]), parts["sep"])
    else:
        day, name = int(parts["day"]), parts["month"]
        month = int(name) if name.isdigit() else _MONTHS.get(name, 0)
    hour, minute = int(parts.get("hour", 0)), int(parts.get("minute", 0))
    half = parts.get("half", "")
    if half and hour <= 12:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    try:
        return datetime(int(parts["year"]), month, day, hour, minute, tzinfo=_zone(parts.get("zone", "")))
    except ValueError:
        return None


def _day_and_month(first: int, second: int, separator: str) -> tuple[int, int]:
    """Dots are always day.month.year; with other signs only one reading may be a date, else (0, 0)."""
    if separator == "." or first > 12 or first == second:
        return first, second
    return (second, first) if second > 12 else (0, 0)


def _zone(text: str) -> timezone | None:
    if not text:
        return None
    if text in {"z", "utc", "gmt"}:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def date_in_url(url: str) -> datetime | None:
    """The day that stands in the path of an address as /2025/02/14/, else None."""
    match = re.search(r"/((?:19|20)\d\d)[/-](\d\d)[/-](\d\d)(?=[/-]|$)", urlsplit(url).path)
    return parse_date("-".join(match.groups())) if match else None


# --- addresses, ids, names ---------------------------------------------------------------------------

_TRACKING = re.compile(r"utm_.*|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_ga|ito|ocid|cmpid|cmp|xtor")


def canonical_url(url: str) -> str:
    """The address without fragment and tracking parameters, scheme and host in lower case; "" for anything else."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or re.search(r"\s", url.strip()):
        return ""
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(k.lower())]
    changed = len(query) != len(parts.query.split("&"))
    kept = urlencode(query, errors="replace") if changed else parts.query
    return urlunsplit((parts.scheme.lower(), parts.hostname + port, parts.path or "/", kept, ""))


def slug(text: str) -> str:
    """The text in lower case without accents, words joined by hyphens: `Río Bravo: 2` -> `rio-bravo-2`."""
    return re.sub(r"[\W_]+", "-", fold(text)).strip("-")


def article_id(fields: Fields, stem: str = "", within: str = "") -> str:
    """The id of an article, the same whenever the same source is read again.

    Its own id where it has one; else from its address, which stays when a headline is corrected; else from
    the name of its file, its title, and `within` (what tells records of one file apart).
    """
    given = fields.id.strip()
    own = re.sub(r"[\s\x00-\x20\x7f-\x9f#]+", "-", given).strip("-")
    if own and (own != given or len(own) > 200):
        return f"{own[:191]}-{_digest(given)}"  # `wire 1` and `wire#1` and `wire-1` stay three articles
    if own:
        return own
    if fields.url:
        steps = [step for step in re.split(r"[/.?=&]", urlsplit(fields.url).path) if re.search(r"[^\W\d_]{3}", step)]
        pages = [step for step in steps if step not in {"html", "htm", "php", "index", "amp"}]
        name, key = pages[-1] if pages else fields.title, fields.url
    else:
        name, key = stem, fields.title.casefold() + within
    return f"{slug(name)[:40].strip('-') or 'article'}-{_digest(key)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def language_code(tag: str) -> str:
    """ISO 639-1 of a language tag: `en-GB` -> `en`; "" where it is none."""
    code = re.split(r"[-_]", tag.strip().lower())[0]
    return code if re.fullmatch(r"[a-z]{2}", code) else ""


def one_line(text: str) -> str:
    """The text without tags, entities and line breaks."""
    if "<" in text:
        text = re.sub(r"</?[a-zA-Z][^<>]*>", "", text)
    return " ".join(unescaped(text).split())


def unescaped(text: str) -> str:
    """The text with its HTML entities as characters. A reference to a character that cannot exist stays as it is."""
    return html.unescape(_ENDLESS_REFERENCE.sub(r"&amp;#\1", text)) if "&" in text else text


_ENDLESS_REFERENCE = re.compile(r"&#(?=(\d{9,}+))\1")


def byline_names(text: str) -> str:
    """The names of a byline without its opening word: `By Nora Field` -> `Nora Field`."""
    return re.sub(rf"^(?:{_BY})(?=[^a-z]|$)[\s:]*", "", one_line(text), count=1, flags=re.I)


# --- records -----------------------------------------------------------------------------------------

# Our field -> names in the wild, in order of trust, without case, hyphens, underscores and spaces:
# our own, schema.org, ninjs (IPTC), JSON Feed, news APIs, and the words of Spanish, French, German, Portuguese.
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
    """The records that a JSON value holds: itself, the members of a list, or of {"articles": [...]} and @graph.

    What is no object comes as it is, so that it can be counted as malformed.
    """
    waiting = [value]  # a list of lists is gone through without calling again for each level
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
    """It is a schema.org type of something that one reads: NewsArticle, BlogPosting, Report …"""
    return isinstance(kind, str) and bool(re.search(r"(Article|Posting|Report)$", kind))


def record_fields(record: Record, mapping: Mapping[str, str] | None = None) -> Fields:
    """What a record of JSON or CSV says, whatever its names for it; `mapping` gives the user's own names.

    The names of the outlet and the authors may be objects or lists. A date that cannot be read is None.
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
    """A record has a field for the text, whether or not anything is in it."""
    if "text" in mapping:
        return _at(record, mapping["text"]) is not None or mapping["text"] in record
    return any(name in NAMES["text"] for name in _flat(record))


def _flat(record: Record) -> dict[str, object]:
    """The values by their names without case and separators; those of `meta` behind the record's own."""
    flat: dict[str, object] = {}
    inner = [record.get(name) for name in ("meta", "metadata")]
    for mapping in [record, *(m for m in inner if isinstance(m, dict))]:
        for key, value in mapping.items():
            flat.setdefault(re.sub(r"(?<!^)[_\-\s]", "", fold(str(key))), value)
    return flat


def _first(flat: Mapping[str, object], names: Sequence[str]) -> object:
    return next((flat[name] for name in names if flat.get(name) not in (None, "", [], {})), None)


def _at(record: object, path: str) -> object:
    """The value at a dotted path; a key that itself holds dots goes first. None where there is none."""
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
    """The words of a value: of an object its name or text, of a list its members joined."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, dict):
        keys = ("name", "value", "@value", "text", "content", "body", "title", "label", "@id")
        return next((_string(value[k], joint) for k in keys if value.get(k)), "")
    if isinstance(value, list):
        return joint.join(filter(None, (_string(member, joint) for member in value)))
    return str(value).strip()


# --- the top of a plain text -------------------------------------------------------------------------

_BY = r"by|por|par|von|di|da|door|av|words|text|texto|reporting by|escrito por|publicado por"
_DATED = (
    r"(?:first |last |ultima )?(?:published|posted|updated|date|dated|publicado|publicada|actualizado|fecha|"
    r"publie|mis a jour|"
    r"veroffentlicht|aktualisiert|stand|datum|pubblicato|aggiornato|data|gepubliceerd|publisert)(?: on| el| le|"
    r" am| il| em| op)?"
)
_BY_LINE = re.compile(rf"(?:{_BY})\b[\s:]+\S")
_DATE_LINE = re.compile(rf"(?:{_DATED})\s*[:·|-]?\s+(?=\S)")
_SEPARATORS = re.compile(r"\s+[—–|·•/-]\s+|\s*[|·•]\s*|,\s+(?!\d{4}\b)")
_ROLE = re.compile(
    r"\b(editor|correspondent|reporter|writer|staff|columnist|analyst|bureau|critic|photographer|page|pagina|redactor|"
    r"corresponsal|enviad[oa]|redaccion|korrespondent|redakteur|correspondant|journaliste)\b"
)
_OUTLET = re.compile(
    r"\b(daily|news|times|post|gazette|herald|observer|courier|tribune|journal|radio|press|wire|agency|today|"
    r"standard|guardian|"
    r"telegraph|chronicle|star|sun|mail|express|review|weekly|magazine|broadcasting|tv|television|independent|"
    r"examiner|inquirer|globe|"
    r"mirror|record|echo|bulletin|argus|mercury|sentinel|ledger|register|dispatch|reuters|ap|afp|efe|dpa|ansa|"
    r"upi|tass|bbc|cnn|npr|"
    r"diario|periodico|agencia|noticias|prensa|gaceta|heraldo|faro|vanguardia|mundo|pais|zeitung|nachrichten|"
    r"anzeiger|presse|"
    r"spiegel|rundschau|monde|figaro|liberation|gazzetta|corriere|repubblica|folha|estado|publico|jornal)\b|"
    r"^the \w+$|\w\.(com|org|net|co)\b"
)
# MADRID, 27 (EFE) · PORT SELWYN, 6 Mar (Maravel Wire) - · LONDON, 14 February 2025 (Reuters) —
_DATELINE = re.compile(
    r"^[^\W\d_a-zà-ÿ](?:[^\W\d_a-zà-ÿ]|[.'’\- ])+(?:,\s*(?P<date>[^()\n]{1,30}?))?"
    r"\s*\((?P<agency>[^()\n]{1,40})\)\s*(?:[-–—―:.]|$)",
    re.M,
)


def text_fields(text: str, title: str = "") -> Fields:
    """What the top of a plain text says: title, byline, outlet, day; `text` is what is left of it.

    The first line is the title unless one is given. Byline and date lines count among the six lines below
    it only, and leave the text; a dateline stays in it. A running sentence never gives a date.
    """
    lines = text.split("\n")
    found = Fields(title=title)
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    heading = one_line(lines[first]) if lines else ""
    headed = len(heading) <= 250 and not (len(heading) > 100 and heading.endswith("."))
    if not title and headed and _line_fields(heading) is None:
        found, lines[first] = Fields(title=heading), ""
    elif title and slug(heading) == slug(title):
        lines[first] = ""
    for index in [i for i, line in enumerate(lines) if line.strip()][:6]:
        said = _line_fields(lines[index])
        if said is not None:
            found, lines[index] = _together(found, said), ""
        elif len(lines[index]) > 200:
            break
    found, lines = _folio(found, lines)
    rest = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return replace(found, text=rest or text.strip())


def _together(found: Fields, said: Fields) -> Fields:
    return replace(
        found,
        byline=found.byline or said.byline,
        outlet=found.outlet or said.outlet,
        published=found.published or said.published,
    )


def _line_fields(line: str) -> Fields | None:
    """What a line of metadata says; None for a line of the article."""
    line = one_line(line).strip("*_ ")
    folded = fold(line)
    if len(line) > 160 or len(folded) != len(line):
        return None
    if _BY_LINE.match(folded) and line[:1].isupper() and not re.search(r"[.!?]$", line):
        return _byline_fields(line)
    dated = _DATE_LINE.match(folded)
    if dated:
        said = _parts_fields(line[dated.end() :])
        return said if said.published else None
    said = _parts_fields(line)
    if said.published and said.outlet or _is_outlet_line(line, folded):
        return said if said.published else Fields(outlet=line)
    return said if parse_date(line) else None


def _byline_fields(line: str) -> Fields | None:
    """`By Nora Field, Orrin Observer, 3 June 2025`; None where no name follows."""
    head, *rest = _SEPARATORS.split(byline_names(line))
    name = re.split(r"\s+(?:in|en|a|aus)\s+(?=[^\W\d_a-z])", head)[0]
    if not re.match(r"[^\W\d_]", name) or len(name.split()) > 12 or not all(map(_in_a_name, name.split())):
        return None
    said = _parts_fields(", ".join(rest))
    return replace(said, byline=name)


def _in_a_name(word: str) -> bool:
    return word[0].isupper() or word in {
        "and",
        "y",
        "e",
        "und",
        "et",
        "&",
        "de",
        "del",
        "la",
        "van",
        "von",
        "der",
        "den",
        "da",
        "di",
    }


def _parts_fields(line: str) -> Fields:
    """The day and the outlet in a line of parts; a part that is neither says nothing."""
    published, outlet, others = None, "", []
    whole = parse_date(line)
    if whole:
        return Fields(published=whole)
    for part in _SEPARATORS.split(line):
        day = parse_date(part)
        published = published or day
        if not day and part.strip() and not _ROLE.search(fold(part)):
            others.append(part.strip())
    outlet = next((part for part in others if _OUTLET.search(fold(part)) and part[0].isupper()), "")
    if not outlet and published and len(others) == 1 and len(others[0].split()) > 1 and others[0].istitle():
        outlet = others[0]
    return Fields(published=published, outlet=outlet if len(outlet.split()) <= 6 else "")


def _is_outlet_line(line: str, folded: str) -> bool:
    words = line.split()
    named = all(word[0].isupper() or word in {"of", "de", "the", "and", "&", "del", "la"} for word in words)
    return 2 <= len(words) <= 5 and named and bool(_OUTLET.search(folded)) and line[-1].isalpha() and "," not in line


def _folio(found: Fields, lines: list[str]) -> tuple[Fields, list[str]]:
    """Takes the source line below an article, `The Selwyn Courier, 21 January 2026, page 1`, off the text."""
    last = next((i for i in range(len(lines) - 1, 0, -1) if lines[i].strip()), 0)
    line = lines[last].strip() if lines else ""
    if not last or len(line) > 100 or not _SEPARATORS.search(line) or line[-1] in ".!?…":
        return found, lines
    said = _parts_fields(line)
    known = {part for part in _SEPARATORS.split(line) if parse_date(part) or part == said.outlet}
    others = [p for p in _SEPARATORS.split(line) if p not in known and not _ROLE.search(fold(p))]
    if not said.published or not said.outlet or others:
        return found, lines
    return _together(found, said), [*lines[:last], "", *lines[last + 1 :]]


def dateline_fields(text: str) -> Fields:
    """The agency, and the day where it is stated with its year, of a dateline in the first 600 characters."""
    match = _DATELINE.search(text[:600])
    if not match or not re.search(r"[^\W\d_]{2}", match["agency"]):
        return Fields()
    if not match["date"] and not _OUTLET.search(fold(match["agency"])):
        return Fields()  # NATO (North Atlantic Treaty Organization): an abbreviation spelt out
    published = parse_date(match["date"]) if match["date"] else None
    agency = re.sub(r"\s*/.*$", "", match["agency"].strip())
    return Fields(outlet=agency if agency[:1].isupper() else "", published=published)
