"""Scores of answers by hand, a seeded wrong answer for each scorer, and a whole run."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedLLM, WordEmbedder
from small_set import embed_words, lines

from eval.cli import main
from eval.datasets.beir import load, questions
from eval.experiments import answers, predictions
from eval.metrics import answers as answer_metrics
from eval.metrics.judge import Judge
from eval.reporting import compare, outcome
from rag.errors import SettingsError
from rag.settings import Settings

ARTICLE = "The ferry Castellan ran aground on Tuesday. It carried 212 passengers to Port Selwyn."


def cited(number: int, quote: str, article: str = "ferry") -> dict[str, Any]:
    start = ARTICLE.find(quote)
    return {
        "number": number,
        "article_id": article,
        "quote": quote,
        "start": start,
        "end": start + len(quote),
        "title": "",
    }


def prediction(text: str, *citations: dict[str, Any], answered: bool = True, **more: Any) -> dict[str, Any]:
    sentence = {"text": text, "verdict": "supported", "reason": "", "citations": [c["number"] for c in citations]}
    answer = {
        "answered": answered, "text": text, "sentences": [sentence] if answered else [], "citations": list(citations),
        "stray_markers": 0, "timings": {"retrieve_ms": 1.0, "first_token_ms": 2.0, "total_ms": 3.0},
    }  # fmt: skip
    base = {"id": "q", "question": "?", "answers": ["212"], "options": [], "articles": ["ferry"], "answerable": True}
    return {**base, "error": "", "kind": "fact", "answer": answer, **more}


GOOD = prediction("It carried 212 passengers.", cited(1, "It carried 212 passengers to Port Selwyn."))
WRONG = prediction("It carried 121 passengers.", cited(1, "The ferry Castellan", "bank"))
SILENT = prediction("", answered=False)
CRASHED = {**GOOD, "answer": None, "error": "ValueError: boom"}


@pytest.mark.parametrize(("scorer", "good"), [
    (answer_metrics.contains, 1.0), (answer_metrics.citation_recall, 1.0), (answer_metrics.citation_precision, 1.0),
    (answer_metrics.right, 1.0), (answer_metrics.token_f1, 2 * 1 / (4 + 1)),
])  # fmt: skip
def test_each_scorer_catches_a_wrong_answer(scorer: Any, good: float) -> None:
    assert scorer(GOOD) == pytest.approx(good)
    assert scorer(WRONG) == 0.0


def test_exact_match_and_f1() -> None:
    exact = prediction("The 1,200.", answers=["1200"])
    assert (answer_metrics.exact_match(exact), answer_metrics.token_f1(exact)) == (1.0, 1.0)
    assert answer_metrics.exact_match(GOOD) == 0.0
    half = prediction("red green", answers=["red blue", "black"])
    assert answer_metrics.token_f1(half) == pytest.approx(0.5)


@pytest.mark.parametrize(("said", "right", "wrong"), [
    ("比赛于2021年2月7日在佛罗里达州坦帕举行。", "坦帕", "东京"), ("比赛于2021年2月7日举行。", "2021年2月7日", "21"),
    ("決勝戦は東京ドームで行われた。", "東京", "大阪"), ("เขาเดินทางไปกรุงเทพมหานครเมื่อวานนี้", "กรุงเทพ", "เชียงใหม่"),
    ("นี้", "นี้", "นั้"), ("대회는 서울에서 열렸다.", "서울", "부산"), ("हिन्दी भाषा", "हिन्दी", "हिन्दा"),
    ("The art of it.", "art", "ar"),
])  # fmt: skip
def test_scripts_without_spaces_are_matched_by_characters(said: str, right: str, wrong: str) -> None:
    assert answer_metrics.contains_answer(said, [wrong, right]) == 1.0
    assert answer_metrics.contains_answer(said, [wrong]) == 0.0


def test_word_f1_of_a_script_without_spaces_counts_characters() -> None:
    assert answer_metrics.token_f1(prediction("在东京。", answers=["东京"])) == pytest.approx(2 * 2 / (3 + 2))
    assert answer_metrics.exact_match(prediction("约翰·史密斯。", answers=["约翰 史密斯"])) == 1.0


@pytest.mark.parametrize(("said", "accepted"), [
    ("They paid $12.6 million for it.", "$12,600,000"), ("It cost $12.6m in all.", "12.6 million dollars"),
    ("The truce lasts six months.", "6 months"), ("The truce lasts 6 months.", "six months"),
    ("Duró seis meses.", "6 meses"), ("US$12.6 million", "US$12,600,000"), ("70% of them stayed.", "seventy per cent"),
])  # fmt: skip
def test_numbers_may_be_written_in_another_way_in_the_lenient_figure(said: str, accepted: str) -> None:
    given = prediction(said, answers=[accepted])
    assert (answer_metrics.contains(given), answer_metrics.contains_leniently(given)) == (0.0, 1.0)
    assert (answer_metrics.right(given), answer_metrics.right_leniently(given)) == (0.0, 1.0)


@pytest.mark.parametrize(("said", "accepted"), [
    ("The truce lasts twenty-five months.", "5 months"), ("It cost €12.6 million.", "$12,600,000"),
    ("The six men came.", "6 months"), ("Seventy people came.", "70%"), ("In Tampa.", "Glendale"), ("", "6"),
    ("Six of them sat down by the river and ate bread. Months passed.", "6 months"),
])  # fmt: skip
def test_another_number_or_another_thing_is_wrong_in_both_figures(said: str, accepted: str) -> None:
    given = prediction(said, answers=[accepted], answered=bool(said))
    assert (answer_metrics.contains(given), answer_metrics.contains_leniently(given)) == (0.0, 0.0)


def test_a_tie_of_options_is_wrong_in_the_strict_figure_only() -> None:
    options = ["red house", "blue house", "green house"]
    tied = prediction("Red or blue.", options=options, answers=options[1:2])
    assert (answer_metrics.right(tied), answer_metrics.right_leniently(tied)) == (0.0, 1.0)
    for wrong in ("Red or green.", "It was red.", "Nobody knows."):
        given = prediction(wrong, options=options, answers=options[1:2])
        assert (answer_metrics.right(given), answer_metrics.right_leniently(given)) == (0.0, 0.0)
    unanswerable = {"options": options, "answers": options[1:2], "answerable": False}
    assert answer_metrics.right_leniently(prediction("Red or blue.", **unanswerable)) == 0.0


def test_refusals_and_crashes_are_no_answers() -> None:
    for one in (SILENT, CRASHED):
        assert (
            answer_metrics.right(one)
            == answer_metrics.contains(one)
            == answer_metrics.token_f1(one)
            == answer_metrics.exact_match(one)
            == 0.0
        )
    assert answer_metrics.right({**SILENT, "answerable": False}) == 1.0
    assert answer_metrics.right({**CRASHED, "answerable": False}) == 0.0
    assert answer_metrics.right({**GOOD, "answerable": False}) == 0.0


def test_choice_takes_the_option_that_answer_and_quotes_support() -> None:
    options = ["in a red house", "in a blue house", "in a green house"]
    asked = {"options": options, "answers": [options[1]]}
    assert answer_metrics.choice(prediction("It was blue.", **asked)) == 1.0
    assert answer_metrics.chosen(prediction("It was red.", **asked)) == options[0]
    assert answer_metrics.chosen(prediction("It was a house.", **asked)) == ""  # all options have it
    assert answer_metrics.chosen(prediction("Red or blue.", **asked)) == ""  # two alike
    assert (
        answer_metrics.chosen(prediction("Red or blue.", {**cited(1, ""), "quote": "the blue one"}, **asked))
        == options[1]
    )


def test_citations_against_gold() -> None:
    two = prediction("A.", cited(1, "The ferry"), cited(2, "It carried", "bank"))
    two["answer"]["sentences"].append({"text": "B.", "verdict": "supported", "reason": "", "citations": [2]})
    assert answer_metrics.citation_recall(two) == 0.5  # one of two sentences cites the gold article
    assert answer_metrics.citation_precision(two) == pytest.approx(1 / 3)  # one of three citations


def test_a_quote_that_was_changed_is_caught() -> None:
    assert answer_metrics.verbatim(GOOD, {"ferry": ARTICLE}) == [1.0]
    assert answer_metrics.verbatim(GOOD, {"ferry": ARTICLE.replace("212", "213")}) == [0.0]
    assert answer_metrics.verbatim(GOOD, {}) == [0.0]


def test_refusal_precision_and_recall(archive: Any) -> None:
    found = [
        {**SILENT, "id": "a", "answerable": False, "right": 1.0},  # rightly refused
        {**SILENT, "id": "b", "answerable": True, "right": 0.0},  # wrongly refused
        {**GOOD, "id": "c", "answerable": False, "right": 0.0},  # should have been refused
        {**GOOD, "id": "d", "right": 1.0},
    ]
    measured = answers.score(found, "m", archive.catalog)["m"]
    assert measured["refusal precision"] == {"a": 1.0, "b": 0.0}
    assert measured["refusal recall"] == {"a": 1.0, "c": 0.0}
    assert measured["answered (answerable)"] == {"b": 0.0, "d": 1.0}
    assert measured["quotes verbatim"] == {"c#0": 0.0, "d#0": 0.0}  # that archive has no such article


def test_nothing_is_measured_without_a_label(archive: Any) -> None:
    bare = {"answers": [], "articles": [], "answerable": None, "right": None}
    (measured,) = answers.score([{**GOOD, **bare}, {**SILENT, **bare, "id": "b"}], "m", archive.catalog).values()
    assert set(measured) == {"stray markers", "quotes verbatim"}
    refused = [{**GOOD, "right": 1.0}, {**SILENT, "id": "b", "right": 0.0}]  # none is labelled as unanswerable
    (measured,) = answers.score(refused, "m", archive.catalog).values()
    assert "answered (answerable)" in measured
    assert "refusal precision" not in measured
    assert outcome.result("answers", [outcome.row("title", "m", [])], data={})["rows"] == []


def test_labels_of_answerability() -> None:
    found = [
        predictions.answerable(m)
        for m in ({}, {"kind": "false-premise"}, {"answerability": "PARTIAL"}, {"answerability": "UNDERSPECIFIED"})
    ]
    assert found == [None, False, True, None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    corpus = {
        "ferry": ARTICLE,
        "bank": "The Bank of Corvane lowered its key rate on Thursday. Governor Hal Mercer spoke.",
    }
    lines(folder / "corpus.jsonl", [{"_id": i, "title": "", "text": t} for i, t in corpus.items()])
    asked = {
        "q1": ("How many passengers did the ferry Castellan carry?", "212"),
        "q2": ("Who is governor of the Bank of Corvane?", "Mercer"),
    }
    lines(
        folder / "queries_test.jsonl",
        [{"_id": i, "text": t, "meta": {"answer": a, "kind": "fact"}} for i, (t, a) in asked.items()],
    )
    lines(folder / "qrels_test.tsv", ["query-id\tcorpus-id\tscore", "q1\tferry\t1", "q2\tbank\t1"])
    return folder


def test_a_run_is_scored_and_goes_on_after_an_interrupt(folder: Path, tmp_path: Path) -> None:
    out, settings = tmp_path / "out", Settings(data_dir=tmp_path / "x", llm="none")
    llm = ScriptedLLM("It carried 212 passengers.", "")
    with pytest.raises(KeyboardInterrupt):
        answers.run(load(folder), out, settings, WordEmbedder(), llm, progress=interrupt)
    llm = ScriptedLLM("Hal Mercer is the governor of the Bank of Corvane.")
    result = answers.run(load(folder), out, settings, WordEmbedder(), llm)
    found = {r["measure"]: (r["value"], r["n"]) for r in result["rows"]}
    assert found["answer contains gold"] == (1.0, 2)
    assert found["citation recall"] == (1.0, 2)
    assert found["quotes verbatim"][0] == 1.0
    assert result["by_kind"] == {"fact": {"right": 1.0, "n": 2}}
    assert result["latency_ms"]["in total"]["n"] == 2
    assert not llm.replies  # the first question was not asked again
    assert "212" in compare.what_was_found(str(out), ["q1"])["q1"]


def test_a_question_is_asked_on_its_own_day(folder: Path, tmp_path: Path) -> None:
    text = "Who was governor of the Bank of Corvane last month?"
    lines(folder / "queries_test.jsonl", [{"_id": "q2", "text": text, "meta": {"answer": "x", "date": "2025/03/10"}}])
    out = tmp_path / "out"
    answers.run(load(folder), out, Settings(data_dir=tmp_path / "x", llm="none"), WordEmbedder(), None)
    asked = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    windows = [one["answer"]["window"] for one in asked if one.get("answer")]
    assert windows == [{"from": "2025-02-01", "to": "2025-02-28", "dropped": True}]


@pytest.mark.parametrize(
    ("meta", "day"),
    [
        ({"date": "2025/03/10"}, date(2025, 3, 10)), ({"date": "2025-03-10T08:00"}, date(2025, 3, 10)), ({}, None),
        ({"date": "soon"}, None), ({"date": None}, None), ({"date": "0001-01-01"}, None),
    ],
)  # fmt: skip
def test_the_day_of_a_question(meta: dict[str, Any], day: date | None) -> None:
    assert predictions.day_asked(meta) == day


def interrupt(what: str, done: int, total: int) -> None:
    if what == "answers":
        raise KeyboardInterrupt


def test_a_crash_on_one_question_is_a_miss(folder: Path, tmp_path: Path) -> None:
    llm = ScriptedLLM(ValueError("boom"), "Hal Mercer is the governor of the Bank of Corvane.")
    result = answers.run(load(folder), tmp_path / "out", Settings(llm="none"), WordEmbedder(), llm)
    assert {r["measure"]: r["value"] for r in result["rows"]}["right"] == 0.5
    assert result["crashed"] == {"scripted": {"q1": "ValueError: boom"}}


def test_two_runs_compare_by_question(folder: Path, tmp_path: Path) -> None:
    for name, reply in (("a", "It carried 212 passengers."), ("b", "It carried 999 passengers.")):
        llm = ScriptedLLM(reply, "Hal Mercer is the governor of the Bank of Corvane.")
        answers.run(load(folder), tmp_path / name, Settings(llm="none"), WordEmbedder(), llm)
    (found,) = compare.compare(str(tmp_path / "a"), str(tmp_path / "b")).values()
    assert next(d for d in found if d.measure == "right").worse == ("q1",)


def test_a_judge_grades_but_not_itself(folder: Path, tmp_path: Path) -> None:
    judge = Judge(ScriptedLLM("RIGHT", "wrong"))
    llm = ScriptedLLM("It carried 212 passengers.", "Hal Mercer is the governor of the Bank of Corvane.")
    result = answers.run(load(folder), tmp_path / "out", Settings(llm="none"), WordEmbedder(), llm, judge=judge)
    assert outcome.load_per_query(tmp_path / "out")["scripted"]["judged right"] == {"q1": 1.0, "q2": 0.0}
    assert result["judge"].startswith("scripted, prompt 1: You grade")
    with pytest.raises(SettingsError, match="grade itself"):
        Judge.open("http://127.0.0.1:9", "gpt", "", "gpt", may_be_same=False)


def test_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    embed_words(monkeypatch)
    out = tmp_path / "out"
    assert main(["answers", "--data", str(folder), "--out", str(out), "--llm", "none"]) == 0
    assert "answer contains gold" in capsys.readouterr().out
    own = tmp_path / "own.jsonl"
    lines(
        own,
        [
            {
                "_id": "x",
                "text": "How many passengers did the ferry Castellan carry?",
                "meta": {"answer": "212", "articles": ["ferry"]},
            }
        ],
    )
    assert questions(own).qrels == {"x": {"ferry": 1}}
    assert main(["answers", "--data", str(own), "--out", str(tmp_path / "own"), "--llm", "none"]) == 2
    assert (
        main(
            [
                "answers",
                "--data",
                str(own),
                "--out",
                str(tmp_path / "own"),
                "--llm",
                "none",
                "--archive",
                str(out / "archive"),
            ]
        )
        == 0
    )
    assert main(["report", str(out), str(tmp_path / "own")]) == 0
