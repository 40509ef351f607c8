"""The tab where a reader asks: its components, and what happens when they are used.

Handlers run on the server's event loop, except those that read the catalogue: Gradio runs plain functions in threads.
They give {component: new value}. Imported after the page's upload folder is set, see `server`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias, cast

import gradio as gr

from rag.errors import DatelineError
from rag.interfaces.filters import filters_from
from rag.interfaces.page import conversation_view as view
from rag.interfaces.page.answers import PageAnswers
from rag.interfaces.page.exchange import Exchange, kept, restored
from rag.schema import QuestionKind

Update: TypeAlias = dict[Any, Any]
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_FILTERS = "Dates and outlets"


class AskTab:
    """The conversation, the box for the next question, and the filters."""

    def __init__(
        self,
        answers: PageAnswers,
        archive: str,
        masthead: Any,
        masthead_html: Callable[[], str],
        welcome_html: Callable[[], str],
    ) -> None:
        """Within the context of the page. The two functions read the catalogue.

        `archive` is its name: a browser keeps the conversations of several apart.
        """
        self._answers, self.masthead = answers, masthead
        self._masthead_html, self._welcome_html = masthead_html, welcome_html
        # With a fixed "secret" the stored history stays readable after a restart; Gradio would draw a new one.
        place = f"dateline-conversation-{archive}" if archive else "dateline-conversation"
        self.history = gr.BrowserState([], storage_key=place, secret="dateline")
        self.past = gr.HTML(elem_id="past", apply_default_css=False)
        self.current = gr.HTML(
            elem_id="current",
            apply_default_css=False,
            js_on_load=view.on_click("ask") + view.on_click("days") + view.on_click("form"),
        )
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
                    self.outlets = gr.Dropdown(
                        [], label="Outlets", multiselect=True, elem_id="outlets",
                        allow_custom_value=True,  # else Gradio prints a value that is none of them, however long
                    )  # fmt: skip
                self.again = gr.Button("Retry", size="sm", elem_id="retry", scale=0, min_width=60)
                self.fresh = gr.Button("New conversation", size="sm", elem_id="new", scale=0, min_width=60)

    @property
    def outputs(self) -> list[Any]:
        """All components that asking changes."""
        return [self.past, self.current, self.history, self.question, self.notice, self.send, self.halt, self.again,
                self.fresh, self.masthead]  # fmt: skip

    def connect(self) -> None:
        """Binds the handlers to the components. How many answers run at once is the answer queue's to say."""
        filters = [self.since, self.until, self.outlets]
        asking: dict[str, Any] = {"outputs": self.outputs, "concurrency_limit": None, **QUIET}
        gr.on([self.question.submit, self.send.click], self.ask, [self.question, self.history, *filters], **asking)
        self.current.ask(self.ask_example, [self.history, *filters], **asking)
        self.current.days(self.ask_of_all_days, [self.history, *filters], **asking)
        self.current.form(self.ask_in_form, [self.history, *filters], **asking)
        self.again.click(self.retry, [self.history, *filters], **asking)
        self.halt.click(self.stop, concurrency_limit=None, **QUIET)
        self.fresh.click(self.start_anew, outputs=self.outputs, **QUIET)
        for one in filters:
            one.change(self.label_filters, filters, self.drawer, **QUIET)

    async def ask(
        self, question: str, history: Any, since: str, until: str, outlets: list[str], request: gr.Request
    ) -> AsyncIterator[Update]:
        """The exchange as it grows. A question that cannot be asked gets one line and stays in its box."""
        async with aclosing(self._ask(question, history, since, until, outlets, request)) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def _ask(
        self, question: str, history: Any, since: str, until: str, outlets: list[str], request: gr.Request,
        *, named_days: bool = True, kind: QuestionKind | None = None,
    ) -> AsyncIterator[Update]:  # fmt: skip
        earlier = restored(history)
        place = len(earlier) + 1
        begun = saved = False
        try:
            growing = self._answers.ask(
                _session(request), question, filters_from(since=since, until=until, outlets=outlets), earlier,
                named_days=named_days, kind=kind,
            )  # fmt: skip
            async with aclosing(growing) as exchanges:  # type: ignore[type-var]
                async for exchange in exchanges:
                    step: Update = {self.current: view.exchange_html(exchange, place)}
                    if not begun:
                        begun = True
                        step |= {self.past: view.conversation(earlier), self.question: "", self.notice: ""}
                        step |= self.buttons(busy=True)
                    if exchange.cards and not saved:  # a reload in the middle keeps the question and what was found
                        step[self.history], saved = kept([*earlier, exchange]), True
                    yield step
        except DatelineError as error:
            front = await asyncio.to_thread(self.front, earlier) | {self.question: question} if begun else {}
            yield front | {self.notice: view.notice_html(str(error))} | self.buttons(busy=False)
            return
        masthead = await asyncio.to_thread(self._masthead_html)
        yield {self.history: kept([*earlier, exchange]), self.masthead: masthead} | self.buttons(busy=False)

    async def ask_example(
        self, history: Any, since: str, until: str, outlets: list[str], event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[Update]:
        """Asks the question that was clicked."""
        async with aclosing(self.ask(str(event._data["ask"]), history, since, until, outlets, request)) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def retry(
        self, history: Any, since: str, until: str, outlets: list[str], request: gr.Request
    ) -> AsyncIterator[Update]:
        """Asks the last question again; the new answer takes the place of the old one."""
        async with aclosing(self._ask_again(history, since, until, outlets, request)) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def ask_of_all_days(
        self, history: Any, since: str, until: str, outlets: list[str], request: gr.Request
    ) -> AsyncIterator[Update]:
        """Asks the last question again and prefers no days, though it names some."""
        again = self._ask_again(history, since, until, outlets, request, named_days=False)
        async with aclosing(again) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def ask_in_form(
        self, history: Any, since: str, until: str, outlets: list[str], event: gr.EventData, request: gr.Request
    ) -> AsyncIterator[Update]:
        """Asks the last question again, for an answer in the form that was clicked."""
        again = self._ask_again(history, since, until, outlets, request, kind=cast(QuestionKind, event._data["form"]))
        async with aclosing(again) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def _ask_again(
        self, history: Any, since: str, until: str, outlets: list[str], request: gr.Request,
        *, named_days: bool = True, kind: QuestionKind | None = None,
    ) -> AsyncIterator[Update]:  # fmt: skip
        earlier = restored(history)
        if not earlier:
            yield {}
            return
        last, before = earlier[-1].question, kept(earlier[:-1])
        again = self._ask(last, before, since, until, outlets, request, named_days=named_days, kind=kind)
        async with aclosing(again) as steps:  # type: ignore[type-var]
            async for step in steps:
                yield step

    async def stop(self, request: gr.Request) -> None:
        """Stops the running answer."""
        self._answers.stop(_session(request))

    def start_anew(self) -> Update:
        """Forgets the conversation."""
        return self.front([]) | {self.history: [], self.notice: "", self.question: ""}

    def label_filters(self, since: str, until: str, outlets: list[str]) -> Any:
        """Says on the closed drawer which filters are set."""
        days = " ".join(part for part in (f"from {since}" if since else "", f"to {until}" if until else "") if part)
        return gr.update(label=": ".join(p for p in (_FILTERS, ", ".join(x for x in (days, *outlets) if x)) if p))

    def front(self, exchanges: Sequence[Exchange]) -> Update:
        """The conversation as it stands, or the welcome. Reads the catalogue."""
        last = view.exchange_html(exchanges[-1], len(exchanges)) if exchanges else self._welcome_html()
        return {self.past: view.conversation(exchanges[:-1]), self.current: last}

    def buttons(self, *, busy: bool) -> Update:
        """The buttons while an answer is written, and otherwise."""
        return {
            self.send: gr.update(visible=not busy),
            self.halt: gr.update(visible=busy),
            self.again: gr.update(interactive=not busy),
            self.fresh: gr.update(interactive=not busy),
        }


def _session(request: gr.Request) -> str:
    return str(request.session_hash)
