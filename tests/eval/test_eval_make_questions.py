"""Drafted questions: each reason to drop one, and the way from a draft to a data set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import ScriptedLLM

from eval.cli import main
from eval.datasets import beir as datasets
from eval.experiments import make_questions
from eval.reporting.progress import silent
from rag.archive.archive import Archive
from rag.errors import SettingsError
from rag.schema import Passage

GOOD = "QUESTION: How many passengers were aboard the ferry Castellan?\nANSWER: 212 passengers."


@pytest.fixture
def passage(stored: Archive) -> Passage:
    return stored.catalog.passages_of("a1")[0].passage


@pytest.mark.parametrize(("replies", "why"), [
    (["I cannot."], "not in the form asked for"),
    (["QUESTION: How many passengers were aboard?\nANSWER: 300 passengers"], "answer is not in the text"),
    (["QUESTION: Were 212 passengers aboard the ferry?\nANSWER: 212 passengers"], "question gives the answer away"),
    (["QUESTION: How many are in this article?\nANSWER: 212 passengers"], "question does not stand alone"),
    ([GOOD, "NOT FOUND"], "not answerable from its sentence"),
])  # fmt: skip
def test_drafts_are_dropped_with_a_reason(passage: Passage, replies: list[str], why: str) -> None:
    assert make_questions.draft(ScriptedLLM(*replies), passage) == why


def test_a_good_draft_has_its_span(passage: Passage) -> None:
    found = make_questions.draft(ScriptedLLM(GOOD, "212"), passage)
    assert isinstance(found, dict)
    assert found["answer"] == "212 passengers"
    assert passage.article.text[found["start"] : found["end"]] == found["sentence"]
    assert found["sentence"].startswith("The ferry Castellan ran aground")


def test_from_drafts_to_a_data_set(stored: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replies = [GOOD, "212"] + ["no"] * 9
    llm = ScriptedLLM(*(replies if first_is_ferry(stored) else ["no"] * 20))
    drafts, dropped = make_questions.make(stored, llm, tmp_path, 3, silent)
    assert len(drafts) + sum(dropped.values()) == 10
    draft = {"accept": True, "question": "How many?", "answer": "212", "sentence": "S.", "article": "a1", "title": ""}
    (tmp_path / "drafts.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in (draft, {**draft, "accept": None}))
    )
    assert make_questions.accept(stored, tmp_path) == 1
    data = datasets.load(tmp_path)
    assert (data.qrels, data.problems) == ({"m1": {"a1": 1}}, ())
    assert data.queries["m1"].answers == ("212",)
    (tmp_path / "drafts.jsonl").write_text(json.dumps({**draft, "accept": False}) + "\n")
    with pytest.raises(SettingsError, match="no accepted draft"):
        make_questions.accept(stored, tmp_path)


def first_is_ferry(stored: Archive) -> bool:
    import random

    articles = [a for a in stored.catalog.articles(limit=-1) if a.status == "live"]
    random.Random(7).shuffle(articles)
    return articles[0].id in {"a1", "a2"}


def test_without_a_model_or_an_archive_there_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["make-questions", "--archive", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--llm", "none"]) == 2
    assert main([*arguments, "--accept"]) == 2
    assert "needs a language model" in capsys.readouterr().err
