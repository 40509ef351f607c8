"""Names in a filter that the archive does not know: which they are, and which were probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import islice

from rag.archive.catalog import Catalog
from rag.language.identify import LANGUAGE_NAMES
from rag.language.misspelling import is_misspelt
from rag.language.tokens import fold
from rag.schema import Filters

MOST_TOLD, MOST_LISTED, SHOWN_CHARS = 3, 5, 60  # unknown names told of, known ones listed, characters of a name
MOST_COMPARED = 5000  # known names, the most frequent ones, with which an unknown one is compared
NEAR = 0.7  # share of letters in common from which a name is taken for a misspelt one: "Gazete" for "Gazette" is .92


def unknown_names(catalog: Catalog, filters: Filters) -> str:
    """A sentence for each of the first names that no article of the archive has, with the known one nearest to it or a
    few of those known.

    Empty where every outlet, language and author is that of an article. Reads all outlets, and all bylines where an
    author is unknown: for a search that has found nothing.
    """
    outlets = catalog.outlets() if filters.outlets else {}
    folded = {fold(name) for name in outlets}
    unknown = [name for name in filters.outlets if fold(name) not in folded]
    told = _told(unknown, "of the outlet", outlets, "Outlets") + _languages(filters.languages, catalog.languages())
    nobody = (name for name in filters.authors if not catalog.coverage(Filters(authors=(name,))).articles)
    if authors := list(islice(nobody, MOST_TOLD)):
        told += _told(authors, "by the author", catalog.bylines(), "Authors")
    return " ".join(told[:MOST_TOLD])


def _told(names: Sequence[str], of_what: str, known: dict[str, int], listed: str) -> list[str]:
    often = sorted(known, key=lambda name: (-known[name], name))
    some = f"{listed}: {_listed(often)}." if often else ""
    told = []
    for name in names[:MOST_TOLD]:
        near = _nearest(name, often[:MOST_COMPARED])
        told.append(f"There is no article {of_what} '{_short(name)}'. {_meant(near) if near else some}".rstrip())
    return told


def _languages(codes: Sequence[str], known: dict[str, int]) -> list[str]:
    """Languages are asked for by code, and often named instead: each known one by its name, too."""
    named = {code: f"{code} ({LANGUAGE_NAMES[code]})" if code in LANGUAGE_NAMES else code for code in known}
    by_name = {fold(LANGUAGE_NAMES.get(code, code)): code for code in known}
    told = []
    for code in [code for code in codes if code.lower() not in known][:MOST_TOLD]:
        near = get_close_matches(fold(code), by_name, 1, NEAR)
        remedy = _meant(by_name[near[0]]) if near else f"Languages: {_listed([*named.values()])}."
        told.append(f"There is no article in the language '{_short(code)}'. {remedy}")
    return told


def _nearest(name: str, often: Sequence[str]) -> str:
    """The known name with all words of another one, each perhaps misspelt, else that with most letters in common."""
    asked = fold(name).split()
    for known in often if asked else ():
        words = fold(known).split()
        if all(any(word == one or is_misspelt(word, one) for one in words) for word in asked):
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
