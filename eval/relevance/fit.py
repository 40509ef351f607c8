"""`python -m eval.relevance.fit`: fits the weights of rag.answering.relevance and prints how well they do.

A multinomial choice among the sentences of a story, beside a logistic one for each sentence. Noise on the vectors keeps
the bilinear form from learning stories by heart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eval.relevance import stories
from eval.reporting.terminal import say
from rag.answering.question import expected, holds
from rag.answering.relevance.learned import FEATURES, FILE, Context, Relevance, behind, features
from rag.models.cards import E5_SMALL
from rag.models.embeddings import Embedder, open_embedder
from rag.settings import Settings

RANK, NOISE, PASSES, RATE, BATCH = 32, 0.03, 6, 0.003, 32
SCALE = 16.0  # of the question's side of the bilinear forms: small weights, of which Adam changes each by RATE at most
FOLDS = 5  # one of so many stories is left out for the figures


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question to a story: its vector, and of all sentences vectors, pairs with what is before, features, worth."""

    story: str
    query: torch.Tensor
    vectors: torch.Tensor
    pairs: torch.Tensor
    features: torch.Tensor
    worth: torch.Tensor


def main() -> None:
    """Fits without a fifth of the stories for the figures, then on all, and writes the file."""
    embedder = open_embedder(Settings.load(embedder="e5"))
    if embedder.name != E5_SMALL.name:
        raise SystemExit(f"The weights are for {E5_SMALL.name}, and {embedder.name} is installed.")
    every = _asked(embedder, list(stories.questions()))
    names = sorted({one.story for one in every})
    out = set(names[::FOLDS])
    held = [one for one in every if one.story in out]
    say(f"{len(every)} questions to {len(names)} stories, of which {len(out)} are left out:")
    say(f"  cosine of the sentence: {_quality(held, lambda one: one.vectors @ one.query)}")
    say(f"  relevance: {_quality(held, _Bilinear.fitted([one for one in every if one.story not in out]))}")
    _Bilinear.fitted(every).relevance().save()
    say(f"{FILE.stat().st_size:,} bytes in {FILE.name}")


def _asked(embedder: Embedder, questions: Sequence[stories.StoryQuestion]) -> list[Asked]:
    texts = dict.fromkeys(
        t for one in questions for article in one.articles for t in (article.headline, *article.sentences)
    )
    known = dict(zip(texts, embedder.embed_passages(list(texts)), strict=True))
    queries = embedder.embed_queries([one.text for one in questions])
    return [_compared(one, query, known) for one, query in zip(questions, queries, strict=True)]


def _compared(question: stories.StoryQuestion, query: np.ndarray, known: dict[str, np.ndarray]) -> Asked:
    wanted = expected(question.text, question.language)
    contexts = [
        Context(
            np.array([known[text] for text in article.sentences]),
            known[article.headline],
            [bool(wanted) and holds(wanted, text, question.text, question.language) for text in article.sentences],
        )
        for article in question.articles
    ]
    pairs = [behind(one.vectors, one.headline) for one in contexts]
    told = [features(query, one, pair) for one, pair in zip(contexts, pairs, strict=True)]
    return Asked(
        question.story,
        _tensor(query),
        _tensor(np.vstack([one.vectors for one in contexts])),
        _tensor(np.vstack(pairs)),
        _tensor(np.vstack(told)),
        _tensor(np.concatenate([np.array(own) for own in question.worth])),
    )


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


class _Bilinear(nn.Module):  # type: ignore[misc]
    def __init__(self, every: Sequence[Asked]) -> None:
        super().__init__()
        self.query_mean = torch.stack([one.query for one in every]).mean(0)
        self.sentence_mean = torch.cat([one.vectors for one in every]).mean(0)
        told = torch.cat([one.features for one in every])
        self.mean, self.spread = told.mean(0), told.std(0) + 1e-6
        self.asked, self.alone, self.behind = (
            nn.Parameter(0.05 * torch.randn(RANK, len(self.query_mean))) for _ in range(3)
        )
        self.weights = nn.Parameter(torch.zeros(len(FEATURES)))
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.noise = 0.0

    @classmethod
    def fitted(cls, every: Sequence[Asked]) -> _Bilinear:
        """The model of least loss on these questions."""
        torch.manual_seed(0)
        model, order, chance = cls(every), list(every), random.Random(0)
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
        steps, step, model.noise = PASSES * -(-len(every) // BATCH), 0, NOISE
        for _ in range(PASSES):
            chance.shuffle(order)
            for start in range(0, len(order), BATCH):
                for group in optimiser.param_groups:
                    group["lr"] = RATE * (1 - step / steps)
                loss = torch.stack([model._loss(one) for one in order[start : start + BATCH]]).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                step += 1
        model.noise = 0.0
        return model

    def forward(self, one: Asked) -> torch.Tensor:
        wanted = SCALE * (self.asked @ self._noisy(one.query - self.query_mean))
        linked = self._noisy(one.vectors - self.sentence_mean) @ self.alone.T @ wanted
        linked = linked + self._noisy(one.pairs - self.sentence_mean) @ self.behind.T @ wanted
        told: torch.Tensor = (one.features - self.mean) / self.spread @ self.weights + self.bias + linked
        return told

    def _noisy(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors + self.noise * torch.randn_like(vectors) if self.noise else vectors

    def _loss(self, one: Asked) -> torch.Tensor:
        scores = self(one)
        loss = functional.binary_cross_entropy_with_logits(scores, one.worth, reduction="sum") / BATCH * 2
        best = one.worth == stories.BEST
        return loss + torch.logsumexp(scores, 0) - torch.logsumexp(scores[best], 0) if best.any() else loss

    def relevance(self) -> Relevance:
        """The weights as they are used."""
        weights = (self.weights / self.spread).detach()
        bias = float(self.bias.detach() - (weights * self.mean).sum())
        return Relevance(
            query_mean=self.query_mean.numpy(),
            sentence_mean=self.sentence_mean.numpy(),
            asked=SCALE * self.asked.detach().numpy(),
            alone=self.alone.detach().numpy(),
            behind=self.behind.detach().numpy(),
            weights=weights.numpy(),
            bias=bias,
        )


def _quality(held: Sequence[Asked], score: Callable[[Asked], torch.Tensor]) -> str:
    first, three = [], []
    for one in held:
        best = one.worth == stories.BEST
        if best.any():
            order = score(one).detach().argsort(descending=True)
            first.append(bool(best[order[0]]))
            three.append(bool(best[order[:3]].any()))
    return f"the best sentence answers {np.mean(first):.3f}, one of three {np.mean(three):.3f} (n {len(first)})"


if __name__ == "__main__":
    main()
