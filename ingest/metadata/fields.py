"""What a source says about one article, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a source states about one article, before any check; empty or None where it states nothing."""

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


# Characters. All fields but the text are repeated in every list of articles, so a broken file whose whole text was
# taken for a title must not get through.
_LONGEST = {"title": 1000, "outlet": 200, "byline": 500, "genre": 200}
_LONGEST_URL = 2000  # characters; browsers and proxies accept about as many


def bounded(fields: Fields) -> Fields:
    """The fields with all but the text cut to a length that can be shown; an address that is too long is left out."""
    cut = {
        name: f"{value[: most - 1]}…"
        for name, most in _LONGEST.items()
        if len(value := str(getattr(fields, name))) > most
    }
    url = fields.url if len(fields.url) <= _LONGEST_URL else ""
    return replace(fields, url=url, **cut) if cut or url != fields.url else fields  # type: ignore[arg-type]
