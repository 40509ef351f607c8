"""People whom sentences name beside an office: "said Imogen Ashdown, the chief executive", "minister Edmund Lacey"."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix

from rag.answering.compose.material import Line, Material
from rag.answering.compose.sentences.speakers import OF
from rag.language.calendar import month_at, weekday_names
from rag.language.lexicons import lexicon, pattern
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, fold, folded_words, tokens
from rag.schema import Passage

IN_FRONT, BEHIND = 4, 9  # words beside a name that may be an office
# What the words of an office need in common with those of the office asked for (shares of the fewer), where the
# question names it and where only its likeness tells ("Who runs ..."); what an office gains that is named with two
# people. Set by hand on the questions to the demo archive.
SAME_OFFICE, ALIKE_OFFICE, HELD_TWICE = 0.5, 0.75, 0.3
NAMED_SO = 0.5  # of the words of the office asked for, without names, and of those of an office: the other's; by hand
# Letters that two inflections of one word have in common at their beginning, and by which one of them may be longer.
LEAST_SHARED, MOST_INFLECTED = 4, 4
_OF_OR_FOR = OF | frozenset("for to fur pour para per voor".split())
_IS = frozenset("is es est ist".split())  # not Italian "è", which folds to "and"
_END = re.compile(r"[,;:.!?()“”\"«»–—]")


@dataclass(frozen=True, slots=True)
class Holder:
    """A person as a line names him, with the words beside his name that may be his office, and their stems."""

    name: str
    office: str
    stems: frozenset[str]
    line: Line

    @property
    def last_name(self) -> str:
        """The last word of his name, folded."""
        return tokens(self.name)[-1].folded


def named_in_office(material: Material, share: float) -> list[Holder]:
    """Those who are named in the office that the subject asks for: by that share of its words, and by few others, as
    the leader of the opposition does not lead a bank of which he speaks. Not those who had it once."""
    asked, subject = (
        frozenset(content_stems(text, material.language))
        for text in (_office_asked(material.subject, material.language), material.subject)
    )
    held = [
        one
        for one in holders_of(material)
        if _common(asked, one.stems) >= share * len(asked) > 0 and _common(asked, _head(one))
    ]
    once = {(one.line, one.last_name) for one in held if _is_former(one, material.subject)}
    return [
        one
        for one in held
        if _common(one.stems, subject) > NAMED_SO * len(one.stems) and (one.line, one.last_name) not in once
    ]


def _head(one: Holder) -> frozenset[str]:
    """The stems of an office in front of what it is of or for: "spokesman" of "spokesman for the mayor"."""
    words = tokens(one.office)
    end = next((at for at, word in enumerate(words) if word.folded in _OF_OR_FOR), len(words))
    return frozenset(content_stems(" ".join(word.text for word in words[:end]), one.line.article.language))


def _is_former(one: Holder, subject: str) -> bool:
    """Whether the words of an office say that it is another than the one asked for: a former one, or a deputy's."""
    other = pattern(lexicon(one.line.article.language).formers)
    return bool(other.search(fold(one.office))) and not other.search(fold(subject))


def names_office(subject: str, language: str, passages: Iterable[Passage]) -> bool:
    """Whether a passage names somebody beside an office that has every word of the subject but its names.

    Compares words alone: it is asked for each question who did something, of which few are for an office.
    """
    asked = frozenset(content_stems(_office_asked(subject, language), language))
    return bool(asked) and any(
        _common(asked, frozenset(content_stems(office, passage.article.language))) == len(asked)
        for passage in passages
        for start, end in sentence_spans(passage.text)
        for _, office in offices_beside(passage.text[start:end], passage.article.language)
    )


def _office_asked(subject: str, language: str) -> str:
    """The words of a subject without its names."""
    proper = set(names(subject)) if language != "de" else set()
    return " ".join(word.text for word in tokens(subject) if word.folded not in proper)


def holders_of(material: Material) -> list[Holder]:
    """Those who are named in the office that is most like the one that the subject asks for, each line once; none
    where nobody is named beside an office."""
    every = [one for line in material.lines for one in _holders(line, material)]
    if not every:
        return []
    asked = _office_asked(material.subject, material.language)
    likeness = material.nearness.to(asked).contrasts([(one.office, one.line.article.language) for one in every])
    wanted = frozenset(content_stems(asked, material.language))
    scores = [
        _common(wanted, one.stems) / max(len(wanted), 1) + like + HELD_TWICE * _is_held_twice(one, every, wanted)
        for one, like in zip(every, likeness, strict=True)
    ]
    anchor = every[max(range(len(every)), key=scores.__getitem__)]
    return [one for one in every if _is_of_office(one, anchor, wanted)]


def _is_held_twice(one: Holder, every: Sequence[Holder], wanted: frozenset[str]) -> bool:
    return any(one.last_name != other.last_name and _is_of_office(other, one, wanted) for other in every)


def _is_of_office(one: Holder, anchor: Holder, wanted: frozenset[str]) -> bool:
    """Whether somebody is named in the same office as the one that is most like the office asked for."""
    named = _common(wanted, anchor.stems)
    same = _common(one.stems, anchor.stems) / min(len(one.stems), len(anchor.stems))
    if named:
        return same >= SAME_OFFICE and _common(wanted, one.stems) >= ALIKE_OFFICE * named
    return same >= ALIKE_OFFICE


def _common(some: frozenset[str], others: frozenset[str]) -> int:
    """How many of some stems are among others, in any inflection: "chairs" and "chairman"."""
    return sum(any(_is_same(one, other) for other in others) for one in some)


def _is_same(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > MOST_INFLECTED:  # "Bürgermeisterkandidat"
        return False
    return one == other or len(commonprefix((one, other))) >= max(LEAST_SHARED, min(len(one), len(other)) - 1)


def _holders(line: Line, material: Material) -> Iterator[Holder]:
    """The people with an office in a line of an article that names what the subject names."""
    text, language = line.text, line.article.language
    words = tokens(text)
    opening = {word.folded for word in tokens(f"{line.article.title} {line.article.text[:300]} {text}")}
    asked = set(names(material.subject)) if material.language != "de" else set()
    if not asked <= opening:
        return
    own = {word.folded for word in tokens(material.subject)}
    groups = [one for one in name_groups(words, text) if asked.isdisjoint(word.folded for word in words[slice(*one)])]
    people = [_with_offices(words, text, first, end, own, language) for first, end in groups]
    if asked:  # "their manager" may be that of another club
        people = [
            (name, [one for one in offices if not _owned(words, text, one, language)]) for name, offices in people
        ]
    held = people  # "The Costa Lunada director" is that of another body; German nouns look like names.
    people = [(name, [one for one in offices if own.issuperset(names(one))]) for name, offices in held]
    beside = {
        stem
        for _, offices in (people if language == "de" else held)
        for office in offices
        for stem in content_stems(office, language)
    }
    elsewhere = _elsewhere(material.subject, asked, text, language)
    if people and not beside.issuperset(elsewhere.split()):
        people[0][1].append(elsewhere)
    for name, offices in people:
        for office in offices:
            if stems := frozenset(content_stems(office, language)):
                yield Holder(name, office, stems, line)


def _with_offices(
    words: Sequence[Token], text: str, first: int, end: int, asked: Container[str], language: str
) -> tuple[str, list[str]]:
    """A name and the words right beside it that may be an office; those of the office asked for are no part of the
    name: "Fisheries Minister Ruth Pemberley"."""
    while end - first > 2 and words[first].folded in asked:
        first += 1
    name = text[words[first].start : words[end - 1].end]
    return name, [
        in_front(words, text, first, language),
        behind(words, text, end),
        _is_said(words, text, end, language),
    ]


def _is_said(words: Sequence[Token], text: str, end: int, language: str) -> str:
    """What a sentence says that somebody is: "the mayor of Harrow Bay" of "Luther Voss is the mayor of Harrow Bay"."""
    at = end + 1
    if at >= len(words) or words[end].folded not in _IS or words[at].folded not in lexicon(language).determiners:
        return ""
    return _END.split(text[words[at].start : words[min(at + BEHIND, len(words)) - 1].end])[0]


def _owned(words: Sequence[Token], text: str, office: str, language: str) -> bool:
    """Whether a pronoun says whose an office is: "their manager"."""
    pronouns, at = lexicon(language).pointers, text.find(office)
    front = [word.folded for word in words if word.end <= at][-1:]
    return bool(office) and any(word in pronouns for word in (*front, *folded_words(office)[:1]))


def _elsewhere(subject: str, asked: set[str], text: str, language: str) -> str:
    """The words for the office asked for, where they stand in the sentence: "was sworn in as fisheries minister"."""
    proper = {*asked, *content_stems(" ".join(asked), language)}
    wanted = [stem for stem in content_stems(subject, language) if stem not in proper]
    held = content_stems(text, language)
    found = any(held[at : at + len(wanted)] == wanted for at in range(len(held)))
    return " ".join(wanted) if len(wanted) > 1 and found else ""


def offices_beside(text: str, language: str) -> Iterator[tuple[list[str], str]]:
    """Each name of two words or more in a sentence, its last two words folded, with the words beside it that may be an
    office: "Fisheries Minister" in front of Ruth Pemberley too."""
    words = tokens(text)
    for first, end in name_groups(words, text):
        name, opens = [word.folded for word in words[end - 2 : end]], words[first].start
        front = in_front(words, text, first, language)
        titles = text[opens : words[end - 2].start].strip()
        if front or titles:
            yield name, f"{front} {titles}".strip()
        apposition = behind(words, text, end)
        opening = next(iter(folded_words(apposition)), "")
        if opening and (opening not in STOP_WORDS or opening in lexicon(language).determiners):  # no "who ran the port"
            yield name, apposition


def name_groups(words: Sequence[Token], text: str) -> Iterator[tuple[int, int]]:
    """First and behind the last word of each name of two words or more."""
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and _may_name(words, end) and (end == at or _joined(words, text, end)):
            end += 1
        if end - at > 1:
            yield at, end
        at = max(end, at + 1)


def _joined(words: Sequence[Token], text: str, at: int) -> bool:
    return not text[words[at - 1].end : words[at].start].strip(" -")


def _may_name(words: Sequence[Token], at: int) -> bool:
    word = words[at]
    common = word.folded in STOP_WORDS or word.folded in weekday_names() or month_at(words, at)
    return word.text[0].isupper() and len(word.text) > 1 and not common


def in_front(words: Sequence[Token], text: str, first: int, language: str) -> str:
    """The words right in front of a name, back to one that carries no meaning or a verb of saying; those in front of a
    comma may say what the office is of: "the mayor of Harrow Bay, Luther Voss"."""
    at, sayings = first, pattern(lexicon(language).sayings)
    described = first > 0 and text[words[first - 1].end : words[first].start].strip() == ","
    while at > 0 and first - at < IN_FRONT:
        before = words[at - 1]
        gap = text[before.end : words[at].start].strip()
        ends = gap not in {"", "-", "'", "’"} and not (gap == "," and at == first)
        joins = described and at < first and before.folded in _OF_OR_FOR
        if ends or (before.folded in STOP_WORDS and not joins) or sayings.fullmatch(before.folded):
            break
        at -= 1
    while at < first and words[at].folded in STOP_WORDS:  # nothing stands in front of "of"
        at += 1
    return text[words[at].start : words[first - 1].end] if at < first else ""


def behind(words: Sequence[Token], text: str, end: int) -> str:
    """The words between the comma behind a name and the next mark."""
    if end >= len(words) or text[words[end - 1].end : words[end].start].strip() != ",":
        return ""
    stop = words[min(end + BEHIND, len(words)) - 1].end
    office = _END.split(text[words[end].start : stop])[0]
    return "" if pattern(lexicon("").sayings).match(fold(office)) else office
