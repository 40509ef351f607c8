"""`python -m eval.kinds.fit`: fits the weights of rag.answering.kinds.head and prints how well they do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.kinds.questions import Question, load
from eval.reporting.terminal import say
from rag.answering.kinds.examples import EXAMPLES
from rag.answering.kinds.head import FILE, Head
from rag.answering.kinds.masking import masked
from rag.answering.kinds.reader import MARGIN, likeliest
from rag.models.cards import E5_SMALL
from rag.models.embeddings import open_embedder
from rag.schema import QuestionKind
from rag.settings import Settings

# Of one over the variance of the weights (the C of scikit-learn). Of 3, 10, 30 and 100 the best in cross-validation.
FREEDOM = 10.0
STEPS, FOLDS = 1500, 5
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
    kinds = [one.kind for one in questions] + [kind for _, kind in always]
    told = _told(vectors, kinds, _folds(embedder.embed_queries([one.text for one in questions])))
    for kind in EXAMPLES:
        _say(kind, questions, told, [one.kind == kind for one in questions])
    _say("English", questions, told, [one.language == "en" for one in questions])
    _say("other languages", questions, told, [one.language != "en" for one in questions])
    fitted(vectors, kinds).save(FILE)
    say(f"{len(kinds)} questions; {FILE.stat().st_size:,} bytes in {FILE.name}")


def fitted(vectors: np.ndarray, kinds: Sequence[str]) -> Head:
    """The weights with the least cross-entropy and norm: (n, dim) vectors and the kind of each. Nesterov's descent."""
    names = tuple(EXAMPLES)
    wanted = np.eye(len(names), dtype=np.float32)[[names.index(kind) for kind in kinds]]
    mean = vectors.mean(axis=0)
    rows = np.hstack([vectors - mean, np.ones((len(vectors), 1))]).astype(np.float32)
    step = 1 / (1 + FREEDOM * float(np.linalg.norm(rows, 2)) ** 2 / 2)
    penalty = np.r_[np.ones(vectors.shape[1]), 0.0].astype(np.float32)[:, None]
    now = ahead = np.zeros((rows.shape[1], len(names)), dtype=np.float32)
    for turn in range(STEPS):
        scores = rows @ ahead
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        moved = ahead - step * (FREEDOM * rows.T @ (shares - wanted) + penalty * ahead)
        ahead = moved + turn / (turn + 3) * (moved - now)
        now = moved
    return Head(names, mean, now[:-1].T, now[-1])


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


def _told(vectors: np.ndarray, kinds: Sequence[str], folds: np.ndarray) -> list[dict[QuestionKind, float]]:
    """The probabilities of the kinds of each question that has a fold; what has none belongs to every fit."""
    told: list[dict[QuestionKind, float]] = [{} for _ in folds]
    for fold in range(FOLDS):
        kept = np.r_[np.flatnonzero(folds != fold), np.arange(len(folds), len(vectors))]
        head = fitted(vectors[kept], [kinds[index] for index in kept])
        for index in np.flatnonzero(folds == fold):
            scores = head.probabilities(vectors[index])
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
