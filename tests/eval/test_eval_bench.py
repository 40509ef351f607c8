"""Growth, generated text, and the two benches that need no model, on tiny sizes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from fakes import ModelServer, WordEmbedder

from eval.cli import main
from eval.datasets import generated
from eval.performance import bench
from eval.reporting import outcome
from eval.reporting.progress import silent
from eval.systems import baselines
from rag.settings import Settings


def test_slope_by_hand() -> None:
    assert bench.slope([(10, 2), (100, 20), (1000, 200)]) == pytest.approx(1.0)
    assert bench.slope([(10, 3), (1000, 3)]) == pytest.approx(0.0)
    assert bench.slope([(10, 3)]) is None


def test_generated_text_is_the_same_every_time_and_cut_as_promised() -> None:
    from ingest.chunking import passage_spans

    one, other = list(generated.articles(40)), list(generated.articles(40))
    assert one == other
    assert 40 <= sum(len(passage_spans(article)) for article in one) <= 60
    assert generated.questions(3) == generated.questions(3)
    vectors = generated.HashEmbedder().embed_queries(["a", "b", "a"])
    assert np.array_equal(vectors[0], vectors[2])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_a_text_has_one_direction_also_when_more_texts_were_given_since_than_are_remembered() -> None:
    embedder, texts = generated.HashEmbedder(), [f"text {n}" for n in range(generated._REMEMBERED + 60)]
    first = embedder.embed_passages(texts)
    again = np.concatenate([embedder.embed_queries([text]) for text in texts])
    assert first.shape == (len(texts), embedder.dim)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert np.linalg.norm(first, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    likeness = first @ first.T - np.eye(len(texts))
    assert abs(likeness).max() < 0.5  # different texts point elsewhere
    embedder.embed_queries(texts[-1:])[:] = 0  # what is done to a result changes no vector that is remembered
    assert np.array_equal(embedder.embed_queries(texts[-1:]), again[-1:])
    assert embedder.embed_queries([]).shape == (0, embedder.dim)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("work", [bench._query_ours, bench._query_plain])
def test_a_side_of_the_query_bench_fills_its_folder_once(work: Callable[..., dict[str, float]], tmp_path: Path) -> None:
    first, again = (work(tmp_path / "own", Settings(llm="none"), None, 40, bench._timed) for _ in range(2))
    assert first["fill s"] > 0
    assert "fill s" not in again
    for found in (first, again):
        assert 0 < found["query p50 ms"] <= found["query p95 ms"] <= found["query p99 ms"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_searches_are_timed_at_rest_and_beside_a_computing_process_for_each_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(psutil.Process().children())  # servers that other tests of this process share
    children: list[int] = []  # how many more there were at each search

    def search(question: str) -> None:
        children.append(len(psutil.Process().children()) - before)
        time.sleep(0.02 if children[-1] else 0.001)

    monkeypatch.setattr(bench, "QUERIES", 5)
    monkeypatch.setattr(bench, "_cores", lambda: 3)
    found = bench._timed_at_rest_and_busy(search)
    assert children == [0] * 25 + [3] * 25
    assert len(psutil.Process().children()) == before
    assert found["busy query p95 ms"] >= 20 > found["query p50 ms"]
    assert found["busy p95 in times of p50 at rest"] == found["busy query p95 ms"] / found["query p50 ms"]

    assert main(["bench", "busy", "--out", str(tmp_path), "--sizes", "40"]) == 0
    rows = {(row["system"], row["measure"]) for row in outcome.load(tmp_path)["rows"]}
    assert {(system, "busy p95 in times of p50 at rest") for system in (bench.OURS, bench.PLAIN)} <= rows


def _work_with_a_child(folder: Path, megabytes: int) -> dict[str, float]:
    subprocess.run([sys.executable, "-c", f"b'x' * {megabytes}_000_000"], check=True)
    return {}


def test_the_memory_of_another_process_counts() -> None:
    little, much = (bench.in_a_process(_work_with_a_child, megabytes)["memory MB"] for megabytes in (1, 400))
    assert 300 < much - little < 410  # what a process counts begins with what its parent had


def test_ratios_and_slopes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_a_process(
        work: object, settings: Settings, data: None, size: int, timed: bench.Timed, folder: Path
    ) -> dict[str, float]:
        asked.append(folder)
        slow = len(asked) <= 2  # as where the machine was slow in the first round
        p50 = (size / 100 if work is bench._query_ours else size / 50) * (9 if slow else 1)
        return {"query p50 ms": p50, "disk MB": 5.0, "memory MB": 100.0}

    asked: list[Path] = []
    monkeypatch.setattr(bench, "in_a_process", in_a_process)
    assert main(["bench", "query", "--out", str(tmp_path), "--sizes", "100,1000"]) == 0
    result = outcome.load(tmp_path)
    assert result["ratios_to_plain"]["query p50 ms at 100"] == 0.5
    assert result["slopes"]["dateline p50"] == pytest.approx(1.0)
    assert "grows as passages^" in capsys.readouterr().out
    assert main(["report", str(tmp_path)]) == 0
    assert main(["bench", "query", "--out", str(tmp_path), "--sizes", "many"]) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_model_answers_through_both(
    tmp_path: Path, tiny_model: Path, endpoint: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "plain_embedding", lambda: baselines.borrowed_embedding(WordEmbedder()))
    settings = Settings(embedder=str(tiny_model), llm="tide", llm_url=endpoint.url)
    result = bench.bench_answer(settings, tmp_path, 2, silent)
    found = {(row["system"], row["measure"]): row["value"] for row in result["rows"]}
    assert found["plain-llamaindex", "answer contains gold"] == 0  # "It rained on Monday." is no answer to either
    assert 0 < found["plain-llamaindex", "to first word p50 ms"] <= found["plain-llamaindex", "in total p95 ms"]
    assert result["ratios_to_plain"]["in total p50 ms"] > 0
    # The same model, but what it is given to read differs.
    plain = [body for body in endpoint.bodies if "Context information is below" in str(body)]
    assert len(plain) == 2
    assert len(endpoint.bodies) > len(plain)
