"""What is particular to an embedding model: its name, its limits, what it wants in front of a text, its cosines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderCard:
    """One embedding model as the rest of Dateline needs to know it.

    `name` is stored in an archive: vectors of two names are never compared. `most_tokens` is where the model stops
    reading, special tokens included. `unrelated` and `related` are typical cosines of a question with a passage that
    has nothing to do with it and with one that answers it; `likeness` maps that range to 0 to 1, so that thresholds
    elsewhere hold for every model. `dense_weight` is the share of its cosines in the fused score of a search.
    """

    name: str
    dim: int
    most_tokens: int
    query_prefix: str = ""
    passage_prefix: str = ""
    unrelated: float = 0.0
    related: float = 1.0
    dense_weight: float = 0.3

    def likeness(self, cosine: float) -> float:
        """The cosine on the scale of this model: 0 unrelated or less, 1 as a passage that answers, or more."""
        return min(max((cosine - self.unrelated) / (self.related - self.unrelated), 0.0), 1.0)


# Medians over 60 questions each of xquad_en, xquad_es and norquad_news_validation (MiniLM: xquad_en alone): `unrelated`
# of the cosine with the paragraphs of other questions, `related` of that with the paragraph that answers.
#
# `dense_weight`: Success@1 with both scores for each of 60 candidates an index (27 Nov. 2026) on clef2020_claims, heq,
# norquad, onestopqa_articles, xquad_en and xquad_es. MiniLM at .3: .660 .864 .908 .918 .950 .931; at .4: .685 .856 .904
# .914 .954 .928, but two answers fewer of 144 on the demo set. e5 at .3: .701 .908 .917 .920 .956 .951; at .5: .756
# .914 .912 .903 .960 .958, and a Spanish question finds the English article in .853 instead of .795.
E5_SMALL = EmbedderCard(
    name="intfloat/multilingual-e5-small",
    dim=384,
    most_tokens=512,
    query_prefix="query: ",
    passage_prefix="passage: ",
    unrelated=0.765,
    related=0.87,
    dense_weight=0.5,
)
MINILM = EmbedderCard(
    name="sentence-transformers/all-MiniLM-L6-v2",
    dim=384,
    most_tokens=256,
    unrelated=0.02,
    related=0.6,
)


def card_of(name: str) -> EmbedderCard:
    """The card of a model by its name; an unknown one gets the defaults, and nothing is loaded or measured for it."""
    known = (card for card in (E5_SMALL, MINILM) if card.name == name)
    return next(known, EmbedderCard(name=name, dim=0, most_tokens=0))


# Questions with passages that answer them, in order; each of the other passages has nothing to do with a question.
_PROBES = (
    ("Where did the ferry run aground?", "The ferry ran aground on a sandbank off the harbour on Tuesday morning."),
    (
        "Who won the by-election?",
        "Marta Lind of the Greens won the by-election in Harrow by 412 votes.",
    ),
    ("What is the key interest rate?", "The central bank lowered its key interest rate to 2.75 per cent on Thursday."),
    ("How many people caught measles?", "Sixty-one people fell ill in the measles outbreak, health officials said."),
)


class _Embeds(Protocol):
    name: str
    dim: int

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray: ...

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray: ...


def measured_card(embedder: _Embeds, most_tokens: int) -> EmbedderCard:
    """The card of a model that nobody has measured: its cosines on four questions and their passages."""
    cosines = embedder.embed_queries([q for q, _ in _PROBES]) @ embedder.embed_passages([p for _, p in _PROBES]).T
    related = float(median(np.diag(cosines)))
    unrelated = float(median(cosines[~np.eye(len(_PROBES), dtype=bool)]))
    if related - unrelated < 0.01:  # a model that cannot tell them apart, such as one of random weights
        unrelated, related = 0.0, 1.0
    return EmbedderCard(
        name=embedder.name, dim=embedder.dim, most_tokens=most_tokens, unrelated=unrelated, related=related
    )
