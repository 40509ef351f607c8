"""What is sent to the server is kept once it was promised, left nowhere else, and can name no file of the server."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Served
from filelock import FileLock
from support import settled, zipped

from app import create_app
from ingest.jobs import Jobs
from ingest.spool import OwnedFolder, safe_name
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.interfaces.page.uploads import Uploads

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

GULL = b"Gull steals hat\n\nA herring gull stole a straw hat in Villasera on Sunday morning."
# A server of its own, with the fakes for models: it can be killed at any moment. Its second argument is a word that
# ends the process when it is embedded, as a fault in a library in C would.
SERVER = """
import os, signal, socket, sys, uvicorn
from fakes import WordEmbedder
from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.settings import Settings

class Deadly(WordEmbedder):
    def embed_passages(self, texts):
        if sys.argv[2] and any(sys.argv[2] in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_passages(texts)

settings = Settings(data_dir=sys.argv[1], llm="none")
listener = socket.create_server(("127.0.0.1", 0))
assistant = Assistant(Archive(settings), Deadly(), None, settings)
app = create_app(assistant, with_page=sys.argv[3] == "page")
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
"""


class Child:
    """Starts servers in processes of their own, with a temporary folder in which nothing else is."""

    def __init__(self, python: str, environment: dict[str, str], folder: Path) -> None:
        self.archive, self.temporary = folder / "archive", folder / "temporary"
        self.temporary.mkdir()
        self._python, self._environment = python, {**environment, "TMPDIR": str(self.temporary)}
        self.running: list[subprocess.Popen[str]] = []
        self.url = ""

    def start(self, *, deadly: str = "", kind: str = "api") -> None:
        process = subprocess.Popen(
            [self._python, "-c", SERVER, str(self.archive), deadly, kind],
            env=self._environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.running.append(process)
        assert process.stdout
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def kill(self) -> None:
        self.running[-1].kill()
        self.running[-1].wait()

    def ended(self) -> int:
        return self.running[-1].wait(timeout=60)

    def left(self) -> list[str]:
        """What lies in the temporary folder."""
        return sorted(str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*"))


@pytest.fixture
def child(python: str, child_environment: dict[str, str], tmp_path: Path) -> Iterator[Child]:
    made = Child(python, child_environment, tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()  # closes its output too


@contextmanager
def another_ingest(archive: Path) -> Iterator[None]:
    """Another process is writing to the archive, so that jobs wait."""
    archive.mkdir(parents=True, exist_ok=True)
    with FileLock(archive / "ingest.lock"):
        yield


def send(url: str, *files: tuple[str, bytes]) -> httpx.Response:
    return httpx.post(f"{url}/api/articles", files=[("files", file) for file in files], timeout=60)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


# --- what was promised ----------------------------------------------------------------------------


def test_uploads_that_were_promised_survive_a_killed_server(child: Child) -> None:
    child.start()
    with another_ingest(child.archive):
        first = send(child.url, ("gull.txt", GULL), ("../x/heron.txt", GULL.replace(b"gull", b"heron")))
        record = {"id": "rain", "title": "Rain on Monday", "text": "It rained on Monday in all of Villasera."}
        second = httpx.post(f"{child.url}/api/articles", json=record)
        assert (first.status_code, second.status_code) == (202, 202)
        uploads = child.archive / "uploads"
        assert len(files_below(uploads)) == 5  # three files and two manifests
        for path in [uploads, *uploads.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        child.kill()
    child.start()
    jobs = [settled(child.url, reply.json()["id"]) for reply in (first, second)]
    assert [(job["state"], job["report"]["kept"]) for job in jobs] == [("done", 2), ("done", 1)]
    assert httpx.get(f"{child.url}/api/articles/rain").status_code == 200
    assert [path.parent.name for path in files_below(child.archive / "uploads")] == ["outcomes", "outcomes"]
    child.kill()
    child.start()  # what became of them is known there, too
    assert settled(child.url, first.json()["id"]) == jobs[0]
    assert child.left() == []


def test_an_upload_that_ends_the_server_does_not_keep_it_from_starting(child: Child) -> None:
    child.start(deadly="straw")
    job = send(child.url, ("gull.txt", GULL)).json()["id"]
    assert child.ended() == -signal.SIGKILL
    for _ in range(2):
        child.start(deadly="straw")
        assert child.ended() == -signal.SIGKILL
    child.start(deadly="straw")
    found = settled(child.url, job)
    assert found["state"] == "failed"
    assert "ended 3 times" in found["error"]
    other = send(child.url, ("rain.txt", b"Rain\n\nIt rained on Monday in all of Villasera."))
    assert settled(child.url, other.json()["id"])["report"]["kept"] == 1


@pytest.mark.parametrize("kind", ["api", "page"])
def test_a_server_that_is_killed_in_mid_upload_leaves_no_file_behind(child: Child, kind: str) -> None:
    child.start(kind=kind)
    half = threading.Event()

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.txt"\r\n\r\n'
        for _ in range(64):
            yield b"words " * 50_000
        half.set()
        while child.running[-1].poll() is None:
            yield b"w" * 1000
            time.sleep(0.01)

    def upload() -> None:
        where = "/gradio_api/upload" if kind == "page" else "/api/articles"
        with pytest.raises(httpx.TransportError):
            httpx.post(
                child.url + where, content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"},
                timeout=30,
            )  # fmt: skip

    sending = threading.Thread(target=upload)
    sending.start()
    assert half.wait(60)
    child.kill()
    sending.join()
    child.start(kind=kind)
    assert httpx.get(f"{child.url}/api/health/live").status_code == 200
    assert child.left() == []
    assert files_below(child.archive / "uploads") + files_below(child.archive / "page-uploads") == []


def test_jobs_in_line_when_the_server_is_stopped_are_done_by_the_next_one(written: Assistant) -> None:
    served = Served()
    with another_ingest(written.archive.folder):
        job = send(served(written), ("gull.txt", GULL)).json()["id"]
        served.stop()
    url = served(written)
    try:
        assert settled(url, job)["report"]["kept"] == 1
    finally:
        served.stop()


# --- a full disk, a full spool --------------------------------------------------------------------


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    serve: Served, written: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(written)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        for reply in (
            send(url, ("gull.txt", GULL)),
            httpx.post(f"{url}/api/articles", json={"title": "a", "text": "b"}),
        ):
            assert reply.status_code == 507
            assert "The disk has no room" in reply.json()["detail"]
    assert files_below(written.archive.folder / "uploads") == []
    assert settled(url, send(url, ("gull.txt", GULL)).json()["id"])["report"]["kept"] == 1


def test_uploads_that_wait_have_a_bound_together(serve: Served, written: Assistant) -> None:
    written.settings = written.settings.model_copy(update={"spool_mb": 1})
    url = serve(written)
    with another_ingest(written.archive.folder):
        jobs = [send(url, (f"{n}.txt", GULL + b" " * 400_000)).json()["id"] for n in range(2)]
        full = send(url, ("3.txt", GULL + b" " * 400_000))
        assert (full.status_code, "retry-after" in full.headers) == (429, True)
        assert "1 MB" in full.json()["detail"]
    assert [settled(url, job)["state"] for job in jobs] == ["done", "done"]
    huge = send(url, ("4.txt", GULL + b" " * 1_200_000))
    assert (huge.status_code, "larger than the 1 MB" in huge.json()["detail"]) == (413, True)
    assert send(url, ("3.txt", GULL + b" " * 400_000)).status_code == 202


# --- the page -------------------------------------------------------------------------------------


class Browser:
    """What the page's script does, as far as uploads go: an event with a list of files."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)
        config = self.client.get("/config").json()
        self.event = next(one["id"] for one in config["dependencies"] if one["api_name"] == "upload")

    def send(self, name: str, content: bytes) -> str:
        """The path that the server gave the file."""
        reply = self.client.post("/gradio_api/upload", files={"files": (name, content)})
        assert reply.status_code == 200, reply.text
        return str(reply.json()[0])

    def ingest(self, *paths: str) -> str:
        """All that the server said about these files."""
        data = [{"path": path, "orig_name": "x.txt", "meta": {"_type": "gradio.FileData"}} for path in paths]
        body = {"data": [data, "", []], "fn_index": self.event, "session_hash": "here"}
        joined = self.client.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:  # the guard in front of Gradio refuses what was not uploaded
            return joined.text
        said = ""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "here"}) as events:
            for line in events.iter_lines():
                said += line
                if "process_completed" in line:
                    break
        return said


@pytest.fixture
def browser(serve: Served, written: Assistant) -> Browser:
    return Browser(serve.app(create_app(written)))


def test_the_page_takes_an_upload_and_keeps_no_copy_of_it(browser: Browser, written: Assistant) -> None:
    path = Path(browser.send("gull.txt", GULL))
    said = browser.ingest(str(path))
    assert "1 read, 1 kept" in said
    assert not path.parent.exists()
    assert written.archive.catalog.articles(text="Gull steals")
    assert not [one for one in files_below(Path(os.environ["GRADIO_TEMP_DIR"])) if one.name == path.name]


def test_uploads_that_were_broken_off_are_removed_in_time(tmp_path: Path) -> None:
    folder = OwnedFolder(tmp_path / "uploads", "page")
    old, fresh = folder.path / "old", folder.path / "fresh"
    for path in (old, fresh):
        path.mkdir()
        (path / "x.txt").write_bytes(GULL)
    half = folder.path / "half"
    half.write_bytes(GULL)
    for path in (old, half):
        os.utime(path, (time.time() - 700, time.time() - 700))
    folder.remove_stale(600)
    assert list(folder.path.iterdir()) == [fresh]
    folder.remove()
    assert list((tmp_path / "uploads").iterdir()) == []


def test_the_page_removes_no_folder_that_it_did_not_make(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "precious" / "folder"
    folder.mkdir(parents=True)
    (folder / "kept.txt").write_bytes(GULL)
    uploads = Path(os.environ["GRADIO_TEMP_DIR"])
    inside = uploads / "direct.txt"
    inside.write_bytes(GULL)
    for path in (folder / "missing.txt", inside, uploads / "missing" / "x.txt", uploads / ".." / "x.txt"):
        browser.ingest(str(path))
    assert (folder / "kept.txt").read_bytes() == GULL
    assert inside.exists()
    inside.unlink()


def test_the_page_reads_no_file_that_was_not_sent_to_it(browser: Browser, written: Assistant, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("Secret plan\n\nThe zebra of the president escapes on Thursday at noon.")
    link = Path(os.environ["GRADIO_TEMP_DIR"]) / ("a" * 64) / "link.txt"
    link.parent.mkdir()
    link.symlink_to(secret)
    pipe = link.with_name("pipe.txt")
    os.mkfifo(pipe)
    intake = Jobs(written.archive, written.embedder, written.settings)
    uploads = Uploads(Path(os.environ["GRADIO_TEMP_DIR"]), intake)
    for path in (secret, link, pipe, link.parent, link.parent / ".." / ".." / secret.name, tmp_path):
        with pytest.raises(DatelineError, match="is not among the files that were sent here"):
            list(uploads.ingest([path]))
    intake.close()
    assert secret.exists()
    assert written.archive.catalog.articles(text="Secret plan") == []


def test_uploads_still_work_where_gradio_checks_paths(written: Assistant, serve: Served) -> None:
    app = create_app(written)
    last: Any = app.router.routes[-1]
    gradio = last.app
    while not hasattr(gradio, "get_blocks"):
        gradio = gradio.app
    gradio.get_blocks().has_launched = True
    browser = Browser(serve.app(app))
    assert "1 read, 1 kept" in browser.ingest(browser.send("gull.txt", GULL))
    key = written.archive.folder / "keys.json"
    key.write_text('{"keys": []}')
    assert "1 kept" not in browser.ingest(str(key))


def test_the_page_serves_no_file_of_the_archive(browser: Browser, written: Assistant) -> None:
    folder = written.archive.folder
    for path in files_below(folder)[:20]:
        for shown in (str(path), os.path.relpath(path)):
            assert browser.client.get(f"/gradio_api/file={shown}").status_code in (403, 404)


# --- names and places -----------------------------------------------------------------------------

NAMES = {
    "../../etc/passwd": "passwd", "C:\\Users\\x\\evil.txt": "evil.txt", "con.txt": "_con.txt", "..": "upload",
    "a\u202etxt.exe": "atxt.exe", "line\nbreak\x00.txt": "linebreak.txt", "": "upload", ".hidden": "hidden",
    "what?*<>.txt": "what____.txt", "\ud800.txt": "txt",
}  # fmt: skip


@pytest.mark.parametrize(("sent", "kept"), NAMES.items())
def test_a_file_name_becomes_one_that_can_be_stored_and_shown(sent: str, kept: str) -> None:
    assert safe_name(sent) == kept


@pytest.mark.parametrize("name", ["x" * 10_000 + ".txt", "\u53f0" * 10_000 + ".txt"])
def test_a_long_file_name_keeps_its_end(name: str) -> None:
    assert len(safe_name(name).encode()) <= 180
    assert safe_name(name).endswith(".txt")


def test_hostile_file_names_are_taken_over_http(serve: Served, written: Assistant) -> None:
    url = serve(written)
    files = [(name or "x", GULL + f" {n}".encode()) for n, name in enumerate([*NAMES, "\u53f0" * 1_000 + ".txt"])]
    files = [(name.encode("utf-8", "replace").decode(), body) for name, body in files]
    reply = send(url, *files)
    assert reply.status_code == 202, reply.text
    report = settled(url, reply.json()["id"])["report"]
    assert report["read"] == len(files)
    assert not set(json.dumps(report, ensure_ascii=False)) & {"\u202e", "\x00", "\n"}


FAILING: list[tuple[str, bytes]] = [
    ("empty.txt", b""), ("binary.exe", b"MZ\x00\x01"), ("broken.pdf", b"%PDF-1.7 nothing"),
    ("broken.docx", b"PK nothing"),
    ("broken.zip", b"PK nothing"), ("broken.json", b"{"), ("digits.json", b'{"title": ' + b"1" * 10_000 + b"}"),
    ("broken.jsonl", b'{"title": "no text"}\n{'), ("table.csv", b"a,b\n1,2\n"), ("broken.txt.gz", b"\x1f\x8b nothing"),
    ("codec.html", b'<html><head><meta charset="rot13"></head><body>\xff\xfe\xfd words</body></html>'),
    ("members.zip", zipped(("../out.txt", GULL), ("in.zip", b"PK"), ("empty.txt", b""), ("n" * 5000 + ".json", b"{"))),
]  # fmt: skip


def test_no_place_of_the_server_is_in_what_a_client_sees(serve: Served, written: Assistant) -> None:
    url, folder = serve(written), written.archive.folder
    seen = [send(url, file) for file in FAILING]
    bad: list[Any] = [{"title": "No text"}, [], "x", {"id": "/etc"}]
    seen += [httpx.post(f"{url}/api/articles", json=value, timeout=60) for value in bad]
    jobs = [settled(url, reply.json()["id"]) for reply in seen if reply.status_code == 202]
    assert len(jobs) == len(FAILING)
    assert all(sum(job["report"]["rejected"].values()) >= 1 for job in jobs), jobs
    with another_ingest(folder):
        busy = httpx.delete(f"{url}/api/articles/a1")
    said = json.dumps([*jobs, *(reply.json() for reply in [*seen, busy])])
    for place in (folder, folder.parent, tempfile.gettempdir(), Path.home(), Path(__file__).parents[2]):
        assert str(place) not in said
    assert not re.search(r"jobs-[0-9a-f]{16}", said)


def test_a_job_that_fails_names_no_place(serve: Served, written: Assistant) -> None:
    written.archive.catalog.set_meta({"embedder": "another"})
    url = serve(written)
    job = settled(url, send(url, ("gull.txt", GULL)).json()["id"])
    assert job["state"] == "failed"
    assert "dateline reindex" in job["error"]
    assert str(written.archive.folder) not in json.dumps(job)


# --- JSON records ---------------------------------------------------------------------------------


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"title": "a"}
    for _ in range(levels):
        value = {"inner": value}
    return {"title": "Rain on Monday", "text": "It rained on Monday in all of Villasera.", "more": value}


REFUSED: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "too many": (lambda: json.dumps([nested(1)] * 1001).encode(), 422, "1,001 records"),
    "too deep": (lambda: json.dumps(nested(150)).encode(), 422, "nested more than 100"),
    "far too deep": (lambda: b"[" * 100_000, 400, "nested too deeply"),
    "too long": (lambda: json.dumps({"text": "x" * 11_000_000}).encode(), 413, "10,000,000 bytes"),
    "digits": (lambda: b'{"title": ' + b"1" * 10_000 + b"}", 400, "no JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_records_have_bounds(serve: Served, written: Assistant, name: str) -> None:
    body, status, words = REFUSED[name]
    url = serve(written)
    reply = httpx.post(f"{url}/api/articles", content=body(), headers={"Content-Type": "application/json"}, timeout=60)
    assert (reply.status_code, words in reply.json()["detail"]) == (status, True), reply.text
    assert files_below(written.archive.folder / "uploads") == []
