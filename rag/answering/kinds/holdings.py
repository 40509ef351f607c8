"""Questions about the articles as such ("how many since March?"): what they ask, and of which articles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from rag.answering.kinds.cues import names_sources
from rag.answering.time_windows.windows import without_days
from rag.language.identify import LANGUAGE_NAMES, locale
from rag.language.lexicons import LEXICONS
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, fold, tokens
from rag.schema import Span

# Words that such questions have beside those of the examples: for an article, for having and publishing one, and for
# its age; and those of "on file" and "on record", which name no topic.
WORDS = frozenset(
    """piece pieces story stories report reports item items hold held holds got ve there published publish appeared
    file record written dated newest oldest latest earliest recent total language
    articulo articulos publicado publicados publicaron escritos tienes teneis reciente recientes nuevo antiguo viejo mas
    ultimo primer primero idioma
    artikel artikeln beitrag beitrage hast habt besitzt veroffentlicht erschienen erschien stammen neueste neuesten
    neuester alteste altesten altester jungste letzte erste sprache
    article articles avez detenez publie publies parus paru plus recents ancien anciens dernier premier
    langue""".split()
)
_ABOUT = frozenset("about on regarding concerning sobre acerca uber zu zum zur sur su sul sulla over".split())
_ARTICLE = r"(?:articles?|pieces?|stories|story|articulos?|artikeln?|beitrage?|articol[oi]|artigos?|artikelen)"
_MANY = r"(?:how many|cuant[oa]s|wie ?viele?|combien|quant[ie]|quant[oa]s|hoeveel)"
_NEWEST = (
    r"(?:newest|latest|most recent|mas recientes?|mas nuevo|ultimo|neueste[nr]?|jungste[nr]?|plus recents?|dernier)"
)
_OLDEST = r"(?:oldest|earliest|mas antiguo|mas viejo|primer|alteste[nr]?|plus anciens?|premier)"
_NAMES_ARTICLES = re.compile(rf"\b{_ARTICLE}\b")
_ASKS = re.compile(
    rf"\b{_MANY} (?:\S+ )?(?:d')?{_ARTICLE}\b|\b(?:{_NEWEST}|{_OLDEST}) {_ARTICLE}\b|"
    rf"\b{_ARTICLE} (?:le |la |el )?(?:{_NEWEST}|{_OLDEST})\b"
)
_WITHDRAWN = re.compile(
    r"\b(?:withdr[ae]wn|withdrew|retract(?:ed|ions?)|taken down|retirad[oa]s?|retiraron|retractad[oa]s?|"
    r"zuruckgezogen\w*|widerrufen\w*|retiree?s?|retractee?s?|ritirat[oaie]|retratad[oa]s?|ingetrokken|teruggetrokken)\b"
)
_REPORT = r"(?:reports?|items?|texts?|informes?|noticias?|berichte?n?|meldung(?:en)?|nouvelles?|notizi[ae]|berichten)"
_INFLECTION = r"(?:e[nrs]?|s|sprachige[nrs]?)?"


@dataclass(frozen=True, slots=True)
class Holdings:
    """The articles that a question is about, by outlet and language (ISO 639-1), which one of them it asks for, and
    whether it asks for those that were withdrawn.

    `rest` is the question without outlets, languages and days. Empty fields do not restrict.
    """

    rest: str
    outlets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    newest: bool = False
    oldest: bool = False
    withdrawn: bool = False


def names_articles(question: str) -> bool:
    """Whether a question has a word for an article of an archive."""
    return bool(_NAMES_ARTICLES.search(fold(question)))


def asks_for_articles(question: str) -> bool:
    """Whether a question asks how many articles there are, or for the newest or the oldest one."""
    return bool(_ASKS.search(fold(question)))


def asks_to_count_others(question: str) -> bool:
    """Whether a question asks how many there are of what is no article, outlet or archive: "how many cases were there
    in all?"."""
    return bool(re.search(rf"\b{_MANY}\b", fold(question))) and not names_sources(question)


def asks_for_withdrawn(question: str) -> bool:
    """Whether a question asks which articles were withdrawn: it names articles and that, and no other thing."""
    folded = fold(question)
    if not (_WITHDRAWN.search(folded) and re.search(rf"\b(?:{_ARTICLE}|{_REPORT})\b", folded)):
        return False
    rest = re.sub(rf"\b(?:{_ARTICLE}|{_REPORT})\b", " ", _WITHDRAWN.sub(" ", folded))
    return not {token.folded for token in tokens(rest)} - STOP_WORDS - WORDS


def topic_of(rest: str) -> str:
    """What a question about articles says that they are to be about: "libraries" in "what do you have on libraries?";
    "" where it names nothing."""
    words = tokens(rest)
    for at, word in enumerate(words):
        behind = words[at + 1 :]
        if word.folded in _ABOUT and {one.folded for one in behind} - STOP_WORDS - WORDS:
            return rest[behind[0].start :]
    return ""


def read(question: str, outlets: Collection[str], today: date | None) -> Holdings:
    """Of which articles a question asks; `outlets` are those of the archive, `today` is the day from which its days are
    seen, None: they stay in `rest`."""
    undated = without_days(question, today) if today else question
    named = dict(_named_outlets(undated, outlets))
    spoken = {span: code for span, code in _named_languages(undated) if not _within(span, named)}
    folded = fold(undated)
    rest = _without(undated, [*named, *spoken])
    return Holdings(
        rest,
        tuple(named.values()),
        tuple(dict.fromkeys(spoken.values())),
        bool(re.search(rf"\b{_NEWEST}\b", folded)),
        bool(re.search(rf"\b{_OLDEST}\b", folded)),
        asks_for_withdrawn(rest),
    )


def _named_outlets(question: str, outlets: Collection[str]) -> Iterator[tuple[Span, str]]:
    """The outlets that a question names in full, and where; the longer of two names that begin alike."""
    words, at = tokens(question), 0
    known = sorted(((_folded(tokens(one)), one) for one in outlets), key=lambda one: -len(one[0]))
    while at < len(words):
        for name, outlet in known:
            end = at + len(name)
            if name and _folded(words[at:end]) == name:
                yield (words[at].start, words[end - 1].end), outlet
                at = end - 1
                break
        at += 1


def _folded(words: list[Token]) -> list[str]:
    return [word.folded for word in words]


def _named_languages(question: str) -> Iterator[tuple[Span, str]]:
    for word in tokens(question):
        for name, code in _language_names().items():
            if word.folded.startswith(name) and re.fullmatch(_INFLECTION, word.folded[len(name) :]):
                yield (word.start, word.end), code
                break


@cache
def _language_names() -> Mapping[str, str]:
    """The folded name of a language, in each language that has a lexicon -> its code (ISO 639-1)."""
    told = [(locale(own).languages.get(code, ""), code) for own in LEXICONS for code in LANGUAGE_NAMES]
    return {fold(name): code for name, code in told if name}


def _within(span: Span, others: Collection[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)


def _without(text: str, spans: Collection[Span]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = f"{text[:start]} {text[end:]}"
    return " ".join(text.split())
