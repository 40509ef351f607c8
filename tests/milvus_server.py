"""A real Milvus server for tests, from the package milvus-lite."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path


class MilvusServer:
    """Milvus Lite in a process of its own, on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.start()

    def url(self, database: str = "default", login: str = "") -> str:
        """The address of a database, as DATELINE_INDEX takes it."""
        return f"milvus://{login}127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts the server, again after `kill`; returns when it answers."""
        options = ["--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "milvus_lite", "server", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, "the Milvus server has ended"
            assert time.monotonic() < until, "the Milvus server did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Ends the server as a crash does."""
        self.process.kill()
        self.process.wait(30)
