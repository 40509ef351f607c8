"""Questions that name somebody by a last name alone, of whom the articles know several."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.answering.ask import Ask
from rag.answering.conversation.followups import Reading
from rag.answering.kinds.cues import has_cue, subject_of
from rag.answering.people.namesakes import AskedPerson, Bearer, bearers_of, names_in_full, names_person
from rag.answering.people.same_name import told_apart
from rag.answering.question import expected
from rag.answering.sentence_selection import Candidate, gather
from rag.archive.archive import Archive
from rag.language.identify import detect_language
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, folded_words, tokens
from rag.schema import Answer, Article, Hit, Sentence

# Of the score of the best sentence of all, what the best one on somebody else of that last name needs for the question
# to mean either. Of 27 questions to the demo archive with a last name alone, it divides the 14 that tell whom they mean
# (.44 to .75, but for two at .84 and .94) from the 13 that do not (.80 and more). Set by hand on them.
AS_LIKELY = 0.8
MOST_PEOPLE = 3  # of whom each is answered for; of more it is said who they are
MOST_OF_EACH = 3  # sentences on each of them
MOST_WORDS = 4  # of a name


@dataclass(frozen=True, slots=True)
class Several:
    """The word of a question that names several people, as it stands there, and those people, the likeliest first."""

    word: Token
    people: tuple[Bearer, ...]
    hits: tuple[Hit, ...] = ()  # that tell of them

    def lead(self) -> str:
        """What says who they are; as a guess where it is told by more than their names."""
        names = [one.described for one in self.people]
        joint = ";" if any(one.office for one in self.people) else ","
        verb = "seem to name" if any(one.office for one in self.people) else "name"
        return (
            f"The articles {verb} {len(names)} people called {self.word.text}: "
            f"{f'{joint} '.join(names[:-1])}{';' if joint == ';' else ''} and {names[-1]}."
        )

    def hits_of(self, one: Bearer) -> tuple[Hit, ...]:
        """The hits in the articles on one of them."""
        return tuple(hit for hit in self.hits if hit.passage.article.id in one.articles)


def several_meant(ask: Ask, reading: Reading, hits: Sequence[Hit], budget: int) -> Several | None:
    """The people whom the question may mean by a last name that several have, one where it tells which; None for other
    questions. `budget` is of tokens of evidence. Raises ModelUnavailable."""
    if reading.move in ("shorter", "source", "more"):
        return None  # the answer before has said who they are
    bare = _asks_who_alone(reading.asked)
    if any(bearers_of(name, [hit.passage.article for hit in hits]) for name in folded_words(bare)):
        known = {hit.passage.id for hit in hits}
        further = ask.retriever.retrieve(bare, ask.filters)  # that tell of others of the name
        hits = (*hits, *(hit for hit in further if hit.passage.id not in known))
    several = named_alone(reading.asked, [hit.passage.article for hit in hits], ask.archive)
    if several is None:
        return None
    if described := _described(several, reading.asked):
        return _only(several, described, hits)
    if bare and any(one.office for one in several.people):
        return replace(several, hits=tuple(hits))
    language = detect_language(ask.question) or ""
    evidence = gather(reading.asked, language, hits, ask.archive, ask.sentence_embedder, budget, reading.text)
    likely = as_likely(several, evidence.candidates)
    if likely and len(likely.people) == 1:
        return _only(several, likely.people[0], hits)
    return replace(likely, hits=tuple(hits)) if likely else None


def _described(several: Several, question: str) -> Bearer | None:
    """The only one whose office the question has a word of: "Judge Quill"."""
    asked = set(folded_words(question)) - STOP_WORDS
    fitting = [one for one in several.people if not asked.isdisjoint(folded_words(one.office))]
    return fitting[0] if len(fitting) == 1 else None


def _only(several: Several, one: Bearer, hits: Sequence[Hit]) -> Several:
    """One of several people, with the hits but for those in articles on the others."""
    others = {key for other in several.people if other != one for key in other.articles}
    return Several(several.word, (one,), tuple(hit for hit in hits if hit.passage.article.id not in others))


def _asks_who_alone(question: str) -> str:
    """The name in a question that asks for a person or for his words and tells nothing else of him; "" for any other:
    "Who is Anna Quill?", "What did Quill say?"."""
    kept = [word for word in tokens(subject_of(question, "statements")) if word.folded not in STOP_WORDS]
    named = all(word.text[0].isupper() for word in kept) and 0 < len(kept) <= MOST_WORDS
    asks = expected(question, detect_language(question)) == "name" or has_cue(question, "statements")
    return " ".join(word.text for word in kept) if named and asks else ""


def named_alone(question: str, articles: Sequence[Article], archive: Archive | None = None) -> Several | None:
    """The first name in a question that articles know of several people: a last name that stands there alone, or one
    in full, where the `archive` tells those who share it apart."""
    words = {word.folded: word for word in reversed(tokens(question))}  # each once, where it stands first
    asked, articles = words.keys(), list({one.id: one for one in articles}.values())
    for word in reversed(words.values()):
        if word.folded in STOP_WORDS:
            continue
        every = bearers_of(word.folded, articles)
        in_full = [one for one in every if not one.given.isdisjoint(asked)]
        people = in_full or every
        if archive and len(in_full) < 2:
            people = [own for one in people for own in told_apart(one, word.folded, articles, archive)]
        if len(people) > 1 and len(in_full) < 2:
            return Several(word, tuple(people))
    return None


def as_likely(several: Several, candidates: Sequence[Candidate]) -> Several | None:
    """Those who may be meant, told by the sentences on each that answer the question best; None where none does."""
    best = {
        one: max((c.score for c in candidates if c.passage.article.id in one.articles), default=0.0)
        for one in several.people
    }
    likely = [one for one in several.people if best[one] >= AS_LIKELY * max(best.values()) > 0]
    likely.sort(key=lambda one: -best[one])
    return Several(several.word, tuple(likely)) if likely else None


def naming(reading: Reading, several: Several, one: Bearer) -> Reading:
    """The question with the full name of one of them; as it is where it has that name."""
    if not one.given.isdisjoint(folded_words(reading.asked)):
        return reading
    name, alone = one.name, re.compile(rf"\b{re.escape(several.word.text)}\b")

    def told(text: str) -> str:
        return alone.sub(lambda _: name, text, count=1)

    return replace(reading, text=told(reading.text), asked=told(reading.asked), subject=told(reading.subject))


def of_each(several: Several, answered: Callable[[Bearer], Answer]) -> list[tuple[Sentence, ...]]:
    """What is said of each of them, a heading in front of it, and what an answer says of all its sentences, where all
    are on him; `answered` gives the answer on one."""
    said: list[tuple[Sentence, ...]] = [(Sentence(text=several.lead(), verdict="supported"),)]
    for one in several.people:
        answer = answered(one)
        cited = [sentence for sentence in answer.sentences if sentence.citations]
        own = [said_of for said_of in cited if said_of.citations[0].passage.article.id in one.articles]
        if one.office and answer.kind == "fact":
            own = [said_of for said_of in own if _is_on(said_of, one, several.word.folded)] or own
        heading = f"{one.described}:" if own else f"{one.described}: no answer was found."
        front = [first for first in answer.sentences[:1] if own == cited and first not in cited]
        said.append((Sentence(text=heading, verdict="supported"), *front, *own[:MOST_OF_EACH]))
    return said


def _is_on(sentence: Sentence, one: Bearer, last: str) -> bool:
    """Whether the words cited for a sentence name somebody, or nobody else in full."""
    article, start, end = sentence.citations[0].passage.article, sentence.citations[0].start, sentence.citations[0].end
    return names_person(article, start, end, AskedPerson(last, one.given)) or not names_in_full(article, start, end)
