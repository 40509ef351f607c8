"""The parent's side of model_server.py: a GGUF model in a process of its own.

Loading holds the interpreter's lock for seconds, and a crash of llama.cpp ends the process that it happens in: neither
is to reach those who use the model.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from rag.errors import ModelUnavailable

# How often a thread of llama.cpp looks whether the others are done before it sleeps (GNU OpenMP). With the default of
# 300,000 it takes from other programs, and from its own sibling, the core that they need: with Qwen 1.5B on two cores
# that others used as well, a token was read in 167 ms and written in 2,257 ms (means of 2 runs); with 2,000 in 74 and
# 196 ms, for a quarter of the CPU time or less. Measured on text of the missile crisis article; not on an idle machine.
_SPINS = "2000"
_END_SECONDS = 1.0  # within which a process whose connection broke is seen to have ended


class ModelProcess:
    """A process that loads a model and then serves it on loopback, behind a key of its own. Safe for many threads."""

    def __init__(self, file: Path, threads: int) -> None:
        """Begins to load, and returns at once. `threads` 0: one for each core. Raises ModelUnavailable."""
        self.key = secrets.token_urlsafe(24)
        self._file = file
        self._lock = threading.Lock()
        self._reply: dict[str, Any] | None = None
        self._process = _started()
        # Held here alone: where this object is forgotten, the pipe is closed and the process ends.
        self._asking, self._process.stdin = self._process.stdin, None
        asked = {"file": str(file), "key": self.key, "threads": threads or os.cpu_count() or 2}
        with contextlib.suppress(OSError):  # it has ended already: `address` says how
            assert self._asking is not None
            self._asking.write(json.dumps(asked).encode() + b"\n")
            self._asking.flush()
        # Takes note of its end at once, so that the system need not keep it.
        threading.Thread(target=self._process.wait, name="end of the model", daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def address(self) -> str:
        """The URL of the server, when the model is loaded. Raises ModelUnavailable."""
        with self._lock:
            if self._reply is None:
                self._reply = self._replied()
        if "address" in self._reply:
            return str(self._reply["address"])
        raise self._not_loaded(self._reply.get("error") or {})

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def end(self) -> str:
        """How the process ended, for people; "" while it runs. Call it when a connection broke: it waits a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _how(self._process.wait(_END_SECONDS))
        return ""

    def close(self) -> None:
        """Ends the process at once. Closing again does nothing."""
        with contextlib.suppress(OSError):
            if self._asking is not None:
                self._asking.close()
        self._process.kill()
        self._process.wait()
        with self._lock:  # free by now: the end of the process also ends the waiting for its reply
            if self._reply is None:
                self._reply = self._replied()

    def _replied(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with self._process.stdout as replies, contextlib.suppress(ValueError):
            reply = json.loads(replies.readline())
            if isinstance(reply, dict):
                return reply
        return {}

    def _not_loaded(self, error: dict[str, Any]) -> ModelUnavailable:
        if error.get("kind") == "runtime":
            return ModelUnavailable(
                f"The language model needs the llama.cpp runtime: {error['reason']}. Install it (pip install "
                "xllamacpp), or set DATELINE_LLM=none or DATELINE_LLM_URL."
            )
        reason = error.get("reason") or f"the process that loads it ended ({self.end() or 'without a reply'})"
        return ModelUnavailable(
            f"The model file {self._file} cannot be loaded: {reason}. It must be a GGUF file that llama.cpp knows and "
            "fit into memory; name another with DATELINE_LLM."
        )


def _started() -> subprocess.Popen[bytes]:
    from rag.settings import PREFIX

    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", _SPINS)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        return subprocess.Popen(
            # -P: files in the working directory must not be imported as modules.
            [sys.executable, "-P", "-m", "rag.models.model_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal must reach the parent only, which then ends this process
        )
    except OSError as error:
        raise ModelUnavailable(
            f"The process of the language model cannot be started: {error.strerror or error}. Free some memory, or set "
            "DATELINE_LLM=none to answer by extraction."
        ) from error


def _how(code: int) -> str:
    """The end of a process in words, by its exit code."""
    if code >= 0:
        return f"exit {code}"
    killed = getattr(signal, "SIGKILL", None)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, as the system sends where memory is short" if -code == killed else name
