"""Dateline put together: the command `dateline`, and the application that it serves."""

from __future__ import annotations

import asyncio
import sys
import threading
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.jobs import Jobs
from ingest.spool import PAGE_FOLDER, OwnedFolder
from rag.assistant import Assistant
from rag.interfaces import cli
from rag.serving import tracing
from rag.serving.api_keys import Keys, check_address
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.interfaces.http.app import App


def main(argv: Sequence[str] | None = None) -> int:
    """The command `dateline`; its exit code."""
    return cli.main(argv)


def create_app(
    source: Assistant | Settings, *, ready: Callable[[], bool] = lambda: True, with_page: bool = True
) -> App:
    """The HTTP API with the page. An assistant stays its caller's to close; one opened from settings ends with the app.

    `ready` says whether the models are loaded.
    """
    from rag.interfaces.http.app import create_api

    assistant = Assistant.open(settings=source) if isinstance(source, Settings) else source
    intake = Jobs(assistant.archive, assistant.embedder, assistant.settings)
    app = create_api(assistant, ready=ready, intake=intake)
    if isinstance(source, Settings):
        _close_at_the_end(app, assistant)
    if with_page:
        from rag.interfaces.page.server import mount_page

        _load_gradio(assistant.archive.folder)
        mount_page(app, assistant, intake, ready)
    return app


def _close_at_the_end(app: App, assistant: Assistant) -> None:
    """Closes the assistant when the application ends, after everything that uses it."""
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def closing(app: App) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                yield
        finally:
            await asyncio.to_thread(assistant.close)

    app.router.lifespan_context = closing


def _load_gradio(archive: Path) -> None:
    from rag.interfaces.page.server import load_gradio

    load_gradio(lambda: OwnedFolder(archive.expanduser().absolute() / PAGE_FOLDER, "page"))


def run(args: Namespace) -> int:
    """`dateline serve`: opens the archive and serves it until it is interrupted; the exit code."""
    from rag.interfaces.http.middleware import log_requests
    from rag.interfaces.serve import bind, exit_on_terminate, serve

    settings = Settings.load(data_dir=args.data_dir, host=args.host, port=args.port, llm=args.llm)
    exit_on_terminate()
    if args.no_page:
        log_requests()  # without the page this is a service; the terminal of the page stays quiet
    tracing.export()
    keys = Keys(settings.data_dir.expanduser().absolute())
    check_address(settings.host, keys, without_keys=args.without_keys)
    listener = bind(settings.host, settings.port, guarded=bool(keys.all()))
    loaded = threading.Event()
    pool = ThreadPoolExecutor(1)
    opening = pool.submit(Assistant.open, settings=settings)
    if not args.no_page:
        _load_gradio(settings.data_dir)  # takes seconds, as the models do: both at the same time
    with opening.result() as assistant:

        def warm_up() -> None:
            assistant.warm_up()
            loaded.set()

        try:
            warming = pool.submit(warm_up)
            app = create_app(assistant, ready=loaded.is_set, with_page=not args.no_page)
            serve(app, listener, warming, settings.proxies, open_browser=bool(getattr(args, "open", False)))
        finally:
            pool.shutdown()  # the models are not to be closed while they are being loaded
    return 0


if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
