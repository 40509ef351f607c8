"""Who took over from whom: questions for a successor or a predecessor, and the sentences that name one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rag.answering.ask import Ask
from rag.answering.compose.sentences.offices import name_groups, offices_beside
from rag.answering.people.mentions import OFFICE_CHARS, Mention, is_name, named, place_in_text
from rag.answering.question import expected
from rag.answering.sentence_selection import Candidate, Evidence
from rag.language.lexicons import LEXICONS, lexicon, pattern
from rag.language.names import names
from rag.language.sentences import is_question, sentence_spans
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, folded_words, tokens
from rag.schema import Article, Hit

Direction = Literal["successor", "predecessor"]

# What a sentence gains that names somebody else in the office of whom the question names, or says that the one took
# over from the other, and what it loses that says the reverse, as shares of the best score. Set by hand on 25 questions
# to the demo archive.
TELLS, REVERSED = 0.75, 0.3
MOST_OFFICES = 2  # of a person that are searched for
# Of the stems of an office of the person, those that another one's office must share, and how many more words that one
# may have. Set by hand likewise.
SAME_OFFICE, MORE_WORDS = 0.6, 2
NEAR = 1000  # characters in front of a sentence in which its pronoun's person is named
LONGEST_QUESTION = 200  # characters of an interviewer's question that are read
OPENING_CHARS = 600  # of an article in which its names say what it is about
NAMED_OFFICE = 2  # content words of an office that needs no name beside it to be told from others
# In these the verb may stand behind both, and "who" has cases or tells nothing: "Wer hat ihn abgelöst?".
_VERB_LAST = frozenset({"de", "nl"})


@dataclass(frozen=True, slots=True)
class InOffice:
    """A person whom a question names, and whether it asks who came after or before: folded last name, names in front.

    `offices` are the stems of each office in which an article names the person, with that article.
    """

    direction: Direction
    last: str
    given: frozenset[str]
    offices: tuple[tuple[frozenset[str], Article], ...] = ()


def direction_of(question: str, person: str, language: str) -> Direction | None:
    """Whether a question asks who came after or before a person, given by one folded word; None for any other."""
    own, folded = lexicon(language), " ".join(folded_words(question))
    if expected(question, language) != "name":
        return None
    if pattern(own.predecessors).search(folded):
        return "predecessor"
    if pattern(own.successors).search(folded):
        return "successor"
    verb, place = pattern(own.follows).search(folded), re.search(rf"\b{re.escape(person)}\b", folded)
    if not verb or not place:
        return None
    words = folded.split()
    if not own.passive_verbs.isdisjoint(words) and not own.agent_words.isdisjoint(words):
        front = [word for word in folded[: place.start()].split() if word not in own.determiners - own.agent_words]
        by_person = bool(front) and front[-1] in own.agent_words  # "who was replaced by her?"
        return "predecessor" if by_person else "successor"
    if own.asks_object and pattern(own.asks_object).search(folded):
        return "predecessor"
    comes_first = place.start() < verb.start() and language not in _VERB_LAST
    return "predecessor" if comes_first else "successor"


def _language_of(question: str, language: str) -> str:
    """The first language, `language` foremost, in which a question asks who took over; "" where it does in none. Names
    make the language of a short question hard to tell."""
    for one in (language, *LEXICONS):
        own = lexicon(one)
        taken = pattern((*own.follows, *own.successors, *own.predecessors))
        if expected(question, one) == "name" and taken.search(fold(question)):
            return one
    return ""


def asked_person(question: str, language: str, hits: Sequence[Hit]) -> InOffice | None:
    """Before or after whom the question asks who had an office; None for other questions, and where the hits name
    nobody of that name in full."""
    words = folded_words(question)
    proper = set(names(question, sentence_start=True)) if question != question.lower() else set(words) - STOP_WORDS
    language = _language_of(question, language)
    if not language:
        return None
    articles = list({hit.passage.article.id: hit.passage.article for hit in hits}.values())
    best: InOffice | None = None
    for last in dict.fromkeys(words):
        direction = direction_of(question, last, language) if last in proper else None
        full = [one for article in articles for one in named(article).of(last) if one.given]
        if direction is None or not full:
            continue
        every = frozenset[str]().union(*(one.given for one in full))
        given = every.intersection(words) or full[0].given
        alone = any(not one.given and not one.after_article for article in articles for one in named(article).of(last))
        found = InOffice(direction, last, given, tuple(dict.fromkeys(_offices(last, given, articles))))
        if best is None or (found.offices and not best.offices) or (alone and not best.offices):
            best = found
    return best


def _offices(last: str, given: frozenset[str], articles: Sequence[Article]) -> Iterator[tuple[frozenset[str], Article]]:
    """The stems of each office in which an article names a person in full."""
    for article in articles:
        for name, office in _in_article(article):
            stems = frozenset(content_stems(office, article.language))
            if stems and name[-1] == last and not given.isdisjoint(name[:-1]) and not is_name(office, article):
                yield stems, article


def further_hits(ask: Ask, asked: InOffice, hits: Sequence[Hit]) -> list[Hit]:
    """Hits for the offices of the person that are not among those known."""
    known = {hit.passage.id for hit in hits}
    queries: dict[str, None] = {}
    for stems, article in asked.offices:
        office = next(
            (o for n, o in _in_article(article) if frozenset(content_stems(o, article.language)) == stems), ""
        )
        queries.setdefault(office if len(stems) >= NAMED_OFFICE else f"{office} {article.title}")
    found: list[Hit] = []
    for query in list(queries)[:MOST_OFFICES]:
        for hit in ask.retriever.retrieve(query, ask.filters):
            if hit.passage.id not in known:
                known.add(hit.passage.id)
                found.append(hit)
    return found


def _in_article(article: Article) -> Iterator[tuple[list[str], str]]:
    text = article.text[:OFFICE_CHARS]
    for start, end in sentence_spans(text):
        yield from offices_beside(text[start:end], article.language)


def ranked(evidence: Evidence, asked: InOffice) -> Evidence:
    """The evidence with those sentences first that tell who came after or before the person, and beside one that says
    "she" the one that names her. Where none tells, it is not near to the question; where one does outright, it is clear
    in any language that it answers."""
    worth = [_worth(one, asked) for one in evidence.candidates]
    named_by = [_introduction(one, asked) for one, own in zip(evidence.candidates, worth, strict=True) if own > 0]
    best = max((one.score for one in evidence.candidates), default=0.0)
    scored = []
    for one, own in zip(evidence.candidates, worth, strict=True):
        gained = TELLS if own == 0 and any(_holds(one, place) for place in named_by) else own
        scored.append(replace(one, score=one.score + best * gained))
    ordered = replace(evidence, candidates=tuple(sorted(scored, key=lambda one: -one.score)))
    if not named_by:
        return replace(ordered, closeness=0.0, likeness=0.0)
    return replace(ordered, tells=any(_tells_outright(one, asked) for one in evidence.candidates) or None)


def _holds(one: Candidate, place: tuple[str, int]) -> bool:
    article = one.passage.article
    return article.id == place[0] and 0 <= place[1] - place_in_text(article, one.start) < one.end - one.start


def _introduction(one: Candidate, asked: InOffice) -> tuple[str, int]:
    """The article and the place at which somebody is named in full whom a sentence means by a pronoun; -1 where it
    names somebody itself."""
    article, words = one.passage.article, tokens(one.text)
    others = [words[slice(*group)] for group in name_groups(words, one.text)]
    start, found = place_in_text(article, one.start), named(article)
    if any(other[-1].folded != asked.last for other in others) or not _mention_in(one, asked):
        return article.id, -1
    full = {last: next((m.start for m in own if m.given), start) for last, own in found.by_last.items()}
    called = [(m.start, full[last]) for last in full for m in found.of(last) if full[last] < m.start or m.given]
    before = [(at, first) for at, first in called if at < start and first < start]
    return article.id, max(before, default=(-1, -1))[1]


def _worth(one: Candidate, asked: InOffice) -> float:
    told = _told(one, asked)
    if told is not None:
        return TELLS if told == asked.direction else -REVERSED
    return TELLS if _names_other_holder(one, asked) else 0.0


def _tells_outright(one: Candidate, asked: InOffice) -> bool:
    """Whether a sentence says that the one took over from the other, or names both beside the office."""
    return _told(one, asked) == asked.direction or bool(_mention_in(one, asked) and _names_other_holder(one, asked))


def _told(one: Candidate, asked: InOffice) -> Direction | None:
    """Whom a sentence tells of who came after or before the person, by the places of the names beside a verb or a noun
    for taking over; None where it tells nothing of that."""
    own, folded = lexicon(one.passage.article.language), fold(one.text)
    mention = _mention_in(one, asked)
    if len(folded) != len(one.text):
        return None
    noun = pattern((*own.successors, *own.predecessors)).search(folded)
    if noun and (mention or _is_own(one, asked, noun)):
        before = bool(pattern(own.predecessors).fullmatch(noun[0]))
        is_person = mention is not None and _is_apposition(one, mention, noun)
        return "successor" if before == is_person else "predecessor"
    if not mention and (direction := _of_question_before(one, asked)):
        return direction
    if not (mention or _goes_on(one, asked) or _tells_of_office_beside(one, asked)):
        return None
    verb = pattern(own.follows).search(folded)
    if verb is None:
        return None
    front, rest = folded[: verb.start()].split(), folded[verb.end() :].split()
    passive = not own.passive_verbs.isdisjoint(front[-3:]) and not own.agent_words.isdisjoint(rest)
    if mention:
        done_to = (_start_in(one, mention) > verb.start()) != passive
    else:  # a pronoun or a description means the person, and the other one is named
        words = tokens(one.text)
        places = [words[first].start for first, _ in name_groups(words, one.text)]
        if not places:
            return None
        done_to = (min(places, key=lambda at: abs(at - verb.start())) < verb.start()) != passive
    return "successor" if done_to else "predecessor"


def _start_in(one: Candidate, mention: Mention) -> int:
    return mention.start - place_in_text(one.passage.article, one.start)


def _is_of(mention: Mention, asked: InOffice) -> bool:
    return not mention.given or not asked.given.isdisjoint(mention.given)


def _mention_in(one: Candidate, asked: InOffice) -> Mention | None:
    """Where a sentence names the person, in full where it does."""
    article = one.passage.article
    first, end = place_in_text(article, one.start), place_in_text(article, one.end)
    own = [m for m in named(article).of(asked.last) if first <= m.start < end and _is_of(m, asked)]
    return max(own, key=lambda m: len(m.given), default=None)


def _goes_on(one: Candidate, asked: InOffice) -> bool:
    """Whether the person is the one whom the article has named last before a sentence."""
    article = one.passage.article
    start, found = place_in_text(article, one.start), named(article)
    own = [m.start for m in found.of(asked.last) if m.start < start and _is_of(m, asked)]
    full = [m.start for every in found.by_last.values() for m in every if m.given and m.start < start]
    return bool(own) and max(own) >= max(full, default=0)


def _of_question_before(one: Candidate, asked: InOffice) -> Direction | None:
    """Which way an interviewer asks right before a sentence that names somebody, in an article that names the person:
    "And who takes over from you?"."""
    article, own = one.passage.article, lexicon(one.passage.article.language)
    before = article.text[max(0, one.start - LONGEST_QUESTION) : one.start].strip()
    if not (is_question(before) and named(article).of(asked.last) and any(name_groups(tokens(one.text), one.text))):
        return None
    start, end = sentence_spans(before)[-1]
    question = fold(before[start:end])
    if expected(question, article.language) != "name":
        return None
    if pattern(own.predecessors).search(question):
        return "predecessor"
    return "successor" if pattern((*own.follows, *own.successors)).search(question) else None


def _tells_of_office_beside(one: Candidate, asked: InOffice) -> bool:
    """Whether a sentence names somebody by an office in an article that names nobody as often as the person: "Oskar
    Lindqvist, the environment minister, takes over"."""
    article = one.passage.article
    found = named(article)
    most = max((len(own) for own in found.by_last.values()), default=0)
    return len(found.of(asked.last)) == most > 0 and any(True for _ in offices_beside(one.text, article.language))


def _is_own(one: Candidate, asked: InOffice, noun: re.Match[str]) -> bool:
    """Whether a pronoun in front of a noun may mean the person, whom the article has named not long before: "her
    predecessor"."""
    article, words = one.passage.article, folded_words(one.text[: noun.start()])
    start = place_in_text(article, one.start)
    near = any(start - NEAR < m.start < start for m in named(article).of(asked.last) if _is_of(m, asked))
    return near and bool(words) and words[-1] in lexicon(article.language).pointers


def _is_apposition(one: Candidate, mention: Mention, noun: re.Match[str]) -> bool:
    """Whether a noun says what the person is: "Roland Beech, her predecessor", "her predecessor Roland Beech"."""
    start = _start_in(one, mention)
    end = start + len(mention.name)
    behind_it, in_front_of_it = one.text[end : noun.start()], one.text[noun.end() : start]
    return bool(re.fullmatch(r", (?:\w+ ){0,2}", behind_it)) or in_front_of_it in (" ", ", ")


def _names_other_holder(one: Candidate, asked: InOffice) -> bool:
    """Whether a sentence names somebody else in an office of the person, in an article that is not older (for a
    predecessor: not newer) than the first (the last) that names the person in it."""
    article, days = one.passage.article, [a.day for _, a in asked.offices if a.day]
    if days and article.day:
        after = asked.direction == "successor"
        if (article.day < min(days)) if after else (article.day > max(days)):
            return False
    held = [
        frozenset(content_stems(office, article.language))
        for name, office in offices_beside(one.text, article.language)
        if asked.last not in (name[-1], *folded_words(office))
    ]
    said = content_stems(one.text, article.language) if _opens_with_another(one, asked) else []
    for stems, own in asked.offices:
        near = [other for other in held if len(other) <= len(stems) + MORE_WORDS]
        same = any(len(stems & other) >= SAME_OFFICE * len(stems) for other in near)
        told = len(stems) >= NAMED_OFFICE and any(stems == set(said[at : at + len(stems)]) for at in range(len(said)))
        if told or (same and (len(stems) >= NAMED_OFFICE or _share_names(article, own))):
            return True
    return False


def _opens_with_another(one: Candidate, asked: InOffice) -> bool:
    """Whether a sentence does not name the person, and somebody else before anything: "Ruth Pemberley was sworn in"."""
    words = tokens(one.text)
    first = next(iter(name_groups(words, one.text)), None)
    if first is None or _mention_in(one, asked):
        return False
    return not first[0] or words[first[0] - 1].folded not in lexicon(one.passage.article.language).determiners


def _share_names(article: Article, other: Article) -> bool:
    """Whether the headlines and beginnings of two articles have a name of two words in common."""
    pairs = [
        {
            (*sorted(mention.given), last)
            for last, mentions in named(one).by_last.items()
            for mention in mentions
            if mention.given and mention.start < len(one.title) + OPENING_CHARS
        }
        for one in (article, other)
    ]
    return not pairs[0].isdisjoint(pairs[1])
