"""Selection of evidence: the sentences of the hits that the model reads, within a token budget."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rag.answering.people.namesakes import asked_people, tells_of_another
from rag.answering.question import expected, holds
from rag.answering.relevance.addressed import addresses_machines
from rag.answering.relevance.sentences import AskedQuestion, PassageSentences, as_asked, compared
from rag.answering.spelling import spelt_as_found
from rag.archive.archive import Archive
from rag.language.dates import annotated, written
from rag.language.lexicons import lexicon
from rag.language.misspelling import is_misspelt
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.sentences import is_question, sentence_spans
from rag.language.stems import stem
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import count_tokens, folded_words, is_unspaced, tokens
from rag.models.embeddings import Embedder
from rag.schema import Article, Hit, Passage, Span

# What a sentence keeps of its score where the question names a year, and neither the sentence nor its headline has it,
# nor is its article of that year. Set by hand on the demo archive.
OF_OTHER_YEARS = 0.7
# What a sentence loses of its score where its article has none of the question's names, and others have them.
LACKING_NAMES = 0.3
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
# Weights in the score of a sentence: likeness to the question by the embedder, word coverage, score of its hit, and
# whether it holds the kind of expression asked for. NEAR is the weight of a better neighbour's score. Swept on the demo
# gold set: the answer is among the chosen sentences for .88 of the answerable questions; with RANK .15 and without
# NEAR, for .83. NEAR of .4, 0 and .2 gave the same on 490 questions beside late interaction, which sees neighbours.
LIKENESS, WORDS, RANK, KIND, NEAR = 0.1, 0.4, 0.45, 0.15, 0.2
# Weight of learned relevance. By extraction, of 490 questions of five sets to the demo archive, on which the weights
# above were set, .573 pass with .25 of vectors of texts alone and with .6 of late interaction; of 80 of a writer's on
# which nothing was set, .34 and .43 (with .25 and .4 of late interaction .40).
RELEVANCE = 0.6
# Sentences far below the best one distract readers and small models. After LEAST_UNITS units, a sentence needs this
# share of the best score.
LEAST_SHARE, LEAST_UNITS = 0.4, 4
# The other passages of the best article are added as hits with this share of its score. The share of answers among the
# chosen sentences rises from .882 to .889 (demo gold set) and from .933 to .940 (norquad_news_validation); adding the
# passages of a second article gave no more.
WHOLE_ARTICLES, WHOLE_PASSAGES, WHOLE = 1, 12, 0.5
MOST_BEFORE = 3  # most sentences that a unit adds before its own to reach the name of a speaker
SPEECH = re.compile(r"[“«„\"][^“”«»„\"]*[”»“\"]?|^[^“«„\"]*[”»]")
COVERED_CHARS = 8000  # of an article in which the question's words are counted
SENTENCE_ENDS = ".!?…。！？"
LEAST_HEADLINE = 10  # words of a line without a full stop that says something, as the line below a headline does
HEADER_TOKENS = 22  # headline, outlet and day of an excerpt


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a hit. `score` is about 0 to 1; a higher one is more likely to answer the question."""

    passage: Passage
    start: int
    end: int
    score: float = 0.0
    coverage: float = 0.0  # weighted share of the question's words in the sentence and its article's header
    likeness: float = 0.0  # to the question, by the embedder (EmbedderCard.likeness)

    @property
    def text(self) -> str:
        """The text of the sentence in the article."""
        return self.passage.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for an answer. `candidates` are all sentences of the hits, `chosen` those that the model reads; both
    are sorted best first."""

    candidates: tuple[Candidate, ...] = ()
    chosen: tuple[Candidate, ...] = ()
    missing: tuple[str, ...] = ()  # names and numbers of the question that no hit's article contains
    coverage: float = 0.0  # weighted share of the question's words in the article of the best candidate
    likeness: float = 0.0  # highest likeness of a sentence to the question
    closeness: float = 0.0  # highest sum of the likeness of a sentence and its coverage
    excerpts: tuple[tuple[Article, str], ...] = ()
    tells: bool | None = None  # by the people and offices that they name a sentence is known to answer, or none to


def gather(
    question: str, language: str, hits: Sequence[Hit], archive: Archive, embedder: Embedder, budget: int,
    query: str = "",
) -> Evidence:  # fmt: skip
    """The evidence of these hits for a question, with excerpts of at most `budget` tokens.

    `query` is the question expanded by the conversation and is used for likenesses only. Compared by words, the
    previous question would select the sentences that answered it (9 instead of 11 of the 12 follow-up questions of the
    demo gold set).
    """
    asked = as_asked(question, query or question, embedder)
    question = spelt_as_found(question, language, hits, archive)
    weights = word_weights(question, language, archive)
    candidates = _scored(question, query or question, asked, weights, language, _widened(hits, archive), embedder)
    if not candidates:
        return Evidence()
    units = _choose(candidates, budget)
    articles = {hit.passage.article.id: hit.passage.article for hit in hits}
    ranked = sorted(candidates, key=lambda c: -c.score)
    nearest = ranked[0].passage.article
    return Evidence(
        candidates=tuple(ranked),
        chosen=tuple(c for unit in units for c in unit),
        missing=tuple(missing_anchors(question, list(articles.values()), language)),
        coverage=share_of(weights, f"{header(nearest)} {citable(nearest)[:COVERED_CHARS]}", language),
        likeness=max(c.likeness for c in candidates),
        closeness=max(c.likeness + c.coverage for c in candidates),
        excerpts=tuple(_excerpts(units)),
    )


def _widened(hits: Sequence[Hit], archive: Archive) -> list[Hit]:
    """The hits and the other passages of the best article. The answer is often in one of its passages that shares
    no word with the question ("Turnout was 47.3 percent")."""
    known = {hit.passage.id for hit in hits}
    best: dict[str, float] = {}
    for hit in hits:
        best.setdefault(hit.passage.article.id, hit.score)
    others = [
        Hit(passage=stored.passage, score=WHOLE * best[article])
        for article in list(best)[:WHOLE_ARTICLES]
        for stored in archive.catalog.passages_of(article)[:WHOLE_PASSAGES]
        if stored.passage.id not in known
    ]
    return [*hits, *others]


def header(article: Article) -> str:
    """The text that a citation shows beside its quote: headline, outlet, byline and day."""
    return f"{article.title} {article.outlet} {article.byline} {written(article.day) if article.day else ''}"


def word_weights(text: str, language: str, archive: Archive) -> dict[str, float]:
    """The weight of each stem of a text's content words: its BM25 idf in the archive, at least 0.3."""
    words = [
        t.folded for t in tokens(text) if t.folded not in STOP_WORDS and (len(t.folded) > 1 or is_unspaced(t.text))
    ]
    rarity = archive.rarity(words, language)
    return {stem(word, language): max(rarity[word], 0.3) for word in words}


def share_of(weights: dict[str, float], text: str, language: str) -> float:
    """The share of the total weight of words that a text contains, 0 to 1; 0 without weights."""
    total = sum(weights.values())
    if not total:
        return 0.0
    found = {stem(t.folded, language) for t in tokens(text)}
    return sum(weight for word, weight in weights.items() if word in found) / total


def missing_anchors(
    question: str, articles: Sequence[Article], language: str = "", unknown: Collection[str] = ()
) -> list[str]:
    """Names and numbers of the question that none of the articles contains, so that an answer is unlikely to be right.

    A name among the `unknown` ones counts as contained where the articles hold a word that it may be a misspelling of.

    Names of up to three letters are ignored, as they have many variants (TV, UK, EU). Years are ignored unless all
    articles have a date of publication.
    """
    text = " ".join(f"{header(a)} {citable(a)}" for a in articles)
    present = {t.folded for t in tokens(text)}
    openings = {word[:5] for word in present}
    lacking = [
        name
        for name in dict.fromkeys(names(question))
        if len(name) > 3
        and name not in present
        and name[:5] not in openings
        and not (name in unknown and any(is_misspelt(name, word) for word in present))
    ]
    absent = numbers(question, language)
    for article in articles if absent else ():
        shown = f"{header(article)} {citable(article)}"
        absent -= numbers(shown, article.language) | numbers(shown, language)
    dated = all(a.day for a in articles)
    return lacking + sorted(n for n in absent if dated or not re.fullmatch(r"(19|20)\d\d", n))


def citable(article: Article) -> str:
    """The text of an article without its uncitable spans."""
    parts, at = [], 0
    for start, end in sorted(article.uncitable):
        parts.append(article.text[at:start])
        at = max(at, end)
    return " ".join([*parts, article.text[at:]])


def _scored(
    question: str, query: str, asked: AskedQuestion, weights: dict[str, float], language: str, hits: Sequence[Hit],
    embedder: Embedder,
) -> list[Candidate]:  # fmt: skip
    """Every sentence of the hits with its score, in the order of hits and text."""
    raw: list[tuple[Hit, Span, float]] = []
    for hit in hits:
        passage = hit.passage
        title = share_of(weights, header(passage.article), language)
        for start, end in sentence_spans(passage.text):
            if count_tokens(passage.text[start:end]) < 4 or addresses_machines(passage, start, end):
                continue
            own = share_of(weights, passage.text[start:end], language)
            raw.append((hit, (passage.start + start, passage.start + end), own + 0.3 * title * (1 - own)))
    if not raw:
        return []
    top = max(hit.score for hit, _, _ in raw) or 1.0
    people = asked_people(query, [hit.passage.article for hit in hits])
    raw = [one for one in raw if not tells_of_another(one[0].passage.article, *one[1], people)] or raw
    wanted = expected(question, language)
    holding = [holds(wanted, hit.passage.article.text[slice(*span)], question, language) for hit, span, _ in raw]
    found = compared(asked, _passages(raw, holding if wanted else []), embedder)
    years, names_held = years_named(question), _shares_of_names(question, hits)
    scores = []
    for i, (hit, span, words) in enumerate(raw):
        sentence = hit.passage.article.text[slice(*span)]
        score = LIKENESS * found.near[i] + RELEVANCE * found.relevance[i] + WORDS * words
        score += RANK * hit.score / top + KIND * holding[i]
        score *= 1.0 if _is_of(years, hit.passage, sentence) else OF_OTHER_YEARS
        scores.append(score * (1 - LACKING_NAMES * (1 - names_held[hit.passage.article.id])))
    return [
        Candidate(
            hit.passage, *span, score=_raised_by_neighbours(scores, raw, i), coverage=words, likeness=found.near[i]
        )
        for i, (hit, span, words) in enumerate(raw)
        # An interviewer's questions tell nothing, nor does the question itself without its mark.
        if not found.addressed[i] and not is_question(text := hit.passage.article.text[slice(*span)])
        if folded_words(text) != folded_words(question)
    ]


def names_held(question: str, article: Article) -> set[str]:
    """The names of a question, folded, that an article holds in its citable text or in what a citation shows of it."""
    return set(names(question)).intersection(folded_words(f"{header(article)} {citable(article)}"))


def _shares_of_names(question: str, hits: Sequence[Hit]) -> dict[str, float]:
    """Article id -> the share that it holds of those names of the question that any article of the hits holds."""
    articles = {hit.passage.article.id: hit.passage.article for hit in hits}
    held = {key: names_held(question, article) for key, article in articles.items()}
    every = set().union(*held.values())
    return {key: len(own) / len(every) if every else 1.0 for key, own in held.items()}


def _passages(raw: Sequence[tuple[Hit, Span, float]], holding: Sequence[bool]) -> list[PassageSentences]:
    groups: dict[str, list[int]] = {}
    for i, (hit, _, _) in enumerate(raw):
        groups.setdefault(hit.passage.id, []).append(i)
    top = max(hit.score for hit, _, _ in raw) or 1.0
    return [
        PassageSentences(
            places=own,
            headline=raw[own[0]][0].passage.article.title,
            texts=[raw[i][0].passage.article.text[slice(*raw[i][1])] for i in own],
            holding=[holding[i] if holding else False for i in own],
            promise=max(raw[i][2] + 0.7 * raw[i][0].score / top for i in own),
        )
        for own in groups.values()
    ]


def years_named(question: str) -> set[str]:
    """The years in a question, as names of events hold them too: "the 2025 flood"."""
    return set(_YEAR.findall(question))


def _is_of(years: Collection[str], passage: Passage, sentence: str) -> bool:
    """Whether a sentence is of one of these years, or names one; true without a year or a day of publication."""
    day = passage.article.day
    if not years or day is None or str(day.year) in years:
        return True
    return not years_named(f"{passage.article.title} {sentence}").isdisjoint(years)


def _raised_by_neighbours(scores: Sequence[float], raw: Sequence[tuple[Hit, Span, float]], index: int) -> float:
    """A sentence's score, raised towards that of a better neighbour: answers are often next to the question's words."""
    neighbours = [
        scores[i]
        for i in (index - 1, index + 1)
        if 0 <= i < len(raw) and raw[i][0].passage.id == raw[index][0].passage.id
    ]
    return max([scores[index], *(NEAR * other + (1 - NEAR) * scores[index] for other in neighbours)])


def _choose(candidates: list[Candidate], budget: int) -> list[list[Candidate]]:
    """The best sentences within the budget, best first. A unit also holds the sentences that its sentence refers to."""
    ranked = sorted(range(len(candidates)), key=lambda i: -candidates[i].score)
    least = LEAST_SHARE * candidates[ranked[0]].score
    taken: set[int] = set()
    headed: set[str] = set()
    units: list[list[Candidate]] = []
    spent = 0
    for index in ranked:
        if index in taken or (candidates[index].score < least and len(units) >= LEAST_UNITS):
            continue
        unit = [i for i in range(_opening(candidates, index), index + 1) if i not in taken]
        article = candidates[index].passage.article.id
        cost = sum(count_tokens(candidates[i].text) for i in unit) + (0 if article in headed else HEADER_TOKENS)
        if spent + cost > budget and units:
            continue
        spent += cost
        taken.update(unit)
        headed.add(article)
        _join(units, [candidates[i] for i in unit])
    return units


def _join(units: list[list[Candidate]], unit: list[Candidate]) -> None:
    """Adds a unit, or merges it with an adjacent unit of the same paragraph in the order of the text."""
    for known in units:
        beside = unit[-1].end <= known[0].start and not _between(unit[-1], known[0])
        behind = known[-1].end <= unit[0].start and not _between(known[-1], unit[0])
        if same_paragraph(unit[0], known[0]) and (beside or behind):
            known[:] = [*unit, *known] if beside else [*known, *unit]
            return
    units.append(unit)


def _between(one: Candidate, other: Candidate) -> bool:
    """Whether there is text between two sentences of one article."""
    return bool(one.passage.article.text[one.end : other.start].strip())


def _opening(candidates: list[Candidate], index: int) -> int:
    """The index of the first sentence of a unit: speech and pronouns refer back to the sentence that names the person,
    in the same paragraph, as another one of a news article often has another speaker."""
    first = index
    if _points_back(candidates[index].text, candidates[index].passage.article.language):
        while first > 0 and index - first < MOST_BEFORE and same_paragraph(candidates[first - 1], candidates[index]):
            first -= 1
    return first


def same_paragraph(one: Candidate, other: Candidate) -> bool:
    """Whether two sentences are in the same paragraph of the same article."""
    if one.passage.article.id != other.passage.article.id:
        return False
    return "\n" not in one.passage.article.text[min(one.start, other.start) : max(one.end, other.end)]


def _points_back(text: str, language: str) -> bool:
    """Whether a sentence is speech or starts with a pronoun, and contains no name outside the speech."""
    speech = any(mark in text for mark in '“”"«»')
    opens = speech or any(t.folded in lexicon(language).pointers for t in tokens(text)[:4])
    return opens and not names(SPEECH.sub(" ", text))


def with_opening(candidate: Candidate) -> Candidate:
    """The candidate, begun at the sentence of its paragraph that names whom its speech or pronoun means.

    As it is where it refers to nobody, or no sentence before it names anybody; at most MOST_BEFORE sentences are added,
    and none that addresses machines.
    """
    passage, article = candidate.passage, candidate.passage.article
    if not _points_back(candidate.text, article.language):
        return candidate
    known = set(names(article.text))
    before = [(s, e) for s, e in sentence_spans(passage.text) if passage.start + e <= candidate.start]
    for start, end in reversed(before[-MOST_BEFORE:]):
        opened = replace(candidate, start=passage.start + start)
        if not same_paragraph(opened, candidate) or addresses_machines(passage, start, end):
            break
        if not known.isdisjoint(names(SPEECH.sub(" ", passage.text[start:end]), sentence_start=True)):
            return opened
    return candidate


def is_heading(text: str) -> bool:
    """Whether a text is a heading or the place and day in front of a report: short, and without a full stop."""
    return text.rstrip('"”’»)')[-1:] not in SENTENCE_ENDS and len(tokens(text)) < LEAST_HEADLINE


def _excerpts(units: Sequence[Sequence[Candidate]]) -> list[tuple[Article, str]]:
    """One excerpt per article, with the best article last and the best sentence last in each.

    A small model prefers text that is close to the question. With the same sentences, it answered "When will the
    negotiations start?" on the sample article correctly when the best came last, and wrongly in the reverse order and
    in text order.
    """
    by_article: dict[str, list[str]] = {}
    articles: dict[str, Article] = {}
    for unit in units:
        article = unit[-1].passage.article
        articles[article.id] = article
        by_article.setdefault(article.id, []).append(
            " ".join(annotated(c.text, article.day, article.language) for c in unit)
        )
    return [(articles[a], "\n".join(reversed(by_article[a]))) for a in reversed(list(by_article))]
