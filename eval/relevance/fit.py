"""`python -m eval.relevance.fit`: fits the weights of rag.answering.relevance and prints how well they do.

A multinomial choice among the sentences of a story, beside a logistic one for each sentence. Noise on the vectors and
the loss of tokens at random keep the bilinear form and the late interaction from learning stories by heart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eval.relevance import stories
from eval.reporting.terminal import say
from rag.answering.question import expected, holds
from rag.answering.relevance import late_interaction, learned
from rag.answering.relevance.late_interaction import DISCOUNT, TokenRelevance, own_tokens
from rag.answering.relevance.learned import FEATURES, Context, Relevance, behind, features
from rag.models.cards import E5_SMALL
from rag.models.embeddings import TokenReader, open_embedder, token_reader
from rag.models.packaged.onnx_embedder import ReadText
from rag.settings import Settings

RANK, NOISE, RATE, BATCH = 32, 0.03, 0.003, 4  # a batch of so many stories
SCALE = 16.0  # of the question's side of the bilinear forms: small weights, of which Adam changes each by RATE at most
# Of the late interaction: numbers of a projected token, noise in standard deviations of the tokens' vectors, share of
# tokens that are lost, and steps of Adam for the projection and for the weights of its two terms.
SIZE, TOKEN_NOISE, LOST, TOKEN_RATE, WEIGHT_RATE = 128, 0.3, 0.15, 0.002, 0.02
# With more PASSES the late interaction learns the stories by heart; without it the bilinear form takes twice as many.
PASSES, PASSES_WITHOUT = 3, 6
FOLDS = 5  # one of so many stories is left out for the figures


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question to a story: its vector and those of its tokens; of all sentences vectors, pairs with what is before,
    features, worth, and the places of themselves and of what is before them among the texts of the story."""

    query: torch.Tensor
    tokens: torch.Tensor
    vectors: torch.Tensor
    pairs: torch.Tensor
    features: torch.Tensor
    worth: torch.Tensor
    own: torch.Tensor
    before: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """The vectors of the tokens of all texts of a story, one after another, the number of them of each text, and the
    questions."""

    tokens: torch.Tensor
    lengths: torch.Tensor
    asked: tuple[Asked, ...]


def main() -> None:
    """Fits without a fifth of the stories for the figures, then on all, and writes the files."""
    embedder = open_embedder(Settings.load(embedder="e5"))
    reader = token_reader(embedder) if embedder.name == E5_SMALL.name else None
    if reader is None:
        raise SystemExit(f"The weights are for {E5_SMALL.name}, and {embedder.name} is installed.")
    every = list(_stories(reader, list(stories.questions())))
    held, others = every[::FOLDS], [one for at, one in enumerate(every) if at % FOLDS]
    count = sum(len(one.asked) for one in every)
    say(f"{count} questions to {len(every)} stories, of which {len(held)} are left out:")
    say(f"  cosine of the sentence: {_quality(held, lambda story: [one.vectors @ one.query for one in story.asked])}")
    say(f"  relevance by the vectors of texts: {_quality(held, _Model.fitted(others, late=False))}")
    say(f"  relevance with late interaction: {_quality(held, _Model.fitted(others))}")
    _Model.fitted(every, late=False).of_texts().save(learned.FILE)
    _Model.fitted(every).of_tokens().save(late_interaction.FILE)
    for file in (learned.FILE, late_interaction.FILE):
        say(f"{file.stat().st_size:,} bytes in {file.name}")


def _stories(reader: TokenReader, questions: Sequence[stories.StoryQuestion]) -> Iterator[Story]:
    """The stories in the order of their names."""
    for _, group in groupby(sorted(questions, key=lambda one: one.story), key=lambda one: one.story):
        own = list(group)
        texts = list(
            dict.fromkeys(t for one in own for article in one.articles for t in (article.headline, *article.sentences))
        )
        read = reader.read_passages(texts, _half)
        queries = reader.read_queries([one.text for one in own], _half)
        known = dict(zip(texts, read, strict=True))
        yield Story(
            torch.from_numpy(np.concatenate([one.tokens for one in read])),
            torch.tensor([len(one.tokens) for one in read]),
            tuple(_asked(one, query, known) for one, query in zip(own, queries, strict=True)),
        )


def _half(tokens: np.ndarray) -> np.ndarray:
    return own_tokens(tokens).astype(np.float16)


def _asked(question: stories.StoryQuestion, query: ReadText, known: dict[str, ReadText]) -> Asked:
    wanted = expected(question.text, question.language)
    contexts = [
        Context(
            np.array([known[text].vector for text in article.sentences]),
            known[article.headline].vector,
            [bool(wanted) and holds(wanted, text, question.text, question.language) for text in article.sentences],
        )
        for article in question.articles
    ]
    pairs = [behind(one.vectors, one.headline) for one in contexts]
    told = [features(query.vector, one, pair) for one, pair in zip(contexts, pairs, strict=True)]
    places = {text: place for place, text in enumerate(known)}
    before = [text for one in question.articles for text in (one.headline, *one.sentences[:-1])]
    return Asked(
        _tensor(query.vector),
        torch.from_numpy(query.tokens),
        _tensor(np.vstack([one.vectors for one in contexts])),
        _tensor(np.vstack(pairs)),
        _tensor(np.vstack(told)),
        _tensor(np.concatenate([np.array(own) for own in question.worth])),
        torch.tensor([places[text] for one in question.articles for text in one.sentences]),
        torch.tensor([places[text] for text in before]),
    )


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


class _Model(nn.Module):  # type: ignore[misc]
    """The scores of all sentences for all questions of a story."""

    def __init__(self, every: Sequence[Story], *, late: bool) -> None:
        super().__init__()
        self.bilinear = _Bilinear([one for story in every for one in story.asked])
        self.late = _LateInteraction(every) if late else None

    @classmethod
    def fitted(cls, every: Sequence[Story], *, late: bool = True) -> _Model:
        """The model of least loss on the questions of these stories."""
        torch.manual_seed(0)
        model, order, chance = cls(every, late=late), list(every), random.Random(0)
        optimiser = torch.optim.AdamW(model._groups(), weight_decay=0.01)
        passes = PASSES if late else PASSES_WITHOUT
        steps = passes * -(-len(every) // BATCH)
        falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
        for _ in range(passes):
            chance.shuffle(order)
            for start in range(0, len(order), BATCH):
                losses = [one for story in order[start : start + BATCH] for one in model._losses(story)]
                optimiser.zero_grad()
                torch.stack(losses).mean().backward()
                optimiser.step()
                falling.step()
        model.eval()
        return model

    def forward(self, story: Story) -> list[torch.Tensor]:
        scores = [self.bilinear(one) for one in story.asked]
        if self.late is None:
            return scores
        return [score + more for score, more in zip(scores, self.late(story), strict=True)]

    def _groups(self) -> list[dict[str, object]]:
        groups: list[dict[str, object]] = [{"params": list(self.bilinear.parameters()), "lr": RATE}]
        if self.late is not None:
            groups.append({"params": [self.late.projection, self.late.importance], "lr": TOKEN_RATE})
            groups.append({"params": [self.late.weights], "lr": WEIGHT_RATE})
        return groups

    def _losses(self, story: Story) -> Iterator[torch.Tensor]:
        for one, scores in zip(story.asked, self(story), strict=True):
            loss = functional.binary_cross_entropy_with_logits(scores, one.worth, reduction="sum") / 16
            best = one.worth == stories.BEST
            yield loss + torch.logsumexp(scores, 0) - torch.logsumexp(scores[best], 0) if best.any() else loss

    def of_texts(self) -> Relevance:
        """The weights as they are used, of a model without late interaction."""
        return Relevance(**self._bilinear(), bias=self.bilinear.own_bias())

    def of_tokens(self) -> TokenRelevance:
        """The weights as they are used, of a model with late interaction."""
        assert self.late is not None
        late = self.late
        return TokenRelevance(
            **self._bilinear(),
            bias=self.bilinear.own_bias() - float(late.weights.detach().sum() / 2),
            query_token_mean=late.query_mean.numpy(),
            sentence_token_mean=late.sentence_mean.numpy(),
            projection=late.projection.detach().numpy(),
            importance=late.importance.detach().numpy(),
            late=late.weights.detach().numpy(),
        )

    def _bilinear(self) -> dict[str, np.ndarray]:
        one = self.bilinear
        return {
            "query_mean": one.query_mean.numpy(),
            "sentence_mean": one.sentence_mean.numpy(),
            "asked": SCALE * one.asked.detach().numpy(),
            "alone": one.alone.detach().numpy(),
            "behind": one.behind.detach().numpy(),
            "weights": one.used_weights().numpy(),
        }


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

    def forward(self, one: Asked) -> torch.Tensor:
        wanted = SCALE * (self.asked @ self._noisy(one.query - self.query_mean))
        linked = self._noisy(one.vectors - self.sentence_mean) @ self.alone.T @ wanted
        linked = linked + self._noisy(one.pairs - self.sentence_mean) @ self.behind.T @ wanted
        told: torch.Tensor = (one.features - self.mean) / self.spread @ self.weights + self.bias + linked
        return told

    def used_weights(self) -> torch.Tensor:
        """Of features as they are."""
        return (self.weights / self.spread).detach()

    def own_bias(self) -> float:
        """Beside the weights of features as they are."""
        return float(self.bias.detach() - (self.used_weights() * self.mean).sum())

    def _noisy(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors + NOISE * torch.randn_like(vectors) if self.training else vectors


class _LateInteraction(nn.Module):  # type: ignore[misc]
    """As late_interaction.late computes it, less a middle, so that its weights do not move the bias."""

    def __init__(self, every: Sequence[Story]) -> None:
        super().__init__()
        self.query_mean = torch.cat([one.tokens for story in every for one in story.asked]).float().mean(0)
        self.sentence_mean = torch.stack([story.tokens.float().mean(0) for story in every]).mean(0)
        self.projection = nn.Parameter(self._principal(every))
        self.importance = nn.Parameter(torch.zeros(len(self.query_mean)))
        self.weights = nn.Parameter(torch.tensor([5.0, 1.0]))

    def forward(self, story: Story) -> list[torch.Tensor]:
        asked = torch.cat([one.tokens for one in story.asked]).float() - self.query_mean
        asked = self._noisy(asked * self._kept(asked))
        told = self._noisy(story.tokens.float() - self.sentence_mean)
        likeness = self._projected(told) @ self._projected(asked).T
        likeness = torch.where(self._kept(told) > 0, likeness, -1.0)
        greatest = torch.segment_reduce(likeness, "max", lengths=story.lengths, axis=0)
        lengths = [len(one.tokens) for one in story.asked]
        columns = zip(story.asked, greatest.split(lengths, 1), (asked @ self.importance).split(lengths), strict=True)
        return [self._score(one, own, torch.softmax(logits, 0)) for one, own, logits in columns]

    def _principal(self, every: Sequence[Story]) -> torch.Tensor:
        """(SIZE, dim): the directions in which the sentences' tokens differ most, half made even. With the projection
        begun at random, the best sentence answered .591 and .575 of the questions of two folds; so .604 and .603."""
        centred = torch.cat([story.tokens[::7] for story in every]).float() - self.sentence_mean
        spread, directions = torch.linalg.eigh(centred.T @ centred)
        found = directions.T[-SIZE:] / spread[-SIZE:, None] ** 0.25
        return found * SIZE**0.5 / found.norm()

    def _score(self, one: Asked, greatest: torch.Tensor, importance: torch.Tensor) -> torch.Tensor:
        own, before = greatest[one.own], greatest[one.before] - DISCOUNT
        terms = torch.stack([own @ importance, torch.maximum(own, before) @ importance], 1)
        return (terms - 0.5) @ self.weights

    def _projected(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.normalize(tokens @ self.projection.T, dim=1)

    def _noisy(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens + TOKEN_NOISE * tokens.std() * torch.randn_like(tokens) if self.training else tokens

    def _kept(self, tokens: torch.Tensor) -> torch.Tensor:
        """(tokens, 1): 0 for those that are lost, 1 for the others."""
        least = LOST if self.training else 0.0
        return (torch.rand(len(tokens), 1) >= least).float()


def _quality(held: Sequence[Story], scores: Callable[[Story], Sequence[torch.Tensor]]) -> str:
    first, three = [], []
    for story in held:
        for one, own in zip(story.asked, scores(story), strict=True):
            best = one.worth == stories.BEST
            if best.any():
                order = own.detach().argsort(descending=True)
                first.append(bool(best[order[0]]))
                three.append(bool(best[order[:3]].any()))
    return f"the best sentence answers {np.mean(first):.3f}, one of three {np.mean(three):.3f} (n {len(first)})"


if __name__ == "__main__":
    main()
