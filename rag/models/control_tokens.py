"""Breaks up what looks like a control token of a chat template in the text of a message to a language model.

A server renders the messages into its model's chat template and tokenises the result: an `<|im_end|>` in an article or
a question would end the turn there, and the model would read what follows as another speaker's. The tokens of a model
behind a URL are not known, so the patterns describe the form of known tokens instead of listing them. A space inside
makes ordinary text of a control token, since tokenizers match them exactly.
"""

from __future__ import annotations

import re

from rag.language.tokens import INVISIBLE

# With control characters except tab and line feed: inside a token they would hide it from the patterns below.
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
