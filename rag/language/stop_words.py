"""Words that carry no meaning of their own."""

from __future__ import annotations

from functools import cache

from rag.language.lexicons import EVERY_LANGUAGE, lexicon

STOP_WORDS = EVERY_LANGUAGE.stop_words
"""The stop words of all languages, less those that carry meaning in another language (German `war`)."""


@cache
def stop_words(language: str) -> frozenset[str]:
    """The stop words for a text in a language (ISO 639-1): `STOP_WORDS`, and all of that language's own.

    Those of the other languages stay, since the language of a short text is often mistaken.
    """
    return STOP_WORDS | lexicon(language).stop_words
