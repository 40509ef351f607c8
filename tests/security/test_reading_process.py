"""What comes over the network is read by a process with limits: no input holds the server up or ends it.

The inputs are heavy rather than crafted, and the limits low: a hole in a reader that gets mended would test nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conftest import Served
from support import settled, zipped

from ingest.readers.files import ReadOptions, Rejected, read
from ingest.readers.guard import Guard, Stopped
from ingest.readers.process import LENGTH, Limits, article_from, as_message
from rag.assistant import Assistant
from rag.schema import Article

needs_limits = pytest.mark.skipif(os.name == "nt", reason="Windows knows no limit of memory for a process")

GULL = b"Gull steals hat\n\nA herring gull stole a straw hat in Villasera on Sunday morning."


def page(paragraphs: int) -> bytes:
    """A page whose reading takes time: 20,000 paragraphs take over 2 s on the machine where this was written."""
    text = "".join(f"<p>Paragraph {n} tells of the ferry and of the <b>harbour</b>.</p>" for n in range(paragraphs))
    return f"<html><body><article><h1>Ferry runs aground</h1>{text}</article></body></html>".encode()


SLOW = page(25_000)  # a page of more than 60,000 elements is not read at all


def limits(seconds: float = 30, megabytes: int = 2000, max_bytes: int = 50_000_000) -> Limits:
    return Limits(seconds=seconds, megabytes=megabytes, max_bytes=max_bytes)


@pytest.fixture
def guarded() -> Iterator[Callable[[Limits], Guard]]:
    """Makes guards that are closed at the end."""
    made: list[Guard] = []

    def make(chosen: Limits) -> Guard:
        made.append(Guard(chosen))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def outcome(items: list[Article | Rejected]) -> list[str]:
    return [f"{one.reason}" if isinstance(one, Rejected) else one.title for one in items]


def test_it_reads_what_the_reader_itself_reads(guarded: Callable[[Limits], Guard], tmp_path: Path) -> None:
    rows = [{"title": f"Report {n}", "text": f"It rained on {n} days.", "published": "2025-03-04"} for n in range(3)]
    lines = b"\n".join([json.dumps(rows[0]).encode(), b"{", json.dumps(rows[1]).encode()])
    packed = zipped(
        ("a.txt", GULL), ("b.jsonl", lines), ("../c.txt", GULL), ("d/e.html", page(3)), (".hidden", GULL),
        ("f.json", json.dumps(rows).encode()), ("g.csv", b"title,text\nRain,It rained on Monday.\nx,\n"),
    )  # fmt: skip
    guard = guarded(limits())
    for name, content in (("gull.txt", GULL), ("all.zip", packed), ("no.pdf", b"%PDF-1.4"), ("l.jsonl", lines)):
        path = written(tmp_path, name, content)
        assert list(guard.read(path)) == list(read([path], ReadOptions()))


def test_what_takes_too_long_costs_its_sender_that_file_alone(
    guarded: Callable[[Limits], Guard], tmp_path: Path
) -> None:
    guard = guarded(limits(seconds=0.5))
    began = time.monotonic()
    (slow,) = guard.read(written(tmp_path, "slow.html", SLOW))
    assert isinstance(slow, Rejected)
    assert (slow.reason, "took longer than 0.5 s to read" in slow.message) == ("too slow", True)
    assert time.monotonic() - began < 20  # the start of the process included
    assert outcome(list(guard.read(written(tmp_path, "gull.txt", GULL)))) == ["Gull steals hat"]


def test_reading_goes_on_behind_the_member_that_took_too_long(
    guarded: Callable[[Limits], Guard], tmp_path: Path
) -> None:
    packed = zipped(("a.txt", GULL), ("b.html", SLOW), ("c.txt", GULL), ("d.html", SLOW), ("e.txt", GULL))
    found = list(guarded(limits(seconds=0.5)).read(written(tmp_path, "all.zip", packed)))
    gull = "Gull steals hat"
    assert outcome(found) == [gull, "too slow", gull, "too slow", gull]
    assert [one.source.rpartition("!")[2] for one in found] == ["a.txt", "b.html", "c.txt", "d.html", "e.txt"]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "zip"])
def test_reading_goes_on_behind_the_record_that_took_too_long(
    guarded: Callable[[Limits], Guard], tmp_path: Path, name: str
) -> None:
    texts = ["It rained on Monday.", SLOW.decode(), "It poured on Tuesday."]
    rows = [{"title": f"Report {n}", "text": text} for n, text in enumerate(texts)]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    content = {
        "rows.jsonl": lines,
        "rows.json": json.dumps(rows).encode(),
        "rows.csv": "title,text\n{}\n".format("\n".join(f'{r["title"]},"{r["text"]}"' for r in rows)).encode(),
        "zip": zipped(("x/rows.jsonl", lines), ("gull.txt", GULL)),
    }[name]
    path = written(tmp_path, "rows.zip" if name == "zip" else name, content)
    found = list(guarded(limits(seconds=0.5)).read(path))
    behind = ["Gull steals hat"] if name == "zip" else []
    assert outcome(found) == ["Report 0", "too slow", "Report 2", *behind]


@needs_limits
def test_what_needs_too_much_memory_is_rejected(guarded: Callable[[Limits], Guard], tmp_path: Path) -> None:
    guard = guarded(limits(megabytes=100))
    many = json.dumps([{"title": "a", "text": "b"}] * 1_200_000).encode()
    (found,) = guard.read(written(tmp_path, "many.json", many))
    assert isinstance(found, Rejected)
    assert (found.reason, "more memory than" in found.message) == ("too large", True), found
    assert outcome(list(guard.read(written(tmp_path, "gull.txt", GULL)))) == ["Gull steals hat"]


@needs_limits
def test_the_process_can_write_no_file_and_has_none_of_the_servers_secrets(
    guarded: Callable[[Limits], Guard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATELINE_LLM_KEY", "secret-of-the-server")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guard = guarded(limits())
    list(guard.read(written(tmp_path, "gull.txt", GULL)))
    assert guard._process
    place = Path(f"/proc/{guard._process.pid}")
    if not place.exists():
        pytest.skip("this system shows nothing of processes")
    bounds = {line[:25].strip(): line[25:].split() for line in (place / "limits").read_text().splitlines()}
    assert bounds["Max file size"][0] == "0"
    assert bounds["Max core file size"][0] == "0"
    assert int(bounds["Max address space"][0]) < 4_000_000_000
    environment = (place / "environ").read_bytes().split(b"\0")
    assert b"secret-of-the-server" not in b" ".join(environment)
    assert f"TMPDIR={tmp_path}".encode() in environment


def test_a_process_that_dies_costs_one_file_and_is_started_anew(
    guarded: Callable[[Limits], Guard], tmp_path: Path
) -> None:
    guard = guarded(limits())
    gull = written(tmp_path, "gull.txt", GULL)
    list(guard.read(gull))
    assert guard._process
    process, items = guard._process, guard.read(written(tmp_path, "slow.html", SLOW))
    threading.Timer(0.3, process.kill).start()
    (found,) = items
    assert isinstance(found, Rejected)
    assert found.message.endswith("the reader crashed on it (signal 9); correct it or leave it out")
    assert outcome(list(guard.read(gull))) == ["Gull steals hat"]
    guard._process.kill()  # and one that dies while nothing is read costs nothing
    guard._process.wait()
    assert outcome(list(guard.read(gull))) == ["Gull steals hat"]


def test_closing_does_not_wait_for_what_is_being_read(tmp_path: Path) -> None:
    guard = Guard(limits())
    list(guard.read(written(tmp_path, "gull.txt", GULL)))
    threading.Timer(0.3, guard.close).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        list(guard.read(written(tmp_path, "slow.html", SLOW)))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "reply",
    [
        LENGTH.pack(2**32 - 1), LENGTH.pack(3) + b"nul", LENGTH.pack(2) + b"[]", b"\x00", LENGTH.pack(0),
        LENGTH.pack(16) + b'{"article": "x"}', LENGTH.pack(13) + b'{"rejected":1}'[:13],
    ],
)  # fmt: skip
def test_a_reader_that_was_taken_over_by_a_file_can_say_nothing_harmful(
    guarded: Callable[[Limits], Guard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    begin = [LENGTH.pack(len(body)) + body for body in (b'{"ready": true}', b'{"begun": true}')]
    code = (
        "import sys\n"
        f"sys.stdout.buffer.write({begin[0]!r}); sys.stdout.flush(); sys.stdin.readline()\n"
        f"sys.stdout.buffer.write({begin[1] + reply!r}); sys.stdout.flush()\n"
    )
    impostor = tmp_path / "impostor"
    impostor.write_text(f"#!{os.path.realpath('/proc/self/exe')}\n{code}")
    impostor.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(impostor))
    (found,) = guarded(limits(max_bytes=1000)).read(written(tmp_path, "gull.txt", GULL))
    assert isinstance(found, Rejected)
    assert found.reason == "unreadable"


def test_an_article_is_the_same_behind_the_pipe(articles: list[Article]) -> None:
    for one in articles:
        message = json.loads(json.dumps(as_message(one)))
        assert article_from(message["article"]) == one


# --- the server -----------------------------------------------------------------------------------


def limited(assistant: Assistant, **settings: float) -> Assistant:
    assistant.settings = assistant.settings.model_copy(update=settings)
    return assistant


def test_the_server_answers_while_it_reads_what_never_ends(serve: Served, written: Assistant) -> None:
    url = serve(limited(written, read_seconds=3.0))
    packed = zipped(("a.html", SLOW), ("b.txt", GULL))
    job = httpx.post(f"{url}/api/articles", files=[("files", ("all.zip", packed))], timeout=60).json()
    waits = []
    with httpx.Client(base_url=url, timeout=60) as client:
        while client.get(f"/api/jobs/{job['id']}").json()["state"] in ("waiting", "running"):
            began = time.monotonic()
            assert client.get("/api/health/live").status_code == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
    report = settled(url, job["id"])["report"]
    assert (report["kept"], report["rejected"]) == (1, {"too slow": 1})
    assert report["rejections"][0]["source"] == "all.zip!a.html"
    assert len(waits) > 20
    assert sorted(waits)[int(0.95 * len(waits))] < 0.5


def test_a_record_that_takes_too_long_is_refused_while_its_sender_waits(serve: Served, written: Assistant) -> None:
    url = serve(limited(written, read_seconds=0.5))
    reply = httpx.post(f"{url}/api/articles", json={"title": "Slow", "text": SLOW.decode()[:9_000_000]}, timeout=60)
    assert reply.status_code == 422
    assert reply.json()["detail"] == "This cannot become an article: it took longer than 0.5 s to read."
    good = {"title": "Rain on Monday", "text": "It rained on Monday in all of Villasera."}
    job = httpx.post(f"{url}/api/articles", json=good, timeout=60).json()
    assert settled(url, job["id"])["report"]["kept"] == 1


def test_a_report_names_so_many_rejections_and_counts_all(serve: Served, written: Assistant) -> None:
    url = serve(written)
    lines = b"{\n" * 3000
    job = httpx.post(f"{url}/api/articles", files=[("files", ("x.jsonl", lines))], timeout=60).json()
    report = settled(url, job["id"])["report"]
    assert report["rejected"] == {"malformed": 3000}
    assert len(report["rejections"]) == 500
