"""The process that serves a GGUF model with llama.cpp: `python -m rag.models.model_server`. See model_process.py.

It reads one JSON line from its standard input, {"file": path, "key": what requests must carry, "threads": number};
writes one to its standard output, {"address": URL} or {"error": {"kind": "runtime" or "file", "reason": text}}; and
ends when its standard input is closed, as the system does for a parent that was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def main() -> None:
    """Serves until standard input ends, and then ends the process at once, whatever is being loaded or computed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    reply_to = os.dup(1)
    os.dup2(2, 1)  # what llama.cpp prints is no reply
    asked = sys.stdin.buffer.readline()
    if not asked:
        return  # the parent is gone
    ending = threading.Thread(target=_end_with_input, daemon=True)
    ending.start()
    reply, server = _served(**json.loads(asked))
    with os.fdopen(reply_to, "wb") as replies:
        replies.write(json.dumps(reply).encode() + b"\n")
    if server is not None:
        ending.join()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # without destructors: that of a server which has not begun its loop never returns


def _served(file: str, key: str, threads: int) -> tuple[dict[str, Any], Any]:
    """What is replied, and the server; None where it cannot be made."""
    try:
        server = _server(file, key, threads)
    except ImportError as error:
        return {"error": {"kind": "runtime", "reason": str(error)}}, None
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        return {"error": {"kind": "file", "reason": str(error) or type(error).__name__}}, None
    return {"address": server.listening_address}, server


def _server(file: str, key: str, threads: int) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = file
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
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
