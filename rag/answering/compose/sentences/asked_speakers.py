"""Which speakers a question asks for: by name, or by what they are, which the articles say beside their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rag.answering.compose.sentences.nearness import Nearness
from rag.answering.compose.sentences.speakers import OF, Speaker
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, tokens

# How much of an office ("fisheries minister") a description must hold in the same words, and how much nearer to it than
# the median description one must be that is in other words ("boss" for "chief executive") or another language. Set by
# hand on the questions to the demo archive and on ten of our own.
SAME_ROLE, NEARER = 0.6, 0.25
_JOINING = frozenset("and y e und et en".split())
MOST_DESCRIBED = 3  # descriptions of one person that are compared with an office


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the articles name: the language and the text of each stretch that describes him."""

    names: frozenset[str]
    described: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an office describes a person: `score` is about .25 to 2; `in_its_words`: the articles use its words."""

    score: float
    in_its_words: bool = False


def people(mentions: Sequence[tuple[Speaker, str]]) -> dict[str, Person]:
    """`Speaker.key` -> person, from mentions and the languages of their sentences."""
    found: dict[str, list[tuple[Speaker, str]]] = defaultdict(list)
    for speaker, language in mentions:
        found[speaker.key].append((speaker, language))
    return {
        name: Person(
            frozenset(token.folded for one, _ in own for token in tokens(one.name)),
            tuple(dict.fromkeys((one.described, language) for one, language in own)),
        )
        for name, own in found.items()
    }


def named(who: str, known: Mapping[str, Person]) -> tuple[set[str], str]:
    """The last names of the people whom a text names as speakers, and the text without those names: the first one, and
    those joined to it ("Quill and Renner").

    A name that goes on ("Orr Valley Power") is not that of Mr Orr, nor is one in the genitive that of a speaker
    ("Faircloth's barrister").
    """
    words = tokens(who)
    found = {at: name for at in range(len(words)) for name in [_named_at(words, at, known)] if name}
    if not found:
        return set(), who
    places = sorted(found)
    first = last = places[0]
    meant = {found[first]}
    for at in places[1:]:
        if all(word.folded in _JOINING for word in words[last + 1 : _opening(words, at, known[found[at]])]):
            meant.add(found[at])
            last = at
    return meant, f"{who[: words[_opening(words, first, known[found[first]])].start]} {who[words[last].end :]}".strip()


def _opening(words: Sequence[Token], at: int, person: Person) -> int:
    """The index of the first word of the name that ends at a word."""
    while at and words[at - 1].folded in person.names:
        at -= 1
    return at


def _named_at(words: Sequence[Token], at: int, known: Mapping[str, Person]) -> str:
    """The last name of the person whose name ends at a word, who is not merely whose somebody is; else ""."""
    name = words[at].folded
    behind = words[at + 1] if at + 1 < len(words) else None
    if name not in known or not known[name].names or name in STOP_WORDS:
        return ""
    if behind and (behind.folded == "s" or (behind.text[0].isupper() and words[at].text[0].isupper())):
        return ""
    start = at
    while start and (words[start - 1].folded in known[name].names or words[start - 1].text[0].isupper()):
        start -= 1
    owned = start > 1 and words[start - 1].folded in OF and words[start - 2].folded not in STOP_WORDS
    return "" if owned else name


def by_office(
    office: str, owners: Collection[str], language: str, known: Mapping[str, Person], nearness: Nearness
) -> dict[str, Fit]:
    """Key -> how an office fits a person, for those whom it may mean; `owners` are the folded names in it.

    Whoever the office itself names, as "Harrow Shipyards" in "boss of Harrow Shipyards", does not hold it. Raises
    ModelUnavailable.
    """
    words = tokens(office)
    own_words = " ".join(word.text for word in words if word.folded not in owners)
    wanted, mentioned = set(content_stems(own_words, language)), {word.folded for word in words}
    others = {key: person for key, person in known.items() if not person.names or key not in mentioned}
    if not wanted or not others:
        return {}
    texts = [(key, *one) for key, person in others.items() for one in _longest(person)]
    contrasts = nearness.to(office).contrasts([(text, own) for _, text, own in texts])
    found: dict[str, Fit] = {}
    for (key, text, own), contrast in zip(texts, contrasts, strict=True):
        shared = len(wanted & set(content_stems(text, language))) / len(wanted) if own == language else 0.0
        if shared >= SAME_ROLE or contrast >= NEARER:
            before = found.get(key, Fit(0.0))
            in_its_words = before.in_its_words or shared >= SAME_ROLE
            found[key] = Fit(max(before.score, contrast + shared), in_its_words)
    return found


def _longest(person: Person) -> list[tuple[str, str]]:
    return sorted(person.described, key=lambda one: -len(one[0]))[:MOST_DESCRIBED]
