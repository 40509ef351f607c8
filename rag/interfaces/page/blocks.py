"""The whole page as Gradio blocks: the masthead and the two tabs."""

from __future__ import annotations

from contextlib import suppress
from json import loads
from typing import Any

import gradio as gr

from rag.assistant import Assistant
from rag.interfaces.page import conversation_view as view
from rag.interfaces.page.answers import PageAnswers
from rag.interfaces.page.archive_tab import ArchiveTab
from rag.interfaces.page.ask_tab import QUIET, AskTab, Update
from rag.interfaces.page.exchange import restored
from rag.interfaces.page.uploads import Uploads

LATEST, EXAMPLES = 6, 5  # articles and questions on the welcome page


class PageBlocks:
    """The page of one assistant; `blocks` is what Gradio serves."""

    def __init__(self, assistant: Assistant, answers: PageAnswers, uploads: Uploads) -> None:
        self._assistant, self._catalog = assistant, assistant.archive.catalog
        archive = assistant.settings.archive
        title = f"{archive} · Dateline" if archive else "Dateline"  # tabs of several archives are told apart by it
        self.blocks = gr.Blocks(title=title, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600))
        with self.blocks:
            masthead = gr.HTML(elem_id="masthead", apply_default_css=False)
            self.account = gr.HTML(elem_id="account", apply_default_css=False, visible=False)
            with gr.Tabs(elem_id="sections"):
                with gr.Tab("Ask", elem_id="ask-tab"):
                    self.ask_tab = AskTab(answers, archive, masthead, self.masthead_html, self.welcome_html)
                with gr.Tab("Archive", elem_id="archive-tab"):
                    self.archive_tab = ArchiveTab(self._catalog, uploads, self.ask_tab, self.masthead_html)
            self.ask_tab.connect()
            self.archive_tab.connect()
            opened = {*self.ask_tab.outputs, *self.archive_tab.outputs, self.account}
            opened |= {self.archive_tab.files, self.archive_tab.hint}
            self.blocks.load(self.load, [self.ask_tab.history], opened, **QUIET)

    def load(self, history: Any, request: gr.Request) -> Update:
        """The page as it is opened: with the conversation that the browser kept, and what the reader's key allows."""
        logged_in = bool(getattr(request.request.state, "session", False))
        account = {self.account: gr.update(value=view.log_out(), visible=logged_in)}
        ask = self.ask_tab.front(restored(history)) | self.ask_tab.buttons(busy=False)
        return ask | self.archive_tab.opened(request) | account

    def masthead_html(self) -> str:
        """The masthead for what the archive holds now."""
        return view.masthead(self._catalog.coverage(), self._assistant.model, self._assistant.settings.archive)

    def welcome_html(self) -> str:
        """The welcome: example questions, of the archive's own where it has some, and its latest articles."""
        latest = self._catalog.articles(limit=2 * LATEST)
        examples: list[str] = []
        with suppress(ValueError):
            examples = [str(one) for one in loads(self._catalog.get_meta("examples") or "[]")][:EXAMPLES]
        settings = self._assistant.settings
        folder = str(settings.data_dir.expanduser().absolute())
        return view.welcome(latest[:LATEST], examples or view.examples_for(latest), folder, settings.archive_option)


def theme() -> Any:
    """Fonts of the reader's system only (Gradio's own themes load web fonts); page.css does the rest."""
    return gr.themes.Base(
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_none,
    )
