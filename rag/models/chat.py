"""Language models: one OpenAI-compatible client, and a llama.cpp server of our own behind the same client."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rag.errors import ModelUnavailable
from rag.models import files as weights
from rag.models.control_tokens import unmarked
from rag.models.endpoint import Endpoint, EndpointError
from rag.models.model_process import ModelProcess

if TYPE_CHECKING:
    from rag.settings import Settings


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a model. Nothing in `content` is a control token of a chat template: see `control_tokens`."""

    role: Literal["system", "user", "assistant"]
    content: str

    def __post_init__(self) -> None:
        # Done here since every prompt is made of messages: no prompt that is added later can leave it out.
        object.__setattr__(self, "content", unmarked(self.content))


class LLM(Protocol):
    """A chat model that continues a conversation."""

    name: str  # shown on every face
    evidence_tokens: int  # how much evidence a prompt holds: more makes the first word later
    judges: bool  # whether its probability of "Yes" to prompts.judge was calibrated; else the prompt lets it refuse

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The reply piece by piece. Closing the iterator stops the model. Raises ModelUnavailable."""
        ...

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """How likely (0 to 1) the reply begins with `word`; None when the model does not tell."""
        ...

    def close(self) -> None:
        """Frees what the model holds."""
        ...


class OpenAIChat:
    """A model behind an OpenAI-compatible endpoint (OpenAI, vLLM, Ollama, LM Studio, llama.cpp)."""

    judges = False

    def __init__(self, *, url: str, model: str, key: str, name: str, timeout: float, evidence_tokens: int) -> None:
        self.name = name
        self.evidence_tokens = evidence_tokens
        self.model = model  # what the endpoint calls it
        self.endpoint = Endpoint(url, key, timeout)

    def check(self) -> None:
        """Raises ModelUnavailable unless the endpoint answers and, where it lists models, lists this one."""
        try:
            listed = self.endpoint.model_names()
        except EndpointError as error:
            raise ModelUnavailable(
                f"No language model answers at DATELINE_LLM_URL={self.endpoint.url}: {error}. Start it, correct the "
                "URL or the key (DATELINE_LLM_KEY), or unset it to use the packaged model."
            ) from None
        if listed and self.model not in listed and f"{self.model}:latest" not in listed:
            raise ModelUnavailable(
                f"The endpoint {self.endpoint.url} does not offer the model '{self.model}' (DATELINE_LLM). "
                f"It offers: {', '.join(sorted(listed)[:20])}."
            )

    def stream(
        self, messages: Sequence[Message], max_tokens: int, *, sampling: Mapping[str, float] | None = None
    ) -> Iterator[str]:
        """The reply piece by piece, at temperature 0 unless `sampling` says otherwise (names of the OpenAI API)."""
        body = self._asked(messages) | {"max_tokens": max_tokens} | dict(sampling or {})
        with self._failures(), contextlib.closing(self.endpoint.chat_stream(body)) as chunks:  # type: ignore[type-var]
            for chunk in chunks:
                if text := (_choice(chunk).get("delta") or {}).get("content"):
                    yield text

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """How likely the reply begins with `word`, from the log-probabilities of its first token."""
        body = self._asked(messages) | {"max_tokens": 1, "logprobs": True, "top_logprobs": 10}
        with self._failures():
            tokens = (_choice(self.endpoint.chat(body)).get("logprobs") or {}).get("content") or [{}]
            likely = tokens[0].get("top_logprobs") or []
            said = [math.exp(one["logprob"]) for one in likely if one["token"].strip().lower() == word.lower()]
        return sum(said) if likely else None

    def _asked(self, messages: Sequence[Message]) -> dict[str, Any]:
        said = [{"role": message.role, "content": message.content} for message in messages]
        return {"messages": said, "model": self.model, "temperature": 0.0}

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """A request that fails as ModelUnavailable, with what to do about it."""
        try:
            yield
        except (EndpointError, KeyError, TypeError, AttributeError) as error:
            known = isinstance(error, EndpointError)
            raise self._failed(str(error) if known else "The reply is not as the OpenAI API documents it") from error

    def _failed(self, reason: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"The language model {self.name} failed: {reason}. Ask again; if it goes on, "
            "check DATELINE_LLM and DATELINE_LLM_URL, or set DATELINE_LLM=none to answer by extraction."
        )

    def close(self) -> None:
        """Closes the connections to the endpoint. Closing again does nothing; a later question opens new ones."""
        self.endpoint.close()


def _choice(reply: Mapping[str, Any]) -> Any:
    """The first choice of a reply or of a chunk; a chunk that only counts tokens has none."""
    return next(iter(reply.get("choices") or []), {})


class EmbeddedChat(OpenAIChat):
    """A GGUF model that llama.cpp serves in a process of its own, on loopback and behind a key of its own.

    Where that process ended, the next call starts it again, once.
    """

    def __init__(self, found: weights.Weights, *, threads: int, timeout: float, evidence_tokens: int) -> None:
        """Begins to load the model, which takes seconds and as much memory as the file is large; `check` waits for it.

        Raises ModelUnavailable.
        """
        self._found, self._threads, self._timeout = found, threads, timeout
        self._starting = threading.Lock()
        self._awaited = self._closed = False
        self.process = ModelProcess(found.path, threads)
        super().__init__(
            url="", model=found.name, key="", name=found.name, timeout=timeout, evidence_tokens=evidence_tokens
        )
        # The thresholds in answerability.py were measured on this model; they do not hold for another one.
        self.judges = found.name == weights.LLM_NAME

    def check(self) -> None:
        """Returns when the model is loaded, started again where its process ended. Raises ModelUnavailable."""
        with self._starting:
            if self._awaited and self.process.ended() and not self._closed:
                self._start_again()
            if not self._awaited:
                self._awaited = True
                self._await()

    def _start_again(self) -> None:
        self.process.close()
        if self._found.check is not None:
            self._found = replace(self._found, check=self._found.check.again())
        self.process = ModelProcess(self._found.path, self._threads)
        self._awaited = False
        if self._closed:  # meanwhile, by another thread, which knew the former process only
            self.process.close()

    def _await(self) -> None:
        try:
            address = self.process.address()
            if self._found.check is not None:
                self._found.check.wait()
        except ModelUnavailable:
            self.process.close()
            raise
        self.endpoint.close()
        self.endpoint = Endpoint(f"{address}/v1", self.process.key, self._timeout)

    def stream(
        self, messages: Sequence[Message], max_tokens: int, *, sampling: Mapping[str, float] | None = None
    ) -> Iterator[str]:
        """The reply piece by piece; see OpenAIChat."""
        self.check()
        yield from super().stream(messages, max_tokens, sampling=sampling)

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """How likely the reply begins with `word`; see OpenAIChat."""
        self.check()
        return super().probability(messages, word)

    def _failed(self, reason: str) -> ModelUnavailable:
        end = "" if self._closed else self.process.end()
        if not end:
            return super()._failed(reason)
        return ModelUnavailable(
            f"The process of the language model {self.name} ended while it answered ({end}). The next question starts "
            "it again; if it goes on, free some memory, name another model with DATELINE_LLM, or set DATELINE_LLM=none "
            "to answer by extraction."
        )

    def close(self) -> None:
        """Ends the process of the model. Closing again does nothing; a later question is refused."""
        self._closed = True
        self.process.close()
        super().close()


# The first word waits for the prefill of the evidence: 50 to 65 tokens a second on 2 cores (Qwen 1.5B Q4_K_M). On the
# demo gold set 260 tokens gave a first word after 6.8 s at the median and held the answer for .92 of the questions,
# 200 tokens after 5.2 s and for .90. The value between them is a compromise, chosen by hand: it was not compared with
# its neighbours on a set large enough to tell them apart. Hosted models read far faster.
EMBEDDED_EVIDENCE_TOKENS = 210
HOSTED_EVIDENCE_TOKENS = 1500


def open_llm(settings: Settings) -> LLM | None:
    """The model that the settings name, ready to answer, and no other one; None for 'none'. Raises ModelUnavailable."""
    begun = begin_llm(settings)
    return ready(begun) if begun is not None else None


def ready(begun: OpenAIChat) -> OpenAIChat:
    """The same model when it can answer; closed when it cannot. Raises ModelUnavailable."""
    try:
        begun.check()
    except BaseException:
        begun.close()
        raise
    return begun


def begin_llm(settings: Settings) -> OpenAIChat | None:
    """The model that the settings name, which may still be loading; None for 'none'. Raises ModelUnavailable."""
    if settings.llm == "none":
        return None
    if settings.llm_url:
        if settings.llm == "packaged":
            raise ModelUnavailable(
                f"DATELINE_LLM_URL is {settings.llm_url} but DATELINE_LLM names no model there. "
                "Set DATELINE_LLM to a model that the endpoint serves."
            )
        return OpenAIChat(
            url=settings.llm_url,
            model=settings.llm,
            key=settings.llm_key,
            name=settings.llm,
            timeout=settings.llm_timeout_seconds,
            evidence_tokens=settings.evidence_tokens or HOSTED_EVIDENCE_TOKENS,
        )
    found = weights.packaged_llm(settings.model_cache) if settings.llm == "packaged" else _own_gguf(settings.llm)
    return EmbeddedChat(
        found,
        threads=settings.threads,
        timeout=settings.llm_timeout_seconds,
        evidence_tokens=settings.evidence_tokens or EMBEDDED_EVIDENCE_TOKENS,
    )


def _own_gguf(name: str) -> weights.Weights:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelUnavailable(
            f"DATELINE_LLM is '{name}', which is no file. Expected 'packaged', 'none', a path to a .gguf file, or a "
            "model name together with DATELINE_LLM_URL."
        )
    return weights.Weights(path.stem, path)
