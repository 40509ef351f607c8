"""Days, months, quarters, seasons and years as periods; none reaches out of the years 1000 to 9999."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

EARLIEST, LATEST = date(1000, 1, 1), date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from first to last, None: open."""

    first: date | None
    last: date | None


def cut(kind: str, period: Period) -> Period | None:
    """What is since, after, before or until a period."""
    day = timedelta(days=1)
    if kind == "since":
        return Period(period.first, None)
    if kind == "after":
        return Period(period.last + day, None) if period.last and period.last < LATEST else None
    if kind == "before":
        return Period(None, period.first - day) if period.first and period.first > EARLIEST else None
    return Period(None, period.last)


def day_of(year: int, month: int, day: int) -> date | None:
    """The day, or None where there is none, or it is before the year 1000."""
    try:
        return date(year, month, day) if year >= EARLIEST.year else None
    except ValueError:
        return None


def month_of(year: int, month: int) -> Period | None:
    """The month, or None where there is none, or it is before the year 1000."""
    first = day_of(year, month, 1)
    return Period(first, end_of_month(first)) if first else None


def quarter_of(year: int, number: int) -> Period | None:
    """The quarter of that number, 1 to 4; None as for `month_of`."""
    return _months(day_of(year, 3 * number - 2, 1))


def season_of(year: int, number: int) -> Period | None:
    """Spring (1) to winter (4), three whole months each; winter begins in December of the year."""
    return _months(day_of(year, 3 * number, 1))


def _months(first: date | None) -> Period | None:
    """Three whole months."""
    if first is None or (first.year, first.month) > (9999, 10):
        return None
    return Period(first, end_of_month(first + timedelta(days=62)))


def year_of(year: int) -> Period | None:
    """The year; None as for `month_of`."""
    first, last = day_of(year, 1, 1), day_of(year, 12, 31)
    return Period(first, last) if first and last else None


def end_of_month(day: date) -> date:
    """The last day of the month of a day."""
    if day.month == 12:
        return day.replace(day=31)
    return day.replace(month=day.month + 1, day=1) - timedelta(days=1)


def moved(day: date, *, years: int) -> date:
    """The day that many years later; at most the 28th, so that it is one. Not before the year 1000."""
    return day.replace(year=max(EARLIEST.year, day.year + years), day=min(day.day, 28))
