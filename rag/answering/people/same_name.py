"""People who share their full name, told apart by what the articles say beside it, by stories and by days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from rag.answering.compose.sentences.offices import behind, in_front, name_groups
from rag.answering.people.mentions import OFFICE_CHARS, is_name, named, text_of
from rag.answering.people.namesakes import Bearer
from rag.archive.archive import Archive
from rag.language.lexicons import lexicon
from rag.language.sentences import sentence_spans
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words, tokens
from rag.schema import Article

# How rare (by inverse document frequency) a word of a name must be for it to link two articles that hold the name: in
# the demo archive "Costa Lunada" and "Port Selwyn" have less, "Thessaly Biotech" and "Civic Union" more.
SPECIFIC = 2.4
# Of the articles of the person with most of them, what another one of that name needs. In two archives of real news, of
# 237 and 322 articles, 140 last names and no such people, five were told apart, four of them with 1 article of 5 to 53
# and 4 of 144; four pairs of the demo archive have as many each, or 3 and 1.
LEAST_OF_MOST = 0.3


@dataclass(slots=True, eq=False)
class _Group:
    """Articles that speak of one person: ids, days, what the first of them says he is, and what links others to them:
    the stems of such words, names and stories."""

    ids: set[str]
    days: list[date]
    office: str
    links: set[tuple[str, ...]]

    def add(self, other: _Group) -> None:
        """Takes in what another group has."""
        first, second = sorted((self, other), key=lambda one: min(one.days))
        self.office = first.office or second.office
        self.ids |= other.ids
        self.days += other.days
        self.links |= other.links


def told_apart(bearer: Bearer, last: str, articles: Sequence[Article], archive: Archive) -> list[Bearer]:
    """The people of one full name whom the articles describe at one time in words that do not meet, in articles that
    share no story and no name that is not everywhere; each with what is said beside the name. The bearer alone where
    they may be one. Undated articles and those in another language than most tell nothing."""
    own = [one for one in articles if one.id in bearer.articles and one.day]
    languages = [one.language for one in own]
    language = max(languages, key=languages.count, default="")
    stories = archive.catalog.stories_of([one.id for one in own])
    every = [_group_of(one, last, bearer, stories, archive) for one in own if one.language == language]
    # Articles that do not say what somebody is link those that do: of who is in many, some say two things of him.
    groups = [one for one in _united(every, _meet) if one.office]
    groups = _united(groups, _are_apart_in_time)  # somebody may have changed the office
    most = max((len(group.ids) for group in groups), default=0)
    groups = [group for group in groups if len(group.ids) >= LEAST_OF_MOST * most]
    if len(groups) < 2:
        return [bearer]
    groups.sort(key=lambda group: min(group.days))
    return [replace(bearer, articles=frozenset(group.ids), office=group.office) for group in groups]


def _group_of(article: Article, last: str, bearer: Bearer, stories: Mapping[str, str], archive: Archive) -> _Group:
    offices = list(_offices(article, last, bearer))
    links: set[tuple[str, ...]] = {(s,) for text in offices for s in content_stems(text, article.language)}
    links |= _specific_names(article, last, archive)
    links |= {("", stories[article.id])} if article.id in stories else set()
    return _Group({article.id}, [article.day or date.min], offices[0] if offices else "", links)


def _meet(one: _Group, other: _Group) -> bool:
    return bool(one.links & other.links)


def _are_apart_in_time(one: _Group, other: _Group) -> bool:
    return max(one.days) < min(other.days) or max(other.days) < min(one.days)


def _united(groups: Sequence[_Group], are_one: Callable[[_Group, _Group], bool]) -> list[_Group]:
    """The groups without two that are one."""
    found: list[_Group] = []
    for new in groups:
        while same := next((one for one in found if are_one(one, new)), None):
            found.remove(same)
            new.add(same)
        found.append(new)
    return found


def _offices(article: Article, last: str, bearer: Bearer) -> Iterator[str]:
    """The words beside somebody's full name that say what he is: in front of it behind an article or with a comma, or
    behind a comma."""
    text = text_of(article)[:OFFICE_CHARS]
    determiners = lexicon(article.language).determiners
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        words = tokens(sentence)
        for first, stop in name_groups(words, sentence):
            if words[stop - 1].folded != last or bearer.given.isdisjoint(one.folded for one in words[first : stop - 1]):
                continue
            front, apposition = in_front(words, sentence, first, article.language), behind(words, sentence, stop)
            at = first - len(tokens(front))
            joined = sentence[words[first - 1].end : words[first].start].strip() == "," if first else False
            if front and (joined or (at > 0 and words[at - 1].folded in determiners)) and not is_name(front, article):
                yield front
            opening = next(iter(folded_words(apposition)), "")
            if opening and (opening not in STOP_WORDS or opening in determiners):
                yield apposition


def _specific_names(article: Article, last: str, archive: Archive) -> set[tuple[str, ...]]:
    """The names of several words in an article that are not everywhere in the archive, but for the person's own."""
    found = named(article)
    every = {(*sorted(m.given), own) for own in found.by_last if own != last for m in found.of(own) if m.given}
    rarity = archive.rarity(sorted({word for name in every for word in name}), article.language)
    return {name for name in every if max(rarity[word] for word in name) >= SPECIFIC}
