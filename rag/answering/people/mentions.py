"""Where articles name somebody: by the last name alone, or with names in front of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rag.language.lexicons import EVERY_LANGUAGE, LEXICONS, lexicon
from rag.language.names import names
from rag.language.tokens import Token, folded_words, tokens
from rag.schema import Article

MOST_CHARS = 60_000  # of an article that are read: more than any report has
MOST_OF_ONE = 200  # mentions of one last name in an article that are read
OFFICE_CHARS = 20_000  # of an article in which words beside names are read: news says at its beginning who somebody is
_KEPT = 64  # articles whose mentions are remembered: those of some questions
_BETWEEN = frozenset({" ", "-", "\N{HYPHEN}", "\N{NON-BREAKING HYPHEN}", " & ", ". "})  # between the words of one name
_BETWEEN_LINES = "\n"
_LONG_TITLES = tuple(one for one in LEXICONS["de"].titles if len(one) > 5)


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in an article's headline and text. `given` are the folded words in front of its last one that are no
    common words and no titles: empty where it stands alone, also behind "Mr" or "the". `after_article`: behind a
    definite or an indefinite article, as people's names seldom stand."""

    name: str
    given: frozenset[str]
    start: int
    after_article: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """The names in an article: folded last word -> its mentions, in order; places count in `text_of`. `lower` are the
    words that it also writes in lower case, `words` all of them, folded."""

    by_last: Mapping[str, tuple[Mention, ...]]
    lower: frozenset[str]
    words: frozenset[str]

    def of(self, last: str) -> tuple[Mention, ...]:
        """The mentions of a last name; none where the article has that word in lower case too: "the bank"."""
        return () if last in self.lower else self.by_last.get(last, ())


def text_of(article: Article) -> str:
    """The text in which mentions are counted."""
    return f"{article.title}{_BETWEEN_LINES}{article.text}"


def place_in_text(article: Article, start: int) -> int:
    """Where a place in an article's own text is in `text_of`."""
    return len(article.title) + len(_BETWEEN_LINES) + start


@lru_cache(maxsize=_KEPT)
def named(article: Article) -> Named:
    """The names in an article, in its first MOST_CHARS, the first MOST_OF_ONE of each."""
    text = text_of(article)[:MOST_CHARS]
    every = tokens(text)
    lower = frozenset(one.folded for one in every if one.text[0].islower())
    known = {name for line in text.split(_BETWEEN_LINES) for name in names(line, sentence_start=True)}
    known -= lexicon(article.language).stop_words  # "Die" is a word of another language to `names`
    found: dict[str, list[Mention]] = defaultdict(list)
    at = 0
    while at < len(every):
        end = at
        while end < len(every) and _may_name(every[end], known) and (end == at or _joined(every, end, text)):
            end += 1
        if end > at and every[end - 1].folded in known and len(found[every[end - 1].folded]) < MOST_OF_ONE:
            run = every[at:end]
            given = frozenset(one.folded for one in run[:-1] if len(one.text) > 1 and not _is_common(one, lower))
            front = every[at - 1].folded if at and text[every[at - 1].end : every[at].start] in " '’" else ""
            opens = len(run) == 1 or run[0].folded in given  # "the Minister Ruth Pemberley" is a person all the same
            is_thing = opens and front in lexicon(article.language).determiners
            found[run[-1].folded].append(Mention(_printed(run, given, text), given, run[0].start, is_thing))
        at = max(end, at + 1)
    return Named({last: tuple(own) for last, own in found.items()}, lower, frozenset(one.folded for one in every))


def is_name(words: str, article: Article) -> bool:
    """Whether words beside somebody are a name in the article and no office: "the mayor of Harrow Bay, Luther Voss"."""
    *front, last = folded_words(words)
    return any(not one.given.isdisjoint(front) for one in named(article).of(last))


def _may_name(token: Token, known: Collection[str]) -> bool:
    return token.text[0].isupper() and (token.folded in known or len(token.text) == 1)


def _joined(every: list[Token], at: int, text: str) -> bool:
    between = text[every[at - 1].end : every[at].start]
    return between in _BETWEEN and (between != ". " or _may_be_short(every[at - 1]))


def _may_be_short(token: Token) -> bool:
    return len(token.text) == 1 or token.folded in EVERY_LANGUAGE.abbreviations


def _is_common(token: Token, lower: Collection[str]) -> bool:
    """Whether a word in front of a last name is none of the person's own: a title, or a word that the article also
    writes in lower case ("Hydrologist Holloway", "Port Selwyn"). German titles are compounds: "Finanzminister"."""
    return token.folded in lower or token.folded in EVERY_LANGUAGE.titles or token.folded.endswith(_LONG_TITLES)


def _printed(run: list[Token], given: Collection[str], text: str) -> str:
    first = next((one for one in run if one.folded in given), run[-1])
    return text[first.start : run[-1].end]
