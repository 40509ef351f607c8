"""What composers choose from: the sentences of the articles about a question's subject."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from rag.answering.compose.sentences.corrections import corrects
from rag.answering.compose.sentences.nearness import Nearness, Subject
from rag.answering.compose.sentences.quotable import QuotableSentence, sentences_of
from rag.answering.people.namesakes import asked_people, tells_of_another, without_namesakes
from rag.answering.relevance.addressed import addresses_readers
from rag.answering.relevance.sentences import logits
from rag.answering.sentence_selection import Candidate, citable, header, missing_anchors, share_of, word_weights
from rag.archive.archive import Archive
from rag.language.names import names
from rag.language.tokens import fold
from rag.models.cards import EmbedderCard, card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Filters, Hit, Span

# How much an article is about a subject is the likeness of its headline and of its three most like sentences, plus
# these shares of the score of its best passage and of the subject's words that it holds. It is used when it reaches
# LEAST_SHARE of the best one's (SAME_STORY, where it tells the story of a used one), and, if it is in the subject's
# language, holds LEAST_SHARED_WORDS of the words that the best one holds. Headline and sentences together must be this
# like the subject, or LEAST_WORDS of its words be there (WORDS_BESIDE_NAMES, where its names are all there). Set on 24
# subjects of our own for the demo archive in four languages: of those that it does not tell of, "moon landing" has .73,
# and only "earthquake in Japan" more (.89; Japan is missing); of the others, only "huelga portuaria" has less than .88.
SCORE, WORDS = 0.6, 0.3
LEAST_SHARE, SAME_STORY, LEAST_SHARED_WORDS = 0.75, 0.25, 0.3
LEAST_LIKENESS, LEAST_WORDS, WORDS_BESIDE_NAMES = 0.8, 0.9, 0.6
# Less likeness suffices beside this score of a hit in another language. Of 20 further subjects that the archive does
# not tell of, those with such a score have .56 at most, or more than LEAST_LIKENESS; questions in a language other than
# the articles' have .66 to .73.
LEAST_LIKENESS_OF_HIT, GOOD_HIT = 0.62, 0.8
# Less likeness and fewer words suffice beside a sentence that answers the subject: likeness, share of the words and
# this much of the best sentence's logit (relevance.learned) must have this sum. Of questions to the demo archive that
# did not suffice without it, it is reached by 21 of 46 that the archive answers, by 2 of 9 that ask for a detail that
# it lacks, and by 1 of 27 on something else ("demands of the taxi drivers"; the next of these has .88).
RELEVANT, LEAST_TOGETHER = 0.5, 0.95
# How much more like a subject an article of its language must be that holds none of its words: "landed on the moon" has
# .82 with articles on "Lunadan" boats. Set by hand.
WITHOUT_WORDS = 0.2
# How like the nearest article another one must be to tell of the same thing at another time, by headline and opening,
# on the embedder's scale. In the demo archive, those of a rate, a budget, a waiting list or a flood of the same river
# have 1.36 to 1.73 (a firm's order and its lay-offs 1.27); of others, the budgets of a city and of the state have most,
# 1.23.
SERIES, OPENING_SENTENCES = 1.3, 3
NAMED_SHARE = 0.6  # in place of LEAST_SHARE, of an article that holds all that the subject names. Set by hand.
STORIES_OF = 3  # best articles whose whole stories are looked at
STORY_SCORE = 0.5  # of an article that is looked at for its story alone, as a share of the best hit's
MOST_ARTICLES = 10  # whose sentences are embedded
MOST_SENTENCES = 16  # of one article, from its beginning: news puts first what matters
MOST_NAMED = 8  # sentences of one article behind those that are read for what they name. Set by hand.
# The results of a year are reported in the first months of the next one, and the beginning of such a report names it.
REPORTING_MONTHS, OPENING_CHARS = 4, 400
_YEAR = re.compile(r"\b20\d\d\b")
_FROM_ON = re.compile(r"\b(?:since|seit|desde|depuis|dal|sinds)\b(?:\W+\w+){0,3}?\W+20\d\d\b")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A sentence that may be quoted. `place` counts the sentences of its article from 0; `vector` has norm 1."""

    candidate: Candidate
    place: int
    vector: np.ndarray
    relevance: float = 0.0  # logit of how likely it answers the subject, about -6 to 4; 0 where no model tells

    @property
    def article(self) -> Article:
        """The article that it is from."""
        return self.candidate.passage.article

    @property
    def day(self) -> date | None:
        """The day on which its article was published."""
        return self.article.day

    @property
    def span(self) -> Span:
        """Where it stands in its article."""
        return self.candidate.start, self.candidate.end

    @property
    def text(self) -> str:
        """Its words, as they stand in the article."""
        return self.candidate.text

    @property
    def corrects(self) -> bool:
        """Whether it opens a note in which the outlet corrects itself."""
        return corrects(self.text)


@dataclass(frozen=True, slots=True)
class Material:
    """The lines about a subject, article by article, the nearest first; `suffices`: they are near enough to it."""

    subject: str
    language: str
    nearness: Nearness
    lines: tuple[Line, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)  # article id -> its nearness, as a share of the nearest's
    copies: Mapping[str, tuple[Article, ...]] = field(default_factory=dict)  # article id -> those with the same text
    stories: Mapping[str, str] = field(default_factory=dict)  # article id -> id of the story that it belongs to
    missing: tuple[str, ...] = ()  # names and numbers of the subject that no article holds
    suffices: bool = False
    only_answered: bool = False  # suffices by a sentence that answers it, and not by likeness or words alone
    series: frozenset[str] = frozenset()  # ids of the nearest article and of those that tell of the same thing
    foreign: bool = False  # the subject is in another language than `language`

    @property
    def articles(self) -> list[Article]:
        """The articles of the lines, the nearest first."""
        return list({line.article.id: line.article for line in self.lines}.values())

    def likenesses(self, subject: str, texts: Sequence[tuple[str, str]]) -> list[float]:
        """How like each (text, its language) is to a subject: 0 for unrelated ones, about 1 for an answer."""
        return self.nearness.to(subject).likenesses(texts)


def collect(
    subject: str,
    language: str,
    hits: Sequence[Hit],
    archive: Archive,
    embedder: Embedder,
    least_share: float = LEAST_SHARE,
    *,
    further: int = 0,
    foreign: bool = False,
    series: bool = False,
    named: bool = False,
    today: date | None = None,
    filters: Filters = Filters(),
) -> Material:
    """The lines of those articles among the hits that are about the subject, which is in the language `language`.

    `foreign`: the question is in another language than most articles, whose language `language` is then.
    `least_share` of the best article's nearness is needed of the others. `further` sentences are read behind the first
    ones of the articles, from the passages nearest to the subject. Where the subject names years, articles from
    other years are left out. `series`: articles are kept that tell of the same thing as the nearest one at another
    time. `named`: so are less near ones that hold all that it names; by them no material suffices; and sentences that
    name it are read wherever they stand. Articles later than `today` are left out where there are others. `filters` are
    those of the hits.
    """
    nearness, topic = Nearness.of(archive, embedder), without_years(subject)
    to_topic = nearness.to(topic)
    told = without_namesakes(subject, _with_stories(hits, archive, filters))
    found = _candidates(subject, language, told, archive, today)
    people = asked_people(subject, [one.article for one in found])
    titles = embedder.embed_passages([one.article.title for one in found]) if found else ()
    for one, title in zip(found, titles, strict=True):
        one.title = title
        one.lines = _lines(one, set(names(topic)) if named else set(), to_topic, archive, language)
        like = sorted((line.candidate.likeness for line in one.lines), reverse=True)[:3]
        one.likeness = to_topic.likeness(title, one.article.language) + sum(like) / max(len(like), 1)
    kept = _about(found, subject, language, archive, least_share)
    if not kept:
        return Material(subject, language, nearness)
    again = _told_again(found, kept[0], card_of(embedder.name)) if series else []
    kept += [one for one in again if one not in kept]
    judged = list(kept)
    kept += _by_name(found, kept, topic) if named else []
    _read_on(kept, to_topic, archive, language, further)
    for one in kept:
        one.lines = _with_relevance(one, to_topic)
    articles = [one.article for one in judged]
    # German nouns look like names: articles in other languages cannot lack them.
    comparable = language != "de" or any(one.language == language for one in articles)
    unknown = archive.unknown_words(names(topic), language)
    coverage = max(one.words for one in judged)
    missing = tuple(missing_anchors(topic, articles, language, unknown)) if comparable else ()
    least_words = WORDS_BESIDE_NAMES if comparable and names(topic) and not missing else LEAST_WORDS
    is_near = _is_near(found, language, foreign) or coverage >= least_words
    answered = _answers(kept[0])
    return Material(
        subject,
        language,
        nearness,
        tuple(line for one in kept for line in one.lines if not tells_of_another(line.article, *line.span, people)),
        shares={one.article.id: one.nearness / (kept[0].nearness or 1.0) for one in kept},
        copies={one.article.id: one.copies for one in kept},
        stories=archive.catalog.stories_of([one.article.id for one in kept]),
        missing=missing,
        suffices=is_near or answered,
        only_answered=answered and not is_near,
        series=frozenset(one.article.id for one in again),
        foreign=foreign,
    )


def _by_name(found: Sequence[_Found], kept: Sequence[_Found], subject: str) -> list[_Found]:
    """Those that are less near and hold all that the subject names."""
    wanted = set(names(subject) or names(subject, sentence_start=True))
    near = [one for one in found if one not in kept and one.nearness >= NAMED_SHARE * kept[0].nearness]
    return [one for one in near if wanted and wanted <= set(names(one.article.text, sentence_start=True))]


def _told_again(found: Sequence[_Found], nearest: _Found, card: EmbedderCard) -> list[_Found]:
    """Those whose headline and opening are like those of the nearest article."""
    return [one for one in found if card.likeness(_likeness_of_beginnings(one, nearest)) >= SERIES]


def _likeness_of_beginnings(one: _Found, other: _Found) -> float:
    """The mean of the cosine of two headlines and that of two openings; 0 where an article has no sentence."""
    if not (one.lines and other.lines):
        return 0.0
    return float(one.title @ other.title + one.opening @ other.opening) / 2


def _is_near(found: Sequence[_Found], language: str, foreign: bool) -> bool:
    """Whether an article is about the subject: like it, or, in another language, somewhat like it and a good hit."""
    for one in found:
        crosses = foreign or one.article.language != language
        if one.likeness >= LEAST_LIKENESS + (0.0 if crosses or one.words else WITHOUT_WORDS):
            return True
        if crosses and one.likeness >= LEAST_LIKENESS_OF_HIT and one.score >= GOOD_HIT:
            return True
    return False


def _answers(nearest: _Found) -> bool:
    """Whether the nearest article has a sentence that answers the subject, beside words of it and likeness to it."""
    best = max((line.relevance for line in nearest.lines), default=0.0)
    return bool(best) and nearest.likeness + nearest.words + RELEVANT * best >= LEAST_TOGETHER


def _with_relevance(one: _Found, topic: Subject) -> list[Line]:
    """Its lines with how likely each answers the subject."""
    told = logits(topic.vector, np.array([line.vector for line in one.lines]), one.title, topic.embedder)
    return [replace(line, relevance=float(logit)) for line, logit in zip(one.lines, told, strict=True)]


def years_of(subject: str) -> list[int]:
    """The years that a subject names, each once, the earliest first; none where it names the one from which on."""
    if _FROM_ON.search(fold(subject)):
        return []
    return sorted({int(year) for year in _YEAR.findall(subject)})


def year_of(article: Article) -> int | None:
    """The year that an article tells of: the one before, where it was published in REPORTING_MONTHS and its beginning
    names no later one; of an undated one the first that it names."""
    named = {int(year) for year in _YEAR.findall(f"{article.title} {article.text[:OPENING_CHARS]}")}
    if article.day is None:
        first = _YEAR.search(article.text)
        return int(first[0]) if first else None
    last = article.day.year - 1
    return last if article.day.month <= REPORTING_MONTHS and max(named, default=0) == last else article.day.year


def without_years(subject: str) -> str:
    """The subject without years: they say which articles are meant, and not what they are about."""
    return " ".join(_YEAR.sub(" ", subject).split()) or subject


@dataclass(slots=True, eq=False)
class _Found:
    """An article among the hits and how much it is about the subject."""

    article: Article
    score: float
    words: float
    weights: dict[str, float]
    copies: tuple[Article, ...] = ()
    likeness: float = 0.0
    lines: list[Line] = field(default_factory=list)
    title: np.ndarray = field(default_factory=lambda: np.zeros(0))  # its vector

    @property
    def opening(self) -> np.ndarray:
        """The middle of the vectors of its first sentences, with norm 1."""
        middle = np.mean([line.vector for line in self.lines[:OPENING_SENTENCES]], axis=0)
        return np.asarray(middle / max(float(np.linalg.norm(middle)), 1e-9))

    @property
    def nearness(self) -> float:
        return self.likeness + SCORE * self.score + WORDS * self.words


def _candidates(subject: str, language: str, hits: Sequence[Hit], archive: Archive, today: date | None) -> list[_Found]:
    """The articles of the hits from the years that the subject names, the best by score and words first; none of days
    after `today` where there are others."""
    weights = word_weights(without_years(subject), language, archive)
    found = [
        _Found(a, hit.score, share_of(weights, f"{header(a)} {citable(a)}", language), weights, hit.copies)
        for hit in _of_years(hits, years_of(subject), archive)
        for a in [hit.passage.article]
    ]
    found = [one for one in found if not (today and one.article.day and one.article.day > today)] or found
    return sorted(found, key=lambda one: -one.nearness)[:MOST_ARTICLES]


def _with_stories(found: Sequence[Hit], archive: Archive, filters: Filters) -> list[Hit]:
    """The hits, one an article, and the other articles within the filters of the best ones' stories: a search may miss
    the newest."""
    best: dict[str, Hit] = {}
    for hit in found:
        best.setdefault(hit.passage.article.id, hit)
    hits = list(best.values())
    stories = archive.catalog.stories_of([hit.passage.article.id for hit in hits[:STORIES_OF]])
    known = {article.id for hit in hits for article in (hit.passage.article, *hit.copies)}
    added = []
    for story in dict.fromkeys(stories.values()):
        for article in archive.catalog.story_articles(story, filters, limit=MOST_ARTICLES):
            first = archive.catalog.passages_of(article.id)[:1] if article.id not in known else []
            added += [Hit(passage=one.passage, score=STORY_SCORE * hits[0].score) for one in first]
    return [*hits, *added]


def _of_years(hits: Sequence[Hit], years: Sequence[int], archive: Archive) -> Sequence[Hit]:
    """Those of articles from these years, and undated ones of the same stories; all where none is from them."""
    own = [hit for hit in hits if hit.passage.article.day and year_of(hit.passage.article) in years]
    stories = archive.catalog.stories_of([hit.passage.article.id for hit in hits]) if own else {}
    told = {stories.get(hit.passage.article.id) for hit in own} - {None}
    undated = [h for h in hits if not h.passage.article.day and stories.get(h.passage.article.id) in told]
    return [*own, *undated] or hits


def _about(found: Sequence[_Found], subject: str, language: str, archive: Archive, least_share: float) -> list[_Found]:
    """Those that are about the subject, and the nearest one of each year that it names; the nearest first."""
    best = max((one.nearness for one in found), default=0.0)
    own = [one for one in found if one.article.language == language]
    words = max((one.words for one in own), default=0.0)
    enough = [one for one in found if one not in own or one.words >= LEAST_SHARED_WORDS * words]
    near = [one for one in enough if one.nearness >= least_share * best]
    stories = archive.catalog.stories_of([one.article.id for one in found])
    told = {stories.get(one.article.id) for one in near} - {None}
    near += [
        one
        for one in found
        if one not in near and one.nearness >= SAME_STORY * best and stories.get(one.article.id) in told
    ]
    for year in years_of(subject):
        of_year = [one for one in found if one.article.day and year_of(one.article) == year]
        nearest = max(of_year, key=lambda one: one.nearness, default=None)
        near += [nearest] if nearest and nearest not in near else []
    return sorted(near, key=lambda one: -one.nearness)


def _lines(one: _Found, wanted: set[str], topic: Subject, archive: Archive, language: str) -> list[Line]:
    sentences = sentences_of(archive, one.article.id)
    named = _naming(sentences[MOST_SENTENCES:], wanted)
    first = [at for at in sentences if at.place < MOST_SENTENCES or at.place in named or corrects(at.text)]
    return _embedded(first, one, topic, language)


def _naming(sentences: Sequence[QuotableSentence], wanted: set[str]) -> set[int]:
    """The places of the first sentences that hold half of some names, and of those behind them: what is asked about
    somebody may stand far down in the report of a match."""
    found: set[int] = set()
    for at in sentences if wanted else ():
        if len(found) < MOST_NAMED and 2 * len(wanted.intersection(names(at.text, sentence_start=True))) >= len(wanted):
            found |= {at.place, at.place + 1}
    return found


def _read_on(kept: Sequence[_Found], topic: Subject, archive: Archive, language: str, most: int) -> None:
    """Adds sentences behind the first ones to the lines of the articles, those of the nearest passages first."""
    if not most:
        return
    behind: list[tuple[float, _Found, QuotableSentence]] = []
    for one in kept:
        known = {line.place for line in one.lines}
        left = [at for at in sentences_of(archive, one.article.id) if at.place not in known]
        keys, vectors = archive.catalog.vectors_of(sorted({at.key for at in left})) if left else ([], ())
        near = {key: topic.likeness(own, one.article.language) for key, own in zip(keys, vectors, strict=True)}
        behind += [(near.get(at.key, 0.0), one, at) for at in left]
    behind.sort(key=lambda found: -found[0])
    for one in kept:
        own = [at for _, of, at in behind[:most] if of is one]
        one.lines = sorted([*one.lines, *_embedded(own, one, topic, language)], key=lambda line: line.place)


def _embedded(sentences: Sequence[QuotableSentence], one: _Found, topic: Subject, language: str) -> list[Line]:
    if not sentences:
        return []
    vectors = topic.embedder.embed_passages([at.text for at in sentences])
    addressed = addresses_readers(vectors, topic.embedder)
    return [
        Line(
            Candidate(
                at.passage, at.start, at.end, one.score, share_of(one.weights, at.text, language),
                topic.likeness(own, one.article.language),
            ),
            at.place,
            own,
        )
        for at, own, no_evidence in zip(sentences, vectors, addressed, strict=True)
        if not no_evidence
    ]  # fmt: skip
