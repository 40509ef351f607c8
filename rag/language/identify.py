"""Which language a text is in."""

from __future__ import annotations

from functools import lru_cache

LANGUAGE_NAMES = {
    "ar": "Arabic", "ca": "Catalan", "da": "Danish", "de": "German", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip


@lru_cache(maxsize=1)
def _identifier() -> object:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def detect_language(text: str, *, least: float = 0.6) -> str:
    """The language of a text as ISO 639-1, or "" when there is too little text or the probability is below `least`."""
    sample = text[:2000]
    if len(sample.strip()) < 12:
        return ""
    language, probability = _identifier().classify(sample)  # type: ignore[attr-defined]
    return str(language) if probability >= least else ""
