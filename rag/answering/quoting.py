"""Answers in the articles' own words: which sentences of the evidence are quoted, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rag.answering.answerability import is_clear
from rag.answering.citations import Citer
from rag.answering.compose.sentences.speakers import reports, speaker_of
from rag.answering.compose.wording import sourced
from rag.answering.conversation.followups import Reading
from rag.answering.extraction.quotations import SENTENCES, quotations
from rag.answering.kinds.cues import has_cue
from rag.answering.people.namesakes import AskedPerson, named_people, names_person
from rag.answering.question import expected
from rag.answering.sentence_selection import Candidate, Evidence, with_opening
from rag.language.identify import detect_language
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.tokens import tokens
from rag.schema import Citation, Sentence

# Share of a sentence's content words that an earlier answer holds, from which on it was said already. Set by hand.
REPEATED = 0.6
# Share of a lead's content words that the words it cites must hold. Of 56 leads of the packaged model, read by
# us, 24 reach it, of which none says what its source does not; of the 32 others 13 do.
LEAST_QUOTED = 0.8
CLOSEST = Sentence(text="It is not certain that the articles answer this. What comes closest:", verdict="supported")


def led(lead: Sequence[Sentence], quotes: Sequence[Sentence]) -> list[Sentence]:
    """What a model wrote, then the quotations that say something else; all of them where a sentence counts them."""
    said = {stem for sentence in lead for stem in content_stems(sentence.text, "")}
    quotes = [one for one in quotes if one is not CLOSEST]
    counted = any(not one.citations for one in quotes)
    return renumbered([*lead, *(one for one in quotes if counted or not _is_said(one.citations[0].quote, said))])


def renumbered(sentences: Iterable[Sentence]) -> list[Sentence]:
    """The sentences with their citations numbered anew, in order of first appearance."""
    places: dict[tuple[str, int, int], int] = {}
    return [
        replace(one, citations=tuple(replace(c, number=_number(c, places)) for c in one.citations)) for one in sentences
    ]


def _number(citation: Citation, places: dict[tuple[str, int, int], int]) -> int:
    return places.setdefault((citation.passage.article.id, citation.start, citation.end), len(places) + 1)


def is_quoted(sentence: Sentence) -> bool:
    """Whether a sentence is supported, and little of it but the words that it cites."""
    words = set(content_stems(sentence.text, ""))
    cited = {stem for one in sentence.citations for stem in content_stems(one.quote, "")}
    return sentence.verdict == "supported" and len(words & cited) >= LEAST_QUOTED * len(words)


def _is_said(text: str, said: set[str]) -> bool:
    words = set(content_stems(text, ""))
    return len(words & said) >= REPEATED * len(words)


def quoted(evidence: Evidence, reading: Reading) -> list[Sentence]:
    """The best sentences verbatim, each its own citation; never none.

    One sentence for "shorter", what was not said yet for "who else?", with day and outlet for "in which outlet?".
    Where it is not clear that they hold the answer, a sentence in front says so and there are fewer, as where words of
    somebody were asked for and not found. Those of others are no answer then.
    """
    citer = Citer()
    if reading.move not in ("more", "shorter", "source"):
        people = _to_be_heard(evidence, reading)
        heard = _without_words_of_others(evidence.candidates, people)
        if is_clear(evidence) and not (people and reading.unspoken):
            return quotations(reading.asked, heard, citer)
        return [CLOSEST, *quotations(reading.asked, heard, citer, further=0)]
    if reading.move == "source":
        best = evidence.candidates[0]
        return [citer.sentence(sourced(best.passage.article, best.text), (best,), "")]
    return [citer.sentence(one.text, (one,), "") for one in _chosen(evidence.candidates, reading)]


def _to_be_heard(evidence: Evidence, reading: Reading) -> list[AskedPerson]:
    """Those whom a question for somebody's words names; none of a question that asks for something else."""
    if expected(reading.asked, detect_language(reading.asked)) or not has_cue(reading.kind_text, "statements"):
        return []
    return named_people(reading.asked, [one.passage.article for one in evidence.candidates])


def _without_words_of_others(candidates: Sequence[Candidate], people: Sequence[AskedPerson]) -> Sequence[Candidate]:
    """The candidates without those that report words of somebody else and name none of these people; all where none is
    left, or there are no people."""
    left = [one for one in candidates if not (people and _reports_another(with_opening(one), people))]
    return left or candidates


def _reports_another(one: Candidate, people: Sequence[AskedPerson]) -> bool:
    article = one.passage.article
    speaker = speaker_of(one.text, article.language) if reports(one.text, article.language) else None
    named = any(names_person(article, one.start, one.end, person) for person in people)
    return bool(speaker and speaker.name) and not named


def _chosen(candidates: Sequence[Candidate], reading: Reading) -> list[Candidate]:
    if reading.move == "more":
        return _unsaid(candidates, reading) or list(candidates[:1])
    return [max(candidates, key=lambda one: one.score + _share_said(one, reading))]


def _share_said(one: Candidate, reading: Reading) -> float:
    """The share of the last answer's content words that a sentence holds, 0 to 1."""
    language = one.passage.article.language
    said = set(content_stems(reading.said[-1], language))
    return len(said & set(content_stems(one.text, language))) / max(len(said), 1)


def _unsaid(candidates: Sequence[Candidate], reading: Reading) -> list[Candidate]:
    """Sentences that tell what the answers before did not, those nearest in the text to the answer first."""
    place = {id(one): number for number, one in enumerate(sorted(candidates, key=_place))}
    answer = max(candidates, key=lambda one: _share_said(one, reading))
    article = answer.passage.article.id
    near = sorted(
        candidates, key=lambda one: (one.passage.article.id != article, abs(place[id(one)] - place[id(answer)]))
    )
    chosen: list[Candidate] = []
    known = reading
    for one in near:
        if is_unsaid(one.text, known, one.passage.article.language):
            chosen.append(one)
            known = replace(known, said=(*known.said, one.text))
        if len(chosen) == SENTENCES:
            break
    return chosen


def _place(one: Candidate) -> tuple[str, int]:
    return one.passage.article.id, one.start


def is_unsaid(text: str, reading: Reading, language: str) -> bool:
    """Whether a sentence tells what neither the question nor the answers before it tell: for a question that asks for a
    name, somebody or something else; otherwise, other words."""
    said = " ".join(reading.said)
    if expected(reading.asked, language) == "name":
        known = set(names(f"{reading.asked} {said}", sentence_start=True))
        return any(known.isdisjoint(name) for name in full_names(text))
    words = set(content_stems(text, language))
    return len(words & set(content_stems(said, language))) < REPEATED * len(words)


def full_names(text: str) -> list[list[str]]:
    """The names of two or three words in a text, as most people have, each as its folded words."""
    found: list[list[str]] = []
    known, end = set(names(text, sentence_start=True)), -1
    for token in tokens(text):
        if token.folded not in known or not token.text[0].isupper():
            continue
        if found and text[end : token.start] == " ":
            found[-1].append(token.folded)
        else:
            found.append([token.folded])
        end = token.end
    return [name for name in found if len(name) in (2, 3)]
