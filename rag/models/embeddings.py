"""Text to vectors: the packaged models, or any that sentence-transformers loads."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from rag.errors import ModelUnavailable
from rag.models import files
from rag.models.cards import E5_SMALL, MINILM
from rag.models.hosted_embedder import HostedEmbedder
from rag.models.packaged.packaged_embedder import open_packaged
from rag.settings import Settings, cache_folder

if TYPE_CHECKING:
    from rag.models.packaged.onnx_embedder import OnnxEmbedder, ReadText, Reduce


_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Embedder(Protocol):
    """Turns texts into unit vectors; a dot product of two is their cosine, -1 to 1, higher is closer."""

    @property
    def name(self) -> str:
        """Stored in the archive: vectors of two names are never compared."""
        ...

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1, in the order of `texts`."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1, in the order of `texts`."""
        ...


class TokenReader(Protocol):
    """Turns texts into unit vectors and into vectors of their tokens, in one run of the model."""

    def read_queries(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """Of each text the vector of `embed_queries`, and the tokens' vectors as `reduce` leaves them."""
        ...

    def read_passages(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """Of each text the vector of `embed_passages`, and the tokens' vectors as `reduce` leaves them."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model on this machine's CPU or GPU."""

    def __init__(self, model: Any, name: str) -> None:
        self._model = model
        self.name = name
        self.dim = int(model.get_embedding_dimension())
        self._lock = threading.Lock()  # tokenizers are not safe for concurrent use

    @classmethod
    def load(cls, source: str) -> SentenceEmbedder:
        """A folder, or a name on a hub. Raises ModelUnavailable. Takes seconds."""
        local = Path(source).expanduser().is_dir()
        return cls(_load(str(Path(source).expanduser()) if local else source, local=local), source)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._encode(texts, query=True)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._encode(texts, query=False)

    def _encode(self, texts: Sequence[str], *, query: bool) -> np.ndarray:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        encode = self._model.encode_query if query else self._model.encode_document
        with self._lock:
            vectors = encode(
                list(texts), batch_size=32, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )
        rows: np.ndarray = np.asarray(vectors, dtype=np.float32)
        # bfloat16 keeps three digits, so the norms of its rows differ a little from 1.
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: np.ndarray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        return unit


class LazyEmbedder:
    """An embedder that is loaded when something is first embedded: opening an archive does not need it."""

    def __init__(self, source: str = "packaged", cache: Path | None = None) -> None:
        """`source`: packaged, e5, minilm, a folder or a hub name; `cache`: where converted models are kept."""
        self.name = packaged_name(source) or source
        self._source, self._cache = source, cache or cache_folder()
        self._loaded: OnnxEmbedder | SentenceEmbedder | None = None
        self._lock = threading.Lock()

    def _embedder(self) -> OnnxEmbedder | SentenceEmbedder:
        with self._lock:
            if self._loaded is None:
                packaged = packaged_name(self._source)
                self._loaded = open_packaged(packaged, self._cache) if packaged else SentenceEmbedder.load(self._source)
            return self._loaded

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._embedder().dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable at the first call."""
        return self._embedder().embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable at the first call."""
        return self._embedder().embed_passages(texts)

    def token_reader(self) -> TokenReader | None:
        """The model, where it is a packaged one: those tell the vectors of tokens. Raises ModelUnavailable."""
        embedder = self._embedder()
        return None if isinstance(embedder, SentenceEmbedder) else embedder

    def close(self) -> None:
        """Frees the model and its threads. Closing again does nothing; a later text loads the model again."""
        with self._lock:
            loaded, self._loaded = self._loaded, None
        if loaded is not None:
            close_embedder(loaded)


class _Recent(Generic[_Key, _Value]):
    """A cache, least recently used first out. Safe for many threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, keys: Sequence[_Key], make: Callable[[list[_Key]], Iterable[_Value]]) -> list[_Value]:
        """The value of each key; `make` gives those that are not known."""
        with self._lock:
            known = {key: self._known[key] for key in keys if key in self._known}
        new = [key for key in dict.fromkeys(keys) if key not in known]
        if new:
            known |= dict(zip(new, make(new), strict=True))
        self.keep(known)
        return [known[key] for key in keys]

    def keep(self, known: Mapping[_Key, _Value]) -> None:
        """Takes these as the last ones used."""
        with self._lock:
            for key, value in known.items():
                self._known[key] = value
                self._known.move_to_end(key)
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)


class CachedEmbedder:
    """An embedder with a cache of what passages are to it, least recently used first out.

    For sentences: the same ones are compared with many questions.
    """

    def __init__(self, inner: Embedder, capacity: int = 20_000, most_read: int = 4_000) -> None:
        """`capacity` vectors are kept, and `most_read` texts with their tokens: 20,000 vectors of 384 numbers take 31
        MB, 4,000 sentences of 40 tokens that are reduced to 128 numbers in half precision 41 MB."""
        self.name = inner.name
        self._inner = inner
        self._vectors: _Recent[str, np.ndarray] = _Recent(capacity)
        self._read: _Recent[tuple[Reduce, str], ReadText] = _Recent(most_read)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._inner.dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._inner.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1; only those not in the cache are computed."""
        found = self._vectors.of(texts, self._inner.embed_passages)
        return np.array(found, dtype=np.float32).reshape(len(texts), self.dim)

    def token_reader(self) -> TokenReader | None:
        """What reads tokens with the cache; None where the embedder tells no vectors of tokens."""
        inner = token_reader(self._inner)
        return None if inner is None else CachedReader(inner, self._vectors, self._read)


class CachedReader:
    """A reader of tokens with the caches of a CachedEmbedder: a text that was read is not embedded again."""

    def __init__(
        self, inner: TokenReader, vectors: _Recent[str, np.ndarray], read: _Recent[tuple[Reduce, str], ReadText]
    ) -> None:
        self._inner, self._vectors, self._read = inner, vectors, read

    def read_queries(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """See TokenReader."""
        return self._inner.read_queries(texts, reduce)

    def read_passages(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """See TokenReader; only those not in the cache are computed."""
        found = self._read.of(
            [(reduce, text) for text in texts],
            lambda new: self._inner.read_passages([text for _, text in new], reduce),
        )
        self._vectors.keep({text: one.vector for text, one in zip(texts, found, strict=True)})
        return found


def open_embedder(settings: Settings) -> Embedder:
    """The embedder of these settings. Nothing is loaded, and nothing sent, before the first text.

    Raises ModelUnavailable when the settings name an endpoint but no model there.
    """
    if settings.embedder_url:
        return HostedEmbedder.of(settings)
    return LazyEmbedder(settings.embedder, settings.model_cache)


def token_reader(embedder: object) -> TokenReader | None:
    """What reads the tokens of texts with the model of an embedder; None where it tells no vectors of tokens. Loads
    the model. Raises ModelUnavailable."""
    find = getattr(embedder, "token_reader", None)
    return find() if find else None


def close_embedder(embedder: object) -> None:
    """Frees what an embedder holds, if it has a `close`: one that holds nothing needs none."""
    close = getattr(embedder, "close", None)
    if close is not None:
        close()


def packaged_name(source: str) -> str:
    """The name of the packaged model that a setting means; "" for a model of the user's own.

    "packaged" is the multilingual one, and MiniLM where no wheel of the other fits the machine.
    """
    if source == "packaged":
        return E5_SMALL.name if files.has_packaged_e5() else MINILM.name
    return {"minilm": MINILM.name, "e5": E5_SMALL.name}.get(source, "")


def source_of(name: str) -> str:
    """The setting that means the packaged model of this name; "" for any other model."""
    return {MINILM.name: "minilm", E5_SMALL.name: "e5"}.get(name, "")


def _load(source: str, *, local: bool) -> Any:
    with _quiet_and_offline(local):
        try:
            import torch
            from sentence_transformers import SentenceTransformer

            if local:
                _refuse_pickles(Path(source))
            device = "cuda" if torch.cuda.is_available() else "cpu"
            model = SentenceTransformer(
                source,
                device=device,
                local_files_only=local,
                trust_remote_code=False,  # no Python file of a model is run
                model_kwargs={"use_safetensors": True},  # no pickle is read: it could run anything
            )
        except Exception as error:  # the libraries raise many classes; each means that there is no embedder
            raise ModelUnavailable(
                f"The embedding model {source!r} cannot be loaded: {error}. Name a folder or a hub name with "
                "DATELINE_EMBEDDER, or unset it to use the packaged one."
            ) from error
        if device == "cpu" and _has_bfloat16_units():
            model = model.to(torch.bfloat16)
        return model


def _refuse_pickles(folder: Path) -> None:
    """Raises ValueError where a module of the model has its weights in a pickle only."""
    for pickled in folder.rglob("pytorch_model*.bin"):
        if not any(pickled.parent.glob("model*.safetensors")):
            raise ValueError(
                f"{pickled} is a pickle, which can run programs when it is read. Save the model's weights as "
                "model.safetensors instead (save_pretrained does so)"
            )


def _has_bfloat16_units() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; elsewhere bfloat16 is 5 times slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return " amx_bf16" in flags or " avx512_bf16" in flags


@contextlib.contextmanager
def _quiet_and_offline(local: bool) -> Iterator[None]:
    """During one load: no request to a hub for local files, and no progress bar on the terminal."""
    wanted = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if local:
        wanted |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
