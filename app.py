"""Dateline put together: the command `dateline`, and the application that it serves."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.cli import COMMANDS as ARCHIVE_COMMANDS
from rag.interfaces import cli
from rag.terminal import DONE, Command, print_note

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.interfaces.http.app import App
    from rag.models.chat import OpenAIChat
    from rag.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """The command `dateline`; its exit code."""
    return cli.main(argv, [*cli.COMMANDS, *ARCHIVE_COMMANDS, SERVE])


def create_app(
    source: Assistant | Settings, *, ready: Callable[[], bool] = lambda: True, with_page: bool = True
) -> App:
    """The HTTP API with the page. An assistant stays its caller's to close; one opened from settings ends with the app.

    `ready` says whether the models are loaded.
    """
    from ingest.jobs import Jobs
    from rag.assistant import Assistant
    from rag.interfaces.http.app import create_api
    from rag.settings import Settings

    assistant = Assistant.open(settings=source) if isinstance(source, Settings) else source
    jobs = Jobs(assistant.archive, assistant.embedder, assistant.settings)
    app = create_api(assistant, jobs=jobs, ready=ready)
    if isinstance(source, Settings):
        _close_at_the_end(app, assistant)
    if with_page:
        from rag.interfaces.page.server import mount_page

        _load_gradio(assistant.archive.folder)
        mount_page(app, assistant, jobs, ready)
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
    from ingest.spool import PAGE_FOLDER, OwnedFolder
    from rag.interfaces.page.server import load_gradio

    load_gradio(lambda: OwnedFolder(archive.expanduser().absolute() / PAGE_FOLDER, "page"))


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection while much is imported that stays, and none of that afterwards.

    The page over the demo archive, without a language model, was built and warm after 3.3 CPU seconds instead of 3.8.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 7860)")
    parser.add_argument("--llm", metavar="MODEL", help=cli.LLM_HELP)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--no-page", action="store_true", help="the HTTP API alone")
    parser.add_argument("--without-keys", action="store_true", help="let others in without a key (with --host)")


def _serve(args: argparse.Namespace) -> int:
    """Opens the archive and serves it until it is interrupted; the exit code."""
    with ExitStack() as ending:
        with _without_collector():
            serve = _prepared(args, ending)
        serve()
    return DONE


def _prepared(args: argparse.Namespace, ending: ExitStack) -> Callable[[], None]:
    """What serves the archive until it is interrupted; `ending` then closes what was opened for it."""
    from rag.interfaces.serve import bind, exit_on_terminate, serve
    from rag.interfaces.starting import StartingPage
    from rag.models.chat import begin_llm
    from rag.serving.api_keys import check_address
    from rag.serving.shared_keys import opened_keys
    from rag.settings import Settings

    settings = Settings.load(data_dir=args.data_dir, host=args.host, port=args.port, llm=args.llm)
    exit_on_terminate()
    with opened_keys(settings) as keys:
        check_address(settings.host, keys, without_keys=args.without_keys)
        listener = bind(settings.host, settings.port, guarded=bool(keys.all()))
    starting = StartingPage(listener)
    ending.callback(starting.close)
    pool = ThreadPoolExecutor(1)
    # The language model has a process of its own, which loads it while the rest is imported here.
    begun = pool.submit(begin_llm, settings)
    app, warming = _built(args, settings, begun, pool, ending)
    starting.close()
    return partial(serve, app, listener, warming, settings.proxies, open_browser=args.open)


def _built(
    args: argparse.Namespace,
    settings: Settings,
    begun: Future[OpenAIChat | None],
    pool: ThreadPoolExecutor,
    ending: ExitStack,
) -> tuple[App, Future[None]]:
    """The application, and the loading of its models, which goes on in the one thread of `pool`."""
    from rag.archive.archive import new_place
    from rag.assistant import Assistant
    from rag.interfaces.http.middleware import log_requests
    from rag.serving import tracing

    if place := new_place(settings):
        print_note(f"dateline: there was no archive at {place}; a new one is made, without articles.")
    if args.no_page:
        log_requests()  # without the page this is a service; the terminal of the page stays quiet
    tracing.export()
    opening = pool.submit(lambda: Assistant.open(settings=settings, begun=begun.result()))
    if not args.no_page:
        _load_gradio(settings.data_dir)  # takes seconds, as the models do: both at the same time
    assistant = ending.enter_context(opening.result())
    ending.callback(pool.shutdown)  # the models are not to be closed while they are being loaded
    built, loaded = threading.Event(), threading.Event()

    def warm_up() -> None:
        assistant.warm_up(first=built.wait)  # two threads of Python take turns, and the page should come first
        loaded.set()

    warming = pool.submit(warm_up)
    try:
        return create_app(assistant, ready=loaded.is_set, with_page=not args.no_page), warming
    finally:
        built.set()


SERVE = Command(name="serve", help="serve the page and the HTTP API", run=_serve, add_arguments=_add_serve)

if __name__ == "__main__":
    sys.exit(main())
