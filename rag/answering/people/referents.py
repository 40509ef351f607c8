"""Whom a follow-up means by a pronoun or by a last name alone: somebody whom the conversation names in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from rag.answering.conversation.followups import means_person, without_sources
from rag.answering.people.mentions import named, text_of
from rag.answering.people.namesakes import bearers_of
from rag.answering.question import expected
from rag.language.identify import detect_language
from rag.language.lexicons import EVERY_LANGUAGE, LEXICONS
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, tokens
from rag.schema import Article, Hit, Turn

MOST_TURNS, MOST_NAMES = 3, 6  # of a conversation and of its names that are looked at
# Languages whose pronouns of a sex mean people alone. In the others they mean things too, and in French "il" nothing.
_OF_PEOPLE_ALONE = ("en", "es", "it")
# The share of the mentions of somebody with a pronoun of the sex asked for behind them from which on it is told that a
# person may be meant whom articles call by the last name, and one whom they do not. Set by hand on 18 follow-ups to
# the demo archive.
SELDOM, OFTEN = 0.02, 0.15
MOST_BEHIND = 300  # characters behind a name in which a pronoun may mean its bearer
_JOINTS = {" ", "-"}

Found = Callable[[str], Sequence[Hit]]  # the hits for a name


def with_names(question: str, history: Sequence[Turn], found: Found) -> str:
    """The question with the full name of the person whom it means by a pronoun, or by a last name; as it is where the
    conversation names nobody whom the articles know as a person, or several of another sex than the pronoun's.

    `found` gives the hits for a name.
    """
    if not history:
        return question
    words = tokens(question)
    pronoun = next((w for at, w in enumerate(words) if _points_at_person(words, at, history[-1].question)), None)
    lasts = {w.folded for at, w in enumerate(words) if _stands_alone(words, at, question)}
    if pronoun is None and not lasts:
        return question
    likely: str = ""
    for name in islice(_full_names(history), MOST_NAMES):
        last = tokens(name)[-1].folded
        if pronoun is None and last not in lasts:
            continue
        articles = list({hit.passage.article.id: hit.passage.article for hit in found(name)}.values())
        front = _given(name, articles)
        bearer = next((one for one in bearers_of(last, articles) if not one.given.isdisjoint(front)), None)
        if bearer and last in lasts:
            return _with(question, next(w for w in words if w.folded == last), bearer.name)
        if pronoun is None or not front or not (bearer or _is_introduced_once(last, front, articles)):
            continue
        share, other = _shares_of_pronouns(last, front, articles, _is_feminine(pronoun, question))
        if share >= other and share >= (OFTEN if bearer is None else SELDOM):
            return _with(question, pronoun, bearer.name if bearer else name)
        likely = likely or (bearer.name if bearer and share >= other else "")
    return _with(question, pronoun, likely) if pronoun and likely else question


def _given(name: str, articles: Sequence[Article]) -> frozenset[str]:
    """The folded names in front of the last one, without titles; none where a word of the name, but for those that open
    it, is a common word in the articles, as in names of places and firms."""
    lower = frozenset[str]().union(*(named(one).lower for one in articles))
    words = [one.folded for one in tokens(name)]
    while words and (words[0] in lower or words[0] in EVERY_LANGUAGE.titles):
        words = words[1:]
    return frozenset() if lower.intersection(words) else frozenset(words[:-1])


def _points_at_person(words: Sequence[Token], at: int, before: str) -> bool:
    """Whether a word is a pronoun for a person, told by the question before where it may mean a thing."""
    word = words[at]
    if not means_person(word.folded, is_last=at == len(words) - 1):
        return False
    text = word.text.casefold()
    if any(text in LEXICONS[one].feminine | LEXICONS[one].masculine for one in _OF_PEOPLE_ALONE):
        return True
    impersonal = any(one.folded == "y" for one in words[max(at - 3, 0) : at + 2])  # "y a-t-il", "il y a"
    return not impersonal and (expected(before) == "name" or any(_runs(before)))


def _with(question: str, word: Token, name: str) -> str:
    return f"{question[: word.start]}{name}{question[word.end :]}"


def _stands_alone(words: Sequence[Token], at: int, question: str) -> bool:
    """Whether a word may be a last name without names in front of it."""
    word = words[at]
    if not word.text[0].isupper() or word.folded in STOP_WORDS:
        return False
    before, behind = (words[i] if 0 <= i < len(words) else None for i in (at - 1, at + 1))
    in_front = before and before.text[0].isupper() and before.folded not in STOP_WORDS | EVERY_LANGUAGE.titles
    return not in_front and not (behind and behind.text[0].isupper() and question[word.end : behind.start] in _JOINTS)


def _full_names(history: Sequence[Turn]) -> Iterator[str]:
    """The names of two words or more in the last turns, the latest turn first and its question before its answer."""
    told: set[str] = set()
    for turn in reversed(history[-MOST_TURNS:]):
        own = [name for text in (turn.question, without_sources(turn.answer)) for name in _runs(text)]
        for name in own:
            if name not in told:
                told.add(name)
                yield name


def _runs(text: str) -> Iterator[str]:
    """The runs of capitalised words in a text of which a person's name may be made, in order."""
    words, at = tokens(text), 0
    while at < len(words):
        end = at
        while end < len(words) and _may_name(words[end]) and (end == at or _joined(words, end, text)):
            end += 1
        front = words[at - 1].folded if at else ""
        if end - at > 1 and front not in EVERY_LANGUAGE.determiners:
            yield text[words[at].start : words[end - 1].end]
        at = max(end, at + 1)


def _may_name(word: Token) -> bool:
    return word.text[0].isupper() and word.folded not in STOP_WORDS


def _joined(words: Sequence[Token], at: int, text: str) -> bool:
    return text[words[at - 1].end : words[at].start] in _JOINTS


def _is_feminine(pronoun: Token, question: str) -> bool:
    """Whether a pronoun means a woman in the language of the question, or in any where that is not known."""
    language = detect_language(question)
    own = [LEXICONS[language]] if language in LEXICONS else list(LEXICONS.values())
    return any(pronoun.text.casefold() in one.feminine for one in own)


def _is_introduced_once(last: str, given: frozenset[str], articles: Sequence[Article]) -> bool:
    """Whether each article names somebody in full once at most, as it does a person whom it then calls otherwise, and
    seldom behind an article, as it does a party."""
    full = [
        [m for m in named(one).of(last) if m.start > len(one.title) and not given.isdisjoint(m.given)]
        for one in articles
    ]
    every = [mention for own in full for mention in own]
    return all(len(own) < 2 for own in full) and sum(one.after_article for one in every) * 2 <= len(every)


def _shares_of_pronouns(
    last: str, given: frozenset[str], articles: Sequence[Article], feminine: bool
) -> tuple[float, float]:
    """Of the pronouns that tell of somebody, and of the mentions without any, the shares of those of the sex that is
    asked for and of the other: both are small for what is no person."""
    told = [one for article in articles for one in _pronouns_of(last, given, article)]
    women, men = told.count("f"), told.count("m")
    own, other = (women, men) if feminine else (men, women)
    return own / max(len(told), 1), other / max(len(told), 1)


def _pronouns_of(last: str, given: frozenset[str], article: Article) -> Iterator[str]:
    """For each mention of somebody "f", "m" or "", by the first pronoun behind it before anything else is named; of an
    article that names nobody as often also all its pronouns."""
    found, text = named(article), text_of(article)
    lexicon, mentions = LEXICONS.get(article.language), found.of(last)
    if lexicon is None or all(given.isdisjoint(one.given) for one in mentions):
        return
    sexes = [
        (word.start, "f" if word.text.casefold() in lexicon.feminine else "m")
        for word in tokens(text)
        if word.text.casefold() in lexicon.feminine | lexicon.masculine
    ]
    if len(mentions) == max(len(found.of(other)) for other in found.by_last):
        yield from (sex for _, sex in sexes)
    starts = sorted(one.start for every in found.by_last.values() for one in every)
    for mention in mentions:
        if mention.given and given.isdisjoint(mention.given):
            continue
        begin = mention.start + len(mention.name)
        end = min([at for at in starts if at > mention.start] + [begin + MOST_BEHIND])
        yield next((sex for at, sex in sexes if begin <= at < end), "")
