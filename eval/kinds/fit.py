"""`python -m eval.kinds.fit`: fits the weights of rag.answering.kinds.head and prints how well they do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from eval.kinds.frames import Example, examples
from eval.reporting.terminal import say
from rag.answering.kinds.examples import EXAMPLES
from rag.answering.kinds.head import FILE, Head
from rag.answering.kinds.masking import masked
from rag.language.identify import detect_language
from rag.models.cards import E5_SMALL
from rag.models.embeddings import open_embedder
from rag.settings import Settings

# Of one over the variance of the weights (the C of scikit-learn). 10 was better than 100 and 1,000 on left-out
# languages, and than 3 and 30 on questions to the demo archive.
FREEDOM = 10.0
STEPS, FOLDS = 300, 5


def main() -> None:
    """Fits on all questions and writes the file; the accuracies are those of weights fitted without the part named."""
    embedder = open_embedder(Settings.load(embedder="e5"))
    if embedder.name != E5_SMALL.name:
        raise SystemExit(f"The weights are for {E5_SMALL.name}, and {embedder.name} is installed.")
    every = [*examples(), *_plain()]
    vectors = embedder.embed_queries([masked(one.text) for one in every])
    wordings = sorted({one.wording for one in every})
    fold_of = {wording: at % FOLDS for at, wording in enumerate(wordings)}
    fillings = sorted({filling for one in every for filling in one.fillings})
    subject_fold = {filling: at % FOLDS for at, filling in enumerate(fillings)}
    for language in sorted({one.language for one in every}):
        _report(f"without {language or 'unknown language'}", vectors, every, lambda one: one.language, [language])
    _report("other wordings", vectors, every, lambda one: fold_of[one.wording], range(FOLDS))
    _report(
        "other subjects",
        vectors,
        every,
        lambda one: subject_fold[one.fillings[0]] if one.fillings else None,
        range(FOLDS),
    )
    fitted(vectors, [one.kind for one in every]).save(FILE)
    say(f"{len(every)} questions; {FILE.stat().st_size:,} bytes in {FILE.name}")


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


def _plain() -> list[Example]:
    return [Example(text, kind, detect_language(text), text) for kind, texts in EXAMPLES.items() for text in texts]


def _report(
    what: str,
    vectors: np.ndarray,
    every: Sequence[Example],
    part: Callable[[Example], Hashable],
    parts: Sequence[Hashable],
) -> None:
    """Prints the accuracy on each of the parts, of weights that were fitted on all but that part."""
    right = total = 0
    for one_part in parts:
        out = np.array([part(one) == one_part for one in every])
        head = fitted(vectors[~out], [one.kind for one, left in zip(every, out, strict=True) if not left])
        for index in np.flatnonzero(out):
            told = head.probabilities(vectors[index])
            right += max(told, key=told.__getitem__) == every[int(index)].kind
            total += 1
    say(f"{what:28} {right / max(total, 1):.3f}  n={total}")


if __name__ == "__main__":
    main()
