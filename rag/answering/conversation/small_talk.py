"""Messages that ask for nothing: a greeting, thanks, assent, a trial ("test")."""

from __future__ import annotations

from rag.language.lexicons import EVERY_LANGUAGE, pattern
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens


def is_small_talk(message: str, *, goes_on: bool) -> bool:
    """Whether a message is small talk alone, in any language: "Thank you very much!", not "Thank You for Smoking".

    Stop words may stand beside it ("hello there"), but not where the message `goes_on` in a conversation: "ok, and
    then?" asks. Nor may a stop word in capitals ("Thanks, WHO"), which is a name.
    """
    words = tokens(message)
    names = {word.folded for word in words if word.text.isupper() and len(word.text) > 1} if _mixed(message) else set()
    folded = " ".join(word.folded for word in words)
    left, phrases = pattern(EVERY_LANGUAGE.small_talk).subn(" ", folded)
    without_meaning = frozenset[str]() if goes_on else STOP_WORDS - names
    return phrases > 0 and all(word in without_meaning for word in left.split())


def _mixed(message: str) -> bool:
    return not message.isupper()
