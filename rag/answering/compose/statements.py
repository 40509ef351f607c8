"""What a person said: sentences with quoted or reported words, in the order of their days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_new
from rag.answering.sentence_selection import SPEECH, same_paragraph
from rag.language.dates import written
from rag.language.lexicons import lexicon, pattern
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.tokens import fold, tokens
from rag.schema import Sentence

MOST = 10


def compose(material: Material) -> list[Sentence]:
    """The statements of whom the subject names, each with its day, its outlet and its speaker; none without one."""
    citer = Citer()
    said: list[tuple[Line, str]] = []
    for line, speaker in sorted(_spoken(material), key=lambda one: (one[0].day or date.min, one[0].place)):
        if len(said) < MOST and is_new(line, (one for one, _ in said)):
            said.append((line, speaker))
    return [citer.sentence(f"{_lead(line, speaker)}: {line.text}", (line.candidate,), "") for line, speaker in said]


def _lead(line: Line, speaker: str) -> str:
    day = written(line.day) if line.day else "Undated"
    return ", ".join(part for part in (day, line.article.outlet, speaker) if part)


def _spoken(material: Material) -> list[tuple[Line, str]]:
    """Lines that report words of a speaker whom the subject names, and his name where the line lacks it."""
    wanted = set(names(material.subject, sentence_start=True))
    roles = set(content_stems(material.subject, material.language))
    speaker = " ".join(token.text for token in tokens(material.subject) if token.folded in wanted)
    found = []
    for index, line in enumerate(material.lines):
        if not _reports(line):
            continue
        own = {token.folded for token in tokens(SPEECH.sub(" ", line.text))}
        if wanted & own or (not wanted and roles & set(content_stems(SPEECH.sub(" ", line.text), material.language))):
            found.append((line, ""))
        elif not names(SPEECH.sub(" ", line.text)) and wanted & _named_before(material.lines, index):
            found.append((line, speaker))
    return found


def _reports(line: Line) -> bool:
    """Whether a sentence has quotation marks or a verb of saying."""
    sayings = pattern(lexicon(line.article.language).sayings)
    return bool(SPEECH.search(line.text) or sayings.search(fold(line.text)))


def _named_before(lines: Sequence[Line], index: int) -> set[str]:
    """The names in the nearest sentence in front that has any, in the same paragraph: those that a pronoun means."""
    line = lines[index]
    for before in reversed(lines[:index]):
        if not same_paragraph(before.candidate, line.candidate):
            return set()
        if found := set(names(SPEECH.sub(" ", before.text), sentence_start=True)):
            return found
    return set()
