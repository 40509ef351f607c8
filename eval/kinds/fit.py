"""`python -m eval.kinds.fit`: fits the weights of rag.answering.kinds.head and prints how well they do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eval.kinds.questions import Question, load
from eval.reporting.terminal import say
from rag.answering.kinds.examples import EXAMPLES
from rag.answering.kinds.form import form_of
from rag.answering.kinds.head import FILE, Head
from rag.answering.kinds.masking import masked
from rag.answering.kinds.reader import MARGIN, likeliest
from rag.models.cards import E5_SMALL
from rag.models.embeddings import open_embedder
from rag.schema import QuestionKind
from rag.settings import Settings

# Networks of which the mean is taken, units of their hidden layer, shares of input and of units that are lost while
# they learn, steps of so many questions, and the highest rate. The scales make vectors and forms about as large. Of 340
# questions to the demo archive by five writers, three networks read .81 right (fact and latest state counted as one), a
# linear head without the form .75; with it .78, and 128 units no more. Each new question draws other samples: with 117
# more, the mean of three read 63 of 79 editor's questions right instead of 66, that of eight 67.
NETWORKS, UNITS, LOST, LOST_UNITS, STEPS, BATCH, RATE, DECAY = 8, 64, 0.2, 0.3, 2900, 64, 0.004, 0.01
VECTOR_SCALE, FORM_SCALE = 8.0, 2.0
SMOOTHING = 0.05  # of the labels: where the writers of the questions differ, neither is wrong
FOLDS = 5
# Questions at least this alike (cosine of the centred vectors) are on one subject, or translations of each other, and
# stay in one fold. By eye: at .6 translations are still apart.
ALIKE = 0.5


def main() -> None:
    """Fits on all questions and writes the file. What is printed of a question is told by weights that were fitted
    without it and those like it: how many of each kind are read right, and how many likeliest kinds are right."""
    embedder = open_embedder(Settings.load(embedder="e5"))
    if embedder.name != E5_SMALL.name:
        raise SystemExit(f"The weights are for {E5_SMALL.name}, and {embedder.name} is installed.")
    questions = load()
    always = [(text, kind) for kind, texts in EXAMPLES.items() for text in texts]
    vectors = embedder.embed_queries([masked(one.text) for one in questions] + [masked(text) for text, _ in always])
    forms = np.array([form_of(one.text) for one in questions] + [form_of(text) for text, _ in always])
    kinds = [one.kind for one in questions] + [kind for _, kind in always]
    told = _told(vectors, forms, kinds, _folds(embedder.embed_queries([one.text for one in questions])))
    for kind in EXAMPLES:
        _say(kind, questions, told, [one.kind == kind for one in questions])
    _say("English", questions, told, [one.language == "en" for one in questions])
    _say("other languages", questions, told, [one.language != "en" for one in questions])
    fitted(vectors, forms, kinds).save(FILE)
    say(f"{len(kinds)} questions; {FILE.stat().st_size:,} bytes in {FILE.name}")


def fitted(vectors: np.ndarray, forms: np.ndarray, kinds: Sequence[str]) -> Head:
    """The networks of least cross-entropy: (n, dim) vectors, (n, form) forms and the kind of each question."""
    names, mean = tuple(EXAMPLES), vectors.mean(axis=0)
    scale = np.r_[np.full(vectors.shape[1], VECTOR_SCALE), np.full(forms.shape[1], FORM_SCALE)].astype(np.float32)
    given = torch.from_numpy(np.hstack([vectors - mean, forms]).astype(np.float32) * scale)
    wanted = torch.tensor([names.index(kind) for kind in kinds])
    layers = [_network(given, wanted, len(names), seed) for seed in range(NETWORKS)]
    hidden, hidden_bias, out, out_bias = (np.stack(parts) for parts in zip(*layers, strict=True))
    return Head(names, mean, hidden * scale, hidden_bias, out, out_bias)


def _network(given: torch.Tensor, wanted: torch.Tensor, kinds: int, seed: int) -> tuple[np.ndarray, ...]:
    """Weights and biases of the first and of the last layer."""
    torch.manual_seed(seed)
    first, last = nn.Linear(given.shape[1], UNITS), nn.Linear(UNITS, kinds)
    model = nn.Sequential(nn.Dropout(LOST), first, nn.ReLU(), nn.Dropout(LOST_UNITS), last)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=DECAY)
    rising = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(0, len(given), (BATCH,))
        loss = functional.cross_entropy(model(given[chosen]), wanted[chosen], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rising.step()
    return tuple(one.detach().numpy() for one in (first.weight, first.bias, last.weight, last.bias))


def _folds(vectors: np.ndarray) -> np.ndarray:
    """The fold of each question, (n,): questions that are alike share one, directly or by way of others."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    alike = centred @ centred.T >= ALIKE
    group = np.arange(len(vectors))
    while True:
        lowest = np.where(alike, group, len(group)).min(axis=1)
        if (lowest == group).all():
            break
        group = lowest
    return np.asarray(np.random.default_rng(0).permutation(len(group))[group] % FOLDS)


def _told(
    vectors: np.ndarray, forms: np.ndarray, kinds: Sequence[str], folds: np.ndarray
) -> list[dict[QuestionKind, float]]:
    """The probabilities of the kinds of each question that has a fold; what has none belongs to every fit."""
    told: list[dict[QuestionKind, float]] = [{} for _ in folds]
    for fold in range(FOLDS):
        kept = np.r_[np.flatnonzero(folds != fold), np.arange(len(folds), len(vectors))]
        head = fitted(vectors[kept], forms[kept], [kinds[index] for index in kept])
        for index in np.flatnonzero(folds == fold):
            scores = head.probabilities(vectors[index], forms[index])
            told[index] = {kind: scores[kind] for kind in EXAMPLES}
    return told


def _say(
    what: str, questions: Sequence[Question], told: Sequence[dict[QuestionKind, float]], of: Sequence[bool]
) -> None:
    those = [(one.kind, scores) for one, scores, counts in zip(questions, told, of, strict=True) if counts]
    right = np.mean([likeliest(scores, MARGIN) == kind for kind, scores in those])
    first = np.mean([likeliest(scores, 0) == kind for kind, scores in those])
    say(f"{what:16} read right {right:.3f}  likeliest {first:.3f}  n={len(those)}")


if __name__ == "__main__":
    main()
