"""What a person said about something: sentences with quoted or reported words, in the order of their days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.sentences.speakers import Speaker, reports, speaker_of
from rag.answering.compose.wording import SAME, says_the_same
from rag.answering.sentence_selection import SPEECH, same_paragraph
from rag.language.dates import written
from rag.language.names import names
from rag.language.stems import content_stems, stem
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, tokens
from rag.schema import Sentence

MOST = 10
# How near a statement must be to what the question asks about, as a share of the nearest one and by itself; what the
# headline's likeness counts. Short quotations share few words with their subject, which the headline names. Set by hand
# on the questions to the demo archive.
LEAST_SHARE, LEAST, HEADLINE = 0.65, 0.03, 0.5
SAME_ROLE = 0.6  # share of the words for an office ("fisheries minister") that the speaker's must hold. Set by hand.
# Words behind which a question says what the statements are about, or to whom they were made.
_ABOUT = frozenset(
    """about on regarding concerning over after to sobre acerca respecto tras ante a zu zum zur uber nach gegenuber an
    sur apres au aux concernant su sul sulla sui dopo al alla apos ao na aan tegen""".split()
)


def compose(material: Material) -> list[Sentence]:
    """The statements of whom the subject names about what it names, each with its day, its outlet and, where the
    sentence itself does not name him, its speaker; none without one."""
    who, topic = parted(material.subject)
    every = _spoken(material, who)
    spoken = _with_quotations(_about(every, topic, material), every)
    citer, said = Citer(), list[tuple[Line, str]]()
    for line, speaker in sorted(spoken, key=lambda one: (one[0].day or date.min, one[0].article.id, one[0].place)):
        if len(said) < MOST and not any(_says_the_same(line, one) for one, _ in said):
            said.append((line, speaker))
    return [citer.sentence(f"{_lead(line, speaker)}: {line.text}", (line.candidate,), "") for line, speaker in said]


def parted(subject: str) -> tuple[str, str]:
    """Who speaks and what about, as the subject names them: ("Renner", "fuel duty"); "" where it names nothing."""
    words = tokens(subject)
    for at, word in enumerate(words):
        if word.folded in _ABOUT and _has_content(words[:at]) and _has_content(words[at + 1 :]):
            return subject[: word.start].strip(), subject[words[at + 1].start :].strip()
    return subject, ""


def _has_content(words: Sequence[Token]) -> bool:
    return any(word.folded not in STOP_WORDS for word in words)


def _lead(line: Line, speaker: str) -> str:
    day = written(line.day) if line.day else "Undated"
    return ", ".join(part for part in (day, line.article.outlet, speaker) if part)


def _spoken(material: Material, who: str) -> list[tuple[Line, str]]:
    """Lines that report words of that speaker, and his name where the line lacks it."""
    wanted, roles = set(names(who, sentence_start=True)), set(content_stems(who, material.language))
    if material.language != "de" and wanted:  # German nouns look like names
        roles = set()
    found = []
    for index, line in enumerate(material.lines):
        if not reports(line.text, line.article.language):
            continue
        own = speaker_of(line.text, line.article.language)
        speaker = own if own and own.name else _before(material.lines, index)
        if any(one and _is_meant(one, wanted, roles, material.language) for one in (own, speaker)):
            found.append((line, speaker.name if speaker and speaker is not own else ""))
    return found


def _is_meant(speaker: Speaker, wanted: set[str], roles: set[str], language: str) -> bool:
    if wanted & {token.folded for token in tokens(speaker.name)}:
        return True
    own = {stem(word, language) for word in speaker.words}
    return bool(roles) and len(roles & own) >= SAME_ROLE * len(roles)


def _before(lines: Sequence[Line], index: int) -> Speaker | None:
    """The speaker, or the first person named, in the nearest sentence in front that has one, in the same paragraph."""
    line = lines[index]
    for before in reversed(lines[:index]):
        if not same_paragraph(before.candidate, line.candidate):
            return None
        speaker = speaker_of(before.text, before.article.language)
        if speaker and speaker.name:
            return speaker
    return None


def _about(spoken: list[tuple[Line, str]], topic: str, material: Material) -> list[tuple[Line, str]]:
    """The statements about the topic, told by line, sentence in front and headline; all where there is no topic."""
    if not topic or not spoken:
        return spoken
    told = [line for line, _ in spoken]
    alone = material.likenesses(topic, [(line.text, line.article.language) for line in told])
    behind = material.likenesses(topic, [(_with_before(line, material), line.article.language) for line in told])
    headlines = material.likenesses(topic, [(line.article.title, line.article.language) for line in told])
    scores = [max(own) + HEADLINE * headline for *own, headline in zip(alone, behind, headlines, strict=True)]
    least = max(LEAST_SHARE * max(scores), LEAST)
    return [one for one, score in zip(spoken, scores, strict=True) if score >= least]


def _with_quotations(chosen: list[tuple[Line, str]], every: list[tuple[Line, str]]) -> list[tuple[Line, str]]:
    """The chosen statements and the quotations that stand beside one of them in its paragraph: words that are quoted
    name their subject less often than the sentence that introduces them."""
    return [one for one in every if one in chosen or any(_is_quoted_beside(one[0], line) for line, _ in chosen)]


def _is_quoted_beside(line: Line, other: Line) -> bool:
    near = abs(line.place - other.place) == 1 and same_paragraph(line.candidate, other.candidate)
    return near and bool(SPEECH.search(line.text))


def _says_the_same(one: Line, other: Line) -> bool:
    """Whether two statements say the same; of quotations the quoted words count, and not who said them where."""
    quoted = [set(content_stems(_quoted(line.text), line.article.language)) for line in (one, other)]
    if all(quoted):
        return len(quoted[0] & quoted[1]) >= SAME * min(map(len, quoted))
    return says_the_same(one, other)


def _quoted(text: str) -> str:
    return " ".join(match[0] for match in SPEECH.finditer(text))


def _with_before(line: Line, material: Material) -> str:
    """The line behind the sentence in front of it, which often says what it is about; alone where there is none."""
    front = [one for one in material.lines if one.article.id == line.article.id and one.place == line.place - 1]
    return " ".join(one.text for one in (*front, line))
