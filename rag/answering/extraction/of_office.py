"""Who has an office, or had it at a time, where a question asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from rag.answering.ask import Ask
from rag.answering.compose import composer
from rag.answering.compose.latest import in_office
from rag.answering.compose.sentences.offices import names_office
from rag.answering.conversation.followups import Reading
from rag.answering.time_windows.windows import without_days
from rag.schema import Answer, Sentence


def told_of_office(ask: Ask, answer: Answer, reading: Reading, language: str) -> Sequence[Sentence] | None:
    """Sentences that name who has an office, or had it on the last of the days that the question names, which is in
    this language; none where the articles name nobody in it, and None where the question asks for something else."""
    subject, window = without_days(reading.subject, ask.today or date.today()), reading.window
    if not composer.asks_who(reading) or reading.move or (window and not window.last):
        return None
    if not names_office(subject, language, (hit.passage for hit in answer.hits)):
        return None
    material = composer.material_of(ask, replace(answer, kind="latest"), replace(reading, subject=subject))
    return in_office(material, share=1.0, at=window.last if window else None)
