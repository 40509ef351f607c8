"""The questions that one text asks: "Who won and what was the turnout?" asks two."""

from __future__ import annotations

import re

from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens

MOST = 4
_ASKING = (
    r"(?:who|whom|whose|what|which|when|where|why|how|quien(?:es)?|que|cuando|cuant[oa]s?|donde|por que|como|"
    r"cual(?:es)?|wer|wen|wem|was|wann|wo|warum|wie|welche[rnsm]?|wieso|qui|quand|ou|pourquoi|comment|combien|quel(?:le)?s?|chi|"
    r"quando|dove|perche|come|quant[oaie]|quale|quali|quem|onde|quais|qual|wie|wat|wanneer|waar|waarom|hoe|welke)"
)
_BEGINS = re.compile(rf"[\W_]*(?:\w+\s)?{_ASKING}\b")
# A conjunction in front of a word that asks; a preposition may stand between ("y en qué año", "und auf welcher Insel").
_JOINT = re.compile(
    rf",?\s+(?:and|y|e|und|et|en)\s+(?=[¿]?(?:(?:in|on|at|by|for|to|with|from|en|a|de|con|por|auf|im|bei|mit|von|zu|aus|"
    rf"dans|a|avec|sur|da|di|su|em|op|met|van)\s+)?{_ASKING}\b)"
)


def parts_of(question: str) -> list[str]:
    """The questions in a text, at most four, each as it stands there; one that asks a single thing is returned whole.

    A part begins with a word that asks, and has a word of its own that means something.
    """
    sentences = [one for one in re.split(r"(?<=[?？])\s+", question.strip()) if one]
    found: list[str] = []
    for sentence in sentences:
        folded = fold(sentence)
        joints = list(_JOINT.finditer(folded)) if len(folded) == len(sentence) else []
        at = 0
        for joint in joints:
            found.append(sentence[at : joint.start()])
            at = joint.end()
        found.append(sentence[at:])
    whole = len(found) < 2 or len(found) > MOST or not all(_asks(part) for part in found)
    return [question] if whole else [part.strip() for part in found]


def _asks(part: str) -> bool:
    content = [word for word in tokens(part) if word.folded not in STOP_WORDS]
    return bool(_BEGINS.match(fold(part))) and bool(content)
