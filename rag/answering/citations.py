"""Text and evidence → sentences with citations and verdicts. Pure functions.

A citation is given only where the words carry the sentence: every quotation verbatim, every number, month and
name of the sentence in the cited words (or in the headline, outlet, byline or year that the citation shows), and
enough of its other words. What a model says about its sources is a hint at most; markers for sources that do
not exist are removed and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answering.claims import Claims, verbatim
from rag.answering.sentence_selection import Candidate, same_paragraph
from rag.language.dates import resolved, written
from rag.language.numbers import numbers
from rag.language.sentences import sentence_spans
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import Article, Citation, Sentence, Span

_MARKER = re.compile(
    r"\s*[\[【(（](?:source|sources|excerpt|id)?[:\s]*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)[\]】)）](?!\w)", re.I
)
_SAYING = re.compile(
    r"\b(said|says|told|remark\w*|complain\w*|argu\w*|describ\w*|call(ed|s)|warn\w*|claim\w*|stat(ed|es)|criticis\w*|"
    r"criticiz\w*|liken\w*|compar\w*|promis\w*|accus\w*|credit\w*|denied|denies|insist\w*|admit\w*|ask(ed|s)|"
    r"dijo|afirm\w*|declar\w*|asegur\w*|advirti\w*|critic\w*|compar\w*|pidi\w*|exigi\w*|prometi\w*|calific\w*)\b"
)
# A sentence must share at least this part of its content words with what it cites. Set by hand, not tuned yet.
LEAST_WORDS = 0.5
_SHARE = re.compile(r"\s*(%|per\s?cent|pct|por ciento)", re.I)
# Words behind a number that it does not count.
_UNCOUNTED = STOP_WORDS | frozenset("percent per pct por ciento".split())
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
    """The quotes that carry a sentence, and why they do not ("" when they do).

    Greedy: the candidate that shares most with the sentence, then others (of the same article first) as long as
    each adds a claim that is still open. Who says something must be named in the paragraph of the words said: a
    name from elsewhere in the paper would let any speaker say anything. What the `question` itself named may
    stand anywhere in the same article.
    """
    given = Claims.of(question)
    claims = Claims.of(text).without({name for name in given.names if len(name) <= 3})
    near = candidates
    if claims.quotes or _SAYING.search(fold(text)):
        near = _one_paragraph(text, candidates, language)
    chosen = _greedy([], near, claims.beyond(given), set(content_stems(text, language)), language, hints)
    if not chosen:
        return (), "nothing in the articles found says this"
    claims = claims.without(_given_names(text, chosen))
    restricted = near is not candidates
    problems = claims.beyond(given).lacking(_words(chosen)) if restricted else []
    if not problems and claims.lacking(_words(chosen)):
        same = [c for c in candidates if c.passage.article.id == chosen[0].passage.article.id]
        chosen = _greedy(chosen, same if restricted else candidates, claims, set(), language, hints)
    # The question's own dates may also be the day that the citation shows beside the quote.
    shown = f"{_words(chosen)}\n{' '.join(written(c.passage.article.day) for c in chosen if c.passage.article.day)}"
    problems = problems or claims.beyond(given).lacking(_words(chosen)) or claims.lacking(shown)
    stems = set(content_stems(text, language))
    if not problems and _shared(stems, chosen, language) < _least(chosen, language, claims):
        problems = ["the cited words say something else"]
    problems = problems or _miscounted(text, chosen, given)
    return tuple(chosen), problems[0] if problems else ""


def _given_names(text: str, chosen: Sequence[Candidate]) -> set[str]:
    """First names of people whom the cited words call by their last name, and the same article by both."""
    cited = {t.folded for c in chosen for t in tokens(c.text)}
    words = tokens(text)
    return {
        first.folded
        for first, last in zip(words, words[1:], strict=False)
        if first.text[0].isupper() and last.text[0].isupper() and last.folded in cited and first.folded not in cited
        and any(verbatim(f"{first.text} {last.text}", c.passage.article.text) for c in chosen)
    }  # fmt: skip


def _miscounted(text: str, chosen: Sequence[Candidate], given: Claims) -> list[str]:
    """Shares taken for counts: "36 seats" is not carried by "36 percent". The question's own numbers are left alone."""
    words = tokens(text)
    for token, unit in zip(words, words[1:], strict=False):
        number = numbers(token.text) - given.numbers
        counts = unit.text.isalpha() and len(unit.text) > 2 and unit.folded not in _UNCOUNTED
        if not number or not counts or _SHARE.match(text[token.end :]):
            continue
        quoted = [c.text[t.end :] for c in chosen for t in tokens(c.text) if numbers(t.text) == number]
        if quoted and all(_SHARE.match(behind) for behind in quoted):
            return [f"the cited words say {token.text} percent"]
    return []


def _greedy(
    begun: Sequence[Candidate],
    candidates: Sequence[Candidate],
    claims: Claims,
    stems: set[str],
    language: str,
    hints: Sequence[Article],
) -> list[Candidate]:
    """The quotes begun with, and those that add most, until nothing is open or MOST_QUOTES are reached."""
    chosen = list(begun)
    while len(chosen) < MOST_QUOTES and (not chosen or claims.lacking(_words(chosen)) or stems):
        best = max(
            (c for c in candidates if c not in chosen),
            key=lambda c: _gain(c, chosen, claims, stems, language, hints),
            default=None,
        )
        if best is None or (chosen and not _adds(best, chosen, claims, stems, language)):
            break
        chosen.append(best)
        if not claims.lacking(_words(chosen)) and _shared(stems, chosen, language) >= 0.8:
            break
    return chosen


def _least(chosen: Sequence[Candidate], language: str, claims: Claims) -> float:
    """Across languages only names and numbers can be compared; there must be some."""
    same = all(c.passage.article.language in {language, ""} or not language for c in chosen)
    if same:
        return LEAST_WORDS
    return 0.0 if claims.names or claims.numbers or claims.months else 1.01


def _words(chosen: Sequence[Candidate]) -> str:
    """The quotes, what their cards show, and the days that their "last Friday" means."""
    articles = {c.passage.article.id: c.passage.article for c in chosen}
    days = [written(day) for c in chosen for _, _, day in resolved(c.text, c.passage.article.day)]
    shown = [f"{a.title} {a.outlet} {a.byline} {a.day.year if a.day else ''}" for a in articles.values()]
    return "\n".join([*(c.text for c in chosen), *shown, *days])


def _shared(stems: set[str], chosen: Sequence[Candidate], language: str) -> float:
    if not stems:
        return 1.0
    text = _words(chosen)
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
    open_claims = len(claims.lacking(_words(together)))
    bonus = 0.05 if any(candidate.passage.article.id == a.id for a in hints) else 0.0
    if chosen and candidate.passage.article.id == chosen[0].passage.article.id:
        bonus += 0.3 if same_paragraph(candidate, chosen[0]) else 0.1
    own = len(stems & set(content_stems(candidate.text, language))) / len(stems) if stems else 0.0
    return _shared(stems, together, language) + own - 0.5 * open_claims + bonus + 0.1 * candidate.score


def _one_paragraph(text: str, candidates: Sequence[Candidate], language: str) -> list[Candidate]:
    """The candidates of the paragraph whose best sentence shares most words with the text."""
    stems, quotes = set(content_stems(text, language)), Claims.of(text).quotes

    def likeness(c: Candidate) -> tuple[int, int]:
        return sum(verbatim(q, c.text) for q in quotes), len(stems & set(content_stems(c.text, language)))

    best = max(candidates, key=likeness, default=None)
    return [c for c in candidates if best is not None and same_paragraph(c, best)]


def _adds(candidate: Candidate, chosen: list[Candidate], claims: Claims, stems: set[str], language: str) -> bool:
    before, after = claims.lacking(_words(chosen)), claims.lacking(_words([*chosen, candidate]))
    if len(after) < len(before):
        return True
    gained = _shared(stems, [*chosen, candidate], language) - _shared(stems, chosen, language)
    return gained >= 0.25


class Citer:
    """Numbers quotes in order of first appearance over the sentences of one answer."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Span], Citation] = {}

    def sentence(self, text: str, quotes: Sequence[Candidate], reason: str) -> Sentence:
        """The sentence with its verdict; an unsupported one cites nothing."""
        if reason:
            return Sentence(text=text, verdict="unsupported", reason=reason)
        return Sentence(text=text, verdict="supported", citations=tuple(self._citation(q) for q in quotes))

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
