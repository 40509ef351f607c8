"""What a follow-up does with the question before it, told by its words in seven languages.

Patterns and words are folded (`rag.language.tokens.fold`).
"""

from __future__ import annotations

from typing import Literal

from rag.answering.kinds.cues import has_cue, subject_of
from rag.answering.question import expected
from rag.answering.time_windows.shifts import is_of_time
from rag.language.lexicons import EVERY_LANGUAGE, pattern
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import QuestionKind

# "shorter": the previous question with a shorter answer; "source": with the outlets; "more": what was not said yet;
# "form": in another form; "days": of other days; "content": with a question of its own.
Move = Literal["shorter", "source", "more", "form", "days", "content"]

_SHORTER = (
    r"short(?:er|ly)?", "briefer", "in short", "in brief", r"in (?:one|a) sentence", "in a nutshell", "more concisely",
    r"mas (?:corto|corta|breve)", "en breve", "en una frase", r"kurzer(?:e|en)?", "kurz", "in einem satz",
    r"plus (?:court|courte|bref|brievement)", "en bref", "en une phrase", r"piu (?:breve|corto)", "in breve",
    "in una frase", r"mais (?:curto|curta|breve)", "numa frase", "em uma frase", "korter", "in het kort", "in een zin",
)  # fmt: skip
_SOURCE = (
    r"(?:which|what) (?:outlets?|(?:news)?papers?|sources?|articles?)", "source", "sources", "who reported (?:it|that)",
    r"(?:que|cual) (?:medios?|periodicos?|diarios?|fuentes?)", "fuentes?",
    r"welche[rnms]? (?:zeitung(?:en)?|medi(?:um|en)|quellen?|blatt)", "quellen?",
    r"quel(?:le)?s? (?:medias?|journa(?:l|ux)|sources?)", r"(?:quale|che) (?:giornale|testata|fonte)", "fonti",
    r"(?:qual|que) (?:jorna(?:l|is)|veiculo|fontes?)", "fontes?", r"welke (?:kranten?|bron(?:nen)?|media)", "bronnen?",
)  # fmt: skip
_MORE = (
    "else", "(?:anything |tell me |what )?more", "others?", "further", "besides",
    r"(?:quien(?:es)?|que|algo|alguien|cual(?:es)?|donde|nada) mas", "otros?", "otras?", "demas",
    "sonst", "noch", "weitere?", "ausserdem", "autres?", "d'autres?", "encore", "altr[oiae]", "ancora",
    "outr[oa]s?", r"(?:quem|que) mais", "nog", "verder", "anderen?",
)  # fmt: skip
# Words of a continuation that say nothing about its subject.
_FILLERS = frozenset(
    """please bitte favor por s'il vous plait svp per favore alsjeblieft and also so then ok okay thanks now form
    version forma forme als as in en un una the same again it that this these them one sentence
    qui y e et und pero but aber mais ma mas""".split()
)
_FORMS: tuple[QuestionKind, ...] = ("timeline", "summary", "latest", "list")
_MOST_WORDS = 6  # of a continuation without a subject of its own


def move_of(question: str, of_days: str) -> Move:
    """What a follow-up does; `of_days` is the question without the days that it names."""
    folded = fold(question)
    if len(tokens(question)) > _MOST_WORDS + (len(tokens(question)) - len(tokens(of_days))):
        return "content"
    if _rest(of_days, _SHORTER) == 0 and pattern(_SHORTER).search(folded):
        return "shorter"
    if pattern(_SOURCE).search(folded) and _rest(of_days, _SOURCE) == 0:
        return "source"
    if pattern(_MORE).search(folded) and _rest(of_days, _MORE) == 0 and expected(question) in ("", "name"):
        return "more"
    if (form := form_of(of_days)) and not _content(subject_of(of_days, form)):
        return "form"
    if not expected(question) and not _content(of_days) and not _asks(of_days) and _names_time(question, of_days):
        return "days"
    return "content"


def form_of(question: str) -> QuestionKind | None:
    """The form that a continuation asks for, where it asks for no name, number or date."""
    if expected(question):
        return None
    return next((kind for kind in _FORMS if has_cue(question, kind)), None)


def _rest(text: str, phrases: tuple[str, ...]) -> int:
    """How many content words a text has beside these phrases."""
    return len(_content(pattern(phrases).sub(" ", fold(text))))


def _content(text: str) -> list[str]:
    """The folded words of a text that say something about a subject."""
    return [
        token.folded
        for token in tokens(text)
        if token.folded not in STOP_WORDS and token.folded not in _FILLERS and not is_of_time(token.folded)
    ]


_ASKS = frozenset("why how warum wieso weshalb wie pourquoi comment que perche come porque waarom hoe what was".split())


def _asks(text: str) -> bool:
    """Whether a text has an interrogative, which makes it more than a change of days."""
    folded = fold(text).lstrip("¿¡ ")
    opening = pattern(EVERY_LANGUAGE.openers).match(folded)  # "what about"
    return not _ASKS.isdisjoint(token.folded for token in tokens(folded[opening.end() if opening else 0 :]))


def _names_time(question: str, of_days: str) -> bool:
    return len(tokens(of_days)) < len(tokens(question)) or any(is_of_time(token.folded) for token in tokens(question))
