"""Names in a filter that the archive does not know: which they are, and which were probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from rag.archive.catalog import Catalog
from rag.language.identify import LANGUAGE_NAMES
from rag.language.misspelling import is_misspelt
from rag.language.tokens import fold
from rag.schema import Filters

MOST_TOLD, MOST_LISTED, SHOWN_CHARS = 3, 5, 60  # unknown names told of, known ones listed, characters of a name
NEAR = 0.7  # share of letters in common from which a name is taken for a misspelt one: "Gazete" for "Gazette" is .92


def unknown_names(catalog: Catalog, filters: Filters) -> str:
    """A sentence for each name that no article of the archive has, with the one nearest to it or a few of those known.

    Empty where every outlet, language and author is that of an article. Reads all outlets, and all bylines where an
    author is unknown: for a search that has found nothing.
    """
    told = [
        *_told(_unknown(filters.outlets, catalog.outlets()), "of the outlet", catalog.outlets(), "Outlets"),
        *_languages(filters.languages, catalog.languages()),
    ]
    if authors := [name for name in filters.authors if not catalog.coverage(Filters(authors=(name,))).articles]:
        told += _told(authors, "by the author", catalog.bylines(), "Authors")
    return " ".join(told[:MOST_TOLD])


def _unknown(names: Iterable[str], known: Iterable[str]) -> list[str]:
    folded = {fold(name) for name in known}
    return [name for name in names if fold(name) not in folded]


def _told(names: Sequence[str], of_what: str, known: dict[str, int], listed: str) -> list[str]:
    often = sorted(known, key=lambda name: (-known[name], name))
    some = f"{listed}: {_listed(often)}." if often else ""
    return [
        f"There is no article {of_what} '{_short(name)}'. {_meant(near) if (near := _nearest(name, often)) else some}"
        for name in names
    ]


def _languages(codes: Iterable[str], known: dict[str, int]) -> list[str]:
    """Languages are asked for by code, and often named instead: each known one by its name, too."""
    named = {code: f"{code} ({LANGUAGE_NAMES[code]})" if code in LANGUAGE_NAMES else code for code in known}
    by_name = {fold(LANGUAGE_NAMES.get(code, code)): code for code in known}
    told = []
    for code in codes:
        if code.lower() in known:
            continue
        near = get_close_matches(fold(code), by_name, 1, NEAR)
        remedy = _meant(by_name[near[0]]) if near else f"Languages: {_listed([*named.values()])}."
        told.append(f"There is no article in the language '{_short(code)}'. {remedy}")
    return told


def _nearest(name: str, often: Sequence[str]) -> str:
    """The known name with all words of another one, each perhaps misspelt, else that with most letters in common."""
    for known in often:
        words = fold(known).split()
        if all(any(word == one or is_misspelt(word, one) for one in words) for word in fold(name).split()):
            return known
    by_folded = {fold(known): known for known in reversed(often)}
    near = get_close_matches(fold(name), by_folded, 1, NEAR)
    return by_folded[near[0]] if near else ""


def _meant(name: str) -> str:
    return f"Did you mean '{_short(name)}'?"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return f"{', '.join(map(_short, names[:MOST_LISTED]))}{more}"


def _short(name: str) -> str:
    return name if len(name) <= SHOWN_CHARS else f"{name[:SHOWN_CHARS]}…"
