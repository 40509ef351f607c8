"""British spellings of English words, written the American way: a question in one finds articles in the other.

By rules over stems and endings, so that inflected forms come with them. What a rule changes in a word that is no
variant does no harm, since question and article are changed alike; but words whose family would fall apart ("revise"
beside "revision") are left alone. Source: Wikipedia, "American and British English spelling differences".
"""

from __future__ import annotations

import re

_S_IN_BOTH = (
    r"\w*vis|exercis|precis|concis|excis|incis|circumcis|\w*promis|premis|demis|a?ris|sunris|\w*pris|franchis|"
    r"advertis|expertis|merchandis|paradis|chastis|treatis|practis|\w*wis"
)
_OUR = (
    "armo|behavio|cando|clamo|colo|demeano|endeavo|favo|fervo|harbo|hono|humo|labo|neighbo|odo|parlo|rigo|rumo|savio|"
    "savo|splendo|tumo|valo|vapo|vigo"
)
_RE = r"calib|cent|epicent|fib|lust|\w*lit|meag|\w*met|sab|somb|spect|theat"
_ONE_L = (
    "cance|channe|counse|dia|equa|fue|labe|leve|marve|mode|quarre|refue|reve|riva|shove|signa|tota|trave|tunne|unrave"
)
_RULES = tuple(
    (re.compile(british), american)
    for british, american in (
        (rf"^(?!(?:{_S_IN_BOTH})[eia])([a-z]+[^aeiou])is(?=(?:e|es|ed|er|ers|ing|ations?|able)$)", r"\1iz"),
        (r"^(anal|psychoanal|paral|catal)ys(?=(?:e|ed|er|ers|ing)$)", r"\1yz"),
        (rf"^(\w*(?:{_OUR}))ur(?!ous|is|if)", r"\1r"),
        (rf"^({_RE})re(?=s?$)", r"\1er"),
        (r"^centred$", "centered"),
        (rf"^({_ONE_L})ll(?=(?:ed|ing|ers?|ors?|ous|ously)$)", r"\1l"),
        (r"^(defen|offen|preten|licen)ce", r"\1se"),
        (r"^practis(?=e|ing)", "practic"),
        (r"^(anal|catal|dial|epil|monol|prol)ogue(?=s?$)", r"\1og"),
        (
            r"^(anaesth|anaem|archaeo|encyclopaed|gynaeco|haemo|leukaem|orthopaed|paed)",
            lambda m: m[1].replace("ae", "e"),
        ),
        (r"^(diarrhoe|foet|oestro|oesoph)", lambda m: m[1].replace("oe", "e")),
        (r"^aeroplane", "airplane"),
        (r"^aluminium", "aluminum"),
        (r"^ageing$", "aging"),
        (r"^grey", "gray"),
        (r"^(acknowledg|judg)ement", r"\1ment"),
        (r"^jewellery", "jewelry"),
        (r"^manoeuvr(?:e(?!d))?", "maneuver"),
        (r"^mould", "mold"),
        (r"^plough", "plow"),
        (r"^programme(?=s?$)", "program"),
        (r"^scept", "skept"),
    )
)
_ANY_RULE = re.compile("|".join(f"(?:{british.pattern})" for british, _ in _RULES))


def american(word: str) -> str:
    """A folded English word as Americans spell it; the word itself where both spell it alike."""
    if not _ANY_RULE.search(word):  # one search instead of one for each rule: most words are spelt alike
        return word
    for british, spelling in _RULES:
        changed = british.sub(spelling, word)
        if changed != word:
            return changed
    return word
