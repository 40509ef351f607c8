"""The measure of verdicts: figures counted by hand, errors planted where they belong, and a run on the demo archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.datasets import check_pairs
from eval.datasets.planted_errors import Pair, false_pairs, true_pairs
from eval.experiments import check
from eval.metrics import verdicts
from eval.reporting.progress import silent
from rag.language.tokens import fold
from rag.schema import Article

ARTICLE = Article(
    id="a", title="", language="en",
    text="On 3 March the mayor Lucía Prat was told by Hal Mercer that 45 buses were late. "
    "Judge Ada Quill will be asked by Noel Renner about 16 trams in April.",
)  # fmt: skip
SENTENCE = ARTICLE.text.split(". ")[0] + "."


def planted() -> dict[str, str]:
    """The sentence with each error."""
    return {pair.kind: pair.text for pair in false_pairs(SENTENCE, ARTICLE, (), "test")}


def test_each_error_changes_what_it_is_named_after() -> None:
    found = planted()
    assert found["agent and object"].index("Hal Mercer") < found["agent and object"].index("Lucía Prat")
    assert " not " in found["negation"]
    assert "45" not in found["number"]
    assert "16 buses" in found["number of the article"]
    assert "March" not in found["date"]
    assert "mayor" not in found["role"]
    assert found["modality"] == SENTENCE.replace("was told", "may have been told")
    assert any(name in found["entity"] for name in ("Ada Quill", "Noel Renner", "Judge Ada"))


def test_an_error_is_planted_alike_every_time() -> None:
    assert planted() == planted()


def test_true_sentences_are_made_of_words_of_the_article() -> None:
    for pair in true_pairs(ARTICLE, "test"):
        assert set(fold(pair.text).replace(",", "").split()) <= set(fold(ARTICLE.text).replace(",", "").split())


def test_a_third_of_the_claims_is_supported_and_none_of_these_has_a_type_of_error() -> None:
    claims = list(check_pairs.claims())
    right = [one for one in claims if one.verdict == "supported"]
    assert len(claims) == 3 * len(right) > 2000
    assert {one.kind for one in right} == {"claim"}
    assert len({one.kind for one in claims}) > 10
    assert len({one.language for one in claims}) > 10


def test_pairs_of_one_article_are_never_on_both_sides() -> None:
    assert check_pairs.is_test("a") == check_pairs.is_test("a")
    testing = {pair.group for pair in check_pairs.pairs(None) if pair.source == "demo"}
    tuning = {pair.group for pair in check_pairs.pairs(None, testing=False)}
    assert testing
    assert tuning
    assert not testing & tuning


def test_every_sentence_written_by_hand_quotes_its_article() -> None:
    articles = {article.id: article for article in check_pairs.demo_articles()}
    lines = [json.loads(line) for line in check_pairs.REWRITTEN.read_text(encoding="utf-8").splitlines()]
    assert sum(one["verdict"] == "supported" for one in lines) >= 60
    for one in lines:
        assert all(quote in articles[one["article"]].text for quote in one["quotes"]), one["text"]


def test_altered_answers_are_paired_with_the_true_passage(tmp_path: Path) -> None:
    row = {
        "id": 3,
        "answer": "Tampa",
        "fakeanswer": "Glendale",
        "positive": ["The final was played on a Sunday in Tampa."],
    }
    (tmp_path / "rgb.jsonl").write_text(json.dumps(row) + "\n")
    true, false = check_pairs.rgb(tmp_path / "rgb.jsonl")
    assert (true.verdict, false.verdict) == ("supported", "contradicted")
    assert false.text == "The final was played on a Sunday in Glendale."
    assert "Tampa" in false.articles[0].text


def test_figures_are_counted_as_by_hand() -> None:
    def judged(label: str, verdict: str, probability: float) -> check.Judged:
        pair = Pair(text="", language="en", verdict=label, kind=label, articles=(), group="", source="s")  # type: ignore[arg-type]
        return check.Judged(pair, probability, verdict, 1.0)  # type: ignore[arg-type]

    rows = {
        one.measure: one.value
        for one in check.scores(
            "x",
            [
                judged("supported", "supported", 0.9), judged("supported", "unsupported", 0.4),
                judged("contradicted", "contradicted", 0.1), judged("contradicted", "supported", 0.8),
            ],
        )
    }  # fmt: skip
    assert rows["precision of supported"] == rows["recall of supported"] == rows["false and supported"] == 0.5
    assert (rows["precision of contradicted"], rows["recall of contradicted"]) == (1.0, 0.5)
    assert rows["area under the curve"] == 0.75
    assert rows["Brier score"] == pytest.approx((0.01 + 0.36 + 0.01 + 0.64) / 4)
    assert rows["passes, error: contradicted"] == 0.5


def test_curve_and_reliability_are_counted_as_by_hand() -> None:
    assert verdicts.area_under_curve([0.5, 0.5], [True, False]) == 0.5
    assert verdicts.trade_off([0.9, 0.4, 0.6], [True, True, False], [0.5]) == [
        {"threshold": 0.5, "true passed": 0.5, "false passed": 1.0}
    ]
    assert verdicts.reliability([0.05, 0.15, 1.0], [False, True, True]) == [
        {"said": pytest.approx(0.1), "true": 0.5, "n": 2},
        {"said": 1.0, "true": 1.0, "n": 1},
    ]


def test_roles_stop_what_words_alone_let_pass() -> None:
    result = check.run(None, silent, most=20)
    found = {(one["measure"], one["system"]): one["value"] for one in result["rows"]}
    for kind, least in (("agent and object", 0.3), ("negation", 0.6), ("number of the article", 0.3), ("entity", 0.3)):
        words, roles = (found[f"passes, error: {kind}", system] for system in (check.WORDS, check.ROLES))
        assert words - roles >= least, kind
    assert found["passes, true: verbatim", check.ROLES] == 1.0
    assert found["passes, true: of demo", check.ROLES] >= 0.9
    assert found["precision of contradicted", check.ROLES] >= 0.95
