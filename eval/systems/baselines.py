"""What one would write without Dateline: llama-index over Chroma, and trafilatura, each with its defaults.

These libraries are imported here directly: a baseline that used Dateline's wrappers would measure Dateline.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from eval.datasets.beir import Document
from eval.metrics.retrieval import DEPTH
from eval.systems.vector_cache import VectorCache
from rag.errors import ModelUnavailable
from rag.models import files as weights
from rag.models.chat import OpenAIChat
from rag.models.embeddings import Embedder

_COLLECTION = "plain-llamaindex"


class PlainLlamaIndex:
    """A vector index of llama-index: SentenceSplitter, HuggingFaceEmbedding in float32 and ChromaVectorStore."""

    def __init__(
        self, corpus: Sequence[Document], folder: Path, key: str, embedding: Any = None, top_k: int | None = None
    ) -> None:
        """Embeds the corpus into `folder`, unless an index of the same data (`key`) is there.

        A search takes the best `top_k` nodes; with None as many as are certain to cover the articles that
        a ranking has (DEPTH). Raises ModelUnavailable when the integrations are not installed.
        """
        try:
            from llama_index.core import StorageContext, VectorStoreIndex
            from llama_index.vector_stores.chroma import ChromaVectorStore
        except ImportError as error:
            raise ModelUnavailable(
                f"The plain baseline needs {error.name}: pip install 'dateline[eval]', or leave plain-llamaindex out "
                "of --systems."
            ) from None
        import chromadb

        self._client = chromadb.PersistentClient(
            path=str(folder / "chroma"), settings=chromadb.config.Settings(anonymized_telemetry=False)
        )
        embedding, finished = embedding or plain_embedding(), folder / "finished.json"
        if not (finished.exists() and json.loads(finished.read_text()) == key):
            finished.unlink(missing_ok=True)
            if _COLLECTION in {one.name for one in self._client.list_collections()}:
                self._client.delete_collection(_COLLECTION)
            store = ChromaVectorStore(chroma_collection=self._client.create_collection(_COLLECTION))
            context = StorageContext.from_defaults(vector_store=store)
            VectorStoreIndex.from_documents(
                list(_documents(corpus)), storage_context=context, embed_model=embedding, transformations=[_splitter()]
            )
            finished.write_text(json.dumps(key))
        store = ChromaVectorStore(chroma_collection=self._client.get_collection(_COLLECTION))
        self._index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
        wanted = top_k or _nodes_of_articles(store._collection, DEPTH)
        self._retriever = self._index.as_retriever(similarity_top_k=min(wanted, store._collection.count()))

    def search(self, question: str, k: int) -> list[tuple[str, float]]:
        """At most k (article, score), best first; an article has the rank of its best node."""
        best: dict[str, float] = {}
        for found in self._retriever.retrieve(question):
            best.setdefault(str(found.node.metadata["article"]), float(found.score or 0.0))
        return list(best.items())[:k]

    def ask(self, question: str, llm: Any) -> tuple[str, float | None, float]:
        """The answer of the query engine with its defaults (two nodes), and the milliseconds to its first token (None
        when there is none) and to its end. `llm` is a llama-index LLM."""
        engine, began, first, said = self._index.as_query_engine(llm=llm, streaming=True), time.perf_counter(), None, ""
        for piece in engine.query(question).response_gen:
            if first is None and piece.strip():
                first = (time.perf_counter() - began) * 1000
            said += piece
        return said, first, (time.perf_counter() - began) * 1000

    def close(self) -> None:
        """Closes the files."""
        self._client.close()


def plain_llm(model: OpenAIChat) -> Any:
    """A model that Dateline speaks to as a llama-index LLM, at temperature 0 as well."""
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=model.model,
        api_base=model.endpoint.url,
        api_key=model.endpoint.key,
        is_chat_model=True,
        temperature=0.0,
        context_window=32000,
    )


def _nodes_of_articles(collection: Any, articles: int) -> int:
    """The number of nodes that covers at least so many articles, whichever nodes they are."""
    nodes = Counter(str(one["article"]) for one in collection.get(include=["metadatas"])["metadatas"])
    return sum(count for _, count in nodes.most_common(articles - 1)) + 1


def _splitter() -> Any:
    """The splitter that llama-index gives every index: 1,024 tokens with an overlap of 200."""
    from llama_index.core.node_parser import SentenceSplitter

    return SentenceSplitter()


def plain_embedding(cache: VectorCache | None = None, questions: Sequence[str] = ()) -> Any:
    """The same packaged model as Dateline's, in float32.

    With a `cache`, vectors of earlier runs come from there, and `questions` are embedded now rather than one by one
    during the searches.
    """
    packaged = weights.packaged_minilm()
    if cache is None:
        # Imported here because it takes seconds, and a run whose vectors are all cached needs no model.
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        return HuggingFaceEmbedding(model_name=str(packaged), device="cpu", embed_batch_size=32)

    loaded: list[Any] = []

    def embed(texts: Sequence[str]) -> Any:
        """Passages and questions alike: this model has no prefix for either."""
        if not loaded:
            loaded.append(plain_embedding())
        return loaded[0].get_text_embedding_batch(list(texts))

    def rows(texts: Sequence[str]) -> Any:
        return cache.rows(f"{packaged.name} plain float32", texts, embed)

    found = _embedding_of(packaged.name, rows, rows)
    if questions:
        found.get_text_embedding_batch(list(questions))
    return found


def borrowed_embedding(embedder: Embedder) -> Any:
    """An embedder of Dateline as an embedding of llama-index."""
    return _embedding_of(embedder.name, embedder.embed_passages, embedder.embed_queries)


def _embedding_of(
    name: str, embed_passages: Callable[[Sequence[str]], Any], embed_queries: Callable[[Sequence[str]], Any]
) -> Any:
    """An embedding of llama-index made of two functions from texts to vectors."""
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Borrowed(BaseEmbedding):  # type: ignore[misc]
        def _get_query_embedding(self, query: str) -> list[float]:
            return [float(x) for x in embed_queries([query])[0]]

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [[float(x) for x in row] for row in embed_passages(texts)]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return Borrowed(model_name=name, embed_batch_size=256)


def _documents(corpus: Iterable[Document]) -> Iterable[Any]:
    from llama_index.core import Document as PlainDocument

    for one in corpus:
        text = f"{one.title}\n{one.text}" if one.title else one.text
        # The id is the only metadata, and it is not embedded.
        yield PlainDocument(text=text, metadata={"article": one.id}, excluded_embed_metadata_keys=["article"])


def plain_trafilatura(markup: str) -> tuple[str, str, date | None]:
    """Text, title and day that trafilatura extracts with its defaults; "" and None where it finds nothing."""
    import trafilatura

    found = trafilatura.bare_extraction(markup, with_metadata=True)
    if found is None:
        return "", "", None
    day = date.fromisoformat(str(found.date)[:10]) if found.date else None
    return str(found.text or ""), str(found.title or ""), day
