"""What the archive holds: counts and spans from the catalogue. These sentences quote no article."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from rag.answering.kinds.holdings import Holdings
from rag.archive.catalog import Catalog
from rag.language.dates import written
from rag.language.identify import LANGUAGE_NAMES
from rag.schema import Article, Coverage, Filters, Sentence, TimeWindow

MOST_OUTLETS, MOST_WITHDRAWN = 12, 20


def compose(
    catalog: Catalog, filters: Filters, asked: Holdings, window: TimeWindow | None = None, about: Sequence[Article] = ()
) -> list[Sentence]:
    """The articles `about` what the question asks for, where it names something; those that were withdrawn, where it
    asks for them. Otherwise how many articles there are within the filters and what the question names, and their days;
    the newest and the oldest one, where it asks for them. Without any restriction also the outlets and languages."""
    within = narrowed(filters, asked, window)
    if asked.withdrawn:
        return [Sentence(text=text, verdict="supported") for text in _withdrawn(catalog, within)]
    if about:
        found = ["Nearest to what is asked for, of all articles that match:", *map(_named, about)]
        return [Sentence(text=text, verdict="supported") for text in found]
    coverage = catalog.coverage(within)
    said = [_counted(coverage, within)]
    if within.since or within.until:
        said += _undated(catalog, within)
    if asked.newest and coverage.last:
        said.append(_one("newest", coverage.last, catalog, within))
    if asked.oldest and coverage.first:
        said.append(_one("oldest", coverage.first, catalog, within))
    if within == Filters():
        said += _outlets(catalog.outlets()) + _languages(catalog.languages())
    return [Sentence(text=text, verdict="supported") for text in said]


def what_to_ask(coverage: Coverage, filters: Filters) -> list[Sentence]:
    """What answers a message that asks for nothing: what can be asked, and what the archive holds in the filters."""
    can = (
        "Ask about what these articles report: who did what and when, the latest on a subject, a timeline of it, who "
        "said what, or whether reports differ."
    )
    return [Sentence(text=text, verdict="supported") for text in (can, _counted(coverage, filters))]


def _withdrawn(catalog: Catalog, within: Filters) -> list[str]:
    """How many withdrawn articles there are within the filters, but for authors, and each of them."""

    def matches(one: Article) -> bool:
        day = one.day or date.min
        return (
            (not within.outlets or one.outlet in within.outlets)
            and (not within.languages or one.language in within.languages)
            and (not within.since or day >= within.since)
            and (not within.until or day <= within.until)
        )

    found = [one for one in catalog.withdrawn(MOST_WITHDRAWN) if matches(one)]
    if not found:
        return [f"The archive knows of no withdrawn article {_restriction(within)}".rstrip() + "."]
    one = len(found) == 1
    what = "article that was withdrawn; what it" if one else "articles that were withdrawn; what they"
    return [f"The archive knows of {len(found)} {what} said is not cited.", *map(_named, found)]


def _named(one: Article) -> str:
    by = f", {one.outlet}" if one.outlet else ""
    published = f", {written(one.day)}" if one.day else ""
    return f"“{one.title}”{by}{published}."


def narrowed(filters: Filters, asked: Holdings, window: TimeWindow | None) -> Filters:
    """The filters, narrowed by what the question names; where the two have nothing in common, the filters stay."""
    return replace(
        filters,
        since=filters.since or (window.first if window else None),
        until=filters.until or (window.last if window else None),
        outlets=_common(filters.outlets, asked.outlets),
        languages=_common(filters.languages, asked.languages),
    )


def _common(allowed: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in asked if not allowed or one in allowed) or allowed


def _counted(coverage: Coverage, within: Filters) -> str:
    """`The archive holds 7 articles from The Tide, in English. They date from 3 March 2025 to 1 May 2026.`"""
    number = f"{coverage.articles:,}" if coverage.articles else "no"
    what = f"The archive holds {number} {'article' if coverage.articles == 1 else 'articles'}"
    days = f"from {_days(coverage.first, coverage.last)}" if coverage.first and coverage.last else ""
    restricted = _restriction(within)
    if not restricted:
        return f"{what} {days}".rstrip() + "."
    dates = f" {'It dates' if coverage.articles == 1 else 'They date'} {days}." if days else ""
    return f"{what} {restricted}.{dates}"


def _days(first: date, last: date) -> str:
    return written(first) if first == last else f"{written(first)} to {written(last)}"


def _restriction(within: Filters) -> str:
    parts = [
        f"from {_either(within.outlets)}" if within.outlets else "",
        f"in {_either([LANGUAGE_NAMES.get(one, one) for one in within.languages])}" if within.languages else "",
        f"by {_either(within.authors)}" if within.authors else "",
        _published(within.since, within.until),
    ]
    return ", ".join(part for part in parts if part)


def _either(names: list[str] | tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _published(since: date | None, until: date | None) -> str:
    if since and since == until:
        return f"published on {written(since)}"
    if since and until:
        return f"published from {written(since)} to {written(until)}"
    if since:
        return f"published since {written(since)}"
    return f"published up to {written(until)}" if until else ""


def _undated(catalog: Catalog, within: Filters) -> list[str]:
    """How many articles the days leave out since their own day is unknown; nothing where there is none."""
    every = catalog.coverage(replace(within, since=None, until=None)).articles
    unknown = every - catalog.coverage(replace(within, since=date.min, until=date.max)).articles
    if not unknown:
        return []
    what = "article of an unknown day is" if unknown == 1 else "articles of an unknown day are"
    return [f"{unknown:,} {what} not counted."]


def _one(which: str, day: date, catalog: Catalog, within: Filters) -> str:
    """`The newest article is of 3 March 2025: “Title” (The Tide).`, or how many there are of that day, and one."""
    of_day = replace(within, since=day, until=day)
    number, article = catalog.coverage(of_day).articles, catalog.articles(of_day, limit=1)[0]
    named = f"“{article.title}”" + (f" ({article.outlet})" if article.outlet else "")
    if number == 1:
        return f"The {which} article is of {written(day)}: {named}."
    return f"The {which} articles are {number:,} of {written(day)}, one of them {named}."


def _outlets(outlets: Mapping[str, int]) -> list[str]:
    often = sorted(outlets, key=lambda name: (-outlets[name], name))
    if not often:
        return []
    more = f" and {len(often) - MOST_OUTLETS:,} more" if len(often) > MOST_OUTLETS else ""
    named = ", ".join(f"{name} ({outlets[name]:,})" for name in often[:MOST_OUTLETS])
    return [f"Outlets, with their articles: {named}{more}."]


def _languages(languages: Mapping[str, int]) -> list[str]:
    named = ", ".join(f"{LANGUAGE_NAMES.get(one, one)} ({count:,})" for one, count in languages.items())
    return [f"Languages: {named}."] if named else []
