"""Requests to an OpenAI-compatible endpoint, over httpx alone: the official client takes a second to import."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_CHECK_SECONDS = 10.0  # within which an endpoint says which models it has
_TRIES = 2
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.5, 60.0  # the pause before the second try, where the endpoint names none
_RETRIED = {408, 409, 429}  # and whatever says that the server failed, 500 and above
_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
_MESSAGE_CHARS = 300  # of what an endpoint says about an error


class EndpointError(Exception):
    """A request that failed, in one line for people."""


class Endpoint:
    """An OpenAI-compatible endpoint. Safe for many threads; the connections are opened at the first request."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        """`timeout` is how many seconds the endpoint may be silent in the middle of a request."""
        # An empty key would make "Bearer " an invalid header.
        self.url, self.key, self._timeout = url.rstrip("/"), key or "none", timeout
        self._opened: httpx.Client | None = None
        self._lock = threading.Lock()

    def get(self, address: str, seconds: float = _CHECK_SECONDS) -> Any:
        """The JSON at an absolute address, asked for with the key. Raises EndpointError."""
        with _errors():
            reply = self._client().get(address, timeout=seconds)
            reply.raise_for_status()
            return reply.json()

    def model_names(self) -> set[str]:
        """The models that the endpoint lists; none where it keeps no list. Raises EndpointError."""
        listed = self.get(f"{self.url}/models")
        with _errors():
            return {str(model["id"]) for model in listed.get("data") or [] if "id" in model}

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The whole reply to a request for a completion of a chat. Raises EndpointError."""
        with _errors(), self._sent({**body, "stream": False}) as response:
            response.read()
            reply = _object(response.content)
            _check_error(reply)
            return reply

    def chat_stream(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The reply chunk by chunk. Closing the iterator closes the connection, which stops the model.

        Raises EndpointError.
        """
        with _errors(), self._sent({**body, "stream": True}) as response:
            for line in _lines(response):
                field, _, value = line.partition(b":")
                if field != b"data":
                    continue
                if value.strip() == b"[DONE]":
                    return
                chunk = _object(value)
                _check_error(chunk)
                yield chunk

    @contextlib.contextmanager
    def _sent(self, body: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """The response to a request, its body unread. Tried once more when the endpoint is not reached or failed."""
        import httpx

        client = self._client()
        request = client.build_request("POST", f"{self.url}/chat/completions", json=body)
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                response = client.send(request, stream=True)
            except httpx.TransportError:
                if not tries_left:
                    raise
                time.sleep(_RETRY_SECONDS)
                continue
            try:
                if response.is_success:
                    yield response
                    return
                if not (tries_left and (response.status_code in _RETRIED or response.status_code >= 500)):
                    response.read()
                    raise EndpointError(_refusal(response))
            finally:
                response.close()
            time.sleep(_pause(response))

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._opened is None:
                here = httpx.URL(self.url).host in _THIS_MACHINE
                self._opened = httpx.Client(
                    timeout=self._timeout,
                    follow_redirects=True,
                    headers={"Authorization": f"Bearer {self.key}"},
                    trust_env=not here,  # no proxy that the environment names reads what stays on this machine
                )
            return self._opened

    def close(self) -> None:
        """Closes the connections. Closing again does nothing; a later request opens new ones."""
        with self._lock:
            client, self._opened = self._opened, None
        if client is not None:
            client.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Every way in which a request can fail as an EndpointError."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        raise EndpointError(_line(str(error)) or type(error).__name__) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise EndpointError(f"The reply is not as the OpenAI API documents it: {_line(str(error))}") from error


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """The lines of an event stream. httpx's own also end at U+2028 and others, which may stand inside a JSON string."""
    rest = b""
    for block in response.iter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
    yield rest


def _object(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _check_error(reply: Mapping[str, Any]) -> None:
    if reply.get("error"):
        raise EndpointError(_message(reply["error"]))


def _refusal(response: httpx.Response) -> str:
    """What an endpoint says about a request that it refused, behind its status."""
    try:
        said = _message(_object(response.content).get("error"))
    except ValueError:
        said = ""
    return f"HTTP {response.status_code} {response.reason_phrase}{f': {said}' if said else ''}"


def _message(error: object) -> str:
    found = error.get("message") if isinstance(error, dict) else error
    return _line(str(found or ""))


def _pause(response: httpx.Response) -> float:
    """Seconds until the next try, as the endpoint asks for where it asks for few."""
    with contextlib.suppress(ValueError):
        asked = float(response.headers.get("Retry-After", ""))
        if 0 < asked <= _LONGEST_RETRY_SECONDS:
            return asked
    return _RETRY_SECONDS


def _line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")[:_MESSAGE_CHARS]
