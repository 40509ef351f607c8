"""The command line as a whole: it starts at once, and an interrupt ends it with a line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from conftest import ROOT

from eval.cli import main
from eval.reporting import compare, terminal
from eval.reporting import progress as progress_module
from eval.reporting.progress import progress_lines


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    names = (
        "demo demo-archive retrieval ablation answers behaviour ingest-pages all compare report keep table bench gate "
        "make-questions fuzz capacity"
    )
    for name in names.split():
        assert f"    {name}" in shown


def test_no_command_loads_a_model_library_before_it_runs(child_environment: dict[str, str]) -> None:
    heavy = ["torch", "chromadb", "llama_index", "sentence_transformers", "trafilatura", "ir_measures", "rich", "scipy"]
    code = f"import eval.cli, sys; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=child_environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_a_redirected_run_writes_a_line_now_and_then() -> None:
    written: list[str] = []
    seconds = iter([0.0, 1.0, 6.0, 6.0, 7.0, 11.0, 11.0])  # the start, then each report, twice where it writes
    report = progress_lines(written.append, lambda: next(seconds))
    for name, done in (("ingest", 1), ("ingest", 1200), ("words", 1), ("words", 2)):
        report(name, done, 1400)
    assert written == ["ingest: 1,200 of 1,400\n", "words: 2 of 1,400\n"]


def test_where_no_terminal_is_there_is_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(progress_module, "SECONDS", 0.0)
    with terminal.shown_progress() as progress:
        progress("ingest", 3, 4)
    assert capsys.readouterr().err == "ingest: 3 of 4\n"


def test_an_interrupt_ends_with_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "compare", interrupted)
    assert main(["compare", "a", "b"]) == 130
    assert "continues from there" in capsys.readouterr().err
