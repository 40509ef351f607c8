"""Written dates become moments. A date that can be read in two ways is no date: nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from rag.language.calendar import MONTHS
from rag.language.tokens import fold

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
    """The moment that a date names; None where it names none or could be read in two ways.

    Accepts ISO 8601, RFC 2822, and written dates in the languages of `rag.language.calendar`. A day alone is midnight
    without time zone. `03/04/2025` is two different days in two countries, and `31/02/2024` is none: both give None.
    A number is seconds or milliseconds since 1970, or YYYYMMDD. Years outside 1800 to 2100 give None.
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
    if not abs(value) < 1e15:  # also excludes NaN, and integers too large for a float
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
        month = int(name) if name.isdigit() else MONTHS.get(name, 0)
    hour, minute = int(parts.get("hour", 0)), int(parts.get("minute", 0))
    half = parts.get("half", "")
    if half and hour <= 12:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    try:
        return datetime(int(parts["year"]), month, day, hour, minute, tzinfo=_zone(parts.get("zone", "")))
    except ValueError:
        return None


def _day_and_month(first: int, second: int, separator: str) -> tuple[int, int]:
    """Day and month of a numeric date; (0, 0) where both readings are possible. Dots always mean day.month.year."""
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
    """The day in the path of an address, written as /2025/02/14/; None where there is none."""
    match = re.search(r"/((?:19|20)\d\d)[/-](\d\d)[/-](\d\d)(?=[/-]|$)", urlsplit(url).path)
    return parse_date("-".join(match.groups())) if match else None
