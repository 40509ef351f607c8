"""The embedder of an archive where the settings choose none: the model that the archive was made with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

import numpy as np

from rag.models.embeddings import Embedder, LazyEmbedder, open_embedder, packaged_name, source_of
from rag.settings import Settings

log = logging.getLogger("dateline")


class ArchiveEmbedder:
    """The packaged embedder that an archive was made with, also after `dateline reindex` in another process."""

    def __init__(
        self, settings: Settings, stored: Callable[[], str | None], *, beside: ArchiveEmbedder | None = None
    ) -> None:
        """`stored` gives the name of the model of the archive; None while it is new: it gets the default then.

        The models that `beside` has loaded are used, and not loaded again.
        """
        self._settings, self._stored = settings, stored
        # Weak, so that a model is freed when no archive uses it any longer.
        self._models: WeakValueDictionary[str, LazyEmbedder] = beside._models if beside else WeakValueDictionary()
        self._lock: threading.Lock = beside._lock if beside else threading.Lock()
        with self._lock:
            self._default = self._model(settings.embedder)
        self._present: LazyEmbedder | None = None

    def beside(self, stored: Callable[[], str | None]) -> ArchiveEmbedder:
        """The embedder of another archive, which shares the loaded models; this one closes them."""
        return ArchiveEmbedder(self._settings, stored, beside=self)

    def _model(self, source: str) -> LazyEmbedder:
        """The model of this source: one for all archives. The lock is held."""
        name = packaged_name(source) or source
        found = self._models.get(name)
        if found is None:
            found = self._models[name] = LazyEmbedder(source, self._settings.model_cache)
        return found

    def present(self) -> Embedder:
        """The embedder of this moment. An archive of a model that is not packaged gets the default, which it refuses.

        Raises StorageError when the catalogue cannot be read.
        """
        stored = self._stored()
        with self._lock:
            before = self._present or self._default
            source = source_of(stored or "")
            if not source or stored == before.name:
                self._present = before
            else:
                self._present = self._model(source)
            if self._present is not before:
                log.warning("%s", advice(self._present.name, self._default.name))
            return self._present

    @property
    def advice(self) -> str:
        """How the archive gets the default embedder; empty where it has that."""
        used = self.name
        return "" if used == self._default.name else advice(used, self._default.name)

    @property
    def name(self) -> str:
        """The name of the embedder of this moment."""
        return self.present().name

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.present().dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable."""
        return self.present().embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable."""
        return self.present().embed_passages(texts)

    def close(self) -> None:
        """Ends the threads of the models that were loaded; one loads again when something is embedded."""
        with self._lock:
            for embedder in list(self._models.values()):
                embedder.close()


def embedder_for(settings: Settings, stored: Callable[[], str | None]) -> Embedder:
    """The embedder that the settings choose, or where they choose none, that of the archive: see ArchiveEmbedder."""
    if settings.embedder == "packaged" and not settings.embedder_url:
        return ArchiveEmbedder(settings, stored)
    return open_embedder(settings)


def advice(used: str, default: str) -> str:
    """One line for people on the embedder that an archive uses: how it gets the default one, where it has another."""
    if used == default:
        return f"The archive uses the embedder {used}."
    return f"The archive was made with the embedder {used} and uses it; dateline reindex moves it to {default}."
