"""What the archive holds: counts and spans from the catalogue. These sentences quote no article."""

from __future__ import annotations

from rag.archive.catalog import Catalog
from rag.language.dates import written
from rag.language.identify import LANGUAGE_NAMES
from rag.schema import Filters, Sentence

MOST_OUTLETS = 12


def compose(catalog: Catalog, filters: Filters) -> list[Sentence]:
    """The number of articles within the filters and their days; outlets and languages of the whole archive."""
    coverage = catalog.coverage(filters)
    what = "article" if coverage.articles == 1 else "articles"
    days = f" from {written(coverage.first)} to {written(coverage.last)}" if coverage.first and coverage.last else ""
    said = [f"The archive holds {coverage.articles:,} {what}{days}."]
    outlets = {name: count for name, count in catalog.outlets().items() if name}
    if outlets:
        often = sorted(outlets, key=lambda name: (-outlets[name], name))
        more = f" and {len(often) - MOST_OUTLETS:,} more" if len(often) > MOST_OUTLETS else ""
        named = ", ".join(f"{name} ({outlets[name]:,})" for name in often[:MOST_OUTLETS])
        said.append(f"Outlets, with their articles: {named}{more}.")
    languages = catalog.languages()
    if languages:
        named = ", ".join(f"{LANGUAGE_NAMES.get(one, one)} ({count:,})" for one, count in languages.items() if one)
        said.append(f"Languages: {named}.")
    return [Sentence(text=text, verdict="supported") for text in said]
