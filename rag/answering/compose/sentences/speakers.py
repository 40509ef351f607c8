"""Whose words a sentence reports: the speaker that it names beside a verb of saying."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from rag.answering.sentence_selection import SPEECH
from rag.language.calendar import month_at, weekday_names
from rag.language.lexicons import lexicon, pattern
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, tokens

MOST_BETWEEN = 8  # words between a verb of saying and the name of its subject behind it: "said the chief officer, Dr X"
# Words between quotation marks that are somebody's words without a verb of saying: fewer are a title, or one word that
# an author holds at arm's length. Set by hand.
LEAST_QUOTED = 4
MOST_OF_TITLE = (
    3  # words between one that is a title and the name: "le prix Nobel de la paix Mohamed ElBaradei". By hand.
)
LAST_CLAUSE = 5  # words from a verb of saying to the end of a sentence whose last clause says who speaks. By hand.
BEFORE, BEHIND = 6, 8  # words around a name that say what its bearer is. Set by hand.
_AND = frozenset("and et y e und en".split())
_JOINT = re.compile(r"[.\s'’-]*")
OF = frozenset("of del de du d des della dello dei do da dos das van".split())
_LINKS = frozenset("de del la van von der den di da dos das al".split())


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker as a sentence names him: `name` as printed; `described` is the stretch with it that says what he is."""

    name: str
    described: str

    @property
    def key(self) -> str:
        """By which he is told from others: the last word of the name, folded; without a name, what describes him."""
        words = tokens(self.name)
        return words[-1].folded if words else self.described


def reports(text: str, language: str) -> bool:
    """Whether a sentence has a verb of saying, or some words between quotation marks."""
    quoted = sum(len(tokens(match[0])) for match in SPEECH.finditer(text))
    words = tokens(text)
    return quoted >= LEAST_QUOTED or _verb(words, language) < len(words)


def speaker_of(text: str, language: str, known: Set[str] = frozenset()) -> Speaker | None:
    """The speaker of the reported words of a sentence; None where it names none. `known` are folded names, of which one
    may open the sentence with nothing behind it that tells it from another word: "Cheney has long been".

    It is the first name in the clause of the verb of saying, or else in front of it, that stands not in the genitive
    ("Faircloth's barrister, Odile Renfrew, said" has Odile Renfrew), the one between commas right in front of it ("The
    boat was empty, her skipper, Ewan Strachan, said"), or else the one close behind the verb. Without such a verb it is
    the first name that is not a single word right behind an article or a preposition ("in the Millford hall"). A
    pronoun in front of the verb names nobody, and somebody "accused by" another does not speak.
    """
    outside = SPEECH.sub(lambda match: " " * len(match[0]), text)
    words = tokens(outside)
    verb = _verb(words, language)
    groups = [group for group in _names(words, outside, verb, known) if not _is_genitive(words, group, outside)]
    passive = verb < len(words) and _is_passive(words, verb, language)
    before = [group for group in groups if group[1] <= verb and not passive]
    behind = [group for group in groups if verb < group[0] <= verb + MOST_BETWEEN]
    if verb == len(words):
        before = [group for group in before if not _is_where(words, group, outside)]
    if verb < len(words) and (own_role := _in_last_clause(words, outside, verb, groups, language)):
        return own_role
    if verb < len(words) and not before:
        if _is_pronoun_subject(words, verb, language):
            return None
        # "Two engineers said Otto Hahn had built it": in English no verb stands in front of its subject.
        role = _role(words, verb)
        if not behind or (role and language == "en" and not passive):
            return role
        return _speaker(words, outside, behind[0], verb + 1, behind[0][1])
    if not before:
        return None
    if _is_set_off(words, before[-1], verb, outside):
        return _speaker(words, outside, before[-1], 0, verb)
    in_clause = [group for group in before if group[0] >= _clause_of(words, verb, outside)]
    return _speaker(words, outside, _subject(words, in_clause or before, verb), 0, verb)


def _clause_of(words: Sequence[Token], verb: int, text: str) -> int:
    """The index of the first word of the clause in which a verb stands, behind a comma; 0 where it follows one, or
    there is no verb."""
    at = _behind_comma(words, verb, text) if verb < len(words) else 0
    return at if at < verb else 0


def _behind_comma(words: Sequence[Token], at: int, text: str) -> int:
    """The index of the first word behind the last comma in front of a word."""
    while at and "," not in text[words[at - 1].end : words[at].start]:
        at -= 1
    return at


def _subject(words: Sequence[Token], groups: Sequence[tuple[int, int]], verb: int) -> tuple[int, int]:
    """The first of some names in front of a verb, or the one right before it of which that is a title: "le Premier
    ministre Hazem Beblawi a affirmé"."""
    first, (start, end) = groups[0], groups[-1]
    between, rest = words[first[1] : start], words[end:verb]
    titled = len(groups) == 2 and first[1] - first[0] == 1 and end - start > 1
    joined = any(word.folded in _AND for word in (*between, *rest))
    lower = all(word.text[0].islower() for word in between) and 0 < len(between) <= MOST_OF_TITLE
    return (start, end) if titled and lower and not joined and len(rest) <= 1 else first


def _in_last_clause(
    words: Sequence[Token], text: str, verb: int, groups: Sequence[tuple[int, int]], language: str
) -> Speaker | None:
    """The speaker without a name in a clause that ends the sentence: "Renner drove home, officials said Wednesday"."""
    first = _behind_comma(words, verb, text)
    named = any(first < end and start < len(words) and start >= first for start, end in groups)
    pointed = any(word.folded in lexicon(language).pointers for word in words[first:verb])
    if not first or named or pointed or len(words) - verb > LAST_CLAUSE:
        return None
    own = [word for word in words[first:verb] if word.folded not in STOP_WORDS]
    return Speaker("", " ".join(word.text for word in own)) if own else None


def _is_pronoun_subject(words: Sequence[Token], verb: int, language: str) -> bool:
    """Whether a pronoun is who speaks: the first word, or in front of the verb with nothing between but "also"."""
    pointers, at = lexicon(language).pointers, verb - 1
    while at > 0 and words[at].folded in STOP_WORDS - pointers:
        at -= 1
    return any(word.folded in pointers for word in (*words[:1], *words[max(at, 0) : verb][:1]))


def _is_where(words: Sequence[Token], group: tuple[int, int], text: str) -> bool:
    """Whether a name is one word right behind a stop word, as those of places are."""
    first, end = group
    if end - first > 1 or not first or words[first - 1].folded not in STOP_WORDS:
        return False
    return not text[words[first - 1].end : words[first].start].strip()


def _is_set_off(words: Sequence[Token], group: tuple[int, int], verb: int, text: str) -> bool:
    """Whether a name stands between two commas right in front of the verb."""
    if not 0 < group[0] < group[1] == verb < len(words):
        return False
    return (
        "," in text[words[group[0] - 1].end : words[group[0]].start]
        and "," in text[words[verb - 1].end : words[verb].start]
    )


def is_by_author(text: str, language: str) -> bool:
    """Whether the words of a sentence are those of its author: it has no quotation marks, and "I" in front of the verb
    of saying, as in "I do not believe, as Renner claims"."""
    words = tokens(text)
    in_front = {word.folded for word in words[: _verb(words, language)]}
    return not SPEECH.search(text) and not in_front.isdisjoint(lexicon(language).first_person)


def mentions(text: str, language: str) -> list[Speaker]:
    """Everybody and everything that a sentence names outside quotation marks, each with the words around it."""
    outside = SPEECH.sub(lambda match: " " * len(match[0]), text)
    words = tokens(outside)
    groups = _names(words, outside, _verb(words, language))
    bounds = [0, *(end for _, end in groups)], [*(start for start, _ in groups), len(words)]
    return [
        _speaker(words, outside, group, bounds[0][at], bounds[1][at + 1])
        for at, group in enumerate(groups)
        if outside[words[group[1] - 1].end :][:2] not in ("'s", "’s")
    ]


def is_continued(text: str, language: str) -> bool:
    """Whether a sentence reports words of somebody whom it calls by a pronoun or not at all."""
    outside = SPEECH.sub(lambda match: " " * len(match[0]), text)
    words = tokens(outside)
    pointed = any(word.folded in lexicon(language).pointers for word in words[: _verb(words, language) + 3])
    return outside != text and (pointed or not words)


def _verb(words: Sequence[Token], language: str) -> int:
    """The index of the first verb of saying; the number of words where there is none. One in the passive says nothing
    of its subject ("is accused of"), unless it names who speaks."""
    saying, agents = pattern(lexicon(language).sayings), lexicon(language).agent_words
    for at, word in enumerate(words):
        if at == 0 and word.folded.endswith("ed") and any(saying.fullmatch(one.folded) for one in words[1:]):
            continue  # "Asked about the pier, Renner said"
        by = at + 1 < len(words) and words[at + 1].folded in agents
        if saying.fullmatch(word.folded) and (by or not _is_passive(words, at, language)):
            return at
    return len(words)


def _is_passive(words: Sequence[Token], verb: int, language: str) -> bool:
    """Whether a verb stands behind one that makes up a passive: not "e", which is "and" too, nor in "is saying"."""
    front = words[verb - 1].folded if verb else ""
    return len(front) > 1 and front in lexicon(language).passive_verbs and not words[verb].folded.endswith("ing")


def _speaker(words: Sequence[Token], text: str, group: tuple[int, int], first: int, end: int) -> Speaker:
    own = text[words[group[0]].start : words[group[1] - 1].end]
    near = words[max(first, group[0] - BEFORE) : min(end, group[1] + BEHIND)]
    return Speaker(own, " ".join(text[near[0].start : near[-1].end].split()))


def _role(words: Sequence[Token], verb: int) -> Speaker | None:
    """A speaker without a name: "The minister said"."""
    front = range(max(0, verb - 4), verb)
    own = [words[at] for at in front if words[at].folded not in STOP_WORDS | weekday_names().keys()]
    return Speaker("", " ".join(word.text for word in own)) if own else None


def _names(words: Sequence[Token], text: str, verb: int, known: Set[str] = frozenset()) -> list[tuple[int, int]]:
    """First and behind the last word of each name. A word that opens the sentence is one if it is known as one, or a
    capital, a comma or the verb follows."""
    groups: list[tuple[int, int]] = []
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and (_is_name(words, end) or (end > at and _links(words, end))):
            end += 1
            if end < len(words) and not _JOINT.fullmatch(text, words[end - 1].end, words[end].start):
                break
        opens_only = at == 0 and end == 1 and end != verb and not text[words[0].end :].lstrip().startswith(",")
        if end > at and not (opens_only and words[0].folded not in known):
            groups.append((at, end))
        at = max(end, at + 1)
    return groups


def _is_name(words: Sequence[Token], at: int) -> bool:
    word = words[at]
    common = word.folded in STOP_WORDS or word.folded in weekday_names() or month_at(words, at)
    return word.text[0].isupper() and len(word.text) > 1 and not common


def _links(words: Sequence[Token], at: int) -> bool:
    return words[at].folded in _LINKS and at + 1 < len(words) and _is_name(words, at + 1)


def _is_genitive(words: Sequence[Token], group: tuple[int, int], text: str) -> bool:
    """Whether a name only says whose somebody is: "Faircloth's barrister", "la directora del Servicio"."""
    at = group[0] - 1
    while at >= 0 and words[at].folded in STOP_WORDS - OF:
        at -= 1
    joined = at >= 0 and not text[words[at].end : words[group[0]].start].strip().endswith(",")
    return text[words[group[1] - 1].end :][:2] in ("'s", "’s") or (joined and words[at].folded in OF)
