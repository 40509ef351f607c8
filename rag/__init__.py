"""Dateline: answers from a news archive, each sentence with the words of the articles that support it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.schema import Answer, Article, Citation, Filters, Hit, Passage, Sentence, Turn
    from rag.settings import Settings

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Article",
    "Assistant",
    "Citation",
    "Filters",
    "Hit",
    "Passage",
    "Sentence",
    "Settings",
    "Turn",
]

_HOMES = {"Assistant": "rag.assistant", "Settings": "rag.settings"}


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `import rag` takes milliseconds.
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "rag.schema")), name)
