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
from rag.terminal import DONE, Command, log_on_standard_error, print_note

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.interfaces.http.app import App
    from rag.interfaces.http.auth import Authenticator
    from rag.interfaces.installation.application import Installation
    from rag.models.chat import OpenAIChat
    from rag.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """The command `dateline`; its exit code."""
    return cli.main(argv, [*cli.COMMANDS, *ARCHIVE_COMMANDS, SERVE])


def create_app(
    source: Assistant | Settings,
    *,
    ready: Callable[[], bool] = lambda: True,
    with_page: bool = True,
    beside: App | None = None,
    guard: Authenticator | None = None,
) -> App:
    """The HTTP API with the page. An assistant stays its caller's to close; one opened from settings ends with the app.

    `ready` says whether the models are loaded. The application is for the address of a named archive where one is given
    that it is served `beside`, with the `guard` that lets requests in to it.
    """
    from ingest.jobs import Jobs
    from rag.assistant import Assistant
    from rag.interfaces.http.app import create_api
    from rag.settings import ARCHIVES, Settings

    assistant = Assistant.open(settings=source) if isinstance(source, Settings) else source
    jobs = Jobs(assistant.archive, assistant.embedder, assistant.settings)
    with ExitStack() as failed:
        failed.callback(jobs.close)  # an archive that cannot be opened is tried again
        app = create_api(assistant, jobs=jobs, ready=ready, beside=beside, guard=guard)
        if isinstance(source, Settings):
            _close_at_the_end(app, assistant)
        if with_page:
            from rag.interfaces.page.server import mount_page

            _load_gradio(assistant.archive.folder)
            base = f"/{ARCHIVES}/{assistant.settings.archive}" if beside else ""
            mount_page(app, assistant, jobs, ready, base)
        failed.pop_all()
    return app


def create_installation(
    assistant: Assistant,
    *,
    ready: Callable[[], bool] = lambda: True,
    with_page: bool = True,
    without_keys: bool = False,
) -> Installation:
    """The application of an assistant, of the archive without a name, and those of the named ones at /archives/NAME/.

    They use its models, and it stays its caller's to close. On an address that others can reach, an archive without
    keys is served only `without_keys`.
    """
    from ingest.spool import holds_jobs
    from rag.interfaces.installation.application import Installation, Opened
    from rag.serving.api_keys import check_address

    root = create_app(assistant, ready=ready, with_page=with_page)
    building = threading.Lock()  # FastAPI changes the filters of warnings, which are those of all threads

    def open_archive(settings: Settings, guard: Authenticator) -> Opened:
        with ExitStack() as opened:
            named = opened.enter_context(assistant.beside(settings))
            check_address(settings.host, guard.keys, without_keys=without_keys)
            with building:
                app = create_app(named, ready=ready, with_page=with_page, beside=root, guard=guard)
            named.archive.begin_opening()
            opened.pop_all()
        return Opened(app, named.close)

    catalog = assistant.archive.catalog
    return Installation(
        root, assistant.settings, open_archive, catalog, waits=lambda settings: holds_jobs(settings.folder)
    )


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

    settings = Settings.load(data_dir=args.data_dir, archive=args.archive, host=args.host, port=args.port, llm=args.llm)
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
) -> tuple[App | Installation, Future[None]]:
    """The application, and the loading of its models, which goes on in the one thread of `pool`."""
    from rag.archive.installation import new_place
    from rag.assistant import Assistant
    from rag.interfaces.http.middleware import log
    from rag.serving import tracing

    if place := new_place(settings):
        print_note(f"dateline: there was no archive at {place}; a new one is made, without articles.")
    if args.no_page:
        # Without the page this is a service, which says what it does; the terminal of the page stays quiet.
        ending.enter_context(log_on_standard_error(log))
    tracing.export()
    opening = pool.submit(lambda: Assistant.open(settings=settings, begun=begun.result()))
    if not args.no_page:
        _load_gradio(settings.folder)  # takes seconds, as the models do: both at the same time
    assistant = ending.enter_context(opening.result())
    ending.callback(pool.shutdown)  # the models are not to be closed while they are being loaded
    built, loaded = threading.Event(), threading.Event()

    def warm_up() -> None:
        assistant.warm_up(first=built.wait)  # two threads of Python take turns, and the page should come first
        loaded.set()

    warming = pool.submit(warm_up)
    try:
        with_page = not args.no_page
        if settings.archive:
            return create_app(assistant, ready=loaded.is_set, with_page=with_page), warming
        return create_installation(
            assistant, ready=loaded.is_set, with_page=with_page, without_keys=args.without_keys
        ), warming
    finally:
        built.set()


SERVE = Command(name="serve", help="serve the page and the HTTP API", run=_serve, add_arguments=_add_serve)

if __name__ == "__main__":
    sys.exit(main())
