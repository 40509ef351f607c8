"""Words that ask for a form of answer and say nothing about its subject, in seven languages."""

from __future__ import annotations

from collections.abc import Mapping

from rag.language.lexicons import pattern
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import QuestionKind

CUES: Mapping[QuestionKind, tuple[str, ...]] = {
    "latest": tuple(
        r"""latest newest now currently current aktuell\w* neuest\w* jetzt ultim[ao]s? ahora actual actualmente
        dernier\w* maintenant actuelle\w* adesso attual\w* agora atual\w* laatste huidige""".split()
    ),
    "timeline": tuple(
        r"""timeline chronolog\w* cronolog\w* zeitleiste zeitstrahl ablauf tijdlijn sequence unfold\w* linea\sde\stiempo
        linea\stemporal linha\sdo\stempo ligne\sdu\stemps day\sby\sday dia\sa\sdia tag\sfur\stag
        jour\spar\sjour giorno\sper\sgiorno step\sby\sstep""".split()
    ),
    "summary": tuple(
        r"""summar\w* sum\sup overview recap gist brief resum\w* riassum\w* zusammenfass\w* fass\w* uberblick synthese
        samenvat\w* vat\ssamen vision\sgeneral panorama""".split()
    ),
    "comparison": tuple(
        r"""compar\w* contrast\w* confront\w* vergleich\w* vergelijk\w* side\sby\sside differen\w* diferen\w*
        unterschied\w* verschil\w*""".split()
    ),
    "list": tuple(
        r"""list\w* enumer\w* elenca\w* aufzahl\w* auflist\w* samtliche every all alle todos todas tous toutes tutti
        tutte""".split()
    ),
    "statements": tuple(
        r"""statements? quot\w* said say declara\w* zitat\w* zitier\w* aussagen? gesagt sagte citations? dijo disse
        detto zei""".split()
    ),
    "archive": tuple(r"""archiv\w* articles? articulos? artikel\w* articoli artigos?""".split()),
}
_OTHER_WORDS = frozenset(
    """give show tell make please create draw me us list events order date walk through put haz dame fais donne
    dresse happened happen geschah passierte paso sucedio successo aconteceu
    erstelle gib mir bitte fammi faca geef story news noticias""".split()
)


def has_cue(question: str, kind: QuestionKind) -> bool:
    """Whether a question holds a word that asks for this kind of answer."""
    return bool(pattern(CUES[kind]).search(fold(question))) if kind in CUES else False


def subject_of(question: str, kind: QuestionKind) -> str:
    """The question without the words that ask for the form of the answer; "" where no content word stays."""
    if kind not in CUES:
        return question
    cues = [match.span() for match in pattern(CUES[kind]).finditer(fold(question))]
    kept = [
        token
        for token in tokens(question)
        if token.folded not in _OTHER_WORDS and not any(start < token.end and token.start < end for start, end in cues)
    ]
    while kept and kept[0].folded in STOP_WORDS:
        kept = kept[1:]
    return " ".join(token.text for token in kept)
