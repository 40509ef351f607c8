"""What is particular to an embedding model: its name, its limits, what it wants in front of a text, its cosines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderCard:
    """One embedding model as the rest of Dateline needs to know it.

    `name` is stored in an archive: vectors of two names are never compared. `most_tokens` is where the model stops
    reading, special tokens included. `unrelated` and `related` are typical cosines of a question with a passage that
    has nothing to do with it and with one that answers it; `likeness` maps that range to 0 to 1, so that thresholds
    elsewhere hold for every model.
    """

    name: str
    dim: int
    most_tokens: int
    query_prefix: str = ""
    passage_prefix: str = ""
    unrelated: float = 0.0
    related: float = 1.0

    def likeness(self, cosine: float) -> float:
        """The cosine on the scale of this model: 0 unrelated or less, 1 as a passage that answers, or more."""
        return min(max((cosine - self.unrelated) / (self.related - self.unrelated), 0.0), 1.0)


# Medians over the questions of xquad_en, xquad_es and norquad_news_validation: `unrelated` of the cosine with a passage
# drawn at random, `related` of that with the passage that answers.
E5_SMALL = EmbedderCard(
    name="intfloat/multilingual-e5-small",
    dim=384,
    most_tokens=512,
    query_prefix="query: ",
    passage_prefix="passage: ",
    unrelated=0.75,
    related=0.88,
)
MINILM = EmbedderCard(
    name="sentence-transformers/all-MiniLM-L6-v2",
    dim=384,
    most_tokens=256,
    unrelated=0.02,
    related=0.6,
)
