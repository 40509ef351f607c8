"""What a client sends, as the types of `rag.schema`: the one parser of filters and conversations for all faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from rag.errors import QuestionError
from rag.schema import Filters, Turn


def filters_from(
    *,
    since: str | None = None,
    until: str | None = None,
    outlets: Sequence[str] | None = None,
    languages: Sequence[str] | None = None,
    authors: Sequence[str] | None = None,
) -> Filters:
    """The filters that a client names; None or empty does not restrict. Days are ISO 8601 such as 2025-03-01.

    Raises QuestionError for a day that cannot be read. The number and length of the names, and the order of the two
    days, are checked by the Assistant, for all faces alike.
    """
    return Filters(
        since=day_from("since", since),
        until=day_from("until", until),
        outlets=tuple(map(encodable, outlets or ())),
        languages=tuple(map(encodable, languages or ())),
        authors=tuple(map(encodable, authors or ())),
    )


def day_from(name: str, value: str | None) -> date | None:
    """The day that the field `name` holds; None where it is empty. Raises QuestionError."""
    text = (value or "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise QuestionError(f"{name} is '{value}', expected a day such as 2025-03-01.") from None


def turns_from(pairs: Iterable[tuple[str, str]]) -> tuple[Turn, ...]:
    """Earlier exchanges of a conversation as (question, answer), oldest first; those without an answer are left out."""
    return tuple(
        Turn(question=encodable(question), answer=encodable(answer))
        for question, answer in pairs
        if question and answer
    )


def encodable(text: str) -> str:
    """The text with `?` for each lone surrogate: JSON escapes can hold one, UTF-8 files and indexes cannot."""
    return text.encode("utf-8", "replace").decode()
