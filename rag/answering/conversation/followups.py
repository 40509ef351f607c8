"""Follow-up questions: what a question means that relies on the conversation before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from rag.answering.conversation.moves import Move, form_of, move_of
from rag.answering.kinds.cues import has_cue
from rag.answering.time_windows.periods import year_of
from rag.answering.time_windows.shifts import shift_of
from rag.answering.time_windows.windows import named_window, window_beside, without_days
from rag.language.identify import detect_language
from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import QuestionKind, TimeWindow, Turn

MOST_NAMES = 3  # names of the previous answer that are added to the query of a follow-up
# A question of COMPLETE_WORDS content words is complete though it names nobody and points at nothing: "how many dead
# fish were cleared from the lake in 2025". A follow-up that names somebody, or has OWN_SUBJECT content words, tells
# enough for the next one; to one with fewer ("and the men's race?"), the question that began the subject is added.
# Set on mtragun_goldpool (332 questions, 309 with a history): success@1 .889 and MRR@10 .922, without a limit for
# complete questions and with the last question alone .883 and .920, with the first question always .861 and .904.
COMPLETE_WORDS, OWN_SUBJECT = 6, 3
OPENING_CHARS = 300  # of an answer that are read for what a continuation is about
LEAST_COMMON = 3  # words of an answer that is a sentence. Set by hand.
_MARKER = re.compile(r" ?\[\d+\]")
# The day and the outlet in front of a sentence: "26 September 2025, Northline News: Ruth Pemberley was sworn in".
_SOURCE = re.compile(r"^(?:\d{1,2} [^\W\d_]+ \d{4}|Undated), [^\n,:]{1,80}(?=[,:])", re.M)
_CLAUSE = re.compile(r"\s*[,;:]\s+|\s+[-–—]\s+")
_YEAR = re.compile(r"\b20\d\d\b")
_WORD = r"[^\W\d_]+(?:[-'’][^\W\d_]+)*"
_FULL_NAME = re.compile(rf"\b(?=[^\W\d_])({_WORD}(?: {_WORD})+)")
_PERSONS = frozenset("he she him her his hers er sie ihm ihn ihr el ella il elle lui lei ele ela hij zij".split())
_AMBIGUOUS = frozenset("el lei lui ele ela sie ihr ihn".split())
_THINGS = frozenset("it its this that these those es ello eso esto ce cela ca isso isto dat dit das dazu".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question read with the conversation before it.

    `text` is looked up. `asked` is compared with sentences by their words. `form` is the kind of answer that a
    continuation asks for, None: `kind_text` tells. `subject` is what a composition is about. `window` are the days that
    the question names, or those of the conversation it leans on; `elsewhere`: they are other days than the
    conversation's, and an article from outside them answers nothing. `said` are the answers not to repeat. `move` is
    what the question does with the one before it, None where it is complete. `base` is the question that began the
    subject, on the days last asked for. `may_stand_alone`: the question points at nothing before it, and is taken for
    a continuation since it is short and names nobody. `unspoken`: it was read as one for somebody's words, and none
    were found.
    """

    text: str
    asked: str
    kind_text: str
    subject: str
    base: str
    form: QuestionKind | None = None
    window: TimeWindow | None = None
    elsewhere: bool = False
    said: tuple[str, ...] = ()
    move: Move | None = None
    may_stand_alone: bool = False
    unspoken: bool = False


def read(question: str, history: Sequence[Turn], today: date | None = None) -> Reading:
    """What the question asks, its conversation considered. `today` is the day from which "last year" is seen; None: no
    days are looked for."""
    window = named_window(question, today) if today else None
    undated = without_days(question, today or date.today()) if history else question
    move = move_of(question, undated) if history else "content"
    continues = move != "content" or _needs_another(question)
    if not history or not (continues or _may_continue(question, history)):
        return Reading(text=question, asked=question, kind_text=question, subject=question, window=window,
                       base=question)  # fmt: skip
    return replace(_continued(question, history, today, window, move, undated), may_stand_alone=not continues)


def _continued(
    question: str, history: Sequence[Turn], today: date | None, window: TimeWindow | None, move: Move, undated: str
) -> Reading:
    """A question as what it does with the one before it."""
    before, last = read(history[-1].question, history[:-1], today), history[-1]
    if today:
        window = window_beside(question, today, before.window)
    days = window or before.window
    if move == "content" and today:
        if moved := _later_content(question, last, before, today):
            return moved
        if window is None and has_cue(question, "latest"):
            return _with_content(question, _of_no_days(last, today), _without_own_days(before, today), None)
    if move == "content":
        return _with_content(question, last, before, days)
    if move == "days":
        return _on_other_days(question, last, before, window, today)
    said = (*before.said, last.answer)
    continued = replace(before, window=days, move=move)
    if move == "form":
        return replace(continued, form=form_of(undated), subject=f"{before.subject} {_opening(last.answer)}", said=())
    return replace(continued, said=said)


def standalone(question: str, history: Sequence[Turn], today: date | None = None) -> str:
    """The retrieval query: the question itself, or, for a follow-up, what it continues with what it adds.

    A question is a follow-up when it contains a pronoun that points back, has at most one content word, or names nobody
    and nothing in fewer than COMPLETE_WORDS content words.
    """
    return read(question, history, today).text


def unnamed_person(question: str, history: Sequence[Turn]) -> str:
    """The pronoun of a question about a person whom neither it nor the conversation names ("How old is he?"); "" for
    any other question. One with a topic, "What did she say about the bridge?", or with several content words may tell
    enough."""
    words = tokens(question)
    enough = 0 if has_cue(question, "statements") else 1
    if history or names(question) or sum(word.folded not in STOP_WORDS for word in words) > enough:
        return ""
    return next((w.text for at, w in enumerate(words) if means_person(w.folded, is_last=at == len(words) - 1)), "")


def means_person(word: str, *, is_last: bool) -> bool:
    """Whether a word is a pronoun for a person; Spanish "el" and Italian "lei" stand for nothing else only at the end,
    as folding makes an article of the one, and German "sie" and "ihr" may address the reader."""
    return word in _PERSONS - _AMBIGUOUS or (is_last and word in _AMBIGUOUS)


def _needs_another(question: str) -> bool:
    """Whether a question can only be understood with one before it: it points back or has one content word."""
    words = [token.folded for token in tokens(question)]
    return sum(word not in STOP_WORDS for word in words) <= 1 or _points_back(question, words)


def _may_continue(question: str, history: Sequence[Turn]) -> bool:
    """Whether a question is short and names nobody, so that one before it may tell what it is about."""
    content = _content_of(question).split()
    return not names(question) and len(content) < COMPLETE_WORDS and any(map(_has_subject, history))


def _has_subject(turn: Turn) -> bool:
    """Whether a question can be continued: "Is it raining?" names nothing that a later one could mean."""
    return bool(names(turn.question)) or len(_content_of(turn.question).split()) > 1


def _with_content(question: str, last: Turn, before: Reading, days: TimeWindow | None) -> Reading:
    """A question of its own on the same subject: "Why?", "What had the union asked for?"."""
    named = list(dict.fromkeys(names(without_sources(last.answer))))[:MOST_NAMES]
    if before.move != "content":
        continued = [before.base]
    elif names(last.question) or len(_content_of(last.question).split()) >= OWN_SUBJECT:
        continued = [last.question]
    else:
        continued = [before.base, last.question]
    text = " ".join([*continued, *named, question])
    subject = _subject_of_statements(question, last, before) if has_cue(question, "statements") else text
    return Reading(text=text, asked=question, kind_text=question, subject=subject, window=days, said=before.said,
                   move="content", base=before.base)  # fmt: skip


def _of_no_days(turn: Turn, today: date) -> Turn:
    return replace(turn, question=_undated(turn.question, today))


def _without_own_days(reading: Reading, today: date) -> Reading:
    text, base = _undated(reading.text, today), _undated(reading.base, today)
    return replace(reading, text=text, base=base, window=None)


def _later_content(question: str, last: Turn, before: Reading, today: date) -> Reading | None:
    """A question of its own behind other days: "and a year later, who won it?"; None for any other."""
    opening, *rest = _CLAUSE.split(question, maxsplit=1)
    if not rest or move_of(opening, without_days(opening, today)) != "days":
        return None
    moved = _on_other_days(opening, last, before, window_beside(opening, today, before.window), today)
    if not moved.elsewhere:
        return None
    return replace(moved, text=f"{moved.text} {rest[0]}", asked=f"{moved.asked} {rest[0]}", kind_text=rest[0],
                   subject=f"{moved.subject} {rest[0]}", form=None, move="content")  # fmt: skip


def _on_other_days(
    question: str, last: Turn, before: Reading, window: TimeWindow | None, today: date | None
) -> Reading:
    """The question before on other days: "and in 2026?", "a year later?"."""
    if today is None:
        return replace(before, text=f"{before.text} {question}", move="days")
    shift = shift_of(question) if window is None else None
    near = before.window or _year_of(before.asked) or named_window(_opening(last.answer), today)
    days = window or (shift.of(near) if shift and near else None)
    if days is None:
        return replace(before, text=f"{before.text} {question}", move="days", said=())
    asked, text, subject = (_undated(one, today) for one in (before.asked, before.text, before.subject))
    year = str(days.first.year) if window and days.first and days.last and days.first.year == days.last.year else ""
    asked, text, subject = (f"{one} {year}".strip() for one in (asked, text, subject))
    kind_text = before.kind_text if before.kind_text != before.asked else asked
    asked = f"{asked} {_common_words(last.answer)}".strip()
    return Reading(text=text, asked=asked, kind_text=kind_text, subject=subject, form=before.form, window=days,
                   elsewhere=True, move="days", base=text)  # fmt: skip


def _year_of(question: str) -> TimeWindow | None:
    """The year that a question names, where it names one: "the budget for 2026"."""
    years = {int(year) for year in _YEAR.findall(question)}
    period = year_of(years.pop()) if len(years) == 1 else None
    return TimeWindow(first=period.first, last=period.last) if period else None


def _opening(answer: str) -> str:
    """The first sentence of an answer, at most OPENING_CHARS of it, without its citation markers."""
    text = _MARKER.sub("", answer)[:OPENING_CHARS]
    return next((text[start:end] for start, end in sentence_spans(text)), "")


def without_sources(answer: str) -> str:
    """An answer without the outlets in front of its sentences, which nobody means by "she"."""
    return _SOURCE.sub("", answer)


def _common_words(answer: str) -> str:
    """The words of an answer that are no names and no numbers: what stays the same on other days. "" for one in few
    words, such as a name and a score."""
    words = [token for token in tokens(_opening(answer)) if token.text.isalpha() and token.text[0].islower()]
    content = [token.text for token in words if token.folded not in STOP_WORDS]
    return " ".join(content) if len(content) >= LEAST_COMMON else ""


def _undated(text: str, today: date) -> str:
    return " ".join(_YEAR.sub(" ", without_days(text, today)).split())


def _subject_of_statements(question: str, last: Turn, before: Reading) -> str:
    """Who spoke and about what: a pronoun stands for the person named last, and a new speaker for the one before."""
    words = {token.folded for token in tokens(question)}
    about_it = not words.isdisjoint(_THINGS)
    if not words.isdisjoint(_PERSONS):
        person = _person(without_sources(last.answer)) or _person(before.text)
        topic = _without(before.text, names(person, sentence_start=True)) if about_it else ""
        return " ".join(part for part in (person, topic, _content_of(question)) if part)
    if has_cue(before.kind_text, "statements"):
        return f"{_content_of(question)} {_without(_content_of(before.text), names(before.text))}"
    return f"{before.text} {question}"


def _content_of(question: str) -> str:
    return " ".join(token.text for token in tokens(question) if token.folded not in STOP_WORDS)


def _person(text: str) -> str:
    """The first name of two or more capitalised words in a text, "" where it has none."""
    for match in _FULL_NAME.finditer(text):
        run: list[str] = []
        for word in [*match[1].split(), ""]:
            if word[:1].isupper() and fold(word) not in STOP_WORDS:
                run.append(word)
            elif len(run) > 1:
                return " ".join(run)
            else:
                run = []
    return ""


def _without(text: str, left_out: Sequence[str]) -> str:
    return " ".join(token.text for token in tokens(text) if token.folded not in left_out)


def _points_back(question: str, words: Sequence[str]) -> bool:
    """Whether a question contains a word that refers to something before it, or opens like a continuation.

    The language of a short question is often detected wrongly, so the words of every language count too.
    """
    lexicons = (EVERY_LANGUAGE, lexicon(detect_language(question)))
    pointers = frozenset[str]().union(*(one.pointers | one.question_pointers for one in lexicons))
    opening = fold(question).lstrip("¿¡ ")
    return not pointers.isdisjoint(words) or any(pattern(one.openers).match(opening) for one in lexicons)
