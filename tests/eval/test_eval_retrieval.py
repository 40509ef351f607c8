"""Retrieval runs: measures that equal pytrec-eval's, folding, resuming, and BM25 by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from fakes import WordEmbedder
from small_set import QUESTIONS, STORIES, crowded_set, lines, small_set

from eval.datasets.beir import Dataset, load
from eval.experiments import retrieval
from eval.metrics import retrieval as retrieval_metrics
from eval.reporting import outcome
from eval.reporting.journal import read as read_lines
from eval.reporting.outcome import commit
from eval.systems.bm25 import Bm25, terms
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import SettingsError
from rag.schema import Article, Hit, Passage
from rag.settings import Settings


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return small_set(tmp_path / "tiny")


def run(data: Dataset, out: Path, *systems: str) -> dict[str, Any]:
    settings = Settings(data_dir=out, llm="none")
    return retrieval.run(data, out, settings, WordEmbedder(), systems=systems or ("dateline", "dense", "words", "bm25"))


def test_measures_by_hand() -> None:
    ranked = {"a": [("x", 3.0), ("y", 2.0), ("z", 1.0)], "b": [("w", 1.0)]}
    found = retrieval_metrics.score(ranked, {"a": {"y": 1, "z": 1}, "b": {"v": 1}, "c": {"u": 1}})
    assert found["RR@10"] == {"a": 0.5, "b": 0.0, "c": 0.0}
    ideal = 1 + 1 / math.log2(3)
    assert found["nDCG@10"]["a"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert (found["Success@1"]["a"], found["R@10"]["a"]) == (0.0, 1.0)


def test_equal_scores_keep_their_order() -> None:
    found = retrieval_metrics.score({"q": [("b", 0.5), ("a", 0.5), ("c", 0.5)]}, {"q": {"b": 1}})
    assert found["Success@1"] == {"q": 1.0}  # trec_eval alone would put c first


def test_the_run_file_scored_from_outside_gives_our_figures(data: Dataset, tmp_path: Path) -> None:
    import pytrec_eval

    out = tmp_path / "out"
    run(data, out)
    ours = outcome.load_per_query(out)
    for system in ("dateline", "dense", "words", "bm25"):
        trec = retrieval_metrics.read_run((out / f"run_{system}.trec").read_text().splitlines())
        scorer = pytrec_eval.RelevanceEvaluator(
            {q: dict(g) for q, g in data.qrels.items()},
            {"ndcg_cut.10", "recall.10", "success.1"},
        )
        theirs = scorer.evaluate(trec)
        names = {"nDCG@10": "ndcg_cut_10", "R@10": "recall_10", "Success@1": "success_1"}
        for name, theirs_name in names.items():
            assert ours[system][name] == pytest.approx({q: theirs.get(q, {}).get(theirs_name, 0.0) for q in data.qrels})


def test_a_seeded_wrong_label_is_a_miss(data: Dataset, tmp_path: Path) -> None:
    result = run(data, tmp_path / "out")
    found = outcome.load_per_query(tmp_path / "out")
    for system in ("dateline", "words", "bm25", "dense"):
        assert found[system]["Success@1"] == {"q1": 1.0, "q2": 1.0, "q3": 0.0}
    rows = {(r["system"], r["measure"]): r for r in result["rows"]}
    assert rows["dateline", "Success@1"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert rows["dateline", "Success@1"]["n"] == 3
    assert (result["left_out"], result["seed"], result["data"]["digest"]) == (0, 7, data.digest)
    assert result["code"]


@pytest.fixture
def crowd(tmp_path: Path) -> Dataset:
    return crowded_set(tmp_path / "crowd")


@pytest.mark.parametrize("changed", [{}, {"fetch_k": 30}, {"top_k": 25}, {"per_article": 1, "dense_weight": 0.8}])
def test_the_rankings_are_those_of_the_products_search(
    crowd: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    depths: list[int] = []
    for name in ("search_vectors", "search_words"):
        monkeypatch.setattr(Archive, name, noting_depth(getattr(Archive, name), depths))
    settings = Settings(data_dir=tmp_path / "out" / "archive", llm="none", **changed)
    result = retrieval.run(crowd, tmp_path / "out", settings, WordEmbedder(), systems=["dateline"])
    measured = set(depths)
    depths.clear()
    with Assistant(Archive(settings), WordEmbedder(), None, settings) as assistant:
        found = {key: assistant.search(crowd.queries[key].text) for key in crowd.qrels}
    assert measured == set(depths) == {result["settings"]["fetch_k"]}
    _, *ranked = read_lines(tmp_path / "out" / "ranked_dateline.jsonl")
    assert len(ranked) == len(found)
    for row in ranked:
        first = [article for article, _ in retrieval.articles_of(found[row["id"]])]
        assert len(first) >= 4
        assert [article for article, _ in row["ranked"]][: len(first)] == first
        assert len(row["ranked"]) >= min(10, result["settings"]["top_k"] // 2)


def noting_depth(search: Any, depths: list[int]) -> Any:
    def noting(self: Archive, wanted: Any, k: int, *more: Any) -> Any:
        depths.append(k)
        return search(self, wanted, k, *more)

    return noting


def test_the_settings_of_a_result_are_those_of_its_searches(data: Dataset, tmp_path: Path) -> None:
    found = run(data, tmp_path / "out", "dateline")["settings"]
    assert {name: found[name] for name in ("top_k", "fetch_k", "per_article", "dense_weight")} == {
        "top_k": 20, "fetch_k": 60, "per_article": 2, "dense_weight": 0.3
    }  # fmt: skip


def test_a_sample_is_scored_over_its_own_questions(crowd: Dataset, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, llm="none")
    heard: list[tuple[str, int, int]] = []

    def sampled(limit: int | None) -> dict[str, Any]:
        return retrieval.run(
            crowd, tmp_path / "out", settings, WordEmbedder(), systems=["words"], limit=limit,
            progress=lambda *step: heard.append(step),
        )  # fmt: skip

    result = sampled(3)
    assert ({row["n"] for row in result["rows"]}, result["data"]["scored"], result["left_out"]) == ({3}, 3, 0)
    assert [step for step in heard if step[0] == "words"] == [("words", n, 3) for n in (1, 2, 3)]
    heard.clear()
    assert {row["n"] for row in sampled(None)["rows"]} == {8}
    assert [step for step in heard if step[0] == "words"] == [("words", n, 8) for n in range(4, 9)]


def test_copies_stand_right_behind_their_hit() -> None:
    one, two, three = (Article(id=i, title="", text="x") for i in "abc")
    hits = [
        Hit(passage=Passage(article=one, number=0, start=0, end=1), score=0.9, copies=(three,)),
        Hit(passage=Passage(article=one, number=1, start=0, end=1), score=0.8, copies=(three,)),
        Hit(passage=Passage(article=two, number=0, start=0, end=1), score=0.7),
    ]
    assert retrieval.articles_of(hits) == [("a", 0.9), ("c", 0.9), ("b", 0.7)]


def test_a_second_call_goes_on_where_the_first_stopped(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, asked = tmp_path / "out", []
    first = run(data, out, "bm25")
    journal = out / "ranked_bm25.jsonl"
    journal.write_text("\n".join(journal.read_text().splitlines()[:2]) + '\n{"id": "q2", "ranked": [["ba')
    monkeypatch.setattr(Bm25, "search", lambda self, text, k: asked.append(text) or [])
    again = run(data, out, "bm25")
    assert asked == [QUESTIONS["q2"], QUESTIONS["q3"]]
    assert first["ingest"]["kept"] == 4
    assert again["ingest"]["unchanged"] == 4
    assert again["ingest"]["embedded"] == 0


def test_a_crash_is_a_miss_and_is_reported(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bm25, "search", lambda self, text, k: [("bank", 1.0)] if "Bank" in text else 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run(data, tmp_path / "bug", "bm25")  # a bug of ours is not hidden
    monkeypatch.setattr(Bm25, "search", lambda self, text, k: [("bank", 1.0)] if "Bank" in text else [][0])
    result = run(data, tmp_path / "out", "bm25")
    assert result["crashed"] == {
        "bm25": {"q1": "IndexError: list index out of range", "q3": "IndexError: list index out of range"}
    }
    assert outcome.load_per_query(tmp_path / "out")["bm25"]["RR@10"] == {"q1": 0.0, "q2": 1.0, "q3": 0.0}


def test_an_unknown_system_and_another_data_set_are_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected some of dateline"):
        run(data, tmp_path / "out", "lucene")
    run(data, tmp_path / "out", "bm25")
    other = data.folder.parent / "other"
    lines(other / "corpus.jsonl", [{"_id": "n", "title": "", "text": STORIES["zoo"]}])
    lines(other / "queries_test.jsonl", [{"_id": "q", "text": "zoo?"}])
    lines(other / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", "q\tn\t1"])
    with pytest.raises(SettingsError, match="another data set"):
        run(load(other), tmp_path / "out", "bm25")


def test_lines_left_out_of_the_corpus_are_not_ingested(data: Dataset, tmp_path: Path) -> None:
    with (data.folder / "corpus.jsonl").open("a") as stream:
        stream.write(
            json.dumps({"_id": "ferry", "title": "", "text": "Another story under an old name, long enough."}) + "\n"
        )
    result = run(load(data.folder), tmp_path / "out", "words")
    assert (result["ingest"]["read"], result["ingest"]["updated"], result["data"]["problem_count"]) == (4, 0, 1)


def test_ids_with_blanks_are_found_under_their_own_names(tmp_path: Path) -> None:
    folder = tmp_path / "blanks"
    stories = {f"{name} #1.txt": text for name, text in STORIES.items()}
    lines(folder / "corpus.jsonl", [{"_id": i, "title": "", "text": text} for i, text in stories.items()])
    lines(folder / "queries_test.jsonl", [{"_id": i, "text": text} for i, text in QUESTIONS.items()])
    lines(folder / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", "q1\tferry #1.txt\t1"])
    run(load(folder), tmp_path / "out", "words")
    assert outcome.load_per_query(tmp_path / "out")["words"]["Success@1"] == {"q1": 1.0}
    with (folder / "corpus.jsonl").open("a") as stream:
        stream.write(json.dumps({"_id": "ferry-1.txt", "title": "", "text": "Another story, long enough."}) + "\n")
    again = run(load(folder), tmp_path / "other", "words")
    assert (again["ingest"]["kept"], again["ingest"]["updated"]) == (5, 0)
    assert outcome.load_per_query(tmp_path / "other")["words"]["Success@1"] == {"q1": 1.0}


def test_an_archive_of_another_chunking_is_made_anew(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(data, tmp_path / "out", "words")
    monkeypatch.setattr("ingest.pipeline.FINGERPRINT", "another")
    again = run(data, tmp_path / "out", "words")
    assert again["rows"] == first["rows"]
    assert again["ingest"]["unchanged"] == 4


def test_bm25_by_hand() -> None:
    index = Bm25([("one", "red fish"), ("two", "red red bird nest")])
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    norm = 0.9 * (1 - 0.4 + 0.4 * 2 / 3)  # two words of three on average
    assert index.search("fish", 5) == [("one", pytest.approx(idf * 1 / (1 + norm)))]
    assert [key for key, _ in index.search("red", 5)] == ["two", "one"]
    assert terms("Don't 3.5") == ["don", "t", "3", "5"]


def test_the_commit_is_read_from_git_files(tmp_path: Path) -> None:
    assert commit(tmp_path / "none") == ""
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "packed-refs").write_text("# pack\nabc refs/heads/main\n")
    assert commit(tmp_path) == "abc"
    (tmp_path / "refs" / "heads" / "main").write_text("def\n")
    assert commit(tmp_path) == "def"


def test_bm25_reaches_the_reference_figures(shared_data: Path) -> None:
    data = load(shared_data / "retrieval" / "xquad_en")
    index = Bm25((one.id, f"{one.title} {one.text}") for one in data.corpus.values())
    found = {query: index.search(data.queries[query].text, 10) for query in data.qrels}
    hits = retrieval_metrics.score(found, data.qrels, ["Success@1"])["Success@1"]
    assert sum(hits.values()) / len(hits) == pytest.approx(0.924, abs=0.01)
