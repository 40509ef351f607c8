"""Helpers of the tests of eval: a small data set in BEIR layout, and commands over a fake embedder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from fakes import WordEmbedder

from eval.commands import options
from eval.datasets.beir import Dataset, load

STORIES = {
    "ferry": "The ferry Castellan ran aground on a sandbank off Port Selwyn shortly after dawn.",
    "bank": "The Bank of Corvane lowered its key rate by a quarter point on Thursday.",
    "zoo": "A zebra escaped from the zoo in Lunada and was caught near the stadium.",
    "levy": "The parking levy in Villasera brought in less money than the council expected.",
}
QUESTIONS = {
    "q1": "Which ferry ran aground?",
    "q2": "Which key rate did the Bank of Corvane change?",
    "q3": "Which animal escaped from the zoo?",
}
QRELS = ["q1\tferry\t1", "q2\tbank\t1", "q3\tlevy\t1"]  # q3 is labelled wrong on purpose


def lines(path: Path, rows: Sequence[object]) -> None:
    """Writes one row a line: texts as they are, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))


def small_set(folder: Path) -> Dataset:
    """Four stories and three labelled questions, written into a folder and read back."""
    lines(folder / "corpus.jsonl", [{"_id": i, "title": "", "text": text} for i, text in STORIES.items()])
    lines(folder / "queries_test.jsonl", [{"_id": i, "text": text} for i, text in QUESTIONS.items()])
    lines(folder / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", *QRELS])
    return load(folder)


def crowded_set(folder: Path) -> Dataset:
    """70 articles of several passages each that share their words, and eight labelled questions."""
    random = Random(7)
    words = [f"word{number}" for number in range(40)]
    texts = [[" ".join(random.choices(words, k=60)) + "." for _ in range(6)] for _ in range(70)]
    lines(
        folder / "corpus.jsonl",
        [{"_id": f"a{n}", "title": "", "text": f"Harbour{n}. " + "\n\n".join(t)} for n, t in enumerate(texts)],
    )
    asked = [{"_id": f"q{n}", "text": f"Which {' '.join(random.sample(words, 3))} of harbour{n}?"} for n in range(8)]
    lines(folder / "queries_test.jsonl", asked)
    lines(folder / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", *(f"q{n}\ta{n}\t1" for n in range(8))])
    return load(folder)


def embed_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on commands embed with the word embedder instead of loading a model."""
    monkeypatch.setattr(options, "open_embedder", lambda settings: WordEmbedder())
