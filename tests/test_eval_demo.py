"""The demo evaluation writes its own file: with its origin, without hits and without a path of this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from eval import demo_run, gold
from eval.__main__ import main


def test_the_file_can_be_kept_as_it_is(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", str(tiny_model))
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(gold.ARCHIVE.glob("a0*"))[:4]:
        shutil.copy(path, few)
    monkeypatch.setattr(gold, "ARCHIVE", few)
    file = tmp_path / "kept" / "demo.json"
    assert main(["demo", "--llm", "none", "--every", "24", "--data-dir", str(tmp_path / "a"), "--out", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    found = json.loads(text)
    assert set(found) >= {"commit", "code", "date", "machine", "seed", "settings", "versions", "rows", "predictions"}
    assert found["data"] == {"name": "demo", "digest": gold.digest(), "questions": 7}
    assert str(tmp_path) not in text
    assert str(tiny_model) not in text
    assert "hits" not in found["predictions"][0]["answer"]
    assert "citations" in found["predictions"][0]["answer"]
    assert sum(line.startswith('  {"id"') for line in text.splitlines()) == 7  # a line each
    assert demo_run.as_json(found) == text.rstrip("\n")
    printed = capsys.readouterr().out
    for row in found["rows"]:
        assert row["measure"] in printed or row["value"] is None
