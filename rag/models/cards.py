"""What is particular to an embedding model: its name, its limits, its prefixes, its cosines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderCard:
    """One embedding model as the rest of Dateline needs to know it.

    `name` is stored in an archive: vectors of two names are never compared. `most_tokens` is where the model stops
    reading, special tokens included. `unrelated` and `related` are the typical cosines of a question with a passage
    about something else and with the one that answers it; `dense_weight` is the share of the cosines in the fused
    score of a search, `foreign_weight` that of a question in another language than the articles.
    """

    name: str
    dim: int
    most_tokens: int
    query_prefix: str = ""
    passage_prefix: str = ""
    unrelated: float = 0.0
    related: float = 0.6
    dense_weight: float = 0.3
    foreign_weight: float = 0.3

    @property
    def crosses_languages(self) -> bool:
        """Whether its vectors of a question and of an article in another language meet."""
        return self.foreign_weight > self.dense_weight

    def likeness(self, cosine: float) -> float:
        """A cosine on a scale that models share: 0 for unrelated texts or less, 1 for an answer, more if closer."""
        return max((cosine - self.unrelated) / (self.related - self.unrelated), 0.0)


# `unrelated` and `related`: medians over 60 questions each of xquad_en, xquad_es and norquad_news_validation (MiniLM:
# xquad_en alone) with the paragraphs of the other questions and with their own.
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
    foreign_weight=0.8,
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
