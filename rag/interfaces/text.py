"""Answers, hits and articles as plain text, for terminals, chat clients and the models of agents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from rag.language.dates import written
from rag.schema import Answer, Article, Hit, QuestionKind, Sentence, Story, TimeWindow, marked
from rag.terminal import counted

if TYPE_CHECKING:
    from rag.models.chat import LLM

# What the kinds of questions are called beside an answer.
KIND_NAMES: Mapping[QuestionKind, str] = {
    "fact": "plain answer",
    "latest": "newest state",
    "timeline": "timeline",
    "summary": "summary",
    "comparison": "comparison",
    "disagreement": "disagreement",
    "list": "list",
    "statements": "statements",
    "archive": "about the archive",
}
_MARKDOWN = re.compile(r"[\[<`]")
UNSUPPORTED = "[unsupported]"  # follows a sentence that failed its check
CONTRADICTED = r"\[contradicted by \d+(?:, \d+)*\]"  # the same of one that its citations contradict: a pattern


def day_text(day: date | None) -> str:
    """`3 March 2025`, or `undated`."""
    return f"{day.day} {day:%B %Y}" if day else "undated"


def byline(article: Article) -> str:
    """`The Tide, 3 March 2025` as far as it is known."""
    day = day_text(article.day)
    return ", ".join(part for part in (article.outlet, day) if part)


def heading(article: Article) -> str:
    """`Ferry runs aground — The Tide, 3 March 2025`."""
    return f"{article.title} — {byline(article)}"


def quoted(sentence: Sentence) -> str:
    """`“It rained.” — The Tide, 3 March 2025`: a sentence that is an article's own, with that article."""
    source = byline(sentence.citations[0].passage.article) if sentence.citations else ""
    return f"“{sentence.text}”" + (f" — {source}" if source else "")


def story_line(story: Story) -> str:
    """`Ferry runs aground — 3 articles, 2 independent reports, 3 March 2025 to 9 April 2025 (The Tide)`."""
    days = day_text(story.first) if story.first == story.last else f"{day_text(story.first)} to {day_text(story.last)}"
    outlets = f" ({', '.join(story.outlets)})" if story.outlets else ""
    return f"{story.headline} — {story_size(story)}, {days}{outlets}"


def story_size(story: Story) -> str:
    """`3 articles, 2 independent reports`."""
    return f"{counted(story.articles, 'article')}, {counted(story.reports, 'independent report')}"


def short_days(story: Story) -> str:
    """`3 Mar–9 Apr 2025`, `3–9 Mar 2025`, `3 Mar 2025`, "" where no day is known."""
    first, last = story.first, story.last
    if first is None or last is None:
        return ""
    end = f"{last.day} {last:%b %Y}"
    if first == last:
        return end
    if first.year != last.year:
        return f"{first.day} {first:%b %Y}–{end}"
    return f"{first.day}–{end}" if first.month == last.month else f"{first.day} {first:%b}–{end}"


def story_text(story: Story, articles: list[Article]) -> str:
    """A story and its articles, a line each with its id."""
    return "\n".join([story_line(story), *(f"  {article.id:52}  {heading(article)}" for article in articles)])


def article_text(article: Article) -> str:
    """An article under its headline."""
    return f"{article.title}\n{byline(article)}\n\n{article.text}"


def hits_text(hits: list[Hit], note: str) -> str:
    """The hits of a search with their whole passages; without any, the note that says so."""
    return "\n\n".join(f"{heading(h.passage.article)}\n{h.passage.text}" for h in hits) or note


def hit_line(hit: Hit) -> str:
    """A hit in two lines: score, heading and the outlets of its copies; the beginning of the passage."""
    also = f" (also in {', '.join(a.outlet or a.id for a in hit.copies)})" if hit.copies else ""
    text = " ".join(hit.passage.text.split())
    shown = text if len(text) <= 160 else f"{text[:160].rstrip()}…"
    return f"{hit.score:.3f}  {heading(hit.passage.article)}{also}\n       {shown}"


def answer_text(answer: Answer) -> str:
    """An answer in lines: the text; its kind where it is no single fact, or the one that was dropped; the days that the
    question names; why it was refused, or which sentences are unsupported or contradicted and why; the quotes behind
    the numbers, or the closest articles; the model."""
    lines = [answer.text]
    if answer.kind != "fact":
        lines.append(f"Read as: {KIND_NAMES[answer.kind]}.")
    if answer.kind_dropped:
        lines.append(dropped_text(answer.kind_dropped))
    if answer.window:
        lines.append(window_text(answer.window))
    if answer.reason:
        lines.append(f"Reason: {answer.reason}.")
    for sentence in answer.sentences:
        if sentence.verdict == "unsupported":
            lines.append(f"  ! not supported: “{sentence.text}” ({sentence.reason})")
        elif sentence.verdict == "contradicted":
            numbers = "".join(f"[{citation.number}]" for citation in sentence.citations)
            lines.append(f"  ! contradicted by {numbers}: “{sentence.text}” ({sentence.reason})")
    for citation in answer.citations:
        lines += ["", f"[{citation.number}] {heading(citation.passage.article)}", f"    “{citation.quote}”"]
    if not answer.answered:
        lines += [f"  · {heading(hit.passage.article)}" for hit in answer.hits[:3]]
    return "\n".join([*lines, "", f"({answer.model})"])


def kind_name(kind: str) -> str:
    """What a kind of question is called; the text itself for one that is not known."""
    return {str(known): name for known, name in KIND_NAMES.items()}.get(kind, kind)


def dropped_text(kind: str) -> str:
    """`Too little was found for the form “timeline”: this is a plain answer.`"""
    return f"Too little was found for the form “{kind_name(kind)}”: this is a plain answer."


def window_text(window: TimeWindow) -> str:
    """`Articles from 3 to 9 March 2025 were preferred.`, or that none was found."""
    if window.dropped:
        return f"Nothing was found from {window_days(window)}: all days were searched."
    return f"Articles from {window_days(window)} were preferred."


def window_days(window: TimeWindow) -> str:
    """`3 to 9 March 2025`, `3 March 2025`, `3 March 2025 or later`, `3 March 2025 or earlier`."""
    first, last = window.first, window.last
    if first is None or last is None:
        day = first or last
        return f"{written(day)} or {'later' if first else 'earlier'}" if day else ""
    if first == last:
        return written(first)
    begin = written(first)
    if first.year == last.year:
        begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%B}"
    return f"{begin} to {written(last)}"


def checked_text(answer: Answer) -> str:
    """An answer for readers who see its text alone: citation numbers, and a warning behind an unsupported sentence."""
    separator, mark = layout(answer)
    return separator.join(f"{mark}{sentence_text(sentence)}" for sentence in answer.sentences) or answer.refusal


def layout(answer: Answer) -> tuple[str, str]:
    """What stands between the sentences of an answer and in front of each in Markdown: a list, where it is in lines."""
    return ("\n", "- ") if answer.in_lines else (" ", "")


def sentence_text(sentence: Sentence) -> str:
    """The sentence with its citation numbers, and with a warning where it failed its check."""
    return f"{marked(sentence)} {warning(sentence)}".rstrip()


def as_markdown(text: str) -> str:
    """Words of an article for a client that renders Markdown: none of their links, images, HTML and [n] works."""
    return _MARKDOWN.sub(r"\\\g<0>", text)


def warning(sentence: Sentence) -> str:
    """What follows a sentence that failed its check: `[unsupported]`, or `[contradicted by 2]`; "" for another."""
    if sentence.verdict == "contradicted":
        return f"[contradicted by {', '.join(str(citation.number) for citation in sentence.citations)}]"
    return UNSUPPORTED if sentence.verdict == "unsupported" else ""


def is_settled(answer: Answer, llm: LLM | None) -> bool:
    """Whether the sentences of this state of a stream will stay, so that they can be sent to a client for good.

    A final answer keeps its sentences when at least one is supported; but a model that judges its evidence does so
    at the end, and may still take all of them back.
    """
    if answer.final:
        return True
    judges = llm is not None and llm.judges
    return not judges and any(sentence.verdict == "supported" for sentence in answer.sentences)
