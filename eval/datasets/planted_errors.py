"""Sentences of articles with one error planted in each, and sentences of which the article still says every word.

Errors are of the kinds that a comparison of words lets through: who did it, to whom, whether at all, when, and which of
two events. All choices are drawn from a generator seeded by the sentence, so that the same article gives the same
pairs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eval.metrics.statistics import SEED
from rag.answering.sentence_selection import citable
from rag.language.calendar import WEEKDAYS, month_at, months
from rag.language.dates import resolved, written
from rag.language.sentences import sentence_spans
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, fold, tokens
from rag.schema import Article, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A sentence, the articles it is compared with, and the verdict that it deserves.

    `kind` is the planted error, or how a true sentence was made; `group` is the article that the sentence is from, by
    which pairs are divided between fitting and testing.
    """

    text: str
    language: str
    verdict: Verdict
    kind: str
    articles: tuple[Article, ...]
    group: str
    source: str


CONTRADICTED: frozenset[str] = frozenset(
    {"entity", "agent and object", "number", "number of the article", "date", "role", "negation"}
)
"""The errors that make a sentence say the opposite of its article, and not merely more than it."""

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
_WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
_ROLES = {
    "en": "minister mayor president governor leader chairman director judge lawyer spokesman spokeswoman engineer "
    "teacher owner secretary chief professor doctor farmer captain officer manager",
    "es": "ministro ministra alcalde alcaldesa presidente presidenta director directora portavoz juez abogado abogada "
    "secretario secretaria consejero jefe profesor médico",
    "fr": "ministre maire président présidente directeur directrice juge avocat avocate secrétaire chef professeur "
    "médecin",
    "de": "Minister Bürgermeister Präsident Präsidentin Direktor Richter Anwalt Sprecher Sekretär Leiter Professor "
    "Arzt König General",
}
_NEGATED = {
    "en": [
        (r"\b(was|were|is|are|will|would|has|have|had|could|should|may|must)\b(?! not\b| to\b|n)", r"\1 not"),
        *(
            (rf"\b{past}\b", f"did not {base}")
            for past, base in (
                pair.split("/")
                for pair in "won/win took/take gave/give left/leave made/make became/become came/come found/find "
                "began/begin killed/kill opened/open rejected/reject voted/vote approved/approve asked/ask "
                "started/start agreed/agree lost/lose paid/pay sold/sell bought/buy led/lead built/build rose/rise "
                "fell/fall went/go received/receive signed/sign announced/announce".split()
            )
        ),
    ],
    "es": [(r"(?<!no )\b(fue|fueron|ha|han|será|serán|está|era|tiene|había|puede|\w{3,}ó|\w{3,}aron)\b", r"no \1")],
    "fr": [(r"\b(est|a|était|avait)\b", r"n’\1 pas"), (r"\b(sont|sera|seront|ont|peut)\b", r"ne \1 pas")],
    "de": [(r"\b(wurde|wurden|ist|sind|hat|haben|war|waren|wird|werden|kann)\b", r"\1 nicht")],
}
_AFFIRMED = {
    "en": [(r"\b(did|does|do) not\b", "did indeed"), (r"\b(?:not|never) ", ""), (r"\b[Nn]obody\b", "everybody")],
    "es": [(r"\b[Nn]o (?=\w)", ""), (r"\bnunca\b", "siempre")],
    "fr": [(r"\bn[e’'] ?(\w+) (?:pas|plus|jamais)\b", r"\1")],
    "de": [(r"\bnicht ", ""), (r"\bkeine", "eine"), (r"\bkein\b", "ein")],
}
_MODALITY = {
    "en": [
        (r"\bwill be\b", "was"), (r"\bwould be\b", "was"), (r"\bwill have to\b", "had to"), (r"\bmay\b", "will"),
        (r"\b(?:could|might)\b", "will"), (r"\bplans? to\b", "has begun to"), (r"\bwill\b", "may"),
        (r"\b(?:was|were|has been|have been)\b", "may have been"), (r"\b(?:has|have|had) (?=\w+ed\b)", "may have "),
        (r"\b(?:is|are)\b(?! to\b)", "may be"),
    ],
    "es": [
        (r"\bserá\b", "fue"), (r"\bserán\b", "fueron"), (r"\bfue\b", "pudo ser"), (r"\bha\b", "podría haber"),
        (r"\bhan\b", "podrían haber"), (r"\bes\b", "podría ser"), (r"\bestá\b", "podría estar"),
        (r"\b(\w{3,}[aei]r)á\b", r"podría \1"),
    ],
    "fr": [
        (r"\bsera\b", "a été"), (r"\bseront\b", "ont été"), (r"\ba été\b", "pourrait être"),
        (r"\bont été\b", "pourraient être"), (r"\best\b", "pourrait être"), (r"\bsont\b", "pourraient être"),
    ],
    "de": [
        (r"\bwird\b", "könnte"), (r"\bwurde\b", "könnte"), (r"\bwurden\b", "könnten"), (r"\bist\b", "könnte"),
        (r"\bhat\b", "könnte"), (r"\bsoll\b", "wird"),
    ],
}  # fmt: skip
_NUMBER = re.compile(r"(?<![\d.,:])\d+(?:[.,]\d+)*(?![\d:])")
_YEAR = re.compile(r"(?:19|20)\d\d")
_APPOSITION = re.compile(
    r", (?:\d+|(?:an? |the |una? |el |la |le |un |une |ein |eine |der |die )?[^,.;:“”\"«»]{4,50}), "
)
_OPENING = re.compile(r"([^\W\d_]\w*(?: [^\s,.;:“”\"«»]+){1,6}), ([^,;:“”\"«»]{30,200}[^,;:.“”\"«»])([.])")
_PART_OF_DAY = re.compile(r" (?:morning|afternoon|evening|night)|['’-]")
LEAST_WORDS, MOST_WORDS = 6, 45  # of a sentence that is worth changing


def sentences(article: Article) -> list[str]:
    """The sentences of an article that are long enough to claim something and hold no line break."""
    text = citable(article)
    found = [text[start:end] for start, end in sentence_spans(text)]
    return [one for one in found if LEAST_WORDS <= len(tokens(one)) <= MOST_WORDS and "\n" not in one]


def true_pairs(article: Article, source: str) -> Iterator[Pair]:
    """Sentences that the article says: as they stand, without an apposition, and with a relative day as a date."""
    for sentence in sentences(article):
        yield _pair(sentence, article, "verbatim", "supported", source)
        if cut := _APPOSITION.search(sentence):
            yield _pair(_joined(sentence, cut, " "), article, "apposition left out", "supported", source)
        if moved := _OPENING.fullmatch(sentence):
            phrase = moved[1] if moved[1].split()[0] in name_words(article.text) else moved[1][0].lower() + moved[1][1:]
            text = f"{moved[2][0].upper()}{moved[2][1:]} {phrase}{moved[3]}"
            yield _pair(text, article, "phrase moved", "supported", source)
        days = resolved(sentence, article.day, article.language)
        if len(days) == 1 and article.language == "en" and not _PART_OF_DAY.match(sentence, days[0][1]):
            start, end, day = days[0]
            on = "" if re.search(r"\b(?:by|until|from|since|before|after) ?$", sentence[:start]) else "on "
            text = f"{sentence[:start]}{on}{written(day)}{sentence[end:]}"
            yield _pair(text[0].upper() + text[1:], article, "date resolved", "supported", source)


def false_pairs(text: str, article: Article, others: Sequence[Article], source: str) -> Iterator[Pair]:
    """One sentence with each error that can be planted in it; `others` lend the names of merged facts."""
    for kind, plant in _PLANTED.items():
        changed = plant(text, article, random.Random(f"{SEED} {kind} {text}"))
        if changed and fold(changed) != fold(text):
            yield _pair(changed, article, kind, "contradicted" if kind in CONTRADICTED else "unsupported", source)
    if others:
        drawn = random.Random(f"{SEED} merged {text}")
        other = drawn.choice(list(others))
        if changed := _foreign_name(text, article, other, drawn):
            yield _pair(changed, article, "two articles merged", "unsupported", source, other)


def name_words(text: str) -> set[str]:
    """The words of the proper names of a text."""
    return {word for start, end in name_spans(text) for word in text[start:end].split()}


def _pair(text: str, article: Article, kind: str, verdict: Verdict, source: str, *more: Article) -> Pair:
    return Pair(
        text=text, language=article.language, verdict=verdict, kind=kind, articles=(article, *more), group=article.id,
        source=source,
    )  # fmt: skip


def _joined(text: str, match: re.Match[str], between: str) -> str:
    return text[: match.start()] + between + text[match.end() :]


def name_spans(text: str, known: str = "") -> list[tuple[int, int]]:
    """Start and end of each proper name: neighbouring capitalised words. The opening word counts where `known` holds it
    with a capital elsewhere."""
    words = tokens(text)
    spans: list[list[int]] = []
    for index, token in enumerate(words):
        if not _is_name(words, index, known):
            continue
        if spans and spans[-1][1] + 1 == token.start and text[spans[-1][1]] == " ":
            spans[-1][1] = token.end
        else:
            spans.append([token.start, token.end])
    return [(start, end) for start, end in spans]


def _is_name(words: Sequence[Token], index: int, known: str) -> bool:
    token = words[index]
    if not token.text[0].isupper() or len(token.text) < 3 or token.folded in STOP_WORDS or token.folded in WEEKDAYS:
        return False
    if month_at(words, index):
        return False
    if index > 0 or f" {token.text}" in known:
        return True
    behind = words[1] if len(words) > 1 else token
    return behind.text[0].isupper() and behind.start == token.end + 1 and f" {behind.text}" in known


def _entity(text: str, article: Article, drawn: random.Random) -> str:
    """Another name of the article in place of one; a sentence that holds the other name already is left alone."""
    spans = name_spans(text, article.text)
    return _with_name(text, spans, article.text, drawn, avoid=text)


def _foreign_name(text: str, article: Article, other: Article, drawn: random.Random) -> str:
    return _with_name(text, name_spans(text, article.text), other.text, drawn, avoid=article.text)


def _with_name(
    text: str, spans: Sequence[tuple[int, int]], source: str, drawn: random.Random, *, avoid: str
) -> str:  # fmt: skip
    if not spans or _capitals_say_nothing(text):
        return ""
    start, end = drawn.choice(list(spans))
    words = len(text[start:end].split())
    names = sorted({source[s:e] for s, e in name_spans(source) if "\n" not in source[s:e]})
    fitting = [one for one in names if not any(word in avoid for word in one.split()) and len(one.split()) == words]
    return f"{text[:start]}{drawn.choice(fitting)}{text[end:]}" if fitting else ""


def _capitals_say_nothing(text: str) -> bool:
    """Whether capitals do not mark names: German writes all nouns with one, a headline all words."""
    words = [token for token in tokens(text) if token.text[0].isalpha()]
    return sum(token.text[0].isupper() for token in words) > 0.6 * len(words)


def _exchanged(text: str, article: Article, drawn: random.Random) -> str:
    """Two names in each other's place, with a word that means something between them."""
    spans = name_spans(text, article.text)
    fitting = [
        (one, other)
        for one, other in zip(spans, spans[1:], strict=False)
        if any(t.folded not in STOP_WORDS and t.text[0].islower() for t in tokens(text[one[1] : other[0]]))
        and "," not in text[one[1] : other[0]]
    ]
    if not fitting:
        return ""
    (a, b), (c, d) = drawn.choice(fitting)
    return f"{text[:a]}{text[c:d]}{text[b:c]}{text[a:b]}{text[d:]}"


def _numbers(text: str) -> list[re.Match[str]]:
    return [m for m in _NUMBER.finditer(text) if not _YEAR.fullmatch(m[0]) and not months(text[m.end() : m.end() + 12])]


def _number(text: str, article: Article, drawn: random.Random) -> str:
    """A number that the article does not hold."""
    found = _numbers(text)
    if not found:
        return ""
    match = drawn.choice(found)
    digits = [drawn.choice([d for d in "123456789" if d != c]) if c.isdigit() else c for c in match[0][:2]]
    new = "".join(digits) + match[0][2:]
    return "" if new in article.text else f"{text[: match.start()]}{new}{text[match.end() :]}"


def _number_of_article(text: str, article: Article, drawn: random.Random) -> str:
    """Another number of the article in place of one."""
    found = _numbers(text)
    others = sorted({m[0] for m in _numbers(article.text)} - {m[0] for m in _numbers(text)})
    if not found or not others:
        return ""
    match = drawn.choice(found)
    return f"{text[: match.start()]}{drawn.choice(others)}{text[match.end() :]}"


def _date(text: str, article: Article, drawn: random.Random) -> str:
    """Another month, day of the week or year."""
    language = article.language
    choices: list[tuple[int, int, list[str]]] = []
    for names in (_MONTHS.get(language, "").split(), _WEEKDAYS.get(language, "").split()):
        for name in names:
            choices += [
                (m.start(), m.end(), [n for n in names if n != name]) for m in re.finditer(rf"\b{name}\b", text)
            ]
    for match in _YEAR.finditer(text):
        choices.append((match.start(), match.end(), [str(int(match[0]) + by) for by in (-2, -1, 1, 2)]))
    if not choices:
        return ""
    start, end, others = drawn.choice(choices)
    return f"{text[:start]}{drawn.choice(others)}{text[end:]}"


def _role(text: str, article: Article, drawn: random.Random) -> str:
    """Another office in place of one: of the article if it names another."""
    every = _ROLES.get(article.language, "").split()
    found = [m for role in every for m in re.finditer(rf"\b{role}\b", text, re.I)]
    if not found:
        return ""
    match = drawn.choice(found)
    others = [r for r in every if r.lower() not in text.lower()]
    near = [r for r in others if re.search(rf"\b{r}\b", article.text, re.I)] or others
    new = drawn.choice(near)
    new = new.capitalize() if match[0][0].isupper() else new
    return f"{text[: match.start()]}{new}{text[match.end() :]}"


def _by_rules(rules: Mapping[str, Sequence[tuple[str, str]]], *, first: bool) -> Callable[..., str]:
    """A planter that applies one of a language's rules: the first that fits, or any."""

    def plant(text: str, article: Article, drawn: random.Random) -> str:
        own = [rule for rule in rules.get(article.language, ()) if re.search(rule[0], text)]
        if not own or any(mark in text for mark in '“"«'):
            return ""
        find, put = own[0] if first else drawn.choice(own)
        changed = re.sub(find, put, text, count=1)
        return changed[0].upper() + changed[1:]

    return plant


def _negation(text: str, article: Article, drawn: random.Random) -> str:
    """The opposite: a negation taken out, or put in where there is none."""
    return _by_rules(_AFFIRMED, first=True)(text, article, drawn) or _by_rules(_NEGATED, first=False)(
        text, article, drawn
    )


_PLANTED: Mapping[str, Callable[[str, Article, random.Random], str]] = {
    "entity": _entity,
    "agent and object": _exchanged,
    "number": _number,
    "number of the article": _number_of_article,
    "date": _date,
    "role": _role,
    "negation": _negation,
    "modality": _by_rules(_MODALITY, first=True),
}
