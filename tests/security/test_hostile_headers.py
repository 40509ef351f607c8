"""Headers and names that no browser sends: each is refused or has no effect, and none makes the server fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import Asked, Served

import rag.interfaces.http.server as connections
from app import create_app
from rag.archive.archive import Archive

PROTOCOLS = ("2025-06-18", "2025-11-25", "2026-07-28")


@pytest.fixture(scope="module")
def client(stored: Archive) -> Iterator[httpx.Client]:
    """A client of the page and the API, without keys."""
    served = Served()
    with httpx.Client(base_url=served.app(create_app(Asked(stored)(extraction=True))), timeout=30) as made:
        yield made
    served.stop()


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "utf-7", "hex", "none"])
@pytest.mark.parametrize("path", ["/api/articles", "/gradio_api/upload"])
def test_a_form_in_a_strange_charset_is_no_failure(client: httpx.Client, path: str, charset: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a..a-a"\r\n\r\nx\r\n--b--\r\n'
    reply = client.post(
        path, content=body, headers={"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    )
    assert reply.status_code in (400, 415, 422)


@pytest.mark.parametrize("folder", ["static", "static/img", "assets", "svelte"])
def test_a_name_that_is_too_long_for_a_file_is_not_there(client: httpx.Client, folder: str) -> None:
    assert client.get(f"/{folder}/{'a' * 30_000}").status_code == 404


@pytest.mark.parametrize("host", ["999.999.1.1", "[::1", "news.example:x", "fe80::1%eth0", "::ffff:1.2.3.4"])
@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_an_address_that_a_client_claims_for_the_server_has_no_effect(
    client: httpx.Client, name: str, host: str
) -> None:
    assert client.get("/", headers={name: host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/config"])
def test_the_page_names_no_other_server_and_no_scheme_that_a_client_claims(client: httpx.Client, path: str) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example", "X-Gradio-Server": "http://evil.example", "X-Forwarded-Proto": "https",
    }  # fmt: skip
    page = client.get(path, headers=headers).text
    assert "evil.example" not in page
    assert f"https://{client.base_url.host}" not in page


def test_a_host_of_numbers_that_is_no_address_is_refused(stored: Archive, serve: Served) -> None:
    url = serve.app(create_app(Asked(stored)(extraction=True, host="0.0.0.0")))  # which answers to any name
    assert httpx.get(url, headers={"Host": "999.999.1.1"}).status_code == 400
    assert httpx.get(url, headers={"Host": "10.0.0.5:7860"}).status_code == 200


def test_an_error_of_the_framework_is_told_in_its_own_words(client: httpx.Client) -> None:
    reply = client.post("/api/articles", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert reply.json()["detail"] == "Missing boundary in multipart."


# --- MCP ------------------------------------------------------------------------------------------


def listening(protocol: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The request for a stream of changes, and its headers."""
    about = {"protocolVersion": protocol, "clientInfo": {"name": "a", "version": "1"}, "clientCapabilities": {}}
    meta = {f"io.modelcontextprotocol/{name}": value for name, value in about.items()}
    params = {"_meta": meta, "notifications": {"toolsListChanged": True}}
    headers = {
        "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": protocol,
        "Mcp-Method": "subscriptions/listen",
    }  # fmt: skip
    return {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}, headers


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mcp_opens_no_stream_without_end(client: httpx.Client, protocol: str) -> None:
    request, headers = listening(protocol)
    assert client.get("/mcp", headers=headers, timeout=5).status_code == 405
    reply = client.post("/mcp", json=request, headers=headers, timeout=5)
    assert "Method not found" in reply.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_listeners_to_mcp_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch, stored: Archive, serve: Served, protocol: str
) -> None:
    """A thousand of them, of one reader, kept everybody out, health checks too."""
    monkeypatch.setattr(connections, "_most_connections", lambda: 20)
    url = serve.app(create_app(Asked(stored)(extraction=True)))
    request, headers = listening(protocol)
    with httpx.Client(timeout=10, limits=httpx.Limits(max_connections=100)) as flood:
        asked = [flood.build_request("GET", f"{url}/mcp", headers=headers) for _ in range(30)]
        asked += [flood.build_request("POST", f"{url}/mcp", headers=headers, json=request) for _ in range(30)]
        streams = [flood.send(one, stream=True) for one in asked]
        assert httpx.get(f"{url}/api/health/live", timeout=5).status_code == 200
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("version", [2**63, -(2**70), 10**4000, 0])
def test_a_version_that_no_article_can_have_is_refused(client: httpx.Client, version: int) -> None:
    call = {"name": "get_article", "arguments": {"article_id": "a1", "version": version}}
    reply = client.post(
        "/mcp",
        content=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}),
        headers={"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
    )
    assert "version" in reply.text
    assert '"isError":true' in reply.text
