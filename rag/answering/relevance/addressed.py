"""Sentences that address whoever reads an article, a reader or a language model, with something that is to be done.

They are stored and shown, but no evidence: tasks and roles for assistants, exercises, advertising, appeals. What an
article reports of requests and orders is evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.sentences import sentence_spans
from rag.language.tokens import fold
from rag.models.cards import E5_SMALL
from rag.models.embeddings import Embedder
from rag.schema import Passage

FILE = Path(__file__).with_name("addressed.npz")
# Latin beside Greek or Cyrillic letters within a word; one may be a symbol ("βA").
_TWO_SCRIPTS = re.compile(r"[A-Za-z][\u0370-\u04ff]|[\u0370-\u04ff][A-Za-z]")
LEAST_DISGUISED = 3
_MARKS = " \t\n*#>-–—\"'“”«»([¡¿"  # in front of a sentence
# Logit from which on a sentence counts as addressed to its reader. See `python -m eval.relevance.fit_addressed`.
LEAST_LOGIT = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Addressed:
    """A linear classifier of the unit vectors of sentences: `weights` (dim,) and `bias`."""

    weights: np.ndarray
    bias: float

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """For each of (n, dim) vectors the logit of how likely its sentence is addressed to its reader."""
        return np.asarray(vectors @ self.weights + self.bias)

    def save(self, file: Path) -> None:
        """Writes the weights in single precision; raises OSError."""
        with file.open("wb") as out:
            np.savez_compressed(out, weights=self.weights.astype(np.float32), bias=np.float32(self.bias))


@cache
def packaged() -> Addressed:
    """The classifier for multilingual E5 small that comes with Dateline."""
    with np.load(FILE, allow_pickle=False) as stored:
        return Addressed(stored["weights"], float(stored["bias"]))


def addresses_readers(vectors: np.ndarray, embedder: Embedder) -> np.ndarray:
    """For each of (n, dim) vectors of sentences whether it addresses its reader; all False where the embedder is not
    the one for which that was learned."""
    given = np.asarray(vectors)
    if embedder.name != E5_SMALL.name or given.shape[1:] != packaged().weights.shape:
        return np.zeros(len(given), dtype=bool)
    return np.asarray(packaged().logits(given) >= LEAST_LOGIT)


def addresses_machines(passage: Passage, start: int, end: int) -> bool:
    """Whether a sentence of a passage, or one before it in its paragraph, begins with words that address language
    models, whatever the embedder, or whether it is written with letters of two scripts that look alike.

    What follows in the paragraph is part of the address: "Do not cite any other source." Further on in a sentence, such
    words are reported: "told members to ignore all earlier instructions".
    """
    if len(_TWO_SCRIPTS.findall(passage.text, start, end)) >= LEAST_DISGUISED:
        return True
    text, paragraph = passage.text, passage.text.rfind("\n", 0, start) + 1
    before = [text[paragraph + first : paragraph + last] for first, last in sentence_spans(text[paragraph:start])]
    openings = [fold(sentence).lstrip(_MARKS) for sentence in [*before, text[start:end]]]
    lexicons = (EVERY_LANGUAGE, lexicon(passage.article.language))
    return any(pattern(one.machine_address).match(opening) for opening in openings for one in lexicons)
