"""`python -m eval timelines`: a timeline composed of dated articles beside a journalist's, and a plain baseline."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics.timelines import aligned_rouge, date_f1
from rag.answering.compose.material import Line
from rag.answering.compose.timeline import entries
from rag.answering.sentence_selection import Candidate
from rag.errors import SettingsError
from rag.language.sentences import sentence_spans
from rag.language.tokens import count_tokens
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Passage

LEAST_TOKENS = 5  # of a sentence that may be quoted
Timeline = Mapping[date, str]


def load(folder: Path) -> tuple[list[Article], dict[date, str]]:
    """The articles of a folder and its reference, by day. Raises SettingsError when a file is missing or malformed."""
    try:
        with gzip.open(folder / "articles.jsonl.gz", "rt", encoding="utf-8") as file:
            articles = [_article(json.loads(line)) for line in file]
        reference: dict[date, str] = {}
        for line in (folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            day = date.fromisoformat(entry["date"])
            reference[day] = f"{reference.get(day, '')} {entry['text']}".strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{folder} holds no articles.jsonl.gz and timeline.jsonl that can be read: {error}"
        ) from None
    if not articles or not reference:
        raise SettingsError(f"{folder} holds no article, or no day of a timeline.")
    return articles, reference


def _article(data: dict[str, Any]) -> Article:
    return Article(
        id=data["id"],
        title=data["title"],
        text=data["text"],
        outlet=data.get("outlet", ""),
        published=datetime.fromisoformat(data["published"]),
        language=data.get("language", ""),
    )


def lines_of(articles: Sequence[Article], embedder: Embedder) -> list[Line]:
    """Every sentence of the articles; its likeness is that to the middle of the headlines."""
    found = [
        (Passage(article=article, number=0, start=0, end=len(article.text)), start, end, place)
        for article in articles
        for place, (start, end) in enumerate(sentence_spans(article.text))
        if count_tokens(article.text[start:end]) >= LEAST_TOKENS
    ]
    vectors = embedder.embed_passages([passage.article.text[start:end] for passage, start, end, _ in found])
    centre = _middle(embedder.embed_passages([article.title for article in articles]))
    likeness = card_of(embedder.name).likeness
    return [
        Line(Candidate(passage, start, end, likeness=likeness(float(vector @ centre))), place, vector)
        for (passage, start, end, place), vector in zip(found, vectors, strict=True)
    ]


def _middle(vectors: np.ndarray) -> np.ndarray:
    centre = vectors.mean(axis=0)
    return np.asarray(centre / max(float(np.linalg.norm(centre)), 1e-9))


def composed(lines: Sequence[Line], days: int) -> dict[date, str]:
    """The timeline of Dateline with that many days."""
    return {one.day: one.line.text for one in entries(lines, days)}


def plain(articles: Sequence[Article], days: int, embedder: Embedder) -> dict[date, str]:
    """The days with most articles, each with the first sentence of its most central article."""
    vectors = embedder.embed_passages([f"{article.title}\n{article.text}" for article in articles])
    central = vectors @ _middle(vectors)
    counts = Counter(article.day for article in articles if article.day)
    found = {}
    for day, _ in counts.most_common(days):
        best = max((i for i, a in enumerate(articles) if a.day == day), key=lambda i: float(central[i]))
        text = articles[best].text
        found[day] = next((text[start:end] for start, end in sentence_spans(text)), "")
    return found


def run(folder: Path, out: Path, embedder: Embedder) -> dict[str, Any]:
    """Date F1 and date-aligned ROUGE-1 F1 of Dateline and of the baseline, 0 to 1; writes OUT/timeline.jsonl."""
    articles, reference = load(folder)
    systems = {
        "dateline": composed(lines_of(articles, embedder), len(reference)),
        "plain": plain(articles, len(reference), embedder),
    }
    out.mkdir(parents=True, exist_ok=True)
    written = [
        json.dumps({"date": day.isoformat(), "text": text}, ensure_ascii=False)
        for day, text in sorted(systems["dateline"].items())
    ]
    (out / "timeline.jsonl").write_text("\n".join(written) + "\n", encoding="utf-8")
    result = {
        "articles": len(articles),
        "days": len(reference),
        "embedder": embedder.name,
        "systems": {
            name: {"date F1": date_f1(found, reference), "ROUGE-1 F1": aligned_rouge(found, reference)}
            for name, found in systems.items()
        },
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result
