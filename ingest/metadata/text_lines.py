"""Lines of a plain text that are metadata: title, byline, date line, dateline, and the source line at the end."""

from __future__ import annotations

import re
from dataclasses import replace

from ingest.metadata.dates import parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.values import BYLINE_WORDS, byline_names, one_line, slug
from rag.language.tokens import fold

_DATED = (
    r"(?:first |last |ultima )?(?:published|posted|updated|date|dated|publicado|publicada|actualizado|fecha|"
    r"publie|mis a jour|"
    r"veroffentlicht|aktualisiert|stand|datum|pubblicato|aggiornato|data|gepubliceerd|publisert)(?: on| el| le|"
    r" am| il| em| op)?"
)
_BY_LINE = re.compile(rf"(?:{BYLINE_WORDS})\b[\s:]+\S")
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
# Datelines: MADRID, 27 (EFE) · PORT SELWYN, 6 Mar (Maravel Wire) - · LONDON, 14 February 2025 (Reuters) —
_DATELINE = re.compile(
    r"^[^\W\d_a-zà-ÿ](?:[^\W\d_a-zà-ÿ]|[.'’\- ])+(?:,\s*(?P<date>[^()\n]{1,30}?))?"
    r"\s*\((?P<agency>[^()\n]{1,40})\)\s*(?:[-–—―:.]|$)",
    re.M,
)


def text_fields(text: str, title: str = "") -> Fields:
    """Title, byline, outlet and date from the lines at the top of a plain text, and the text without those lines.

    The first line is the title unless one is given. Byline and date lines are recognised among the first six lines
    only; a dateline stays in the text. A date inside a running sentence is never taken.
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
    """The fields in a line of metadata; None for a line of the article."""
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
    """The fields of a byline such as `By Nora Field, Orrin Observer, 3 June 2025`; None where it names nobody."""
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
    """The date and the outlet among the parts of a line; other parts are ignored."""
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
    """Fields and lines without the source line at the end: `The Selwyn Courier, 21 January 2026, page 1`."""
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
    """The agency of a dateline in the first 600 characters, and its date where that includes the year."""
    match = _DATELINE.search(text[:600])
    if not match or not re.search(r"[^\W\d_]{2}", match["agency"]):
        return Fields()
    if not match["date"] and not _OUTLET.search(fold(match["agency"])):
        return Fields()  # an abbreviation spelt out: NATO (North Atlantic Treaty Organization)
    published = parse_date(match["date"]) if match["date"] else None
    agency = re.sub(r"\s*/.*$", "", match["agency"].strip())
    return Fields(outlet=agency if agency[:1].isupper() else "", published=published)
