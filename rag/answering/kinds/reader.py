"""Which kind of answer a question asks for, told from its vector."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.answering.kinds import centres_file
from rag.answering.kinds.cues import has_cue
from rag.answering.kinds.examples import EXAMPLES
from rag.answering.kinds.form import form_of
from rag.answering.kinds.head import packaged
from rag.answering.kinds.holdings import WORDS, asks_for_articles, asks_for_withdrawn, asks_to_count_others
from rag.answering.kinds.masking import masked
from rag.answering.question import expected
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.models.cards import E5_SMALL, card_of
from rag.models.embeddings import Embedder
from rag.schema import QuestionKind

# By how much the probability of a kind must exceed that of a question of fact. Of 340 questions to the demo archive by
# five writers who saw none of those fitted to, .72 are read right (.81 with fact and latest state as one); of 156 older
# demo questions, all of fact, 17 are taken for another kind. With .3 it would be .70 and 10.
MARGIN = 0.1
# Embedders without weights of their own tell a question by the centres of the examples, and need a word that asks for
# the kind: the likeness to its centre must exceed that to the questions of fact by this much. Tuned on 110 questions of
# our own in six languages and on the 168 demo questions, of which MiniLM takes 1 for another kind.
MARGIN_OF_OTHERS, CUE_OF_OTHERS = 0.4, 0.4


@dataclass(frozen=True, slots=True)
class _Centres:
    """Of the vectors of each kind's examples: (kinds, dim), rows of norm 1, and what is subtracted from a vector."""

    mean: np.ndarray
    rows: np.ndarray

    @classmethod
    def kept(cls, embedder: Embedder, cache: Path | None) -> _Centres:
        """The centres in the cache; where it has none, they are made and stored there.

        Those of a model without a card are made every time: an endpoint may serve another model by the same name.
        """
        dim = card_of(embedder.name).dim
        if not cache or not dim:
            return cls.of(embedder)
        key = f"{embedder.name}\n{json.dumps(dict(EXAMPLES))}"
        stored = centres_file.read(cache, key)
        if stored is not None and stored.shape == (len(EXAMPLES) + 1, dim):
            return cls(stored[0], stored[1:])
        made = cls.of(embedder)
        centres_file.write(cache, key, np.vstack([made.mean, made.rows]))
        return made

    @classmethod
    def of(cls, embedder: Embedder) -> _Centres:
        """The centres of the examples, embedded now. Raises ModelUnavailable."""
        texts = [text for examples in EXAMPLES.values() for text in examples]
        vectors = embedder.embed_queries(texts)
        mean = vectors.mean(axis=0)
        kinds = np.repeat(np.arange(len(EXAMPLES)), [len(examples) for examples in EXAMPLES.values()])
        rows = np.array([vectors[kinds == kind].mean(axis=0) - mean for kind in range(len(EXAMPLES))])
        return cls(mean, _normal(rows))

    def likenesses(self, vector: np.ndarray) -> np.ndarray:
        """The cosine of a vector to each kind, in the order of EXAMPLES."""
        return np.asarray(self.rows @ _normal(vector - self.mean))


def _normal(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9))


def _names_nothing(question: str) -> bool:
    """Whether a question has no content words but those of questions about the archive: "How many articles are there on
    the flood?" asks about a flood, of which the archive as a whole tells nothing."""
    return {word[:5] for word in _content(question) - WORDS} <= {
        word[:5] for one in EXAMPLES["archive"] for word in _content(one)
    }


def _content(text: str) -> set[str]:
    return {token.folded for token in tokens(text) if token.folded not in STOP_WORDS}


def likeliest(scores: Mapping[QuestionKind, float], margin: float) -> QuestionKind:
    """The kind with the highest score; "fact" unless that exceeds the one of "fact" by more than the margin."""
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] > scores["fact"] + margin else "fact"


class KindReader:
    """Reads the kind of questions; safe for many threads.

    The centres of an embedder without weights of its own are kept, also in the folder `cache`, where one is given.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._kept: tuple[str, _Centres] | None = None

    def kind_of(self, question: str, embedder: Embedder, unrestricted: str = "") -> QuestionKind:
        """The kind of a question; "fact" unless another one is clearly likelier. Raises ModelUnavailable.

        `unrestricted` is the question without the outlets, languages and days to which one about the archive may be
        restricted; "" where it names none.
        """
        is_general = _names_nothing(unrestricted or question)
        asks_articles = asks_for_articles(unrestricted or question)
        if (is_general and asks_articles) or asks_for_withdrawn(unrestricted or question):
            return "archive"
        own = embedder.name == E5_SMALL.name
        scores = self._probabilities(question, embedder) if own else self._likenesses(question, embedder)
        if expected(question) == "number":
            del scores["list"]  # "how many votes did the list win?": a list is no answer to it
        if asks_articles or asks_to_count_others(question) or not (own or is_general):
            del scores["archive"]
        return likeliest(scores, MARGIN if own else MARGIN_OF_OTHERS)

    def _probabilities(self, question: str, embedder: Embedder) -> dict[QuestionKind, float]:
        told = packaged().probabilities(embedder.embed_queries([masked(question)])[0], form_of(question))
        return {kind: told[kind] for kind in EXAMPLES}

    def _likenesses(self, question: str, embedder: Embedder) -> dict[QuestionKind, float]:
        found = self._centres(embedder).likenesses(embedder.embed_queries([question])[0])
        return {
            kind: float(likeness) + CUE_OF_OTHERS * has_cue(question, kind)
            for kind, likeness in zip(EXAMPLES, found, strict=True)
        }

    def _centres(self, embedder: Embedder) -> _Centres:
        with self._lock:
            if self._kept is None or self._kept[0] != embedder.name:
                self._kept = embedder.name, _Centres.kept(embedder, self._cache)
            return self._kept[1]
