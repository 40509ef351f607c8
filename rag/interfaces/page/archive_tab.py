"""The tab with the articles of the archive: a list to search and remove from, and a place to upload.

Handlers read and write the archive, so they are plain functions, which Gradio runs in threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from rag.archive.catalog import Catalog
from rag.errors import DatelineError
from rag.interfaces.page import archive_view as view
from rag.interfaces.page.ask_tab import QUIET, AskTab, Update
from rag.interfaces.page.conversation_view import notice_html, on_click
from rag.interfaces.page.exchange import restored
from rag.interfaces.page.uploads import Uploads

ROWS = 50  # of the list, and more with each click on "Show more"
HELD_UP = "Another ingest is writing to the archive, or its database is away. Your upload goes in when that is over."


class ArchiveTab:
    """The list of articles and the upload. `uploads` takes in and removes."""

    def __init__(self, catalog: Catalog, uploads: Uploads, ask_tab: AskTab, masthead_html: Callable[[], str]) -> None:
        """Within the context of the page."""
        self._catalog, self._uploads, self._ask, self._masthead_html = catalog, uploads, ask_tab, masthead_html
        with gr.Row(elem_id="archive"):
            with gr.Column(scale=3, min_width=300):
                self.search = gr.Textbox(
                    label="Search the archive", placeholder="Words in headline, outlet or byline", max_lines=1,
                    elem_id="search",
                )  # fmt: skip
                self.list = gr.HTML(elem_id="list", apply_default_css=False, js_on_load=on_click("remove"))
                self.more = gr.Button("Show more", size="sm", visible=False, elem_id="more")
                self.shown = gr.State(ROWS)
            with gr.Column(scale=2, min_width=280, elem_id="adding"):
                self.files = gr.File(label="Add articles", file_count="multiple", elem_id="upload", height=170)
                self.hint = gr.HTML(view.upload_hint(may_change=True), apply_default_css=False)
                self.report = gr.HTML(elem_id="report", apply_default_css=False)

    @property
    def outputs(self) -> list[Any]:
        """All components that a change of the archive changes."""
        return [self._ask.masthead, self._ask.outlets, self.list, self.more, self.shown]

    def connect(self) -> None:
        """Binds the handlers to the components."""
        found = [self.list, self.more, self.shown]
        self.search.change(self.look_up, [self.search], found, trigger_mode="always_last", **QUIET)
        self.more.click(self.show_more, [self.search, self.shown], found, **QUIET)
        self.list.remove(self.remove, [self.search, self.shown], [*self.outputs, self.report], **QUIET)
        adding = [*self.outputs, self.files, self.report, self._ask.current]
        given = [self.files, self.search, self._ask.history]
        self.files.upload(self.upload, given, adding, concurrency_limit=4, **QUIET)

    def opened(self, request: gr.Request) -> Update:
        """The tab as it is shown to a reader with this key."""
        changes = may_change(request)
        adding = {self.files: gr.update(visible=changes), self.hint: view.upload_hint(may_change=changes)}
        return self._everything("", ROWS, removable=changes) | adding

    def look_up(self, text: str, request: gr.Request) -> Update:
        """The list for the words in the search box."""
        return self._listing(text, ROWS, removable=may_change(request))

    def show_more(self, text: str, shown: int, request: gr.Request) -> Update:
        """A longer list."""
        return self._listing(text, shown + ROWS, removable=may_change(request))

    def remove(self, text: str, shown: int, event: gr.EventData, request: gr.Request) -> Update:
        """Removes the article whose button was clicked, after the reader has confirmed it."""
        if not may_change(request):
            return {self.report: view.upload_hint(may_change=False)}
        try:
            removed = self._uploads.intake.remove(str(event._data["remove"]))
            line = "" if removed else notice_html("That article was removed before.")
        except DatelineError as error:
            line = notice_html(str(error))
        return self._everything(text, shown, removable=True) | {self.report: line}

    def upload(self, files: list[str] | None, text: str, history: Any, request: gr.Request) -> Iterator[Update]:
        """Ingests what was uploaded: progress, then the report with the reason for each rejected file."""
        if not may_change(request):
            yield {self.report: view.upload_hint(may_change=False)}
            return
        try:
            for job in self._uploads.ingest([Path(file) for file in files or []]):
                report = view.report_html(job.report, running=job.state != "done")
                yield {self.report: notice_html(HELD_UP) if job.held_up else report}
        except DatelineError as error:
            yield {self.report: notice_html(str(error))}
        welcome = {} if restored(history) else {self._ask.current: self._ask.front([])[self._ask.current]}
        yield self._everything(text, ROWS, removable=True) | {self.files: None} | welcome

    def _everything(self, text: str, shown: int, *, removable: bool) -> Update:
        names = [(f"{name} ({count})", name) for name, count in self._catalog.outlets().items()]
        head = {self._ask.masthead: self._masthead_html(), self._ask.outlets: gr.update(choices=names)}
        return head | self._listing(text, shown, removable=removable)

    def _listing(self, text: str, shown: int, *, removable: bool) -> Update:
        found = self._catalog.articles(text=text, limit=shown + 1, live=False)
        total = self._catalog.coverage().articles
        return {
            self.list: view.listing(found[:shown], total, text, removable=removable),
            self.more: gr.update(visible=len(found) > shown),
            self.shown: shown,
        }


def may_change(request: gr.Request) -> bool:
    """Whether the key of the reader's browser, which the middleware has checked, allows to add and remove articles."""
    return "ingest" in getattr(request.request.state, "scopes", ())
