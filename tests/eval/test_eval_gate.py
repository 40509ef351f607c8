"""The gate: what falls is stopped, what is noise passes, what is lowered leaves a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from fakes import WordEmbedder

from eval import gate
from eval.cli import main
from eval.experiments import editor
from eval.gate import MeasuredSet, check, noise, updated
from rag.errors import SettingsError
from rag.settings import Settings


def measured(value: float, n: int = 100, digest: str = "d") -> dict[str, MeasuredSet]:
    return {"demo": MeasuredSet(digest, {"RR@10": (value, n)})}


FLOORS = updated({}, measured(0.90), lower=False, reason="")


def test_floors_hold_what_was_measured() -> None:
    assert FLOORS == {"demo": {"digest": "d", "figures": {"RR@10": {"floor": 0.9, "noise": 0.02, "n": 100}}}}
    assert (noise(100), noise(10_000), noise(0)) == (0.02, 0.005, 0.0)


def test_a_fall_is_stopped_and_noise_passes() -> None:
    assert check(FLOORS, measured(0.881)) == []
    assert check(FLOORS, measured(0.95)) == []
    (wrong,) = check(FLOORS, measured(0.879))
    assert wrong == "demo, RR@10: 0.8790 is below 0.9000 by more than 0.0200"
    assert check(FLOORS, measured(float("nan"))) != []


def test_other_data_or_fewer_questions_are_stopped() -> None:
    assert "floors are for d" in check(FLOORS, measured(1.0, digest="e"))[0]
    assert "measured on 50 questions, its floor on 100" in check(FLOORS, measured(1.0, n=50))[0]
    assert "measured on 0" in check(FLOORS, {"demo": MeasuredSet("d", {})})[0]
    assert "no floors yet" in check({}, measured(1.0))[0]
    assert check(FLOORS, {}) == []  # a set that is not on this machine


def test_the_number_of_quotes_may_move_a_little() -> None:
    def quotes(n: int) -> dict[str, MeasuredSet]:
        return {"demo": MeasuredSet("d", {"quote verbatim in article": (1.0, n)})}

    floors = updated({}, quotes(400), lower=False, reason="")
    assert check(floors, quotes(401)) == check(floors, quotes(360)) == []
    assert "measured on 350 questions" in check(floors, quotes(350))[0]


def test_lowering_needs_a_flag_and_a_reason() -> None:
    for lower, reason in ((False, ""), (True, " "), (False, "because")):
        with pytest.raises(SettingsError, match=r"0\.9000 → 0\.8000"):
            updated(FLOORS, measured(0.8), lower=lower, reason=reason)
    new = updated(FLOORS, measured(0.8), lower=True, reason="a harder set")
    assert new["demo"]["figures"]["RR@10"]["floor"] == 0.8
    assert new["lowered"][0]["reason"] == "a harder set"
    assert check(new, measured(0.8)) == []
    with pytest.raises(SettingsError, match="gone"):
        updated(FLOORS, {"demo": MeasuredSet("d", {})}, lower=False, reason="")
    assert updated(FLOORS, measured(0.95), lower=False, reason="")["demo"]["figures"]["RR@10"]["floor"] == 0.95


def test_sets_are_named_and_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, settings = WordEmbedder(), Settings(llm="none")
    with pytest.raises(SettingsError, match="--only names 'xquad_fr', expected some of demo"):
        gate.measure(settings, embedder, tmp_path, ["xquad_fr"], lambda *_: None)
    own = {name: MeasuredSet("d", {"RR@10": (0.9, 100)}) for name in gate.OWN}
    monkeypatch.setattr(gate, "_demo", lambda *_: own)
    assert set(gate.measure(settings, embedder, tmp_path, gate.SETS, lambda *_: None)) == {"demo", "demo-editor"}
    assert set(gate.measure(settings, embedder, tmp_path, ["demo-editor"], lambda *_: None)) == {"demo-editor"}
    assert gate.measure(settings, embedder, tmp_path, ["xquad_en"], lambda *_: None) == {}
    assert main(["gate", "--only", "xquad_en", "--shared", str(tmp_path), "--cache", str(tmp_path)]) == 2


def test_figures_that_should_be_low_have_a_floor_on_their_rest() -> None:
    def row(measure: str, value: float, n: int) -> dict[str, object]:
        return {"measure": measure, "system": "extraction", "value": value, "low": value, "high": value, "n": n}

    rows = [
        row(editor.PASS, 0.4, 170), row(editor.FACTS, 0.5, 150), row(editor.FALSE, 0.25, 160),
        row(editor.REFUSED, 0.125, 150), row(editor.TRAPS, 0.75, 20), row(editor.FIRST, 0.3, 170),
    ]  # fmt: skip
    found = gate._edited({"data": {"digest": "e"}, "rows": rows})
    assert found == MeasuredSet("e", {
        "pass": (0.4, 170), "share of facts": (0.5, 150), "traps refused or corrected": (0.75, 20),
        "answers without a false statement": (0.75, 160), "answerable questions answered": (0.875, 150),
    })  # fmt: skip
    floors = updated({}, {"demo-editor": found}, lower=False, reason="")
    assert check(floors, {"demo-editor": found}) == []
    worse = gate._edited({"data": {"digest": "e"}, "rows": [*rows[:2], row(editor.FALSE, 0.3, 160), *rows[3:]]})
    assert "answers without a false statement: 0.7000 is below" in check(floors, {"demo-editor": worse})[0]


def test_pages_pin_ours_and_the_plain_reader(tmp_path: Path) -> None:
    folder = tmp_path / "pages" / "article_extraction"
    (folder / "html").mkdir(parents=True)
    text = "The ferry Castellan ran aground on a sandbank off Port Selwyn shortly after dawn on Friday. " * 4
    (folder / "html" / "p.html.gz").write_bytes(
        gzip.compress(f"<html><body><article><h1>Aground</h1><p>{text}</p></article></body></html>".encode())
    )
    (folder / "ground-truth.json").write_text(json.dumps({"p": {"articleBody": text}}))
    found = gate.measure(Settings(llm="none"), WordEmbedder(), tmp_path, [gate.PAGES], lambda *_: None)[gate.PAGES]
    assert set(found.figures) == {"text F1", "text F1 of plain trafilatura"}
    assert found.figures["text F1"] == (1.0, 1)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    value = 0.9
    monkeypatch.setattr(gate, "measure", lambda *_: measured(value))
    file = tmp_path / "floors.json"
    assert main(["gate", "--floors", str(file)]) == 1
    assert main(["gate", "--floors", str(file), "--update"]) == 0
    assert main(["gate", "--floors", str(file)]) == 0
    value = 0.5
    assert main(["gate", "--floors", str(file)]) == 1
    assert main(["gate", "--floors", str(file), "--update"]) == 2
    assert main(["gate", "--floors", str(file), "--update", "--lower", "--reason", "why not"]) == 0
    assert json.loads(file.read_text())["lowered"][0]["reason"] == "why not"
    file.write_text('{"demo": {}}')
    assert main(["gate", "--floors", str(file)]) == 2
    assert "malformed" in capsys.readouterr().err
