"""Running a server for as long as it is wanted: its socket, its models, its address for people."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
import webbrowser
from concurrent.futures import Future, wait
from typing import Any

from rag.errors import SettingsError
from rag.interfaces.http.server import make_server
from rag.serving.api_keys import is_loopback

_POLL_SECONDS = 0.05
_FAILURE_SECONDS = 3.0  # a model that is not there fails within this time: then no address is announced


def exit_on_terminate() -> None:
    """Lets SIGTERM end the process as `sys.exit` does: what is open is closed, temporary files are removed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def bind(host: str, port: int, *, guarded: bool) -> socket.socket:
    """A listening socket, made before anything slow begins. `guarded` by keys: no warning for an open address.

    Raises SettingsError.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":  # there, the option lets two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} of {host} cannot be used: {error.strerror or error}. Another program may have it: stop that, "
            "or choose another port with --port (and address with --host)."
        ) from None
    if not guarded and not is_loopback(host):
        sys.stderr.write(f"dateline: {host} is open to others: whoever reaches it can read and change the archive.\n")
    return listener


def serve(
    app: Any, listener: socket.socket, warming: Future[None], proxies: tuple[str, ...], *, open_browser: bool
) -> None:
    """Serves an ASGI application until interrupted.

    `warming` loads the models beside it; when that fails the server ends, and its error is raised.
    """
    server = make_server(app, proxies)
    # A page that is open holds a connection, which the shutdown cuts: no error to report.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)

    def stop_if_failed(done: Future[None]) -> None:
        server.should_exit = server.should_exit or done.exception() is not None

    def announce() -> None:
        while not server.started and not server.should_exit:
            time.sleep(_POLL_SECONDS)
        wait([warming], timeout=_FAILURE_SECONDS)
        if not server.should_exit:
            _announce(listener, open_browser=open_browser)

    warming.add_done_callback(stop_if_failed)
    threading.Thread(target=announce, daemon=True).start()
    server.run(sockets=[listener])
    if warming.done():
        warming.result()


def _announce(listener: socket.socket, *, open_browser: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    sys.stdout.write(f"Dateline is at {address}\n")
    sys.stdout.flush()
    if open_browser:
        webbrowser.open(address)
