"""Text and evidence → sentences with citations and verdicts. Pure functions.

A citation is given only where the cited words support the sentence: every quotation verbatim, every number, month and
name of the sentence in the cited words (or in the headline, outlet, byline or year that the citation shows), and
enough of its other words. What a model says about its sources is a hint at most; markers for sources that do
not exist are removed and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answering.claims import Claims, Source, verbatim
from rag.answering.sentence_selection import Candidate, same_paragraph
from rag.language.dates import resolved, written
from rag.language.identify import LANGUAGE_NAMES
from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.numbers import numbers, readable
from rag.language.sentences import sentence_spans
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import Article, Citation, Sentence, Span, Verdict

_MARKER = re.compile(
    r"\s*[\[【(（](?:source|sources|excerpt|id)?[:\s]*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)[\]】)）](?!\w)", re.I
)

# A sentence must share at least this part of its content words with what it cites. Set by hand, not tuned yet.
LEAST_WORDS = 0.5
MOST_QUOTES = 3


def strip_markers(text: str, sources: int) -> tuple[str, list[int], int]:
    """The text without citation markers, the numbers of sources (1 to `sources`) they named, and the stray ones.

    `[0]`, `[99]` and numbers beyond the sources are stray. A year in parentheses is no marker.
    """
    named: list[int] = []
    stray = 0

    def taken(match: re.Match[str]) -> str:
        nonlocal stray
        if match.group().strip()[0] in "(（" or re.fullmatch(r"(?:19|20)\d\d", match.group(1)):
            return match.group()
        for number in _expanded(match.group(1)):
            if 1 <= number <= sources:
                named.append(number)
            else:
                stray += 1
        return ""

    return _MARKER.sub(taken, text), named, stray


def _expanded(numbers_text: str) -> list[int]:
    """`1, 3` -> 1, 3; `1-3` -> 1, 2, 3."""
    found: list[int] = []
    for part in re.split(r"[,;]", numbers_text):
        ends = [int(n) for n in re.findall(r"\d+", part)]
        found += range(ends[0], ends[-1] + 1) if len(ends) == 2 and 0 <= ends[1] - ends[0] <= 20 else ends
    return found


def link(
    text: str, candidates: Sequence[Candidate], *, language: str, question: str = "", hints: Sequence[Article] = ()
) -> tuple[tuple[Candidate, ...], str]:
    """The quotes that support a sentence, and why they do not ("" when they do).

    Greedy: the candidate that shares most with the sentence, then others (of the same article first) while each adds
    a claim that is not covered yet. A speaker must be named in the paragraph of the quoted or reported words: a name
    from elsewhere in the article would attribute them to anybody. What the `question` itself named may be anywhere in
    the same article. `language` is the sentence's (ISO 639-1), `hints` are articles that the model's markers name.
    """
    given = Claims.of(question, language)
    claims = Claims.of(text, language).without({name for name in given.names if len(name) <= 3})
    near = candidates
    if claims.quotes or pattern(lexicon(language).sayings).search(fold(text)):
        near = _one_paragraph(text, claims.quotes, candidates, language)
    stems = set(content_stems(text, language))
    chosen = _greedy([], near, claims.beyond(given), stems, language, hints)
    if not chosen:
        return (), "nothing in the articles found says this"
    claims = claims.without(_given_names(text, chosen))
    restricted = near is not candidates
    problems = claims.beyond(given).lacking(_sources(chosen)) if restricted else []
    if not problems and claims.lacking(_sources(chosen)):
        same = [c for c in candidates if c.passage.article.id == chosen[0].passage.article.id]
        chosen = _greedy(chosen, same if restricted else candidates, claims, set(), language, hints)
    # The question's own dates may also be the day that the citation shows beside the quote.
    days = [(written(c.passage.article.day), "en") for c in chosen if c.passage.article.day]
    cited = _sources(chosen)
    problems = problems or claims.beyond(given).lacking(cited) or claims.lacking([*cited, *days])
    problems = problems or _other_words(stems, chosen, language, claims) or _miscounted(text, chosen, given)
    return tuple(chosen), problems[0] if problems else ""


def _other_words(stems: set[str], chosen: Sequence[Candidate], language: str, claims: Claims) -> list[str]:
    """Why the words of a sentence are too unlike those of its quotes; nothing when they are like enough.

    Where number words and months of a language cannot be read, a changed one would pass: then every word must be there.
    """
    shared = _shared(stems, chosen, language)
    if shared < _least(chosen, language, claims):
        return ["the cited words say something else"]
    if language and not readable(language) and shared < 1:
        name = LANGUAGE_NAMES.get(language, language)
        return [f"it is not word for word in the cited words, and number words in {name} cannot be compared"]
    return []


def _given_names(text: str, chosen: Sequence[Candidate]) -> set[str]:
    """First names of people that the cited words call by their last name only, and the article elsewhere by both."""
    cited = {t.folded for c in chosen for t in tokens(c.text)}
    words = tokens(text)
    return {
        first.folded
        for first, last in zip(words, words[1:], strict=False)
        if first.text[0].isupper() and last.text[0].isupper() and last.folded in cited and first.folded not in cited
        and any(verbatim(f"{first.text} {last.text}", c.passage.article.text) for c in chosen)
    }  # fmt: skip


def _miscounted(text: str, chosen: Sequence[Candidate], given: Claims) -> list[str]:
    """Percentages taken for counts: "36 percent" does not support "36 seats". The question's own numbers are exempt."""
    words = tokens(text)
    for token, unit in zip(words, words[1:], strict=False):
        number = numbers(token.text, given.language) - given.numbers
        counts = unit.text.isalpha() and len(unit.text) > 2 and unit.folded not in STOP_WORDS
        if not number or not counts or _is_percent(text[token.end :]):
            continue
        quoted = [c.text[t.end :] for c in chosen for t in tokens(c.text) if numbers(t.text, given.language) == number]
        if quoted and all(_is_percent(behind) for behind in quoted):
            return [f"the cited words say {token.text} percent"]
    return []


def _is_percent(behind: str) -> bool:
    """Whether the text behind a number makes it a percentage, in any language."""
    following = behind.lstrip()
    return following.startswith("%") or bool(pattern(EVERY_LANGUAGE.percent).match(fold(following[:20])))


def _greedy(
    begun: Sequence[Candidate],
    candidates: Sequence[Candidate],
    claims: Claims,
    stems: set[str],
    language: str,
    hints: Sequence[Article],
) -> list[Candidate]:
    """The quotes begun with, and those that add most, until every claim is covered or there are MOST_QUOTES."""
    chosen = list(begun)
    while len(chosen) < MOST_QUOTES and (not chosen or claims.lacking(_sources(chosen)) or stems):
        best = max(
            (c for c in candidates if c not in chosen),
            key=lambda c: _gain(c, chosen, claims, stems, language, hints),
            default=None,
        )
        if best is None or (chosen and not _adds(best, chosen, claims, stems, language)):
            break
        chosen.append(best)
        if not claims.lacking(_sources(chosen)) and _shared(stems, chosen, language) >= 0.8:
            break
    return chosen


def _least(chosen: Sequence[Candidate], language: str, claims: Claims) -> float:
    """Across languages only names and numbers can be compared; there must be some."""
    same = all(c.passage.article.language in {language, ""} or not language for c in chosen)
    if same:
        return LEAST_WORDS
    return 0.0 if claims.names or claims.numbers or claims.months else 1.01


def _sources(chosen: Sequence[Candidate]) -> list[Source]:
    """The quotes, what is shown beside them, and the days that their "last Friday" means."""
    articles = {c.passage.article.id: c.passage.article for c in chosen}
    days = [
        (written(day), "en")
        for c in chosen
        for _, _, day in resolved(c.text, c.passage.article.day, c.passage.article.language)
    ]
    shown = [(f"{a.title} {a.outlet} {a.byline} {a.day.year if a.day else ''}", a.language) for a in articles.values()]
    return [*((c.text, c.passage.article.language) for c in chosen), *shown, *days]


def _shared(stems: set[str], chosen: Sequence[Candidate], language: str) -> float:
    if not stems:
        return 1.0
    text = "\n".join(text for text, _ in _sources(chosen))
    return len(stems & set(content_stems(text, language))) / len(stems)


def _gain(
    candidate: Candidate,
    chosen: Sequence[Candidate],
    claims: Claims,
    stems: set[str],
    language: str,
    hints: Sequence[Article],
) -> float:
    together = [*chosen, candidate]
    open_claims = len(claims.lacking(_sources(together)))
    bonus = 0.05 if any(candidate.passage.article.id == a.id for a in hints) else 0.0
    if chosen and candidate.passage.article.id == chosen[0].passage.article.id:
        bonus += 0.3 if same_paragraph(candidate, chosen[0]) else 0.1
    own = len(stems & set(content_stems(candidate.text, language))) / len(stems) if stems else 0.0
    return _shared(stems, together, language) + own - 0.5 * open_claims + bonus + 0.1 * candidate.score


def _one_paragraph(text: str, quotes: Sequence[str], candidates: Sequence[Candidate], language: str) -> list[Candidate]:
    """The candidates of the paragraph whose best sentence shares most words with the text."""
    stems = set(content_stems(text, language))

    def likeness(c: Candidate) -> tuple[int, int]:
        return sum(verbatim(q, c.text) for q in quotes), len(stems & set(content_stems(c.text, language)))

    best = max(candidates, key=likeness, default=None)
    return [c for c in candidates if best is not None and same_paragraph(c, best)]


def _adds(candidate: Candidate, chosen: list[Candidate], claims: Claims, stems: set[str], language: str) -> bool:
    before, after = claims.lacking(_sources(chosen)), claims.lacking(_sources([*chosen, candidate]))
    if len(after) < len(before):
        return True
    gained = _shared(stems, [*chosen, candidate], language) - _shared(stems, chosen, language)
    return gained >= 0.25


class Citer:
    """Numbers quotes in order of first appearance over the sentences of one answer."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Span], Citation] = {}

    def sentence(
        self, text: str, quotes: Sequence[Candidate], reason: str, *, contradicted: bool = False
    ) -> Sentence:  # fmt: skip
        """The sentence with its verdict; a contradicted one cites what contradicts it, an unsupported one nothing."""
        if reason and not contradicted:
            return Sentence(text=text, verdict="unsupported", reason=reason)
        citations = tuple(self._citation(q) for q in quotes)
        verdict: Verdict = "contradicted" if contradicted else "supported"
        return Sentence(text=text, verdict=verdict, citations=citations, reason=reason)

    def _citation(self, quote: Candidate) -> Citation:
        key = (quote.passage.article.id, (quote.start, quote.end))
        if key not in self._numbers:
            number = len(self._numbers) + 1
            self._numbers[key] = Citation(number=number, passage=quote.passage, start=quote.start, end=quote.end)
        return self._numbers[key]


def split_finished(text: str) -> tuple[list[str], str]:
    """The sentences of a growing text that are surely finished, and the rest."""
    spans = sentence_spans(text)
    if not spans:
        return [], text
    finished = [text[s:e] for s, e in spans[:-1]]
    return finished, text[spans[-1][0] :]


def same_words(one: str, other: str) -> bool:
    """Whether two sentences say the same words (a model repeating itself)."""
    return [t.folded for t in tokens(one)] == [t.folded for t in tokens(other)] or fold(one) == fold(other)
