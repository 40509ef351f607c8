"""Generated hostile input for every reader and cleaner; the longer form is `python -m eval fuzz`."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis
import pytest

from eval.cli import main
from eval.datasets.hostile_inputs import PROSE, docx, packed, strategies
from eval.performance import fuzz
from ingest.readers import articles as reading
from ingest.readers.files import ReadOptions, read_bytes
from rag.schema import Article

KINDS = tuple(strategies())


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_in_articles_or_rejections_come_out(kind: str) -> None:
    @hypothesis.settings(
        max_examples=40, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(strategies()[kind])
    def holds(made: tuple[str, bytes]) -> None:
        assert fuzz.problem(*made) == ""

    holds()


# Each once raised, hung or broke a property.
REGRESSIONS = {
    "an integer of 10,000 digits": ("a.json", b'{"text": "x", "n": ' + b"1" * 10_000 + b"}"),
    "a number too large for a float": ("a.json", json.dumps({"text": PROSE, "date": 10**400}).encode()),
    "half an address": ("a.json", json.dumps({"text": PROSE, "outlet": "http://["}).encode()),
    "half a character": ("a.json", json.dumps({"text": PROSE, "url": "http://a.a/?x=\ud800&utm_a=1"}).encode()),
    "an endless reference": ("a.json", json.dumps({"text": PROSE, "title": "&#" + "1" * 9000 + ";"}).encode()),
    "rot13": ("a.html", b"<meta charset=rot13><p>\xe9"),
    "undefined": ("a.html", b"<meta charset=undefined><p>\xe9"),
    "marks in a row": ("a.txt", ("e" + "\u0301\u0316" * 50_000).encode()),
    "comments": ("a.html", b"<!-- -->" * 120 + b"<!-"),
    "a cell over a thousand million columns": (
        "a.docx",
        docx('<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="999999999"/></w:tcPr><w:p/></w:tc></w:tr></w:tbl>'),
    ),
    "a name with a null": ("a.zip", packed({"a\0b.md": PROSE.encode()})),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_once_failed_holds(name: str) -> None:
    assert fuzz.problem(*REGRESSIONS[name]) == ""


def test_a_reader_that_raises_or_hangs_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def endless(text: str) -> None:
        while True:
            pass

    monkeypatch.setattr(reading, "uncitable_spans", endless)
    assert fuzz.problem("a.txt", PROSE.encode(), seconds=0.2) == "it takes more than 0.2 s"
    monkeypatch.setattr(reading, "uncitable_spans", lambda text: ((5, 3),))
    assert "out of order" in fuzz.problem("a.txt", PROSE.encode())
    found = fuzz.run(4, 1, tmp_path)
    assert found.failures
    assert (tmp_path / found.failures[0][0]).read_bytes()


def test_the_command_says_how_many_inputs_of_which_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--minutes", "0.02", "--seed", "3", "--out", str(tmp_path)]) == 0
    assert "0 failed, seed 3" in capsys.readouterr().out
    assert json.loads((tmp_path / "fuzz.json").read_text())["seed"] == 3


def test_generated_files_are_read_as_they_are_meant() -> None:
    """The generators make files that the readers understand, before they are broken."""
    (article,) = read_bytes(docx(f"<w:p><w:r><w:t>{PROSE}</w:t></w:r></w:p>"), "a.docx", ReadOptions())
    assert isinstance(article, Article)
    assert article.text == PROSE
