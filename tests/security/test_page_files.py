"""The page serves no file of the machine: not one named in a text field, not one by an address of Gradio's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Asked, Served

from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.serving.api_keys import Keys

SECRET = "the secret of this machine"


@pytest.fixture
def own_page(written: Assistant, serve: Served) -> Iterator[httpx.Client]:
    """A client of the page of an archive that it may change."""
    with httpx.Client(base_url=serve.app(create_app(written)), timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def page(stored: Archive) -> Iterator[httpx.Client]:
    """A client of the page of the archive that all tests share."""
    served = Served()
    with httpx.Client(base_url=served.app(create_app(Asked(stored)(extraction=True))), timeout=30) as client:
        yield client
    served.stop()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    return file


def call(client: httpx.Client, api_name: str, data: list[Any], **extra: Any) -> str:
    """What Gradio tells a browser that uses a control of the page: the text of its event stream."""
    dependencies = client.get("/config").json()["dependencies"]
    number = next(index for index, one in enumerate(dependencies) if one["api_name"] == api_name)
    body = {"data": data, "fn_index": number, "session_hash": "attack", "trigger_id": None, **extra}
    joined = client.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        return joined.text
    told = ""
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "attack"}) as stream:
        for line in stream.iter_lines():
            told += line + "\n"
            if "process_completed" in line or "close_stream" in line:
                break
    return told


def file_data(path: Path | str) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, "orig_name": "x.txt"}


@pytest.mark.parametrize("place", ["field", "nested", "list"])
def test_a_file_named_in_a_text_field_is_not_copied_or_served(page: httpx.Client, secret: Path, place: str) -> None:
    value: Any = file_data(secret)
    if place == "nested":
        value = {"value": {"deep": [value]}}
    elif place == "list":
        value = [value]
    told = call(page, "label_filters", [value, "", []])
    assert SECRET not in told
    copies = [Path(found) for found in _paths(told) if Path(found) != secret]
    assert not [copy for copy in copies if copy.is_file() and copy.read_text() == SECRET]
    for found in [*copies, secret]:
        assert SECRET not in page.get(f"/gradio_api/file={found}").text


def _paths(told: str) -> list[str]:
    return [part.strip("'\"\\ ,}") for part in told.replace('"', " ").replace("'", " ").split() if part.startswith("/")]


@pytest.mark.parametrize("name", ["keys.json", "catalogue.sqlite"])
def test_no_file_of_the_archive_leaves_through_the_page(own_page: httpx.Client, written: Assistant, name: str) -> None:
    page = own_page
    _, key = Keys(written.archive.folder).create("desk", ["read", "ingest"])
    page.headers["Authorization"] = f"Bearer {key}"
    file = written.archive.folder / name
    told = call(page, "label_filters", [file_data(file), "", []])
    for found in [str(file), *_paths(told)]:
        reply = page.get(f"/gradio_api/file={found}")
        assert reply.status_code in (403, 404)
        assert b"sha256" not in reply.content
        assert b"SQLite format" not in reply.content


@pytest.mark.parametrize("url", ["http://192.0.2.1/x.png", "https://198.51.100.7/x.png"])
def test_the_page_fetches_nothing_that_a_field_names(page: httpx.Client, url: str) -> None:
    told = call(page, "label_filters", [file_data(url), "", []])
    assert "was not uploaded" in told


def test_a_call_that_does_not_fit_its_function_is_refused_and_not_printed(
    page: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "no call that the page makes" in call(page, "label_filters", ["the reader's own words"])
    assert "the reader's own words" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/hostname",
        "/gradio_api/file/etc/hostname",
        "/gradio_api/proxy=https://example.hf.space/x",
        "/gradio_api/stream/x/y/1/playlist.m3u8",
        "/gradio_api/deep_link",
        "/gradio_api/run-history/buckets",
        "/gradio_api/vibe-code/",
        "/gradio_api/openapi.json",
        "/gradio_api/info",
        "/gradio_api/custom_component/1/client/x/index.js",
        "/monitoring",
        "/monitoring/summary",
    ],
)
def test_addresses_of_gradio_that_the_page_does_not_use_are_not_there(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/run/look_up",
        "/gradio_api/api/look_up",
        "/gradio_api/call/look_up",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit/",
    ],
)
def test_functions_of_the_page_are_called_by_its_queue_alone(page: httpx.Client, path: str) -> None:
    assert page.post(path, json={"data": [""]}).status_code == 404


def test_the_page_itself_still_works(page: httpx.Client) -> None:
    start = page.get("/")
    assert start.status_code == 200
    assert "Dateline" in start.text
    assert page.get("/config").status_code == 200
    assert page.get("/theme.css").status_code == 200
    told = call(page, "look_up", ["ferry"])
    assert "Ferry runs aground" in told
    script = next(part for part in start.text.split('"') if part.endswith(".js") and "assets" in part)
    assert page.get("/" + script.lstrip("./")).status_code == 200
