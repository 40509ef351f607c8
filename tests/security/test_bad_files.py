"""One bad file, member, record or article never ends the ingest of the others, whatever its reader raises."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import Served
from fakes import WordEmbedder

from app import main
from ingest import pipeline
from ingest.metadata.addresses import canonical_url
from ingest.metadata.dates import parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.records import record_fields
from ingest.metadata.values import one_line
from ingest.pipeline import ingest
from ingest.readers import articles as reading
from ingest.readers.encoding import decode
from ingest.readers.files import ReadOptions, Rejected, read, read_bytes
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import StorageError
from rag.schema import Article

TEXT = (
    "The council voted on Monday to close the bridge for nine weeks, because the bearings that carry its deck have "
    "worn through, and said that buses would run every ten minutes."
)
# Texts that are not UTF-8, so that the declared charset is asked for.
LATIN = f"Zoë said: “{TEXT}”".encode("cp1252")
NO_CHARSETS = [
    "rot13", "rot_13", "hex", "base64", "zlib", "bz2", "uu", "quopri", "idna", "punycode", "unicode_escape",
    "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-7", "utf_16", "charmap", "palmos", "no.such",
]  # fmt: skip


def page(charset: str) -> bytes:
    return (
        b"<html><head><meta charset='"
        + charset.encode()
        + b"'><title>Bridge</title></head><body><article><p>"
        + (LATIN + b"</p><p>" + LATIN + b"</p></article></body></html>")
    )


def bad_files() -> dict[str, bytes]:
    record = {"title": "Bridge closed", "text": TEXT}
    return {
        "integer.json": b'{"title": "Bridge", "text": "' + TEXT.encode() + b'", "n": ' + b"1" * 10_000 + b"}",
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep-record.json": b'{"title": "Bridge", "text": ' + b"[" * 700 + b"1" + b"]" * 700 + b"}",
        "infinite-date.json": json.dumps(record | {"published": 10**400}).encode(),
        "half-bracket.json": json.dumps(record | {"outlet": "http://[", "id": 1}).encode(),
        "surrogate.json": json.dumps(record | {"url": "http://a.example/?x=\ud800&utm_source=1"}).encode(),
        "reference.json": json.dumps(record | {"title": "&#" + "1" * 9000 + ";"}).encode(),
        "zero.pdf": b"%PDF-1.7\n" + b"\0" * 1000,
        "empty.docx": b"PK\x05\x06" + b"\0" * 18,
        "half.json.gz": gzip.compress(json.dumps(record).encode())[:40],
    }


def good(folder: Path) -> None:
    (folder / "zz.txt").write_text(f"Bridge closed\n\n{TEXT}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Bad files of every kind, and a good one that comes last."""
    found = tmp_path / "news"
    found.mkdir()
    for name, data in bad_files().items():
        (found / name).write_bytes(data)
    for charset in NO_CHARSETS:
        (found / f"charset-{charset}.html").write_bytes(page(charset))
    good(found)
    return found


@pytest.fixture
def commanded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`dateline ingest` of a folder into a new archive, with the embedder of the tests: the report."""
    monkeypatch.setattr("rag.models.embeddings.LazyEmbedder", lambda *_: WordEmbedder())

    def run(folder: Path) -> dict[str, Any]:
        code = main(["ingest", "--json", "--data-dir", str(folder.parent / "archive"), str(folder)])
        said = capsys.readouterr()
        assert code == 0, said.err
        report: dict[str, Any] = json.loads(said.out)
        return report

    return run


def test_the_command_goes_on_behind_each_bad_file(folder: Path, commanded: Callable[..., dict[str, Any]]) -> None:
    report = commanded(folder)
    assert report["read"] == len(list(folder.iterdir()))
    rejected = {rejection["source"].rpartition("/")[2] for rejection in report["rejections"]}
    assert {"integer.json", "deep.json", "deep-record.json", "zero.pdf", "empty.docx", "half.json.gz"} <= rejected
    # What is wrong with a date, an address or a charset does not cost the article.
    assert report["kept"] == report["read"] - len(report["rejections"]) >= len(NO_CHARSETS)


def test_a_server_takes_the_good_one_of_an_upload(serve: Served, written: Assistant, folder: Path) -> None:
    url = serve(written)
    with httpx.Client(base_url=url, timeout=60) as client:
        files = [("files", (path.name, path.read_bytes())) for path in sorted(folder.iterdir())]
        job = client.post("/api/articles", files=files).json()
        for _ in range(600):
            job = client.get(f"/api/jobs/{job['id']}").json()
            if job["state"] in {"done", "failed"}:
                break
            time.sleep(0.1)  # the interface has no event to wait for
        assert (job["state"], job["error"]) == ("done", "")
        assert job["report"]["read"] == len(files)
        assert client.get("/api/articles", params={"text": "Bridge closed"}).json()["total"] >= 1


def test_a_server_takes_the_good_one_of_two_records(serve: Served, written: Assistant) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    records = [{"title": "Deep", "text": deep}, {"title": "Bridge closed", "text": TEXT}]
    answer = httpx.post(f"{serve(written)}/api/articles", json=records, timeout=60)
    assert answer.status_code == 202


@pytest.mark.parametrize("charset", NO_CHARSETS)
def test_what_is_no_charset_is_not_asked_for_text(charset: str) -> None:
    assert "Zoë said: “The council" in decode(page(charset))


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", "“Zoë”"), ("latin1", "“Zoë”"), ("us-ascii", "“Zoë”"), ("windows-1252", "“Zoë”"),
        ("x-cp1251", "Мэр"), ("koi8-r", "Мэр"), ("windows-1251", "Мэр"), ("iso-8859-2", "Žatec"),
        ("shift_jis", "市長"), ("x-sjis", "市長"), ("euc-jp", "市長"), ("gb2312", "市长"), ("gbk", "市长"),
        ("big5", "市長"), ("euc-kr", "시장"), ("windows-949", "시장"), ("windows-1256", "مدير"),
    ],
)  # fmt: skip
def test_the_charsets_of_pages_are_read(charset: str, text: str) -> None:
    codec = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "x-cp1251": "cp1251"}
    codec |= {"x-sjis": "shift_jis", "windows-949": "cp949"}
    data = f"<html><meta charset='{charset}'><p>{text}".encode(codec.get(charset, charset))
    assert text in decode(data)


class Explodes(BaseException):
    """As an interrupt from the keyboard is: not for a reader to take."""


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), ValueError("odd"), KeyError("x"), SystemError("c")])
@pytest.mark.parametrize("place", ["file", "member", "line", "record"])
def test_whatever_a_reader_raises_is_the_reason_of_its_place(
    place: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.dumps({"title": f"Bridge {n}", "text": f"{n} {TEXT}"}) for n in range(3)]
    if place == "file":
        for number, line in enumerate(lines):
            (tmp_path / f"{number}.json").write_text(line)
    elif place == "member":
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
            for number, line in enumerate(lines):
                packed.writestr(f"{number}.json", line)
    elif place == "line":
        (tmp_path / "all.jsonl").write_text("\n".join(lines))
    else:
        (tmp_path / "all.json").write_text(f"[{','.join(lines)}]")
    intact = reading.uncitable_spans
    monkeypatch.setattr(reading, "uncitable_spans", lambda text: _raise(error) if text[0] == "1" else intact(text))
    items = list(read([tmp_path], ReadOptions()))
    assert [type(item) for item in items] == [Article, Rejected, Article]
    assert isinstance(items[1], Rejected)
    assert type(error).__name__ in items[1].message


def _raise(error: BaseException) -> Any:
    raise error


def test_an_interrupt_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "uncitable_spans", lambda text: _raise(Explodes()))
    with pytest.raises(Explodes):
        list(read_bytes(TEXT.encode(), "a.txt", ReadOptions()))


def articles() -> Iterator[Article]:
    for number in range(3):
        yield Article(id=f"a{number}", title=f"Bridge {number}", text=f"{number} {TEXT}", source=f"/news/{number}")


def test_what_cutting_one_article_raises_is_its_rejection(
    empty_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact = pipeline.passage_spans
    monkeypatch.setattr(pipeline, "passage_spans", lambda a: _raise(ValueError("x")) if a.id == "a1" else intact(a))
    report = ingest(articles(), empty_archive, WordEmbedder())
    assert (report.kept, dict(report.rejected)) == (2, {"malformed": 1})
    assert empty_archive.catalog.article("a2") is not None


class Fussy(WordEmbedder):
    """An embedder that cannot take one of the texts."""

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if any("Bridge 1" in text for text in texts):
            raise ValueError("no such text")
        return super().embed_passages(texts)


def test_what_embedding_one_article_raises_is_its_rejection(empty_archive: Archive) -> None:
    report = ingest(articles(), empty_archive, Fussy())
    assert (report.kept, report.passages, dict(report.rejected)) == (2, 2, {"malformed": 1})
    assert [a.id for a in empty_archive.catalog.articles()] in (["a0", "a2"], ["a2", "a0"])


@pytest.mark.parametrize("error", [StorageError("full"), sqlite3.OperationalError("disk"), OSError("disk")])
def test_what_the_next_article_would_meet_too_ends_the_run(
    error: Exception, empty_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "passage_spans", lambda article: _raise(error))
    with pytest.raises(type(error)):
        ingest(articles(), empty_archive, WordEmbedder())


def test_what_a_record_says_beside_its_text_is_bounded() -> None:
    long = "long words " * 100_000
    record = {
        "id": long, "url": "https://a.example/" + "x" * 5000, "title": long, "outlet": long, "byline": long,
        "section": long, "text": TEXT, "published": long, "language": long,
    }  # fmt: skip
    (article,) = read_bytes(json.dumps(record).encode(), "a.json", ReadOptions())
    assert isinstance(article, Article)
    assert len(article.title) <= 1000
    assert len(article.outlet) <= 200
    assert len(article.byline) <= 500
    assert len(article.genre) <= 200
    assert len(article.id) <= 210
    assert (article.url, article.language, article.published) == ("", "en", None)


def test_a_message_about_a_bad_record_is_bounded() -> None:
    record = {f"{'x' * 10_000}{number}": "" for number in range(20)}
    (rejected,) = read_bytes(json.dumps(record).encode(), "a.json", ReadOptions())
    assert isinstance(rejected, Rejected)
    assert len(rejected.message) < 1500


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), float("nan"), float("inf"), "Mon, 1 Jan 2020 00:00:00 +" + "9" * 20]
)
def test_what_is_no_date_is_none(value: object) -> None:
    assert parse_date(value) is None


def test_what_is_no_address_or_reference_costs_nothing_else() -> None:
    assert record_fields({"text": "x", "outlet": "http://["}) == Fields(text="x", outlet="http://[")
    assert canonical_url("http://a.example/?x=\ud800&utm_source=1") == "http://a.example/?x=%3F"
    assert one_line("a &#" + "1" * 9000 + "; b &amp; c").endswith("; b & c")


def test_a_text_longer_than_any_article_is_rejected_before_it_is_cleaned() -> None:
    began = time.process_time()
    (rejected,) = read_bytes(b"a b " * (reading.MOST_CHARS // 4 + 1), "long.txt", ReadOptions())
    assert isinstance(rejected, Rejected)
    assert rejected.message.endswith("characters, expected at most 2,000,000; split it into articles")
    assert time.process_time() - began < 2
