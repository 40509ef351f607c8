"""Questions that name somebody by a last name alone, of whom the articles know several."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.answering.ask import Ask
from rag.answering.conversation.followups import Reading
from rag.answering.people.namesakes import Bearer, bearers_of
from rag.answering.sentence_selection import Candidate, gather
from rag.language.identify import detect_language
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, tokens
from rag.schema import Answer, Article, Hit, Sentence

# Of the score of the best sentence of all, what the best one on somebody else of that last name needs for the question
# to mean either. Of 27 questions to the demo archive with a last name alone, it divides the 14 that tell whom they mean
# (.44 to .75, but for two at .84 and .94) from the 13 that do not (.80 and more). Set by hand on them.
AS_LIKELY = 0.8
MOST_PEOPLE = 3  # of whom each is answered for; of more it is said who they are
MOST_OF_EACH = 3  # sentences on each of them


@dataclass(frozen=True, slots=True)
class Several:
    """The word of a question that names several people, as it stands there, and those people, the likeliest first."""

    word: Token
    people: tuple[Bearer, ...]

    def lead(self) -> str:
        """What says who they are."""
        names = [one.name for one in self.people]
        return (
            f"The articles name {len(names)} people called {self.word.text}: {', '.join(names[:-1])} and {names[-1]}."
        )


def several_meant(ask: Ask, reading: Reading, hits: Sequence[Hit], budget: int) -> Several | None:
    """The people whom the question may mean by a last name that several have, one where it tells which; None for other
    questions. `budget` is of tokens of evidence. Raises ModelUnavailable."""
    if reading.move in ("shorter", "source", "more"):
        return None  # the answer before has said who they are
    several = named_alone(reading.asked, [hit.passage.article for hit in hits])
    if several is None:
        return None
    language = detect_language(ask.question) or ""
    evidence = gather(reading.asked, language, hits, ask.archive, ask.sentence_embedder, budget, reading.text)
    return as_likely(several, evidence.candidates)


def named_alone(question: str, articles: Sequence[Article]) -> Several | None:
    """The first last name in a question that stands there alone and that articles know of several people."""
    words = tokens(question)
    asked = {word.folded for word in words}
    for word in words:
        if word.folded in STOP_WORDS:
            continue
        people = bearers_of(word.folded, articles)
        if len(people) > 1 and all(one.given.isdisjoint(asked) for one in people):
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


def meaning(reading: Reading, several: Several) -> Reading:
    """The question with the full name of the one whom it is likeliest to mean."""
    name, alone = several.people[0].name, re.compile(rf"\b{re.escape(several.word.text)}\b")

    def told(text: str) -> str:
        return alone.sub(lambda _: name, text, count=1)

    return replace(reading, text=told(reading.text), asked=told(reading.asked), subject=told(reading.subject))


def of_each(question: str, several: Several, answered: Callable[[str], Answer]) -> list[tuple[Sentence, ...]]:
    """What is said of each of them, a heading in front of it, and what an answer says of all its sentences, where all
    are on him; `answered` gives the answer to a question that names one in full."""
    said: list[tuple[Sentence, ...]] = [(Sentence(text=several.lead(), verdict="supported"),)]
    for one in several.people:
        answer = answered(f"{question[: several.word.start]}{one.name}{question[several.word.end :]}")
        cited = [sentence for sentence in answer.sentences if sentence.citations]
        own = [said_of for said_of in cited if said_of.citations[0].passage.article.id in one.articles]
        heading = f"{one.name}:" if own else f"{one.name}: no answer was found."
        front = [first for first in answer.sentences[:1] if own == cited and first not in cited]
        said.append((Sentence(text=heading, verdict="supported"), *front, *own[:MOST_OF_EACH]))
    return said
