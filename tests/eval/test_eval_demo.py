"""The demo evaluation writes its own file: with its origin, without hits and without a path of this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from eval.cli import main
from eval.datasets import demo as demo_set
from eval.datasets import editor as editor_set
from eval.experiments import demo as demo_experiment
from rag.assistant import Assistant
from rag.schema import Answer


@pytest.fixture(autouse=True)
def few(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small embedder, and four articles of the demo archive in place of all."""
    monkeypatch.setenv("DATELINE_EMBEDDER", str(tiny_model))
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(demo_set.ARCHIVE.glob("a0*"))[:4]:
        shutil.copy(path, folder)
    monkeypatch.setattr(demo_set, "ARCHIVE", folder)


def test_the_file_can_be_kept_as_it_is(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept" / "demo.json"
    assert main(["demo", "--llm", "none", "--every", "24", "--data-dir", str(tmp_path / "a"), "--out", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    found = json.loads(text)
    assert set(found) >= {"commit", "code", "date", "machine", "seed", "settings", "versions", "rows", "predictions"}
    assert found["data"] == {"name": "demo", "digest": demo_set.digest(), "questions": 7}
    assert str(tmp_path) not in text
    assert str(tiny_model) not in text
    assert "hits" not in found["predictions"][0]["answer"]
    assert "citations" in found["predictions"][0]["answer"]
    assert sum(line.startswith('  {"id"') for line in text.splitlines()) == 7  # a line each
    assert demo_experiment.as_json(found) == text.rstrip("\n")
    edited = found["editor"]
    assert edited["data"] == {
        "name": "demo-editor",
        "digest": editor_set.digest(),
        "questions": len(edited["predictions"]),
    }
    assert sum(line.startswith('   {"id"') for line in text.splitlines()) == len(edited["predictions"]) == 8
    assert {row["measure"] for row in edited["rows"]} >= {"pass", "share of facts", "seconds in total, median"}
    assert "hits" not in edited["predictions"][0]["answer"]
    printed = capsys.readouterr().out
    for kind in edited["by_kind"]:
        assert kind in printed
    for row in found["rows"]:
        assert row["measure"] in printed or row["value"] is None


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, asked = tmp_path / "demo.json", []
    ask = Assistant.ask

    def third_interrupts(self: Assistant, question: str, **more: Any) -> Answer:
        asked.append(question)
        if len(asked) == 3:
            raise KeyboardInterrupt
        if len(asked) == 2:
            raise ValueError("odd input")
        return ask(self, question, **more)

    monkeypatch.setattr(Assistant, "ask", third_interrupts)
    command = ["demo", "--llm", "none", "--every", "24", "--data-dir", str(tmp_path / "a")]
    assert main(command) == 130
    assert "Without --out no answer is kept" in capsys.readouterr().err
    asked.clear()
    assert main([*command, "--out", str(file)]) == 130
    assert "continues from there" in capsys.readouterr().err
    assert not file.exists()
    assert main([*command, "--out", str(file)]) == 0
    assert "1 questions crashed and count as misses" in capsys.readouterr().out
    assert len(asked) == 7 + 1  # the one that was cut off is asked again, the two before it are not
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found["crashed"].values()) == [{found["predictions"][1]["id"]: "ValueError: odd input"}]
    assert found["predictions"][1]["answer"] is None
    assert [path.name for path in tmp_path.glob("demo*")] == ["demo.json"]
