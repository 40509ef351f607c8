"""`eval all`: which sets are run and which not, each in a process and a folder of its own."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from eval.cli import main
from eval.experiments import all_sets
from eval.experiments.all_sets import Evaluation
from eval.reporting import outcome
from rag.errors import SettingsError


def a_set(folder: Path, qrels: str, articles: int = 1) -> None:
    folder.mkdir(parents=True)
    rows = [{"_id": f"d{n}", "title": "Rain", "text": "It rained in Tampa on Monday."} for n in range(articles)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries_test.jsonl").write_text(json.dumps({"_id": "q", "text": "Where did it rain?"}) + "\n")
    if qrels:
        (folder / "qrels_test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    a_set(folder / "retrieval" / "small", "q\td0\t1\n")
    a_set(folder / "retrieval" / "large", "q\td0\t1\n", articles=9)
    a_set(folder / "retrieval" / "unlabelled", "\n")
    a_set(folder / "retrieval" / "bare", "")
    (folder / "retrieval" / "empty").mkdir()
    (folder / "pages" / "site").mkdir(parents=True)
    (folder / "behaviour").mkdir()
    with (folder / "behaviour" / "trecqa_dev.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("qtext", "label", "atext"), ("Where?", 1, "In Tampa."), ("Where?", 0, "On it.")])
    return folder


def test_what_can_be_scored_is_run_largest_first_and_the_rest_has_its_reason(shared: Path) -> None:
    jobs, left_out = all_sets.evaluations(shared)
    assert [job.name for job in jobs] == ["retrieval-large", "retrieval-small", "trecqa", "pages-site"]
    assert left_out["unlabelled"] == "qrels_test.tsv names no relevant article"
    assert left_out["bare"] == "it has no qrels_test.tsv"
    assert left_out["empty"] == "empty has no corpus.jsonl or corpus.jsonl.gz."
    with pytest.raises(SettingsError, match="which has no set in retrieval/, pages/ or behaviour/"):
        all_sets.evaluations(shared / "behaviour")


def test_a_set_that_fails_stops_no_other(tmp_path: Path, shared: Path) -> None:
    good = Evaluation("good", ("retrieval", "--data", str(shared / "retrieval" / "small"), "--systems", "bm25"))
    bad = Evaluation("bad", ("retrieval", "--data", str(tmp_path / "nowhere")))
    heard: list[str] = []
    found = all_sets.run(
        [bad, good], tmp_path / "out", at_once=2, on_finish=lambda one: heard.append(one.evaluation.name)
    )
    codes = {done.evaluation.name: (done.code, done.last) for done in found}
    assert sorted(heard) == ["bad", "good"]
    assert codes["good"][0] == 0
    assert codes["bad"][0] == 2
    assert "nowhere" in codes["bad"][1]
    rows = outcome.load(tmp_path / "out" / "good")["rows"]
    assert {row["measure"]: row["value"] for row in rows}["Success@1"] == 1.0
    assert "expected the folder of a data set" in (tmp_path / "out" / "bad" / all_sets.LOG).read_text()


def test_the_command_says_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shared" / "pages" / "empty").mkdir(parents=True)
    assert main(["all", "--shared", str(tmp_path / "shared"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "pages-empty" in said.out
    assert "failed: pages-empty; see log.txt" in said.err
    result = outcome.load(tmp_path / "out")
    assert (result["command"], result["data"]["sets"], result["data"]["failed"]) == ("all", 1, ["pages-empty"])
    assert 0 < result["rows"][0]["value"] <= result["seconds"]
    assert main(["all", "--shared", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2


def test_a_first_run_is_told_from_one_whose_vectors_were_kept(
    tmp_path: Path, shared: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", str(tiny_model))
    for folder in ("retrieval", "pages"):
        shutil.rmtree(shared / folder)
    command = ["all", "--shared", str(shared), "--cache", str(tmp_path / "cache")]
    for name, embedded in (("first", 3), ("kept", 0)):  # two sentences and a question
        assert main([*command, "--out", str(tmp_path / name)]) == 0
        result = outcome.load(tmp_path / name)
        assert (result["data"]["name"], result["embedded"]) == (name, embedded)
