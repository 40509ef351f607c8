"""The command line as a whole: it starts at once, and an interrupt ends it with a line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

from eval.cli import main
from eval.reporting import compare


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    names = (
        "demo demo-archive retrieval answers behaviour ingest-pages all compare report keep table bench gate "
        "make-questions fuzz"
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


def test_an_interrupt_ends_with_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "compare", interrupted)
    assert main(["compare", "a", "b"]) == 130
    assert "continues from there" in capsys.readouterr().err
