"""The page on the HTTP API: Gradio's settings, its upload folder, and the guard in front of it."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rag.assistant import Assistant
from rag.interfaces.page.answers import PageAnswers
from rag.interfaces.page.conversation_view import head
from rag.interfaces.page.gradio_import import import_gradio
from rag.interfaces.page.guard import PageGuard
from rag.interfaces.page.uploads import Intake, Uploads
from rag.settings import ARCHIVES

if TYPE_CHECKING:
    from rag.interfaces.http.app import App

# No part of the page may report to anyone or look for a newer version of itself.
_SILENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
PART = "archive-"  # begins the name of the folder, in that of the uploads, of each of several archives
PAGE_SESSIONS = 200
STALE_SECONDS = 600  # an upload that has not grown for so long was broken off
_SPARE_EVENTS = 64  # that Gradio handles beside the answers: stopping, the list, uploads
# What an archive has or will have beside what is there when the page is mounted.
_ARCHIVE_FILES = ("keys.json", "catalogue.sqlite-wal", "catalogue.sqlite-shm", "uploads", "moving", ARCHIVES)


class UploadFolder(Protocol):
    """A folder that belongs to this process; ingest.spool.OwnedFolder is one."""

    path: Path

    def take_over(self) -> None:
        """Removes what ended processes have left beside it."""
        ...

    def remove_stale(self, seconds: float) -> None:
        """Removes what has not changed for so long, but no folder whose name begins with PART, only what is in it."""
        ...

    def remove(self) -> None:
        """Removes the folder."""
        ...


_upload_folder: UploadFolder | None = None


def load_gradio(new_folder: Callable[[], UploadFolder]) -> None:
    """Imports Gradio, silenced, with an upload folder of this process's own. Takes seconds. Raises StorageError.

    Gradio's default is a folder that all users of a machine share, where the uploads of a killed server would stay. It
    knows one folder for the whole process: that of the first call, later ones change nothing.
    """
    global _upload_folder
    os.environ.update(_SILENT)
    if _upload_folder is None:
        _upload_folder = new_folder()
        _upload_folder.take_over()
        threading.Thread(target=_remove_stale, args=(_upload_folder,), daemon=True).start()
        os.environ["GRADIO_TEMP_DIR"] = str(_upload_folder.path)
        atexit.register(_upload_folder.remove)
    import_gradio()


def _remove_stale(folder: UploadFolder) -> None:
    """Removes uploads that nobody came for: Gradio keeps those that were broken off, and an empty file for each."""
    while True:
        time.sleep(STALE_SECONDS / 4)
        with suppress(OSError):
            folder.remove_stale(STALE_SECONDS)


_mounting = threading.Lock()  # Gradio keeps the page that is being put together in variables of its own


def mount_page(api: App, assistant: Assistant, intake: Intake, ready: Callable[[], bool], base: str = "") -> App:
    """The API with the page at its /, behind its routes. `load_gradio` comes first.

    `base` is the address of the API on the server: "", or that of one of several archives.
    """
    with _mounting:
        return _mounted(api, assistant, intake, ready, base)


def _mounted(api: App, assistant: Assistant, intake: Intake, ready: Callable[[], bool], base: str) -> App:
    import gradio as gr

    from rag.interfaces.page.blocks import PageBlocks, theme

    settings, uploads = assistant.settings, Path(os.environ["GRADIO_TEMP_DIR"])
    blocked = _blocked_paths(assistant.archive.folder, uploads)
    if base:  # in the one folder that Gradio knows, but apart: no upload can be named on the page of another archive
        uploads = uploads / f"{PART}{settings.archive}"
        uploads.mkdir(mode=0o700, exist_ok=True)
    answers = PageAnswers(api.state.answer_queue, ready)
    blocks = PageBlocks(assistant, answers, Uploads(uploads, intake)).blocks
    blocks.queue(max_size=64, default_concurrency_limit=4, api_open=False)
    # The answer queue bounds the answers. Gradio's own bound (40) would hold back the click on Stop behind them.
    blocks._queue.max_thread_count = settings.answer_slots + settings.answer_queue + _SPARE_EVENTS
    # Gradio keeps what it showed to each of 10,000 sessions (0.4 MB each) and what 2,000 have not fetched. A session
    # that it forgets works all the same: the conversation is in the browser.
    blocks.state_session_capacity = blocks._queue.pending_messages_per_session.max_size = PAGE_SESSIONS
    mounted: App = gr.mount_gradio_app(
        api,
        blocks,
        path="/",
        root_path=base or None,
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        max_file_size=int(settings.max_file_mb * 10_000_000),  # a zip of many files
        blocked_paths=blocked,
        theme=theme(),
        head=head(),
    )
    _end_with(mounted, blocks)
    # Gradio checks the paths of files only after an application was launched, and mounting does not count as that.
    blocks.has_launched = True
    gradio_route: Any = api.router.routes[-1]
    gradio_route.app.uploaded_file_dir = str(uploads)
    inputs = {number: len(function.inputs) for number, function in blocks.fns.items()}
    gradio_route.app = PageGuard(gradio_route.app, uploads, inputs, settings.spool_mb * 1_000_000)
    return mounted


def _end_with(api: App, blocks: Any) -> None:
    """Ends the page with the application. Gradio's queue would look for events, and hold all that the page has, as long
    as the event loop runs, which is that of other archives too."""
    lifespan = api.router.lifespan_context

    @asynccontextmanager
    async def ending(app: App) -> AsyncIterator[Any]:
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            blocks._queue.close()

    api.router.lifespan_context = ending


def _blocked_paths(archive: Path, uploads: Path) -> list[str]:
    """What Gradio may never serve: everything in the archive's folder but the page's own uploads."""
    to_come = {archive / name for name in _ARCHIVE_FILES}
    return sorted(map(str, {*archive.iterdir(), *to_come} - {uploads.parent}))
