"""Comparing runs: nothing between a run and itself, something where there is something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.reporting import outcome
from eval.reporting.compare import compare, flips, paired, split_name, table
from rag.errors import SettingsError


def save(out: Path, digest: str = "d1", **systems: dict[str, float]) -> str:
    per_query = {name: {"RR@10": values} for name, values in systems.items()}
    outcome.save(out, "retrieval", outcome.rows_of(per_query), per_query, data={"name": "set", "digest": digest})
    return str(out)


GOOD = {f"q{n}": 1.0 for n in range(20)}
BAD = GOOD | {f"q{n}": 0.0 for n in range(8)}


def test_a_run_against_itself_finds_nothing(tmp_path: Path) -> None:
    one = save(tmp_path / "a", dateline=BAD)
    found = compare(one, one)
    (difference,) = found["dateline → dateline"]
    assert (difference.difference, difference.low, difference.high, difference.p) == (0.0, 0.0, 0.0, 1.0)
    assert (difference.better, difference.worse, difference.found) == ((), (), False)
    assert flips(one, one, "dateline → dateline", difference) == []


def test_a_difference_is_found_with_the_questions_that_flipped(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a", dateline=BAD), save(tmp_path / "b", dateline=GOOD)
    (difference,) = compare(one, other)["dateline → dateline"]
    assert difference.difference == pytest.approx(0.4)
    assert difference.low > 0.15
    # All 8 signs must agree for a mean as far from 0: 2 / 2**8.
    assert difference.p == pytest.approx(2 / 2**8, abs=0.003)
    assert difference.better == tuple(f"q{n}" for n in range(8))
    assert difference.found
    (row,) = table("dateline → dateline", [difference]).rows
    assert (row[0].text, row[3].text, row[3].best, row[5].text, row[6].text) == ("RR@10", "+0.400", True, "8", "0")


def test_one_question_of_twenty_is_not_enough() -> None:
    assert paired("m", GOOD, GOOD | {"q0": 0.0}).p == 1.0


def test_two_systems_of_one_folder(tmp_path: Path) -> None:
    out = save(tmp_path / "a", dense=GOOD, words=BAD)
    found = compare(f"{out}:dense", f"{out}:words")
    assert [d.difference for d in found["dense → words"]] == [pytest.approx(-0.4)]
    first = flips(f"{out}:dense", f"{out}:words", "dense → words", found["dense → words"][0])[0]
    assert first == "flipped on RR@10: 8 worse, 0 better"
    assert split_name(f"{out}:dense") == (Path(out), "dense")


def test_two_files_of_demo_runs(tmp_path: Path) -> None:
    def demo(name: str, right: float, text: str) -> str:
        predictions = [{"id": f"d{n}", "right": right, "answer": {"text": f"{text} {n}"}} for n in range(12)]
        data = {"name": "demo", "digest": "d"}
        result = outcome.result("demo", [], data=data, model="small", predictions=predictions)
        outcome.write(tmp_path / name, json.dumps(result))
        return str(tmp_path / name)

    one, other = demo("a.json", 1.0, "Brightwater\u2028Estates"), demo("b.json", 0.0, "The council")
    assert not compare(one, one)["small → small"][0].found
    (difference,) = compare(one, other)["small → small"]
    assert (difference.measure, difference.n, len(difference.worse), difference.found) == ("right", 12, 12, True)
    shown = "\n".join(flips(one, other, "small → small", difference))
    assert "A: Brightwater\u2028Estates 3" in shown
    assert "B: The council 3" in shown


def test_the_editors_questions_are_compared_where_their_labels_are_the_same(tmp_path: Path) -> None:
    def demo(name: str, right: float, digest: str) -> str:
        asked = [{"id": f"latest-{n}", "right": right, "answer": {"text": f"Eleven {n}"}} for n in range(12)]
        result = outcome.result(
            "demo", [], data={"name": "demo", "digest": "d"}, model="small",
            predictions=[{"id": "d1", "right": 1.0, "answer": None}],
            editor={"data": {"digest": digest}, "predictions": asked},
        )  # fmt: skip
        outcome.write(tmp_path / name, json.dumps(result))
        return str(tmp_path / name)

    one, other, relabelled = demo("a.json", 1.0, "e"), demo("b.json", 0.0, "e"), demo("c.json", 0.0, "f")
    _, difference = compare(one, other)["small → small"]
    assert (difference.measure, difference.n, difference.found) == ("pass, e", 12, True)
    assert "B: Eleven 3" in "\n".join(flips(one, other, "small → small", difference))
    assert [d.measure for d in compare(one, relabelled)["small → small"]] == ["right"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a", dense=GOOD), save(tmp_path / "b", "d2", dense=GOOD)
    third, fourth = save(tmp_path / "c", words=GOOD, bm25=GOOD), save(tmp_path / "d", dense={"z": 1.0})
    for a, b, words in [
        (one, other, "same data"), (one, third, "no system in common"), (one, fourth, "share no question"),
        (one, f"{one}:nope", "no system 'nope'"), (one, str(tmp_path / "none"), "not a result"),
    ]:  # fmt: skip
        with pytest.raises(SettingsError, match=words):
            compare(a, b)
