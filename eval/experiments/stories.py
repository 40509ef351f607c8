"""`python -m eval stories`: whether articles on one event are threaded together, beside single links on cosines.

The demo archive has its stories labelled. The mixed set has articles on the conflict in Egypt in two languages, which
are labelled as one long story, among articles on other subjects, each a story of its own: there recall says how far
stories are divided into events, precision that nothing else is mixed in. Does not measure headlines or ids.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import beir
from eval.datasets import demo as demo_set
from eval.datasets.records import digest
from eval.reporting import outcome
from eval.reporting.outcome import Row, once, row
from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.archive.stories.clusters import components
from rag.archive.stories.likeness import mean_vector
from rag.errors import SettingsError
from rag.models.embeddings import Embedder
from rag.schema import Article
from rag.settings import Settings

OURS, PLAIN = "dateline", "single link on cosines, best threshold"
LABELS = demo_set.FOLDER / "stories.jsonl"
TIMELINES, OTHERS = ("es_egypt", "fr_egypt"), "onestopqa_articles"
THRESHOLDS = tuple(number / 200 for number in range(100, 200))  # cosines that the baseline is tried at

Groups = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySet:
    """Articles, and which story each belongs to; an article that is not in `stories` is alone."""

    name: str
    digest: str
    articles: Iterable[Any]
    stories: Mapping[str, str]


def demo() -> StorySet:
    """The demo archive with its labels. Raises SettingsError when they are damaged."""
    return StorySet(
        name="demo",
        digest=f"{demo_set.digest()}-{digest([LABELS])}",
        articles=read([demo_set.ARCHIVE], ReadOptions()),
        stories=labels(LABELS),
    )


def labels(path: Path) -> dict[str, str]:
    """Article id -> id of its story, from lines of {"_id", "headline", "articles"}. Raises SettingsError."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {article: one["_id"] for one in lines for article in one["articles"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read: {error!r}. Restore the file.") from None


def mixed(folder: Path) -> StorySet:
    """The articles on Egypt among others, from a folder with timelines/ and retrieval/. Raises SettingsError."""
    files = [folder / "timelines" / name / "articles.jsonl.gz" for name in TIMELINES]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise SettingsError(f"--data is '{folder}', which lacks {', '.join(missing)}.")
    long_story = [article for file in files for article in _timeline(file)]
    corpus = beir.load(folder / "retrieval" / OTHERS).corpus.values()
    others = [Article(id=f"other-{d.id}", title=d.title, text=d.text, language="en", source=d.id) for d in corpus]
    return StorySet(
        name="egypt-mixed",
        digest=digest(files),
        articles=[*long_story, *others],
        stories={article.id: "egypt" for article in long_story},
    )


def _timeline(file: Path) -> Iterable[Article]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for one in map(json.loads, lines):
            yield Article(
                id=one["id"], title=one["title"] or "", text=one["text"], url=one.get("url", ""),
                published=datetime.fromisoformat(one["published"]) if one["published"] else None,
                language=one["language"], outlet=one["outlet"], source=one["id"],
            )  # fmt: skip


def scores(system: str, groups: Groups, stories: Mapping[str, str]) -> list[Row]:
    """Rows of pair precision (n: pairs put together), pair recall (n: labelled pairs) and F1."""
    found = {pair for group in groups for pair in combinations(sorted(group), 2)}
    gold = {pair for group in _gold(stories) for pair in combinations(sorted(group), 2)}
    both = len(found & gold)
    f1 = 2 * both / (len(found) + len(gold)) if found or gold else 0.0
    return [
        row("pair precision", system, [float(pair in gold) for pair in sorted(found)]),
        row("pair recall", system, [float(pair in found) for pair in sorted(gold)]),
        once("pair F1", system, f1, len(gold)),
    ]


def _gold(stories: Mapping[str, str]) -> Groups:
    groups: dict[str, list[str]] = {}
    for article, story in stories.items():
        groups.setdefault(story, []).append(article)
    return list(groups.values())


def threaded(catalog: Catalog) -> Groups:
    """The articles of each story of an archive."""
    found = catalog.stories(limit=1_000_000)
    members = catalog.members({story.id for story in found})
    groups: dict[str, list[str]] = {story.id: [] for story in found}
    for article, story_id in members.items():
        groups[story_id].append(article)
    return list(groups.values())


def single_link(catalog: Catalog, stories: Mapping[str, str]) -> tuple[Groups, float]:
    """The groups by single links on cosines of mean passage vectors at the threshold with the best F1, and that."""
    ids = sorted(article.id for article in catalog.articles(limit=1_000_000) if catalog.passages_of(article.id))
    hashes = [[passage.hash for passage in catalog.passages_of(one)] for one in ids]
    vectors = np.array([mean_vector(catalog.vectors(own)) for own in hashes])
    cosines = vectors @ vectors.T
    tried = []
    for threshold in THRESHOLDS:
        rows, columns = np.where(np.triu(cosines >= threshold, 1))
        groups = components([(ids[a], ids[b]) for a, b in zip(rows, columns, strict=True)], ids)
        tried.append((_f1(groups, stories), threshold, groups))
    _, threshold, groups = max(tried, key=lambda one: one[:2])
    return groups, threshold


def _f1(groups: Groups, stories: Mapping[str, str]) -> float:
    """Pair F1, counted without listing the pairs."""
    inside = sum(_pairs(Counter(stories[one] for one in group if one in stories).values()) for group in groups)
    put, gold = _pairs(map(len, groups)), _pairs(Counter(stories.values()).values())
    return 2 * inside / (put + gold) if put + gold else 0.0


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def run(data: StorySet, settings: Settings, embedder: Embedder) -> dict[str, Any]:
    """Ingests a set into the archive of the settings; the result as plain data."""
    outcome.provenance()
    began = time.perf_counter()
    with closing(Archive(settings)) as archive:
        report = ingest(data.articles, archive, embedder)
        archive.wait_until_threaded()
        ours = threaded(archive.catalog)
        plain, threshold = single_link(archive.catalog, data.stories)
    rows = [*scores(OURS, ours, data.stories), *scores(PLAIN, plain, data.stories)]
    return outcome.result(
        "stories", rows, settings=settings, model=embedder.name,
        data={"name": data.name, "digest": data.digest, "articles": report.read, "stories": len(_gold(data.stories))},
        threads={"stories": len(ours), "largest": max(map(len, ours), default=0)}, threshold=threshold,
        seconds=round(time.perf_counter() - began, 1),
    )  # fmt: skip
