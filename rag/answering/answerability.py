"""Whether the evidence, or a written answer, is good enough to be shown; otherwise the refusal and its reason."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from rag.answering.question import compares, expected, holds
from rag.answering.sentence_selection import Evidence, citable, header, years_named
from rag.language.dates import written
from rag.language.lexicons import EVERY_LANGUAGE, pattern
from rag.language.names import name_pairs
from rag.language.tokens import fold, folded_words
from rag.schema import Article, Coverage, Hit, RefusalReason, Sentence

# How likely the articles found hold the answer: 1 / (1 + exp(-x)) with x = CLOSENESS · evidence.closeness + COVERAGE ·
# evidence.coverage + BIAS. Fitted with e5 to 868 questions in their own language (xquad_en, xquad_es, heq, norquad, the
# demo), half of them searched without the article that answers. Fitted without one set, the area under the curve of
# that set is .86 (demo) to .97; of ten answers at .3 to .4 three are there, at .9 and more .93.
CLOSENESS, COVERAGE, BIAS = 3.64, 2.08, -5.38
# Below it nothing is answered, and below CLEAR it is said that the sentences are only the closest. Of 397 answerable
# questions of five sets to the demo archive .40 are below .3 and .14 below .1, of their 31 unanswerable ones .52 and
# .26.
LEAST_PROBABILITY, CLEAR = 0.1, 0.3
# The least likeness of the best sentence where few words can be shared: the question is in another language than the
# articles, or was put together from a conversation. Of 134 Spanish questions to English articles it refuses .39 of
# those without their article and .05 of those with it. From CLEAR_LIKENESS on nothing is said; set by hand.
LEAST_FOREIGN_LIKENESS, CLEAR_LIKENESS = 0.3, 0.85
# The packaged model's probability of "Yes" to prompts.judge below which its answer is refused, and what is subtracted
# from it where an answer that should rest on one article cites two (9 of 22 answers to unanswerable questions did,
# 6 of 56 right ones). Chosen on recorded answers to 156 questions of the demo gold set.
LEAST_BELIEF = 0.39
COMPARED = 5  # first letters of two names that are compared, as inflections differ behind them
MIXED = 0.15


def evidence_reason(evidence: Evidence, *, rewritten: bool, foreign: bool = False) -> RefusalReason:
    """Why the evidence cannot support an answer, or "". Compares words and vectors, and asks no model.

    Where the retrieval query was `rewritten` (a follow-up or a translation) or is `foreign`, in another language than
    the articles, a name may be spelled otherwise in the articles, and none is required; a year is not.
    """
    if not evidence.candidates:
        return "nothing found"
    if evidence.missing and not rewritten and (not foreign or any(map(years_named, evidence.missing))):
        return "a name or number of the question is in no article found"
    like = evidence.likeness >= LEAST_FOREIGN_LIKENESS
    likely = probability(evidence) >= LEAST_PROBABILITY
    enough = like if foreign else like or likely if rewritten else likely
    return "" if enough else "nothing similar enough found"


def lacks_names_together(question: str, articles: Sequence[Article]) -> bool:
    """Whether two names that stand together in the question stand together in no article, though articles hold each of
    them: "World" and a "series" of votes in the Senate do not tell who won the World Series.

    It is true of 0 of 314 questions of realtimeqa2025, 5 of 266 of xquad_en and 3 of 72 of norquad, each compared with
    the articles that answer it and with no others.
    """
    pairs = name_pairs(question)
    found, words = set[tuple[str, str]](), set[str]()
    for article in articles if pairs else ():
        own = [word[:COMPARED] for word in folded_words(f"{header(article)} {citable(article)}")]
        found |= set(zip(own, own[1:], strict=False))
        words |= set(own)
    cut = [(one[:COMPARED], other[:COMPARED]) for one, other in pairs]
    return any(pair not in found and words.issuperset(pair) for pair in cut)


def probability(evidence: Evidence) -> float:
    """How likely the articles found hold the answer, 0 to 1."""
    return 1 / (1 + exp(-(CLOSENESS * evidence.closeness + COVERAGE * evidence.coverage + BIAS)))


def is_clear(evidence: Evidence) -> bool:
    """Whether the best sentences are shown without a word that they may not be the answer."""
    if evidence.tells is not None:
        return evidence.tells
    return probability(evidence) >= CLEAR or evidence.likeness >= CLEAR_LIKENESS


def belief_reason(belief: float | None) -> RefusalReason:
    """Why a model's belief that the excerpts state the answer is too low, or ""; None is a model that cannot judge."""
    return "the model doubts that the excerpts state the answer" if belief is not None and belief < LEAST_BELIEF else ""


def answer_reason(
    question: str, sentences: Sequence[Sentence], *, not_found: bool, belief: float | None, language: str = ""
) -> RefusalReason:
    """Why the checked sentences of a complete reply are not given as an answer, or "".

    `not_found` says that the reply is the sentinel for "not found". `belief` is None for a model that cannot judge; it
    may refuse by itself, and its answer is not examined further. `language` is the question's (ISO 639-1).
    """
    if not_found:
        return "the model found no answer in the excerpts"
    supported = [sentence for sentence in sentences if sentence.verdict == "supported"]
    if not supported:
        return "no sentence of the model is supported by the articles"
    if all(_says_nothing(sentence.text) for sentence in supported):
        return "the model says that the excerpts do not answer"
    if belief is not None and _misses_the_question(question, supported, belief, language):
        return "the cited words do not answer the question"
    return ""


def refusal(coverage: Coverage, hits: Sequence[Hit], unknown: str = "") -> str:
    """The text of a refusal: what was searched, and the closest article; or what is said of `unknown` filter names."""
    if not coverage.articles:  # an archive without any is refused before
        lacks = "as none matches the days, outlets, languages and authors that were asked for"
        return f"The archive does not answer this. Searched: 0 articles{f'. {unknown}' if unknown else f', {lacks}.'}"
    days = f" from {written(coverage.first)} to {written(coverage.last)}" if coverage.first and coverage.last else ""
    what = "article" if coverage.articles == 1 else "articles"
    closest = ""
    if hits:
        article = hits[0].passage.article
        closest = f" The closest is “{article.title}”{f' ({article.outlet})' if article.outlet else ''}."
    return f"The archive does not answer this. Searched: {coverage.articles:,} {what}{days}.{closest}"


def _says_nothing(sentence: str) -> bool:
    """Whether a sentence is about what the excerpts lack: a refusal in the model's own words."""
    return bool(pattern(EVERY_LANGUAGE.no_answer).search(fold(sentence)))


def _misses_the_question(question: str, sentences: Sequence[Sentence], belief: float, language: str) -> bool:
    """Whether a small model's answer lacks the kind of words asked for, or combines two articles with little belief."""
    if compares(question, language):
        return False
    wanted = expected(question, language)
    if wanted and not holds(wanted, " ".join(s.text for s in sentences), question, language):
        return True
    mixed = len({c.passage.article.id for s in sentences for c in s.citations}) > 1
    return mixed and belief - MIXED < LEAST_BELIEF
