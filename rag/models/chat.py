"""Language models: one OpenAI-compatible client, and a llama.cpp server in this process behind the same client."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rag.errors import ModelUnavailable
from rag.models import files as weights
from rag.models.control_tokens import unmarked
from rag.models.endpoint import Endpoint, EndpointError

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
            reason = str(error) if known else "The reply is not as the OpenAI API documents it"
            raise ModelUnavailable(
                f"The language model {self.name} failed: {reason}. Ask again; if it goes on, "
                "check DATELINE_LLM and DATELINE_LLM_URL, or set DATELINE_LLM=none to answer by extraction."
            ) from error

    def close(self) -> None:
        """Closes the connections to the endpoint. Closing again does nothing; a later question opens new ones."""
        self.endpoint.close()


def _choice(reply: Mapping[str, Any]) -> Any:
    """The first choice of a reply or of a chunk; a chunk that only counts tokens has none."""
    return next(iter(reply.get("choices") or []), {})


class EmbeddedChat(OpenAIChat):
    """A GGUF model served by llama.cpp inside this process, on loopback and behind a key of its own."""

    def __init__(self, found: weights.Weights, *, threads: int, timeout: float, evidence_tokens: int) -> None:
        """Loads the model: seconds, and as much memory as the file is large. Raises ModelUnavailable."""
        key, name = secrets.token_urlsafe(24), found.name
        server = _serve(found.path, key, threads or os.cpu_count() or 2)
        try:
            if found.check is not None:
                found.check.wait()
        except ModelUnavailable:
            del server  # frees the model now, not when the error and its traceback are gone
            raise
        self._server: Any = server
        super().__init__(
            url=f"{server.listening_address}/v1",
            model=name,
            key=key,
            name=name,
            timeout=timeout,
            evidence_tokens=evidence_tokens,
        )
        # The thresholds in answerability.py were measured on this model; they do not hold for another one.
        self.judges = name == weights.LLM_NAME

    def close(self) -> None:
        """Stops the server and frees the model."""
        super().close()
        self._server = None


# The first word waits for the prefill of the evidence: 50 to 65 tokens a second on 2 cores (Qwen 1.5B Q4_K_M). On the
# demo gold set 260 tokens gave a first word after 6.8 s at the median and held the answer for .92 of the questions,
# 200 tokens after 5.2 s and for .90. The value between them is a compromise, chosen by hand: it was not compared with
# its neighbours on a set large enough to tell them apart. Hosted models read far faster.
EMBEDDED_EVIDENCE_TOKENS = 210
HOSTED_EVIDENCE_TOKENS = 1500
_START_SECONDS = 30.0  # within which the server of a loaded model answers its first request


def open_llm(settings: Settings) -> LLM | None:
    """The model that the settings name, ready to answer, and no other one; None for 'none'. Raises ModelUnavailable."""
    if settings.llm == "none":
        return None
    if settings.llm_url:
        if settings.llm == "packaged":
            raise ModelUnavailable(
                f"DATELINE_LLM_URL is {settings.llm_url} but DATELINE_LLM names no model there. "
                "Set DATELINE_LLM to a model that the endpoint serves."
            )
        hosted = OpenAIChat(
            url=settings.llm_url,
            model=settings.llm,
            key=settings.llm_key,
            name=settings.llm,
            timeout=settings.llm_timeout_seconds,
            evidence_tokens=settings.evidence_tokens or HOSTED_EVIDENCE_TOKENS,
        )
        hosted.check()
        return hosted
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


def _serve(file: Path, key: str, threads: int) -> Any:
    try:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [key]
        params.n_ctx = 8192
        params.n_parallel = 2
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        # Only between batches does llama.cpp notice a closed connection and serve its other slot. With its default of
        # 2,048 the prefill of a prompt of 700 tokens went on for 9 s after its client had left, with 256 for 3 to 4 s,
        # with 128 for 2 s. Prefill of 356 tokens took 18.3 ms a token with 2,048, 17.9 with 256 and 19.3 with 128
        # (2 cores, means of two medians of 7).
        params.n_batch = 256
        params.cache_prompt = True
        # Otherwise llama.cpp keeps old prompts, beside the caches of its slots, in up to 8 GB of memory.
        params.cache_ram_mib = 0
        params.verbosity = -1
        params.ui = False
        # Without a trial load that fits the model to a GPU's memory, and without a warm-up of its own, since
        # Assistant.warm_up runs the real prompt: the server starts in 1.5 s instead of 2.6 s.
        params.fit_params = params.warmup = False
        params.offline = True  # never look up a file that belongs to the model, such as a projector
        server = xllamacpp.Server(params)
    except ImportError as error:
        raise ModelUnavailable(
            f"The language model needs the llama.cpp runtime: {error}. Install it (pip install xllamacpp), or set "
            "DATELINE_LLM=none or DATELINE_LLM_URL."
        ) from error
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelUnavailable(
            f"The model file {file} cannot be loaded: {error}. It must be a GGUF file that llama.cpp knows and fit "
            "into memory; name another with DATELINE_LLM."
        ) from error
    _await_tasks(server, key)
    return server


def _await_tasks(server: Any, key: str) -> None:
    """Returns when the server answers requests. Destroying it before that moment would block for ever, since its loop
    would start after the order to end (seen on a busy machine)."""
    endpoint = Endpoint(server.listening_address, key, _START_SECONDS)
    with contextlib.closing(endpoint), contextlib.suppress(EndpointError):  # the first question reports the same error
        endpoint.get(f"{endpoint.url}/slots", _START_SECONDS)
