"""Data sets in BEIR layout, read and checked line by line. Two variants of the layout are known:

ours      corpus.jsonl[.gz]   queries_<split>.jsonl   qrels_<split>.tsv
standard  corpus.jsonl[.gz]   queries.jsonl           qrels/<split>.tsv
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.datasets.records import Problem, digest, first_problem, judgements, objects
from rag.errors import SettingsError
from rag.schema import Turn

SPLITS = ("test", "dev", "validation", "train")  # in this order, where none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One article of a corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question; `answers`, `options`, `history` and the rest of `meta` only where the set has them."""

    id: str
    text: str
    answers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    history: tuple[Turn, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set as far as it can be used, and the problems of the rest.

    `qrels` maps a query to its relevant articles and their grades (> 0), for the queries that can be scored;
    `left_out` maps each other query to the reason.
    """

    name: str
    split: str
    folder: Path
    corpus: Mapping[str, Document]
    queries: Mapping[str, Query]
    qrels: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, str]
    problems: tuple[Problem, ...]
    digest: str

    def describe(self) -> dict[str, Any]:
        """The description of the data in a result."""
        return {
            "name": self.name, "split": self.split, "digest": self.digest, "articles": len(self.corpus),
            "queries": len(self.queries), "scored": len(self.qrels), "left_out": _counted(self.left_out.values()),
            "problems": [str(problem) for problem in self.problems[:50]], "problem_count": len(self.problems),
        }  # fmt: skip


def load(folder: Path, split: str | None = None, asked: Path | None = None) -> Dataset:
    """Reads and checks a data set, with the questions and labels of the folder `asked` where that is given: those of
    the same set in another language. Raises SettingsError when there is no corpus or no query to read at all."""
    for option, one in (("--data", folder), ("--queries", asked)):
        if one is not None and not one.is_dir():
            raise SettingsError(f"{option} is '{one}', expected the folder of a data set in BEIR layout.")
    where = files(folder, split) if asked is None else files(asked, split) | {"corpus": files(folder, None)["corpus"]}
    problems: list[Problem] = []
    corpus = {one.id: one for one in _documents(where["corpus"], problems)}
    if not corpus:
        raise SettingsError(f"{where['corpus']} holds no article that can be read. {first_problem(problems)}")
    ambiguous: set[str] = set()
    queries = read_queries(where["queries"], problems, ambiguous)
    judged, unscorable = read_qrels(where["qrels"], corpus, queries, problems)
    left_out = {q: unscorable.get(q, "no relevant article named") for q in queries if q not in judged}
    left_out |= dict.fromkeys(ambiguous, "two questions have its id")
    return Dataset(
        name="_from_".join([folder.resolve().name, *([asked.resolve().name] if asked else [])]),
        split=where["split"].name,
        folder=folder,
        corpus=corpus,
        queries=queries,
        qrels={q: judged[q] for q in queries if q in judged and q not in ambiguous},
        left_out=left_out,
        problems=tuple(problems),
        digest=digest([where["corpus"], where["queries"], where["qrels"]]),
    )


def questions(path: Path) -> Dataset:
    """A file of questions alone, as JSON Lines with _id, text, meta; `meta.articles` may name the gold articles.

    Raises SettingsError when it holds none.
    """
    if not path.is_file():
        raise SettingsError(f"--data is '{path}', expected a folder in BEIR layout or a file of questions.")
    problems: list[Problem] = []
    found = read_queries(path, problems, set())
    labels = {q.id: dict.fromkeys(_texts(q.meta.get("articles")), 1) for q in found.values()}
    return Dataset(
        name=path.stem,
        split="",
        folder=path.parent,
        corpus={},
        queries=found,
        qrels={query: grades for query, grades in labels.items() if grades},
        left_out={},
        problems=tuple(problems),
        digest=digest([path]),
    )


def files(folder: Path, split: str | None) -> dict[str, Path]:
    """Paths of corpus, queries and qrels, and the split as a bare path. Raises SettingsError naming what is missing."""
    corpus = next((p for n in ("corpus.jsonl", "corpus.jsonl.gz") if (p := folder / n).is_file()), None)
    if corpus is None:
        raise SettingsError(f"{folder} has no corpus.jsonl or corpus.jsonl.gz.")
    for name in [split] if split else SPLITS:
        ours, standard = folder / f"queries_{name}.jsonl", folder / "qrels" / f"{name}.tsv"
        if ours.is_file():
            return {"corpus": corpus, "queries": ours, "qrels": folder / f"qrels_{name}.tsv", "split": Path(name)}
        if (folder / "queries.jsonl").is_file() and (standard.is_file() or split):
            return {"corpus": corpus, "queries": folder / "queries.jsonl", "qrels": standard, "split": Path(name)}
    if (folder / "queries.jsonl").is_file():
        qrels = folder / "qrels" / "test.tsv"
        return {"corpus": corpus, "queries": folder / "queries.jsonl", "qrels": qrels, "split": Path("test")}
    there = sorted(p.stem.removeprefix("queries_") for p in folder.glob("queries_*.jsonl"))
    raise SettingsError(
        f"{folder} has no queries_{split or 'test'}.jsonl and no queries.jsonl. "
        f"Splits found: {', '.join(there) or 'none'}; name one with --split."
    )


def _documents(path: Path, problems: list[Problem]) -> Iterator[Document]:
    for number, key, row in objects(path, problems, set()):
        title = str(row.get("title") or "")
        if not (title + row["text"]).strip():
            problems.append(Problem(path.name, number, f"the article '{key}' is empty; left out"))
            continue
        yield Document(id=key, title=title, text=row["text"])


def read_queries(path: Path, problems: list[Problem], ambiguous: set[str]) -> dict[str, Query]:
    """Id → query of a file, in its order. `ambiguous` gathers ids that two different queries have.

    Raises SettingsError when there is no query at all.
    """
    queries = {one.id: one for one in _queries(path, problems, ambiguous)}
    if not queries:
        raise SettingsError(f"{path} holds no query that can be read. {first_problem(problems)}")
    return queries


def _queries(path: Path, problems: list[Problem], ambiguous: set[str]) -> Iterator[Query]:
    for number, key, row in objects(path, problems, ambiguous):
        if not row["text"].strip():
            problems.append(Problem(path.name, number, f"the query '{key}' is empty; left out"))
            continue
        meta = row.get("meta") or row.get("metadata") or {}
        meta = meta if isinstance(meta, dict) else {}
        yield Query(
            id=key,
            text=row["text"].strip(),
            answers=_texts(meta.get("answers", meta.get("answer"))),
            options=_texts(meta.get("options", meta.get("choices"))),
            history=turns(meta.get("history") or ()),
            meta=meta,
        )


def _texts(value: Any) -> tuple[str, ...]:
    """A text or a nested list of texts, as a flat tuple."""
    if isinstance(value, list | tuple):
        return tuple(text for one in value for text in _texts(one))
    return (str(value),) if value not in (None, "") else ()


def turns(history: Sequence[Any]) -> tuple[Turn, ...]:
    """Earlier turns, from pairs (question, answer), or from (speaker, text) where the speaker who asks is `user`."""
    pairs = [(str(one[0]), str(one[1])) for one in history if isinstance(one, list | tuple) and len(one) == 2]
    if not any(speaker in {"user", "agent", "assistant"} for speaker, _ in pairs):
        return tuple(Turn(question=question, answer=answer) for question, answer in pairs)
    found: list[Turn] = []
    for speaker, words in pairs:
        if speaker == "user":
            found.append(Turn(question=words, answer=""))
        elif found:
            found[-1] = Turn(question=found[-1].question, answer=words)
    # Some sets end the history with the question that is to be answered.
    return tuple(found[:-1] if found and not found[-1].answer else found)


def read_qrels(
    path: Path, corpus: Mapping[str, Document] | None, queries: Mapping[str, Query], problems: list[Problem]
) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """Query → article → grade > 0, and judged query → why it cannot be scored. Without a corpus any article counts."""
    judged: dict[str, dict[str, int]] = {}
    unscorable: dict[str, str] = {}
    seen: dict[tuple[str, str], int] = {}
    if not path.is_file():
        problems.append(Problem(path.name, 0, "there is no such file, so retrieval cannot be scored"))
        return {}, {}
    for number, query, article, grade in judgements(path, problems):
        if (query, article) in seen:
            first = seen[query, article]
            message = f"'{query}' and '{article}' are also on line {first}; left out"
            problems.append(Problem(path.name, number, message))
            continue
        seen[query, article] = number
        if query not in queries:
            problems.append(Problem(path.name, number, f"there is no query '{query}'; left out"))
        elif corpus is not None and article not in corpus:
            problems.append(Problem(path.name, number, f"the corpus has no article '{article}'; left out"))
            unscorable[query] = "its relevant articles are not in the corpus"
        elif grade > 0:
            judged.setdefault(query, {})[article] = grade
    if not judged:
        problems.append(Problem(path.name, 0, "it names no relevant article, so retrieval cannot be scored"))
    return judged, unscorable


def _counted(reasons: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for reason in reasons:
        found[reason] = found.get(reason, 0) + 1
    return found
