"""People of one last name: which of them a question names, and what the articles tell of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.people.mentions import Mention, named, place_in_text
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words
from rag.schema import Article, Hit

LEAST_CONSONANTS = 3  # of two names that may be one. Set by hand on an archive on Egypt.
_VOWELS, _DOUBLED = re.compile("[aeiouy]"), re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """Somebody whom a question names in full: folded last name, and the names in front of it."""

    last: str
    given: frozenset[str]


def asked_people(question: str, articles: Sequence[Article]) -> list[AskedPerson]:
    """Those whom a question names in full, as one of the articles does, where an article names somebody else of that
    last name."""
    words = [word for word in folded_words(question) if word not in STOP_WORDS]
    found: dict[str, AskedPerson] = {}
    for last in dict.fromkeys(words):
        every = [one.given for one in bearers_of(last, articles)]
        asked = frozenset[str]().union(*every).intersection(words)
        if asked and any(asked.isdisjoint(given) for given in every):
            found[last] = AskedPerson(last, asked)
    return list(found.values())


def named_people(question: str, articles: Sequence[Article]) -> list[AskedPerson]:
    """Those whom a question names, in full or by the last name alone, and whom one of the articles names in full."""
    words = [word for word in folded_words(question) if word not in STOP_WORDS]
    found: list[AskedPerson] = []
    for last in dict.fromkeys(words):
        every = [one.given for one in bearers_of(last, articles)]
        asked = [given for given in every if not given.isdisjoint(words)] or every
        if asked:
            found.append(AskedPerson(last, frozenset().union(*asked)))
    return found


def names_person(article: Article, start: int, end: int, person: AskedPerson) -> bool:
    """Whether the words of an article from `start` to `end` name a person, in full or by the last name alone."""
    own = _mentions_in(article, start, end, person.last)
    return any(not one.given or not one.given.isdisjoint(person.given) for one in own)


def names_in_full(article: Article, start: int, end: int) -> bool:
    """Whether the words of an article from `start` to `end` name anybody or anything by several words."""
    return any(one.given for last in named(article).by_last for one in _mentions_in(article, start, end, last))


def _mentions_in(article: Article, start: int, end: int, last: str) -> list[Mention]:
    first, behind = place_in_text(article, start), place_in_text(article, end)
    return [one for one in named(article).of(last) if first <= one.start < behind]


def without_namesakes(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits without the articles that know by its last name alone somebody else than whom the question names."""
    people = asked_people(question, [hit.passage.article for hit in hits])
    return [hit for hit in hits if not any(_is_of_another(hit.passage.article, one) for one in people)]


def _is_of_another(article: Article, person: AskedPerson) -> bool:
    """Whether an article introduces somebody else of that last name, calls them by it, and does not know the person."""
    mentions = named(article).of(person.last)
    return not _knows(article, person) and any(one.given for one in mentions) and any(map(_is_bare, mentions))


def _knows(article: Article, person: AskedPerson) -> bool:
    return not person.given.isdisjoint(named(article).words)


def _is_bare(one: Mention) -> bool:
    return not one.given and not one.after_article


def tells_of_another(article: Article, start: int, end: int, people: Sequence[AskedPerson]) -> bool:
    """Whether the words of an article from `start` to `end` name somebody else of the last name of one of these people,
    in full, where the article does not know that person, or by that name alone: then whom the article introduces first,
    and has named in full last before."""
    return any(_means_another(article, start, end, one) for one in people)


def _means_another(article: Article, start: int, end: int, person: AskedPerson) -> bool:
    mentions = named(article).of(person.last)
    own, first = _mentions_in(article, start, end, person.last), place_in_text(article, start)
    if not own or any(one.given for one in own):
        return bool(own) and not _knows(article, person)
    full = [one for one in mentions if one.given]
    before = [one for one in full if one.start < first]
    meant = full[:1] + before[-1:]
    return bool(meant) and all(person.given.isdisjoint(one.given) for one in meant)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Somebody whom articles name in full: `name` as printed, the folded names in front of the last one, and the ids of
    the articles that name nobody else by that last name. `office` says what he is, where others have the same name."""

    name: str
    given: frozenset[str]
    articles: frozenset[str]
    office: str = ""

    @property
    def described(self) -> str:
        """The name, and what he is where others have the same."""
        return f"{self.name}, {self.office}" if self.office else self.name


def bearers_of(last: str, articles: Sequence[Article]) -> list[Bearer]:
    """The people of a folded last name, in the order of the articles.

    None where fewer articles call somebody by the last name whom they introduce in full than use it without introducing
    anybody, as articles do of places.
    """
    found: list[Bearer] = []
    called = uncalled = 0
    for article in {one.id: one for one in articles}.values():
        mentions = named(article).of(last)
        bare, full = [one for one in mentions if not one.given], [one for one in mentions if one.given]
        called += _calls_by_last_name(mentions)
        uncalled += bool(bare) and not full
        for one in full:
            alone = not one.after_article and not any(one.given.isdisjoint(other.given) for other in full)
            _add(found, Bearer(one.name, one.given, frozenset({article.id} if alone else ())))
    if called == uncalled == 0:  # all are always named in full, as people mentioned once are, and no "the Liga Lunada"
        return [one for one in found if one.articles]
    return found if called > uncalled else []


def _calls_by_last_name(mentions: Sequence[Mention]) -> bool:
    """Whether an article calls somebody by fewer names than before: "Quirós Sanz" behind Elena Quirós Sanz."""
    return any(later.given < one.given for at, one in enumerate(mentions) for later in mentions[at + 1 :])


def is_called(last: str, articles: Sequence[Article]) -> bool:
    """Whether an article calls somebody by a folded last name whom it has named in full, as it does people."""
    return any(_calls_by_last_name(named(one).of(last)) for one in articles)


def _add(found: list[Bearer], new: Bearer) -> None:
    """Adds somebody, or what an article tells of somebody known: who has a name in front of the last one in common with
    him, or one that is written otherwise. Two known ones that he has both in common are one."""
    same = [one for one in found if any(_is_same_name(a, b) for a in one.given for b in new.given)]
    for one in same:
        shorter = min(one.name, new.name, key=len)  # without "Councillor" or "Torhüter"
        new = Bearer(shorter, one.given | new.given, one.articles | new.articles)
    if not same:
        found.append(new)
        return
    found[found.index(same[0])] = new
    found[:] = [one for one in found if one not in same[1:]]


def _is_same_name(one: str, other: str) -> bool:
    """Whether two folded first names are one, or one in two transcriptions: "Mohamed" and "Mohammad", "Hosni" and
    "Husni". These begin and end alike and have the same consonants, LEAST_CONSONANTS or more, doubled or not; "Anna"
    and "Anne" are two."""
    if one == other:
        return True
    alike = one[:1] == other[:1] and one[-1:] == other[-1:]
    return alike and len(_consonants(one)) >= LEAST_CONSONANTS and _consonants(one) == _consonants(other)


def _consonants(name: str) -> str:
    return _DOUBLED.sub(r"\1", _VOWELS.sub("", name))
