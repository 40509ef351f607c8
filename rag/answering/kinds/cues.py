"""Words that ask for a form of answer and say nothing about its subject, in seven languages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rag.answering.question import expected
from rag.language.lexicons import EVERY_LANGUAGE, pattern
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import QuestionKind

_SOURCES = (
    r"(?:outlets?|newspapers?|papers|reports?|sources?|accounts?|articles?|press|media|periodicos|diarios|medios|"
    r"stories|pieces|coverage|noticias|informes|fuentes|prensa|zeitungen|medien|berichte|meldungen|quellen|artikel|"
    r"journaux|medias|presse|giornali|"
    r"fonti|articoli|jornais|fontes|artigos|kranten|berichten|bronnen)"
)
_AGREEING = (
    r"(?:agree\w*|disagree\w*|differ\w*|contradict\w*|the\Wsame|coincid\w*|discrep\w*|contradic\w*|difier\w*|"
    r"de\Wacuerdo|uneinig|einig|widersprech\w*|uberein\w*|unterschied\w*|d.accord|desaccord|contredi\w*|diverg\w*|"
    r"concord\w*|discord\w*|contraddic\w*|eens|oneens|conflict\w*)"
)

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
        samenvat\w* vat\ssamen what\sdo\swe\sknow what\sis\sknown\sabout que\ssait.on
        was\sweiss\sman vision\sgeneral panorama""".split()
    ),
    "comparison": tuple(
        r"""compar\w* contrast\w* confront\w* vergleich\w* vergelijk\w* side\sby\sside differen\w* diferen\w*
        unterschied\w* verschil\w*""".split()
    ),
    "disagreement": (
        rf"{_SOURCES}(?:\W+\w+){{0,4}}\W+{_AGREEING}",
        rf"{_AGREEING}(?:\W+\w+){{0,3}}\W+{_SOURCES}",
        rf"conflicting\W+{_SOURCES}",
    ),
    "list": tuple(
        r"""list\w* enumer\w* elenca\w* aufzahl\w* auflist\w* samtliche every all alle todos todas tous toutes tutti
        tutte who\s(?:are|were) quienes\s(?:son|fueron|eran) cuales\s(?:son|fueron) wer\s(?:sind|waren)
        qui\s(?:sont|etaient) quel(?:le)?s\s(?:sont|etaient) chi\s(?:sono|erano) quali\s(?:sono|erano)
        quem\s(?:sao|eram) quais\s(?:sao|eram) wie\s(?:zijn|waren)""".split()
    ),
    "statements": tuple(
        r"""statements? quot(?:e[ds]?|ing|ations?) said say declara\w* zitat\w* zitier\w* aussagen? gesagt sagte
        citations? dijo disse dit detto zei""".split()
    ),
    "archive": tuple(r"""archiv\w* articles? articulos? artikel\w* articoli artigos?""".split()),
}
_OTHER_WORDS = frozenset(
    """give show tell make please create draw me us list events order date walk through put haz dame fais donne
    dresse happened happen geschah passierte paso sucedio successo aconteceu
    erstelle gib mir bitte zusammen fammi faca geef story news noticias""".split()
)
_ON_SOURCES = pattern((_SOURCES, _AGREEING))
_CLAUSES = re.compile(r"(?<=[?!.;:])\s+|\s+[-–—]\s+")
_QUANTITIES = (
    r"(?:numbers?|figures?|tolls?|count|totals?|area|size|extent|amount|rate|level|balance|numero|cifra|superficie|tasa|nivel|zahl|anzahl|"
    r"hohe|flache|quote|bilanz|\w+zahl|bilan|nombre|taux|niveau|bilancio|tasso|livello|balanco|taxa|aantal|percentage|"
    r"share|porcentaje|anteil)"
)
# A heading such as "toll of the flood", which asks how large something is that changes.
_HEADING = re.compile(
    r"\W*(?:(?:the|el|la|los|las|die|der|das|le|les|il|lo|o|a|os|as|de|het)\W)?(?:\w+\W)?" + _QUANTITIES + r"\b[^?]*"
)


def names_quantity(text: str) -> bool:
    """Whether a text names a quantity: "the number of passengers"."""
    return bool(re.search(rf"\b{_QUANTITIES}\b", fold(text)))


def names_sources(text: str) -> bool:
    """Whether a text names articles, outlets or an archive of them."""
    return bool(re.search(rf"\b{_SOURCES}\b", fold(text))) or has_cue(text, "archive")


def has_cue(question: str, kind: QuestionKind) -> bool:
    """Whether a question holds a word that asks for this kind of answer."""
    folded = fold(question)
    if kind == "latest" and _HEADING.fullmatch(folded):
        return True
    return bool(pattern(CUES[kind]).search(folded)) if kind in CUES else False


def subject_of(question: str, kind: QuestionKind) -> str:
    """The question without the words that ask for the form of the answer; "" where no content word stays.

    Of a question whether reports agree it is what stands behind that: "how many were hurt".
    """
    if kind not in CUES:
        return question
    if kind == "disagreement" and (part := _asking_part(question)) != question:
        return part
    cues = [match.span() for match in pattern(CUES[kind]).finditer(fold(question))]
    if kind == "disagreement" and cues and tokens(question[cues[-1][1] :]):
        return question[cues[-1][1] :].strip(" ,;?¿!.")
    if kind == "disagreement":
        cues = [match.span() for match in _ON_SOURCES.finditer(fold(question))]
    kept = [
        token
        for token in tokens(question)
        if token.folded not in _OTHER_WORDS and not any(start < token.end and token.start < end for start, end in cues)
    ]
    while kept and kept[0].folded in STOP_WORDS and not (kind == "disagreement" and expected(kept[0].text)):
        kept = kept[1:]
    return " ".join(token.text for token in kept)


def _asking_part(question: str) -> str:
    """What a question about sources asks, without what it says of them: "Who runs the bank?" of "Who runs the bank? Our
    stories name two people". The whole question where no part of it asks alone, or more than one does."""
    parts = [part for one in _CLAUSES.split(question) for part in _without_last_on_sources(one)]
    asking = [part for at, part in enumerate(parts) if expected(part) and not (at and _points(part))]
    if len(asking) == 1 and len([w for w in tokens(asking[0]) if w.folded not in STOP_WORDS]) > 1:
        return asking[0].strip(" ,;:-–—")
    return question


def _without_last_on_sources(clause: str) -> list[str]:
    """The clause in two at the last comma, where what stands behind it is about sources."""
    front, comma, behind = clause.rpartition(",")
    return [front, behind] if comma and _ON_SOURCES.search(fold(behind)) else [clause]


def _points(text: str) -> bool:
    return any(word.folded in EVERY_LANGUAGE.pointers for word in tokens(text))
