"""What quotations say otherwise than a sentence whose words they hold: who did it, whether at all, how many, which one.

Each rule looks at the sentence beside the quotation that holds most of its words. A sentence that shares few of them is
left to the comparison of words: it may be freely worded and true. The rules and their limits were chosen on all pairs
of `eval check`, so that few of 114 true sentences that the packaged model wrote are held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import gt, lt

from rag.answering.check.alignment import Alignment, align
from rag.answering.check.units import other_unit
from rag.answering.check.words import Word, Words, opposite_of, words_of
from rag.answering.sentence_selection import Candidate
from rag.language.dates import named_days, written
from rag.language.tokens import folded_words
from rag.schema import Article

MANY_WORDS, SOME_WORDS = 0.8, 0.7  # shares of the sentence's words that the quotation holds
GAP = 3  # words between two matched ones among which another name or number counts as standing in the same place


@dataclass(frozen=True, slots=True)
class Conflict:
    """What speaks against a sentence, in words for a reader, and the quotation that does.

    `opposed` says that the quotation says something that cannot be true together with the sentence, and not only less.
    """

    reason: str
    quote: Candidate
    opposed: bool


_Match = tuple[Word, Word]  # a word of the sentence and the one of the quotation that it is


@dataclass(frozen=True, slots=True)
class _Case:
    """A sentence beside its quotations; `main` is its alignment with the one that holds most of its words."""

    main: Alignment
    others: tuple[Alignment, ...]
    article: Article  # of the main quotation
    articles: frozenset[str]
    language: str
    other_unit: bool  # a number of the sentence has another unit in the quotations

    @property
    def share(self) -> float:
        return self.main.share

    def held_elsewhere(self, chosen: Callable[[Word], bool]) -> bool:
        """Whether one of the chosen words is in another quotation alone."""
        return any(
            chosen(word) and place < 0 and any(other.places[i] >= 0 for other in self.others)
            for i, (word, place) in enumerate(zip(self.main.sentence.content, self.main.places, strict=True))
        )


def conflict(sentence: str, quotes: Sequence[Candidate], language: str) -> Conflict | None:
    """The first conflict found between a sentence and its quotations, which are in its language (ISO 639-1).

    None where there is none, and where a quotation is in another language: their words cannot be matched.
    """
    if not quotes or any(quote.passage.article.language not in {language, ""} for quote in quotes):
        return None
    own = words_of(sentence, language)
    each = [align(own, words_of(dated(quote), language)) for quote in quotes]
    best = max(range(len(each)), key=lambda i: each[i].share)
    case = _Case(
        main=each[best],
        others=tuple(one for i, one in enumerate(each) if i != best),
        article=quotes[best].passage.article,
        articles=frozenset(quote.passage.article.id for quote in quotes),
        language=language,
        other_unit=other_unit(sentence, [quote.text for quote in quotes], language),
    )
    for rule, reason, opposed in _RULES:
        if rule(case):
            return Conflict(reason, quotes[best], opposed)
    return None


def dated(quote: Candidate) -> str:
    """The quotation with the date behind each day that it names: "last Friday 14 March 2025"."""
    article = quote.passage.article
    out, at = [], 0
    for _, end, day in named_days(quote.text, article.day, article.language):
        out += [quote.text[at:end], f" {written(day)}"]
        at = end
    return "".join([*out, quote.text[at:]])


def _denied(case: _Case) -> bool:
    """Only the sentence denies something, or only the quotation denies what it shares with the sentence."""
    if case.main.sentence.denies:
        return not any(one.quotation.denies or _refuses(one.quotation) for one in (case.main, *case.others))
    return case.share >= MANY_WORDS and any(
        there.denied and not word.is_name for word, there in case.main.matched
    )  # fmt: skip


def _refused(case: _Case) -> bool:
    """One of the two says of what both tell that it was refused, denied or not achieved, and the other denies nothing.

    The word beside that phrase must be in both: "Renner, who refused to resign, lost" says that he lost.
    """
    if case.share < SOME_WORDS or case.main.sentence.denies or case.main.quotation.denies:
        return False
    if any(word.refused for word, _ in case.main.matched):
        return not any(_refuses(one.quotation) for one in (case.main, *case.others))
    return any(there.refused for _, there in case.main.matched)


def _refuses(words: Words) -> bool:
    return any(word.refused for word in words.content)


def _opposite(case: _Case) -> bool:
    """A word stands in the place of its opposite, behind the same word: "the council approved" for "… rejected". Not
    behind another one: who buys and who sells tell of one sale."""
    main = case.main
    if case.share < SOME_WORDS or main.sentence.denies or main.quotation.denies:
        return False
    used = set(main.places)
    for at, word in enumerate(main.sentence.content):
        if main.places[at] >= 0 or word.is_name or not (opposite := opposite_of(word.folded, case.language)):
            continue
        before = main.places[at - 1] if at else -1
        unmatched = [i for i, other in enumerate(main.quotation.content) if i not in used and i > before]
        if (not at or before >= 0) and any(opposite.fullmatch(main.quotation.content[i].folded) for i in unmatched):
            return True
    return False


def _other_way_round(case: _Case) -> bool:
    """Two names stand on the other sides of a word of their clause, both in the active or both in the passive; or on
    the same sides, and only one of the two is passive."""
    if case.share < SOME_WORDS:
        return False
    clauses = groupby(case.main.matched, key=lambda match: match[0].clause)
    return any(_is_exchanged(list(clause)) for _, clause in clauses)


def _is_exchanged(clause: Sequence[_Match]) -> bool:
    """Whether two names of a clause stand on the other sides of a word between them, or on the same of a passive."""
    for i, (word, there) in enumerate(clause):
        if word.is_name or word.is_number:
            continue
        if word.passive == there.passive:
            first_side, second_side = gt, lt
        elif word.before_agent != there.before_agent:
            first_side, second_side = lt, gt
        else:
            continue
        first = {name.key for name, other in clause[:i] if name.is_name and first_side(other.at, there.at)}
        second = {name.key for name, other in clause[i + 1 :] if name.is_name and second_side(other.at, there.at)}
        if first and second and len(first | second) > 1:
            return True
    return False


def _other_number(case: _Case) -> bool:
    return case.share >= SOME_WORDS and _replaced(case.main, lambda word: word.is_number)


def _other_name(case: _Case) -> bool:
    """Another name stands in the place of one: of one that a further quotation had to be found for, or of any.

    Names of up to three letters have many variants (TV, EU).
    """
    if not _replaced(case.main, lambda word: word.is_name and len(word.text) > 3):
        return False
    return case.share >= MANY_WORDS or (
        case.share >= SOME_WORDS and case.held_elsewhere(lambda word: word.is_name)
    )  # fmt: skip


def _replaced(main: Alignment, chosen: Callable[[Word], bool]) -> bool:
    """Whether an unmatched word stands between matched ones that have another word of its kind between them."""
    used = set(main.places)
    return any(
        any(chosen(main.quotation.content[at]) for at in gap if at not in used)
        for word, gap in _gaps(main)
        if chosen(word)
    )


def _gaps(main: Alignment) -> Iterator[tuple[Word, range]]:
    """Each unmatched word of the sentence, and the places of the quotation between its matched neighbours."""
    end = len(main.quotation.content)
    for i, (word, place) in enumerate(zip(main.sentence.content, main.places, strict=True)):
        if place >= 0:
            continue
        left = next((p for p in reversed(main.places[:i]) if p >= 0), -1)
        right = next((p for p in main.places[i + 1 :] if p >= 0), end)
        yield word, range(left + 1, min(right, left + 1 + GAP))


def _not_said_to_have_happened(case: _Case) -> bool:
    """The quotation says of what it shares with the sentence that it may, shall or is said to happen; that says it
    outright."""
    if _unrealised(case.main.sentence):
        return False
    open_words = sum(there.unrealised and not word.is_name for word, there in case.main.matched)
    return open_words >= (1 if case.share >= MANY_WORDS else 2)


def _said_to_have_happened(case: _Case) -> bool:
    quoted = [case.main.quotation, *(other.quotation for other in case.others)]
    return (
        case.share >= MANY_WORDS and _unrealised(case.main.sentence) and not any(_unrealised(one) for one in quoted)
    )  # fmt: skip


def _unrealised(words: Words) -> bool:
    return any(word.unrealised for word in words.content)


def _two_events(case: _Case) -> bool:
    """Two articles are needed for the sentence, and a name that only the second one's words hold is nowhere in the
    article of the first."""
    if len(case.articles) < 2:
        return False
    known = set(folded_words(case.article.text)) | set(folded_words(case.article.title))
    return case.held_elsewhere(lambda word: word.is_name and word.folded not in known)


_RULES: Sequence[tuple[Callable[[_Case], bool], str, bool]] = (
    (_denied, "the sentence and the cited words disagree on whether it is so", True),
    (_refused, "the sentence and the cited words disagree on whether it was done", True),
    (_opposite, "the cited words say the opposite", True),
    (_other_way_round, "the cited words have it the other way round", True),
    (lambda case: case.other_unit, "the cited words give that number in another unit or currency", True),
    (_other_number, "the cited words give another number or date there", True),
    (_other_name, "the cited words name somebody or something else there", True),
    (_not_said_to_have_happened, "the cited words do not say that it has happened", False),
    (_said_to_have_happened, "the cited words say it outright", False),
    (_two_events, "the cited words are about two events", False),
)
