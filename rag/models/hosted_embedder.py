"""An embedding model behind an OpenAI-compatible endpoint. Articles and questions are sent to it."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.errors import ModelUnavailable
from rag.models.cards import card_of
from rag.settings import Settings

TEXTS_AT_ONCE = 64  # in one request; servers take 2,048 (OpenAI), 32 (text-embeddings-inference) and more
TIMEOUT_SECONDS = 60.0  # of one request
ATTEMPTS = 4  # at one request, where the endpoint is busy or cannot be reached
FIRST_PAUSE = 0.5  # seconds before the second attempt; doubled before each further one
LONGEST_PAUSE = 20.0  # seconds between attempts, also where the endpoint asks for more (Retry-After)
_PASSING = {408, 409, 425, 429, 500, 502, 503, 504}  # HTTP statuses that a later attempt may not meet


class HostedEmbedder:
    """An embedder at a URL. Safe for many threads. A model that has a card gets the prefixes of that card.

    Its methods raise ModelUnavailable where the endpoint fails ATTEMPTS times, refuses, or gives something else than
    one vector of finite numbers for each text, all of one length.
    """

    def __init__(self, *, url: str, model: str, key: str) -> None:
        self.name = model
        self._url, self._card = f"{url.rstrip('/')}/embeddings", card_of(model)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client: Any = None
        self._dim = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> HostedEmbedder:
        """The one that the settings name. Nothing is sent yet. Raises ModelUnavailable when they name no model."""
        if settings.embedder == "packaged":
            raise ModelUnavailable(
                f"DATELINE_EMBEDDER_URL is {settings.embedder_url} but DATELINE_EMBEDDER names no model there. "
                "Set DATELINE_EMBEDDER to a model that the endpoint serves."
            )
        return cls(url=settings.embedder_url, model=settings.embedder, key=settings.embedder_key)

    @property
    def dim(self) -> int:
        """Numbers in a vector; learnt by embedding a word where nothing was embedded before."""
        if not self._dim:
            self.embed_queries(["dimension"])
        return self._dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedded([self._card.query_prefix + text for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedded([self._card.passage_prefix + text for text in texts])

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self._rows(self._reply(part), len(part)) for part in parts])

    def _reply(self, texts: Sequence[str]) -> Any:
        """The endpoint's answer, decoded."""
        import httpx

        body = {"model": self.name, "input": list(texts), "encoding_format": "float"}
        problem = ""
        for attempt in range(ATTEMPTS):
            wait = FIRST_PAUSE * 2**attempt
            try:
                reply = self._http().post(self._url, json=body)
                if reply.is_success:
                    return reply.json()
                problem = f"it answers {reply.status_code} {_said(reply)}".rstrip()
                if reply.status_code not in _PASSING:
                    break
                wait = max(wait, _seconds(reply.headers.get("Retry-After", "")))
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
            except ValueError:
                raise self._unusable("its answer is not JSON") from None
            if attempt + 1 < ATTEMPTS:
                time.sleep(min(wait, LONGEST_PAUSE))
        raise ModelUnavailable(
            f"The embedding model {self.name} at DATELINE_EMBEDDER_URL={self._url.removesuffix('/embeddings')} failed: "
            f"{problem}. Start it, correct the URL, the key (DATELINE_EMBEDDER_KEY) or the name (DATELINE_EMBEDDER)."
        )

    def _http(self) -> Any:
        """The client, made at the first request; it keeps connections open."""
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(timeout=TIMEOUT_SECONDS, headers=self._headers)
                weakref.finalize(self, self._client.close)
            return self._client

    def _rows(self, reply: Any, count: int) -> np.ndarray:
        """The vectors of an answer in the order of the texts, scaled to norm 1."""
        try:
            data = sorted(reply["data"], key=lambda one: one["index"])
            places = [one["index"] for one in data]
            rows = np.array([one["embedding"] for one in data], dtype=np.float64)
        except (TypeError, KeyError, ValueError, OverflowError):
            raise self._unusable("its answer does not hold vectors of one length") from None
        if places != list(range(count)):
            raise self._unusable(f"it gave {len(data):,} vectors for {count:,} texts")
        if rows.ndim != 2 or not rows.shape[1]:
            raise self._unusable("its answer does not hold vectors of one length")
        with np.errstate(over="ignore"):
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise self._unusable("a vector has no direction: its numbers are all 0 or not finite")
        with self._lock:
            self._dim = self._dim or rows.shape[1]
        if rows.shape[1] != self._dim:
            raise self._unusable(f"its vectors have {rows.shape[1]:,} numbers, earlier ones {self._dim:,}")
        unit: np.ndarray = (rows / norms).astype(np.float32)
        return unit

    def _unusable(self, why: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"The embedding model {self.name} at DATELINE_EMBEDDER_URL gave an answer that cannot be used: {why}. "
            "Check that DATELINE_EMBEDDER names an embedding model of that endpoint."
        )


def _said(reply: Any) -> str:
    """What a refusal says, in one line of at most 200 characters."""
    try:
        text = str(reply.json()["error"]["message"])
    except (ValueError, TypeError, KeyError):
        text = ""
    return f"({' '.join(text.split())[:200]})" if text else ""


def _seconds(header: str) -> float:
    """The seconds of a Retry-After header; 0 where it has none, or a date."""
    return float(header) if header.isascii() and header.isdigit() else 0.0
