"""Which language a text is in, and what languages call things."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

LANGUAGE_NAMES = {
    "ar": "Arabic", "ca": "Catalan", "da": "Danish", "de": "German", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


FOREIGN_SHARE = 0.02  # a language that fewer of the articles have is foreign to the archive


def archive_language(own: str, languages: Mapping[str, int]) -> str:
    """The main language of the archive when (nearly) no article is in the question's own language, else "".

    `languages` has the number of articles in each, most first.
    """
    total = sum(languages.values())
    known = own in LANGUAGE_NAMES  # a short question is sometimes detected as a rare language
    if not total or not known or languages.get(own, 0) >= FOREIGN_SHARE * total:
        return ""
    main = next(iter(languages))
    return main if main != own and main in LANGUAGE_NAMES else ""


def locale(language: str, territory: str | None = None) -> Any:
    """Babel's data of a language (ISO 639-1), perhaps as a country writes it: names of languages, days and units."""
    from babel import Locale

    return Locale(language, territory)


_loading = threading.Lock()


def _identifier() -> object:
    with _loading:  # two threads that ask at once would both load it
        return _loaded_identifier()


@lru_cache(maxsize=1)
def _loaded_identifier() -> object:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def load_identifier_in_background() -> None:
    """Begins to load what `detect_language` needs and returns at once. It takes 0.4 s, three quarters of them outside
    the interpreter's lock."""
    threading.Thread(target=_identifier, name="language identifier", daemon=True).start()


def detect_language(text: str, *, least: float = 0.6) -> str:
    """The language of a text as ISO 639-1, or "" when there is too little text or the probability is below `least`."""
    sample = text[:2000]
    if len(sample.strip()) < 12:
        return ""
    language, probability = _identifier().classify(sample)  # type: ignore[attr-defined]
    return str(language) if probability >= least else ""
