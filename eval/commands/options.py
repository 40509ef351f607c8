"""Options and resources that several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eval.systems.vector_cache import CachedEmbedder, VectorCache
from rag.models.chat import LLM, open_llm
from rag.models.embeddings import open_embedder
from rag.settings import Settings

LLM_HELP = "packaged (default), none, a GGUF file, or a model at DATELINE_LLM_URL"


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Adds --every and --limit, the two ways to ask only a sample of the questions."""
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="1 in N questions, evenly spread")
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N questions, evenly spread")


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Adds --cache; `vector_cache` opens the folder that it names."""
    parser.add_argument("--cache", type=Path, help="folder of cached embeddings (default: in the user's cache)")


def positive(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError for anything else."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 on")
    return int(text)


def quantity(text: str) -> float:
    """A number above 0. Raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def vector_cache(settings: Settings, folder: Path | None) -> VectorCache:
    """The vector cache in this folder, or in the user's cache. Raises StorageError."""
    return VectorCache(folder or settings.model_cache / "eval")


def cached_embedder(settings: Settings, cache: VectorCache) -> CachedEmbedder:
    """The embedder of the settings over a vector cache."""
    return CachedEmbedder(open_embedder(settings), cache)


@contextmanager
def opened_llm(settings: Settings) -> Iterator[LLM | None]:
    """The language model of the settings, closed at the end; None where the settings have none."""
    llm = open_llm(settings)
    try:
        yield llm
    finally:
        if llm is not None:
            llm.close()
