"""Text on its way to a language model: what looks like a control token of a chat template is broken up.

A server renders the messages into the template of its model and reads the result with its control tokens: an
`<|im_end|>` that an article or a question holds would end the turn there, and what follows it would be read as the
words of another speaker. Which tokens a model has is not known here (it may be behind a URL), so the test is the form
of the known ones, not a list. A space in the middle makes text of them: each must match to the letter.
"""

from __future__ import annotations

import re

from rag.language.tokens import INVISIBLE

# Controls too, except tab and line feed: within a mark they would hide it from the patterns below.
_UNSEEN = re.compile(rf"{INVISIBLE.pattern}|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Nearly every control token begins with, or holds, an angle bracket with something right behind it: <|im_end|>, </s>,
# <<SYS>>, <start_of_turn>, <｜User｜>, >>TITLE<<, ]<]minimax[>[. The fullwidth and small brackets are made plain ones
# by tokenizers that normalise to NFKC.
_ANGLE = re.compile(r"[<＜﹤](?=\S)")
# Those in square brackets are names: [INST], [/INST], [gMASK], [control_8], [unused12], [|user|]. A remark of an
# editor, such as [sic], and the number of a source or a year are none.
_SQUARE = re.compile(r"[\[［]([^\s\[\]［］]{1,100}[\]］])")
_NAME = re.compile(r"[^\W\d_]*(?:[A-Z]{2}|[^\W\d_]\d|[^\w,;:.’'–-])|.*_")
# Rarer ones: |||EMAIL_ADDRESS||| (OLMo), ]~b], ]~!b[, ]!p~[ and [e~[ (MiniMax).
_RARE = re.compile(r"\|(?=\|)|[\]］](?=[~!])|~(?=[\[\]［］])")


def unmarked(text: str) -> str:
    """The text with a space inside all that looks like a control token, and without invisible characters.

    Its words stay the same, so that a sentence which repeats it can be checked against the original. Doing it again
    changes nothing.
    """
    text = _ANGLE.sub(r"\g<0> ", _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    text = _SQUARE.sub(lambda m: f"{m[0][0]} {m[1]}" if _NAME.match(m[1][:-1]) else m[0], text)
    return _RARE.sub(r"\g<0> ", text)
