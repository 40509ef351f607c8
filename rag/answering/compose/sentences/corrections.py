"""The notes in which an outlet corrects what it reported, in seven languages."""

from __future__ import annotations

import re

from rag.language.lexicons import pattern
from rag.language.tokens import fold

_OPENING = re.compile(
    r"\W*(?:corrections?|corrected|clarifications?|errat\w+|fe de err\w+|correccion\w*|rectificacion\w*|"
    r"berichtigung\w*|korrektur\w*|richtigstellung\w*|rectificatif\w*|precision|rettific\w*|correzion\w*|precisazion\w*|correcao|"
    r"retificacao|rectificatie|correctie)\b[^.]{0,25}:"
)
_EARLIER = (
    r"an? (?:earlier|previous) (?:version|edition|report)", r"(?:una|la) (?:primera|anterior) version",
    r"una version (?:anterior|previa)", r"(?:eine[rn]?) (?:fruheren?|vorherigen?|ersten?) (?:version|fassung)",
    r"une (?:premiere |precedente )?version(?: anterieure| precedente)?", r"una (?:prima|precedente) versione",
    r"una versione precedente", r"uma versao anterior", r"een eerdere versie",
)  # fmt: skip


def corrects(sentence: str) -> bool:
    """Whether a sentence opens a note that corrects what the outlet had reported."""
    folded = fold(sentence)
    return bool(_OPENING.match(folded) or pattern(_EARLIER).search(folded))
