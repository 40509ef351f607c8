"""The report and the commands that make it, end to end on four articles."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_set import embed_words, lines, small_set

from eval.cli import main
from eval.reporting import html_report, outcome, plots, tables


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    embed_words(monkeypatch)
    data = small_set(tmp_path / "tiny")
    out = tmp_path / "out"
    arguments = ["--data", str(data.folder), "--out", str(out), "--systems", "dateline,words,bm25"]
    assert main(["retrieval", *arguments]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Success@1 +3 +\.667 \[0, 1\]", printed)
    return out


def test_the_commands_end_to_end(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(out), str(out)]) == 0
    assert "No difference is found." in capsys.readouterr().out
    assert main(["report", str(out), str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "Misses of dateline" not in page  # all four articles are within the first ten
    assert "retrieval: tiny" in page
    assert not re.search(r"(src|href)=['\"]?http", page)  # self-contained
    HTMLParser().feed(page)


def test_bad_arguments_end_with_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrieval", "--data", str(tmp_path / "no"), "--out", str(tmp_path)]) == 2
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert main(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert all(line.startswith("eval: ") for line in said)


def test_misses_are_shown_with_their_sources_and_escaped(tmp_path: Path) -> None:
    outcome.save(
        tmp_path, "answers", [outcome.row("right", "m", [0.0, 1.0])], {}, data={"name": "<set>"},
        by_kind={"fact": {"right": 0.5, "n": 2}}, latencies_ms={"total": [10.0, 200.0]},
        reliability=[{"claimed": 1.0, "right": 0.5, "n": 2}], growth={"query": [[1000, 2.0], [10000, 3.0]]},
    )  # fmt: skip
    cited = {"number": 1, "title": "T", "quote": "a <b> c"}
    miss = {"id": "1", "question": "<script>?", "right": 0, "answers": ["x"], "articles": ["a1"]}
    lines(
        tmp_path / "predictions.jsonl", [{**miss, "answer": {"text": "no", "citations": [cited]}}, {"question": "fine"}]
    )
    html_report.write([tmp_path], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;?" in page
    assert "“a &lt;b&gt; c”" in page
    assert "fine" not in page
    assert page.count("<svg") == 4


def test_what_was_not_found_is_shown_even_without_the_data_set(tmp_path: Path) -> None:
    per_query = {"dateline": {"nDCG@10": {"q1": 0.0}, "RR@10": {"q1": 0.0}}}
    said = {"name": "gone", "split": "test", "folder": str(tmp_path / "gone")}
    outcome.save(tmp_path, "retrieval", outcome.rows_of(per_query), per_query, data=said, systems=["dateline"])
    lines(tmp_path / "ranked_dateline.jsonl", [{"key": "k"}, {"id": "q1", "ranked": [["a<1", 0.5]]}])
    html_report.write([tmp_path], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "Misses of dateline: 1" in page
    assert "<li>a&lt;1: </li>" in page


def test_the_best_of_a_line_is_bold() -> None:
    rows = [outcome.row("m", "a", [1.0]), outcome.row("m", "b", [0.0])]
    table = tables.of_result({"command": "answers", "rows": [vars_of(row) for row in rows]})
    assert [(cell.text, cell.best) for cell in table.rows[0][2:]] == [("1", True), ("0", False)]
    assert tables.markdown(table).splitlines()[-1] == "| m | 1 | **1** | 0 |"


def vars_of(row: outcome.Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("measure", "system", "value", "low", "high", "n")}


def test_plots_of_nothing_are_nothing() -> None:
    assert plots.distribution("t", {}) == ""
    assert plots.growth("t", {"a": []}) == ""


def test_tables_for_a_readme(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", "--markdown", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| a relevant article comes first | n | Dateline | words alone | BM25 |"
    assert printed[2].count("**.667** [0, 1]") == 3
    assert "| nDCG@10 | n | Dateline | words alone | BM25 |" in printed
