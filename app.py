"""The page: a conversation with the archive and its sources beside it, in Gradio, mounted on the HTTP API.

`dateline serve` calls `run`. A handler parses what the reader gave, calls one method, and renders.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import shutil
import signal
import socket
import stat
import sys
import threading
import time
import weakref
import webbrowser
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from ingest.jobs import Job, Jobs
from ingest.pipeline import remove
from ingest.spool import FOLDER, PAGE_FOLDER, OwnedFolder, safe_name
from rag.assistant import Assistant
from rag.errors import DatelineError, QuestionError, SettingsError
from rag.interfaces.http.middleware import log_requests
from rag.interfaces.page import article_view as page_archive
from rag.interfaces.page import conversation as page
from rag.interfaces.page.exchange import Exchange, kept, restored
from rag.interfaces.page.guard import PageGuard
from rag.schema import Answer, Filters
from rag.serving import tracing as traces
from rag.serving.api_keys import Keys, check_address, is_loopback
from rag.settings import Settings

if TYPE_CHECKING:
    import gradio as gr

    from rag.interfaces.http.app import App

log = logging.getLogger("dateline")

# No part of the page may report to anyone or look for a newer version of itself.
_SILENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
PAGE_OF_LIST = 50
PAGE_SESSIONS = 200
POLL_SECONDS = 0.2
STALE_SECONDS = 600  # an upload that has not grown for so long was broken off
PATIENCE_SECONDS = 20  # the packaged model notices at its next word, which may have to wait for its reading


def run(args: Namespace) -> int:
    """`dateline serve`: opens the archive and serves the page until it is interrupted; the exit code."""
    settings = Settings.load(data_dir=args.data_dir, host=args.host, port=args.port, llm=args.llm)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leave by the way that closes and tidies up
    if args.no_page:
        log_requests()  # without the page this is a service; the terminal of the page stays quiet
    traces.export()
    keys = Keys(settings.data_dir.expanduser().absolute())
    check_address(settings.host, keys, without_keys=args.without_keys)
    listener = _bind(settings.host, settings.port, guarded=bool(keys.all()))
    pool = ThreadPoolExecutor(1)
    opening = pool.submit(Assistant.open, settings=settings)
    if not args.no_page:
        _load_gradio(settings.data_dir)  # takes seconds, like the models: both at the same time
    assistant = opening.result()
    desk = Desk(assistant, ready=False)
    try:
        warming = pool.submit(desk.warm_up)
        app = create_server(desk) if args.no_page else create_app(desk)
        return _serve(app, desk, listener, warming, open_browser=bool(getattr(args, "open", False)))
    finally:
        desk.end_answers()
        pool.shutdown()
        assistant.close()


def _serve(app: App, desk: Desk, listener: socket.socket, warming: Future[None], *, open_browser: bool) -> int:
    """Serves until interrupted, or until a model turns out not to load: then raises ModelUnavailable."""
    from rag.interfaces.http.server import make_server

    server = make_server(app, desk.assistant.settings.proxies)
    # An open page holds a connection that is cut when the server is told to leave; that is no error to report.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)

    def leave_if_failed(done: Future[None]) -> None:
        server.should_exit = server.should_exit or done.exception() is not None

    def attend() -> None:
        while not server.started:
            time.sleep(0.05)
        wait([warming], timeout=3)  # a model that is not there says so at once: then this is never said
        if not server.should_exit:
            _announce(listener, open_browser=open_browser)
        while not server.should_exit:
            time.sleep(POLL_SECONDS)
        desk.end_answers()  # the server waits for what is still being written

    warming.add_done_callback(leave_if_failed)
    threading.Thread(target=attend, daemon=True).start()
    server.run(sockets=[listener])
    if warming.done():
        warming.result()
    return 0


def _announce(listener: socket.socket, *, open_browser: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    sys.stdout.write(f"Dateline is at {address}\n")
    sys.stdout.flush()
    if open_browser:
        webbrowser.open(address)


def _bind(host: str, port: int, *, guarded: bool = False) -> socket.socket:
    """A socket bound to the address, before anything slow begins. Raises SettingsError."""
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


def _load_gradio(archive: Path) -> None:
    """Imports Gradio, silenced, under the name `gr`: not at import, since that takes seconds.

    What browsers send lies below the folder of the archive, until it is among the jobs: Gradio's default is a folder
    that all users of a machine share, and what a killed server left there would stay. Gradio knows one such folder
    for the whole process, that of the first archive. Raises StorageError.
    """
    global gr, _page_uploads
    os.environ.update(_SILENT)
    if _page_uploads is None:
        _page_uploads = OwnedFolder(archive.expanduser().absolute() / PAGE_FOLDER, "page")
        _page_uploads.take_over()
        threading.Thread(target=_tidy_up, args=(_page_uploads,), daemon=True).start()
        os.environ["GRADIO_TEMP_DIR"] = str(_page_uploads.path)
        atexit.register(_page_uploads.remove)
    import gradio as gr


_page_uploads: OwnedFolder | None = None


def _tidy_up(uploads: OwnedFolder) -> None:
    """Removes what nobody came for: Gradio leaves uploads that were broken off, and an empty file beside each other."""
    while True:
        time.sleep(STALE_SECONDS / 4)
        with suppress(OSError):
            uploads.remove_stale(STALE_SECONDS)


def create_server(desk: Desk) -> App:
    """The HTTP API without the page."""
    from rag.interfaces.http.app import create_api

    return create_api(desk.assistant, ready=desk.ready.is_set, intake=desk.intake)


def create_app(source: Desk | Assistant | Settings) -> App:
    """The page on the HTTP API, whose routes come first."""
    if isinstance(source, Settings):
        source = Assistant.open(settings=source)
    desk = source if isinstance(source, Desk) else Desk(source)
    _load_gradio(desk.assistant.archive.folder)
    app = create_server(desk)
    settings = desk.assistant.settings
    blocks = Page(desk).blocks
    blocks.queue(max_size=64, default_concurrency_limit=4, api_open=False)
    # Gradio keeps what it showed to each of 10,000 sessions (0.4 MB each) and what 2,000 have not fetched. One that is
    # forgotten goes on all the same: the conversation lies in the browser.
    blocks.state_session_capacity = blocks._queue.pending_messages_per_session.max_size = PAGE_SESSIONS
    mounted: App = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        max_file_size=int(settings.max_file_mb * 10_000_000),  # a zip of many files
        blocked_paths=_blocked_paths(desk.assistant.archive.folder),
        theme=_theme(),
        head=page.HEAD,
    )
    # Gradio checks the paths of files only once an application was launched, which mounting it does not tell it.
    blocks.has_launched = True
    gradio_route: Any = app.router.routes[-1]
    inputs = {number: len(function.inputs) for number, function in blocks.fns.items()}
    uploads, most_bytes = Path(os.environ["GRADIO_TEMP_DIR"]), settings.spool_mb * 1_000_000
    gradio_route.app = PageGuard(gradio_route.app, uploads, inputs, most_bytes)
    return mounted


def _blocked_paths(archive: Path) -> list[str]:
    """What Gradio may never serve: everything of the archive but the folder of the page's own uploads."""
    to_come = {archive / name for name in ("keys.json", "catalogue.sqlite-wal", "catalogue.sqlite-shm", FOLDER)}
    return sorted(map(str, {*archive.iterdir(), *to_come} - {archive / PAGE_FOLDER}))


_Inbox: TypeAlias = "queue.SimpleQueue[Answer | DatelineError | None]"


class Desk:
    """One assistant at work for many readers: asks that can be stopped, uploads that can be watched."""

    def __init__(self, assistant: Assistant, *, ready: bool = True) -> None:
        self.assistant = traces.watched(assistant)
        self.ready = threading.Event()
        if ready:
            self.ready.set()
        self.intake = Jobs(assistant.archive, assistant.embedder, assistant.settings)
        self._stops: dict[str, threading.Event] = {}
        self._pumps: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def warm_up(self) -> None:
        """Loads what loads lazily. Raises ModelUnavailable."""
        self.assistant.warm_up()
        self.ready.set()

    def stop(self, session: str) -> None:
        """Ends the answer that this reader is waiting for."""
        if session in self._stops:
            self._stops[session].set()

    def end_answers(self) -> None:
        """Ends every answer, and waits for the model to notice: it is not to be closed under one."""
        for stop in list(self._stops.values()):
            stop.set()
        for pump in list(self._pumps):
            pump.join(timeout=PATIENCE_SECONDS)

    def ask(self, session: str, question: str, filters: Filters, earlier: Sequence[Exchange]) -> Iterator[Exchange]:
        """A growing exchange; closing the iterator, or `stop`, stops the model. Raises QuestionError at once."""
        turns = [exchange.turn for exchange in earlier if exchange.lines]
        answers = self.assistant.stream(question, filters, turns)
        return self._follow(session, question.strip(), answers)

    def _follow(self, session: str, question: str, answers: Iterator[Answer]) -> Iterator[Exchange]:
        stop = self._stops[session] = threading.Event()
        inbox: _Inbox = queue.SimpleQueue()
        pump = threading.Thread(target=_pump, args=(answers, inbox, stop), daemon=True)
        self._pumps.add(pump)
        pump.start()
        exchange = Exchange(question=question, state="writing")
        try:
            yield replace(exchange, notice="" if self.ready.is_set() else "Loading the model")
            ended = False
            while not ended and not stop.is_set():
                came = _waiting(inbox)
                grown = [item for item in came if isinstance(item, Answer)]
                # A fast model writes faster than a browser draws, so only the last is drawn; but first the sources.
                for answer in grown[-1:] if exchange.cards else [*grown[:1], *grown[1:][-1:]]:
                    exchange = Exchange.of(answer, "writing")
                    yield exchange
                failed = [item for item in came if isinstance(item, DatelineError)]
                if failed:
                    yield replace(exchange, state="stopped", notice=str(failed[0]))
                    return
                ended = None in came
            yield replace(exchange, state="stopped" if stop.is_set() else "done")
        finally:
            stop.set()
            if self._stops.get(session) is stop:
                del self._stops[session]

    def add(self, files: Sequence[Path]) -> Iterator[tuple[Job, bool]]:
        """Ingests files of the upload folder; the job as it goes on and whether it still does.

        Not tied to the reader: an upload is finished also when the page is closed. Raises DatelineError kinds.
        """
        with ExitStack() as opened:
            job = self.intake.add_files([(file.name, opened.enter_context(_uploaded(file))) for file in files])
        for file in files:
            _remove_upload(file)
        while not job.settled.wait(2 * POLL_SECONDS):
            yield job, True
        if job.state == "waiting":
            raise DatelineError("The server is stopping. Your upload is taken up again at its next start.")
        if job.state == "failed":
            raise DatelineError(job.error)
        yield job, False


def _uploaded(file: Path) -> BinaryIO:
    """A file that a browser sent, opened. A request can name any path as one: nothing else is opened.

    Raises DatelineError.
    """
    uploads = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    refused = DatelineError(f"“{safe_name(file.name)}” is not among the files that were sent here. Upload it again.")
    # Gradio puts each file into a folder of its own, right below its upload folder.
    if file.parent.resolve().parent != uploads or file.name in ("", ".", ".."):
        raise refused
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        stream = os.fdopen(handle, "rb")
    except OSError:
        raise refused from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise refused
    return stream


def _remove_upload(file: Path) -> None:
    """Removes the folder of a file that `_uploaded` opened; only ever one right below the upload folder."""
    folder = file.parent.resolve()
    if folder.parent == Path(os.environ["GRADIO_TEMP_DIR"]).resolve():
        shutil.rmtree(folder, ignore_errors=True)


def _waiting(inbox: _Inbox) -> list[Answer | DatelineError | None]:
    """What has come, after a short wait for something."""
    came: list[Answer | DatelineError | None] = []
    with suppress(queue.Empty):
        came.append(inbox.get(timeout=POLL_SECONDS))
        while True:
            came.append(inbox.get_nowait())
    return came


def _pump(answers: Iterator[Answer], inbox: _Inbox, stop: threading.Event) -> None:
    """Moves answers to the inbox until they end or `stop` is set; then closes them, which stops the model."""
    try:
        for answer in answers:
            inbox.put(answer)
            if stop.is_set():
                break
        inbox.put(None)
    except DatelineError as error:
        inbox.put(error)
    except Exception as error:
        inbox.put(_unexpected("The answer", error))
    finally:
        close = getattr(answers, "close", None)
        if close:
            close()


def _unexpected(what: str, error: Exception) -> DatelineError:
    """A fault of ours: one line for the reader, the traceback for the terminal."""
    log.error("%s failed", what, exc_info=error)
    return DatelineError(f"{what} failed ({type(error).__name__}). The terminal of Dateline says why.")


class Page:
    """The components of the page and what happens when they are used. Handlers give {component: value}."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.catalog = desk, desk.assistant.archive.catalog
        self.blocks = gr.Blocks(title="Dateline", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600))
        with self.blocks:
            self.masthead = gr.HTML(elem_id="masthead", apply_default_css=False)
            self.account = gr.HTML(elem_id="account", apply_default_css=False, visible=False)
            # The "secret" only keeps Gradio from drawing one at each start, which would make the history unreadable.
            self.history = gr.BrowserState([], storage_key="dateline-conversation", secret="dateline")
            with gr.Tabs(elem_id="sections"):
                with gr.Tab("Ask", elem_id="ask-tab"):
                    self._ask_tab()
                with gr.Tab("Archive", elem_id="archive-tab"):
                    self._archive_tab()
            self._wire()

    def _ask_tab(self) -> None:
        self.past = gr.HTML(elem_id="past", apply_default_css=False)
        self.current = gr.HTML(elem_id="current", apply_default_css=False, js_on_load=page.on_click("ask"))
        with gr.Column(elem_id="composer"):
            self.notice = gr.HTML(elem_id="notice", apply_default_css=False)
            with gr.Row(elem_id="ask-row"):
                self.question = gr.Textbox(
                    placeholder="Ask the archive", label="Question", show_label=False, lines=1, max_lines=6, scale=1,
                    elem_id="question", container=False,
                )  # fmt: skip
                self.send = gr.Button("Ask", variant="primary", elem_id="send", scale=0, min_width=90)
                self.halt = gr.Button("Stop", visible=False, elem_id="stop", scale=0, min_width=90)
            with gr.Row(elem_id="tools"):
                with gr.Accordion(_FILTERS, open=False, elem_id="filters") as self.drawer, gr.Row(elem_id="days"):
                    self.since = gr.Textbox(label="From", placeholder="2025-03-01", max_lines=1, elem_id="since")
                    self.until = gr.Textbox(label="To", placeholder="2025-03-31", max_lines=1, elem_id="until")
                    self.outlets = gr.Dropdown([], label="Outlets", multiselect=True, elem_id="outlets")
                self.again = gr.Button("Retry", size="sm", elem_id="retry", scale=0, min_width=60)
                self.fresh = gr.Button("New conversation", size="sm", elem_id="new", scale=0, min_width=60)

    def _archive_tab(self) -> None:
        with gr.Row(elem_id="archive"):
            with gr.Column(scale=3, min_width=300):
                self.search = gr.Textbox(
                    label="Search the archive", placeholder="Words in headline, outlet or byline", max_lines=1,
                    elem_id="search",
                )  # fmt: skip
                self.list = gr.HTML(elem_id="list", apply_default_css=False, js_on_load=page.on_click("remove"))
                self.more = gr.Button("Show more", size="sm", visible=False, elem_id="more")
                self.shown = gr.State(PAGE_OF_LIST)
            with gr.Column(scale=2, min_width=280, elem_id="adding"):
                self.files = gr.File(label="Add articles", file_count="multiple", elem_id="upload", height=170)
                self.hint = gr.HTML(page_archive.UPLOAD_HINT, apply_default_css=False)
                self.report = gr.HTML(elem_id="report", apply_default_css=False)

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        filters = [self.since, self.until, self.outlets]
        talk = [self.past, self.current, self.history, self.question, self.notice, self.send, self.halt, self.again,
                self.fresh, self.masthead]  # fmt: skip
        around = [self.masthead, self.outlets, self.list, self.more, self.shown]
        asking: dict[str, Any] = {"outputs": talk, "concurrency_limit": 4, **quiet}
        gr.on([self.question.submit, self.send.click], self.ask, [self.question, self.history, *filters], **asking)
        self.current.ask(self.ask_example, [self.history, *filters], **asking)
        self.again.click(self.retry, [self.history, *filters], **asking)
        self.halt.click(self.stop, concurrency_limit=None, **quiet)
        self.fresh.click(self.start_anew, outputs=talk, **quiet)
        for one in filters:
            one.change(self.label_filters, filters, self.drawer, **quiet)
        found = [self.list, self.more, self.shown]
        self.search.change(self.look_up, [self.search], found, trigger_mode="always_last", **quiet)
        self.more.click(self.show_more, [self.search, self.shown], found, **quiet)
        self.list.remove(self.remove, [self.search, self.shown], [*around, self.report], **quiet)
        adding = [*around, self.files, self.report, self.current]
        self.files.upload(self.upload, [self.files, self.search, self.history], adding, concurrency_limit=4, **quiet)
        shown = [*talk, *around, self.files, self.hint, self.account]
        self.blocks.load(self.load, [self.history], shown, **quiet)

    # --- asking ---------------------------------------------------------------------------------

    def ask(
        self, question: str, history: Any, since: str, until: str, outlets: list[str], request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """One question: the exchange as it grows; a question that cannot be asked gets a line and stays in its box."""
        earlier = restored(history)
        try:
            filters = _filters(since, until, outlets)
            growing = self.desk.ask(_session(request), question, filters, earlier)
        except DatelineError as error:
            yield {self.notice: page.notice_html(str(error))}
            return
        place = len(earlier) + 1
        started = {self.past: page.conversation(earlier), self.question: "", self.notice: ""} | self._buttons(busy=True)
        saved = False
        try:
            for exchange in growing:
                step = {self.current: page.exchange_html(exchange, place), **started}
                if exchange.cards and not saved:  # a reload in the middle keeps the question and what was found
                    step[self.history], saved = kept([*earlier, exchange]), True
                yield step
                started = {}
        finally:
            growing.close()  # type: ignore[attr-defined]
        done = {self.history: kept([*earlier, exchange]), self.masthead: self._masthead()}
        yield done | self._buttons(busy=False)

    def ask_example(
        self, history: Any, since: str, until: str, outlets: list[str], event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """A question that was clicked."""
        yield from self.ask(str(event._data["ask"]), history, since, until, outlets, request)

    def retry(
        self, history: Any, since: str, until: str, outlets: list[str], request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        """The last question again, in place of its answer."""
        earlier = restored(history)
        if not earlier:
            yield {}
        else:
            yield from self.ask(earlier[-1].question, kept(earlier[:-1]), since, until, outlets, request)

    def stop(self, request: gr.Request) -> None:
        """Ends the running answer."""
        self.desk.stop(_session(request))

    def start_anew(self) -> dict[Any, Any]:
        """Forgets the conversation."""
        return self._front([]) | {self.history: [], self.notice: "", self.question: ""}

    def _buttons(self, *, busy: bool) -> dict[Any, Any]:
        return {
            self.send: gr.update(visible=not busy),
            self.halt: gr.update(visible=busy),
            self.again: gr.update(interactive=not busy),
            self.fresh: gr.update(interactive=not busy),
        }

    def label_filters(self, since: str, until: str, outlets: list[str]) -> Any:
        """Says on the closed drawer which filters are set."""
        days = " ".join(part for part in (f"from {since}" if since else "", f"to {until}" if until else "") if part)
        return gr.update(label=": ".join(p for p in (_FILTERS, ", ".join(x for x in (days, *outlets) if x)) if p))

    # --- the archive ----------------------------------------------------------------------------

    def load(self, history: Any, request: gr.Request) -> dict[Any, Any]:
        """The page as it is opened: with the conversation that the browser kept, and what the reader's key allows."""
        changes = _may_change(request)
        adding = {
            self.files: gr.update(visible=changes),
            self.hint: page_archive.UPLOAD_HINT if changes else page_archive.READ_ONLY_HINT,
            self.account: gr.update(value=page.LOG_OUT, visible=_logged_in(request)),
        }
        front = self._front(restored(history))
        return front | self._around("", PAGE_OF_LIST, changes=changes) | self._buttons(busy=False) | adding

    def _front(self, exchanges: list[Exchange]) -> dict[Any, Any]:
        last = page.exchange_html(exchanges[-1], len(exchanges)) if exchanges else self._welcome()
        return {self.past: page.conversation(exchanges[:-1]), self.current: last}

    def _welcome(self) -> str:
        latest = self.catalog.articles(limit=12)
        with suppress(ValueError):
            examples = [str(one) for one in loads(self.catalog.get_meta("examples") or "[]")]
        folder = str(self.desk.assistant.archive.folder)
        return page.welcome(latest[:6], examples[:5] or page.examples_for(latest), folder)

    def _masthead(self) -> str:
        return page.masthead(self.catalog.coverage(), self.desk.assistant.model)

    def _around(self, text: str, shown: int, *, changes: bool) -> dict[Any, Any]:
        names = [(f"{name} ({count})", name) for name, count in self.catalog.outlets().items()]
        head = {self.masthead: self._masthead(), self.outlets: gr.update(choices=names)}
        return head | self._listing(text, shown, changes=changes)

    def _listing(self, text: str, shown: int, *, changes: bool) -> dict[Any, Any]:
        found = self.catalog.articles(text=text, limit=shown + 1, live=False)
        total = self.catalog.coverage().articles
        return {
            self.list: page_archive.listing(found[:shown], total, text, removable=changes),
            self.more: gr.update(visible=len(found) > shown),
            self.shown: shown,
        }

    def look_up(self, text: str, request: gr.Request) -> dict[Any, Any]:
        """The list for the words in the search box."""
        return self._listing(text, PAGE_OF_LIST, changes=_may_change(request))

    def show_more(self, text: str, shown: int, request: gr.Request) -> dict[Any, Any]:
        """A longer list."""
        return self._listing(text, shown + PAGE_OF_LIST, changes=_may_change(request))

    def remove(self, text: str, shown: int, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Removes the article whose button was clicked (and the question confirmed)."""
        if not _may_change(request):
            return {self.report: page_archive.READ_ONLY_HINT}
        try:
            gone = remove(self.desk.assistant.archive, str(event._data["remove"]))
            said = "" if gone else page.notice_html("That article was removed before.")
        except DatelineError as error:
            said = page.notice_html(str(error))
        return self._around(text, shown, changes=True) | {self.report: said}

    def upload(self, files: list[str] | None, text: str, history: Any, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Ingests what was uploaded: progress, then the report with the reason for each rejected file."""
        if not _may_change(request):
            yield {self.report: page_archive.READ_ONLY_HINT}
            return
        try:
            for job, running in self.desk.add([Path(file) for file in files or []]):
                said = (
                    page.notice_html(HELD_UP) if job.held_up else page_archive.report_html(job.report, running=running)
                )
                yield {self.report: said}
        except DatelineError as error:
            yield {self.report: page.notice_html(str(error))}
        around = self._around(text, PAGE_OF_LIST, changes=True)
        yield around | {self.files: None} | self._fresh_welcome(restored(history))

    def _fresh_welcome(self, exchanges: list[Exchange]) -> dict[Any, Any]:
        return {} if exchanges else {self.current: self._welcome()}


HELD_UP = "Another ingest is writing to the archive. Your upload goes in when it has finished."
_FILTERS = "Dates and outlets"


def _session(request: gr.Request) -> str:
    return str(request.session_hash)


def _may_change(request: gr.Request) -> bool:
    """Whether the key of the reader's browser, as the door found it, allows to add and remove articles."""
    return "ingest" in getattr(request.request.state, "scopes", ())


def _logged_in(request: gr.Request) -> bool:
    """Whether the reader's browser has a session that can be ended."""
    return bool(getattr(request.request.state, "session", False))


def _filters(since: str, until: str, outlets: list[str] | None) -> Filters:
    return Filters(since=_day(since), until=_day(until), outlets=tuple(outlets or ()))


def _day(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value.strip()) if value and value.strip() else None
    except ValueError:
        raise QuestionError(f"“{value}” is no day. Expected one such as 2025-03-01.") from None


def _theme() -> Any:
    """Fonts of this system only (Gradio's own themes name web fonts); page.css says the rest."""
    return gr.themes.Base(
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_none,
    )


if __name__ == "__main__":
    from rag.interfaces.cli import main

    sys.exit(main(["serve", *sys.argv[1:]]))
