"""`python -m eval.relevance.fit_addressed`: fits rag.answering.relevance.addressed and prints how well it does.

Examples are the lines of addressed.jsonl, written one by one: `text`, `label` ("addressed" or "report"), `language` and
`kind`, the reports close to the border on purpose; and sentences of the invented news stories, which are all reports.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from eval.relevance import stories
from eval.reporting.terminal import say
from rag.answering.relevance import addressed
from rag.answering.relevance.addressed import LEAST_LOGIT, Addressed
from rag.models.cards import E5_SMALL
from rag.models.embeddings import open_embedder
from rag.settings import Settings

EXAMPLES = Path(__file__).with_name("addressed.jsonl")
OF_STORIES = 4000  # sentences
RIDGE, STEPS = 1 / 30, 30  # weight of the squared weights beside the sum of losses; most steps of Newton's method
FOLDS = 5


def main() -> None:
    """Fits without a fifth of the examples for the figures, then on all, and writes the file."""
    embedder = open_embedder(Settings.load(embedder="e5"))
    if embedder.name != E5_SMALL.name:
        raise SystemExit(f"The weights are for {E5_SMALL.name}, and {embedder.name} is installed.")
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    reported = sorted({s for one in stories.questions() for article in one.articles for s in article.sentences})
    random.Random(0).shuffle(reported)
    reported = reported[:OF_STORIES]
    vectors = np.asarray(embedder.embed_passages([row["text"] for row in rows] + reported), dtype=np.float64)
    labels = np.array([row["label"] == "addressed" for row in rows] + [False] * len(reported))
    # Stories are in the folds too, by their places after the shuffle.
    fold = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    found = np.zeros(len(labels), dtype=bool)
    for one in range(FOLDS):
        weights = fitted(vectors[fold != one], labels[fold != one])
        found[fold == one] = weights.logits(vectors[fold == one]) >= LEAST_LOGIT
    own = np.arange(len(labels)) < len(rows)
    for name, which in (
        ("addressed to the reader", labels),
        ("reports written to look like them", own & ~labels),
        ("sentences of stories", ~own),
    ):
        say(f"{name}: {found[which].mean():.4f} are told to be addressed (n {which.sum():,}, left out)")
    fitted(vectors, labels).save(addressed.FILE)
    say(f"{addressed.FILE.stat().st_size:,} bytes in {addressed.FILE.name}")


def fitted(vectors: np.ndarray, labels: np.ndarray) -> Addressed:
    """The logistic regression of least loss, with RIDGE, for (n, dim) vectors and n labels, by Newton's method."""
    given = np.column_stack([vectors, np.ones(len(vectors))])
    ridge = RIDGE * np.diag([*np.ones(vectors.shape[1]), 0.0])
    weights = np.zeros(given.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-given @ weights))
        slope = given.T @ (likely - labels) + ridge @ weights
        curve = (given * (likely * (1 - likely))[:, None]).T @ given + ridge + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return Addressed(weights[:-1], float(weights[-1]))


if __name__ == "__main__":
    main()
