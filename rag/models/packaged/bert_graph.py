"""A BERT encoder as a graph for ONNX Runtime: token ids to one unit vector a text, and to one vector a token. The only
import of onnx.

Written node by node with the fused operators that ONNX Runtime has for its CPU provider, so that no torch is needed to
make it and nothing is left to an optimiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from rag.models.packaged.bert_weights import BLOCK, BertWeights, FourBits

# int8: matrices in 8 bits, activations quantised as they come; fastest where the CPU multiplies int8 (VNNI, AMX).
# exact: matrices of 4 bits as they are and the others in float32, so that vectors are those of the weights.
Form = Literal["int8", "exact"]
_CONTRIB = "com.microsoft"
IDS, MASK, VECTORS, TOKEN_VECTORS = "input_ids", "attention_mask", "vectors", "token_vectors"


def encoder(weights: BertWeights, form: Form) -> bytes:
    """The serialised graph: `input_ids` and `attention_mask` (texts, tokens) int64 -> `vectors` (texts, hidden) float32
    of norm 1, the mean over the tokens of each text, and `token_vectors` (texts, tokens, hidden) of the last layer."""
    graph = _Graph()
    hidden = _embedded(graph, weights)
    graph.node("Cast", [MASK], "mask32", to=6)
    for layer in range(weights.layers):
        hidden = _layer(graph, weights, f"l{layer}.", hidden, form)
    graph.node("Cast", [MASK], "mask", to=1)
    graph.node("Unsqueeze", ["mask", graph.constant("last axis", np.array([2]))], "mask3")
    graph.node("Mul", [hidden, "mask3"], "seen")
    graph.node("ReduceSum", ["seen", graph.constant("token axis", np.array([1]))], "sum", keepdims=0)
    graph.node("LpNormalization", ["sum"], VECTORS, axis=1, p=2)  # of a sum as of a mean
    graph.node("Identity", [hidden], TOKEN_VECTORS)
    return graph.serialised(weights.hidden)


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(
        self, operator: str, inputs: Sequence[str], output: str | Sequence[str], *, contrib: bool = False,
        **attributes: Any,
    ) -> str:  # fmt: skip
        """Adds a node; the name of its (first) output."""
        from onnx import helper

        outputs = [output] if isinstance(output, str) else list(output)
        domain = _CONTRIB if contrib else ""
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, values: np.ndarray) -> str:
        """Adds an array; its name."""
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def four_bits(self, name: str, nibbles: np.ndarray) -> str:
        """Adds (rows, columns) numbers from -8 to 7 that are given as 0 to 15."""
        from onnx import TensorProto

        signed = _packed(nibbles) ^ 0x88
        tensor = TensorProto(name=name, data_type=TensorProto.INT4, dims=nibbles.shape, raw_data=signed.tobytes())
        self._constants.append(tensor)
        return name

    def serialised(self, hidden: int) -> bytes:
        """The model as ONNX writes it."""
        from onnx import TensorProto, helper

        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in (IDS, MASK)]
        shapes = {VECTORS: ["texts", hidden], TOKEN_VECTORS: ["texts", "tokens", hidden]}
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
        graph = helper.make_graph(self._nodes, "encoder", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        model.producer_version = ""
        return bytes(model.SerializeToString(deterministic=True))


def _embedded(graph: _Graph, weights: BertWeights) -> str:
    words = weights.tensors["emb.word"]
    if isinstance(words, FourBits):
        table, scales = graph.four_bits("words", words.nibbles), graph.constant("word scales", words.scales)
        axes = {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK}
        graph.node("GatherBlockQuantized", [table, IDS, scales], "word", contrib=True, **axes)
    else:
        graph.node("Gather", [graph.constant("words", words), IDS], "word")
    # All tokens are of the first type; its vector is added to each position's.
    places = graph.constant("places", weights.array("emb.pos") + weights.array("emb.type")[0])
    graph.node("Shape", [IDS], "tokens", start=1, end=2)
    zero = graph.constant("zero", np.array([0]))
    graph.node("Slice", [places, zero, "tokens", zero], "place")
    return _normalised(graph, weights, "word", "place", "emb.ln", "embedded")


def _layer(graph: _Graph, weights: BertWeights, name: str, before: str, form: Form) -> str:
    _product(graph, weights, before, [f"{name}{part}" for part in "qkv"], f"{name}qkv", form)
    graph.node("Split", [f"{name}qkv"], [f"{name}{part}" for part in "QKV"], axis=2, num_outputs=3)
    parts = [f"{name}Q", f"{name}K", f"{name}V", "", "mask32"]
    graph.node("MultiHeadAttention", parts, f"{name}attended", contrib=True, num_heads=weights.heads)
    _product(graph, weights, f"{name}attended", [f"{name}ao"], f"{name}projected", form)
    middle = _normalised(graph, weights, f"{name}projected", before, f"{name}aln", f"{name}middle")
    _product(graph, weights, middle, [f"{name}fi"], f"{name}wide", form)
    graph.node("Gelu", [f"{name}wide"], f"{name}bent", contrib=True)
    _product(graph, weights, f"{name}bent", [f"{name}fo"], f"{name}narrow", form)
    return _normalised(graph, weights, f"{name}narrow", middle, f"{name}oln", f"{name}out")


def _normalised(graph: _Graph, weights: BertWeights, one: str, other: str, norm: str, output: str) -> str:
    """The layer norm of a sum."""
    scale = graph.constant(f"{norm}.w", weights.array(f"{norm}.w"))
    shift = graph.constant(f"{norm}.b", weights.array(f"{norm}.b"))
    inputs = [one, other, scale, shift]
    return graph.node("SkipLayerNormalization", inputs, output, contrib=True, epsilon=weights.epsilon)


def _product(graph: _Graph, weights: BertWeights, given: str, parts: Sequence[str], output: str, form: Form) -> None:
    """`given` times the transposed matrices, side by side, plus their biases."""
    found = [weights.tensors[f"{part}.w"] for part in parts]
    bias = graph.constant(f"{output}.b", np.concatenate([weights.array(f"{part}.b") for part in parts]))
    if form == "int8":
        dense = np.concatenate([weights.array(f"{part}.w") for part in parts]).T
        scales = np.maximum(np.abs(dense).max(axis=0) / 127, 1e-12)
        matrix = graph.constant(f"{output}.w", np.round(dense / scales).astype(np.int8))
        steps = graph.constant(f"{output}.s", scales.astype(np.float32))
        graph.node("DynamicQuantizeMatMul", [given, matrix, steps, "", bias], output, contrib=True)
    elif all(isinstance(one, FourBits) for one in found):
        blocks = [one for one in found if isinstance(one, FourBits)]
        nibbles = np.concatenate([one.nibbles for one in blocks])
        rows, columns = nibbles.shape
        matrix = graph.constant(f"{output}.w", _packed(nibbles).reshape(rows, columns // BLOCK, BLOCK // 2))
        steps = graph.constant(f"{output}.s", np.concatenate([one.scales for one in blocks]))
        sizes = {"K": columns, "N": rows, "bits": 4, "block_size": BLOCK, "accuracy_level": 4}
        graph.node("MatMulNBits", [given, matrix, steps, "", "", bias], output, contrib=True, **sizes)
    else:
        dense = np.concatenate([weights.array(f"{part}.w") for part in parts]).T
        graph.node("MatMul", [given, graph.constant(f"{output}.w", dense)], f"{output}.product")
        graph.node("Add", [f"{output}.product", bias], output)


def _packed(nibbles: np.ndarray) -> np.ndarray:
    """Two neighbours a byte, the first in the low half."""
    packed: np.ndarray = (nibbles[:, 0::2] | (nibbles[:, 1::2] << 4)).astype(np.uint8)
    return packed
