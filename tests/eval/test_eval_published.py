"""Results kept in the project: without paths, each with its origin, and the README says what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from eval.cli import main
from eval.reporting import outcome, published
from rag.errors import SettingsError
from rag.settings import Settings


def run(out: Path, command: str = "retrieval", **more: Any) -> dict[str, Any]:
    rows = [
        outcome.row("Success@1", system, values) for system, values in {"dateline": [1, 1, 0, 1], "bm25": [0]}.items()
    ]
    data = {"name": "tiny", "digest": "d", "folder": str(out)}
    settings = Settings(data_dir=out, embedder=str(out), llm="none")
    return outcome.save(out, command, rows, {}, data=data, settings=settings, **more)


def test_a_kept_result_has_its_origin_and_no_path(tmp_path: Path) -> None:
    out = tmp_path / "secret-place"
    out.mkdir()
    crash = {"bm25": {f"q{n}": f"OSError: {out}" for n in range(30)}}
    run(out, crashed=crash, ingest={"read": 1, "rejections": [{"source": str(out)}]}, latencies_ms={"total": [1.0]})
    (path,) = published.keep([out], tmp_path / "kept")
    text = path.read_text()
    assert path.name == "retrieval-tiny.json"
    assert str(tmp_path) not in text
    found = json.loads(text)
    assert set(found) >= {"commit", "code", "date", "machine", "seed", "settings", "versions", "data", "rows"}
    assert found["data"]["digest"] == "d"
    assert found["crashed"]["bm25"]["count"] == 30
    assert set(found["machine"]) == {"cpu", "cores", "load"}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("behaviour rgb", "behaviour-rgb.json"),
        ("bench query", "bench-query.json"),
        ("ingest-pages", "ingest-pages-tiny.json"),
        ("answers", "answers-tiny.json"),
        ("demo", "demo.json"),
    ],
)
def test_the_name_says_what_was_run_on_what(command: str, name: str) -> None:
    assert published.name_of({"command": command, "data": {"name": "tiny"}}) == name


def test_what_was_written_by_hand_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hand.json").write_text('{"rows": [], "commit": "x"}')
    with pytest.raises(SettingsError, match=r"hand\.json lacks command, data, seed, date"):
        published.results(tmp_path)


def test_tables_say_what_the_files_say(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", "ingest-pages")
    run(tmp_path / "d", "behaviour bipia")
    run(tmp_path / "e", "answers")
    outcome.save(
        tmp_path / "c", "bench query",
        [outcome.Row("ms", s, v, v, v, 1) for s, v in (("dateline", 2.0), ("plain-llamaindex", 800.0))],
        {}, data={"name": "generated"}, ratios_to_plain={"ms": 0.0025},
    )  # fmt: skip
    published.keep([tmp_path / name for name in "abcde"], tmp_path / "kept")
    lines = published.figures(tmp_path / "kept").splitlines()
    assert "| a relevant article comes first | n | Dateline | BM25 |" in lines
    assert "| [tiny](../eval/results/retrieval-tiny.json) | 4 | **.750** [.250, 1] | 0 |" in lines
    assert "| [tiny](../eval/results/ingest-pages-tiny.json) | n | Dateline | BM25 |" in lines
    assert "| [tiny](../eval/results/answers-tiny.json) | n | Dateline | BM25 |" in lines
    assert "| ms | 2 | 800 | 0.0025 |" in lines
    assert "| Success@1 | 4 | .750 [.250, 1] | 0 |" in lines  # of a protocol: more is not always better there
    assert lines[-3].startswith("Measured at commit ")
    assert lines[-3].endswith("answers-tiny, behaviour-bipia, bench-query, ingest-pages-tiny, retrieval-tiny.")


def test_the_tables_replace_those_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{published.BEGIN}\nold\n{published.END}\nafter\n")
    made = f"{published.BEGIN}\nnew\n{published.END}"
    published.write(page, made)
    assert page.read_text() == f"before\n{made}\nafter\n"
    assert published.made_part(page.read_text()) == made
    page.write_text("no place")
    with pytest.raises(SettingsError, match="no place for the tables"):
        published.write(page, made)


@pytest.mark.parametrize(
    ("page", "made"), [("README.md", published.summary), ("docs/figures.md", published.figures)], ids=["readme", "docs"]
)
def test_the_pages_say_what_the_results_say(page: str, made: Callable[[], str]) -> None:
    shown = published.made_part((ROOT / page).read_text(encoding="utf-8"))
    assert shown == made(), "run: python -m eval table --write"


def test_the_command_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table"]) == 0
    assert capsys.readouterr().out == f"{published.summary()}\n{published.figures()}\n"


def test_the_projects_results_are_small_and_name_no_place() -> None:
    for path in published.FOLDER.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert len(text) < 300_000, path.name
        places = re.findall(r"(?<![\w:/.<])/[a-z]+/\w.{20}|[A-Z]:\\", text)
        assert not places, path.name
