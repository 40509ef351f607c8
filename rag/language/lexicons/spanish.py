"""The lexicon of Spanish."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

SPANISH = Lexicon(
    language="es",
    stop_words=frozenset(
        """
        el la los las un una unos unas de del al y o u e que en por para con sin sobre entre desde hasta es son
        fue fueron ser era eran ha han habia hay se su sus lo le les como cual cuales quien quienes cuando donde
        cuanto cuanta cuantos cuantas mas muy ya no ni si tambien este esta estos estas ese esa eso esto a ante
        tras segun durante dijo me mi tu yo
        """.split()
    ),
    abbreviations=frozenset("sra srta dr dra prof ud uds pág núm av avda ing lic d dña sr etc art".split()),
    pointers=frozenset(
        """
        ella ello ellos ellas este esta esto estos estas ese esa eso esos esas aquel aquella aquello su sus lo
        """.split()
    ),
    feminine=frozenset("ella".split()),
    masculine=frozenset("él".split()),
    question_pointers=frozenset("entonces alli".split()),
    openers=("y", "que hay de", "y que hay de", "pero", "tambien"),
    small_talk=(
        "hola", "buen(?:os|as) (?:dias|tardes|noches)", "buen dia", "que tal", "como estas?", "como esta usted",
        "(?:muchas |mil )?gracias", "de acuerdo", "de nada", "por favor", "perdon", "adios", "hasta (?:luego|pronto)",
        "prueba", "probando",
    ),
    asks_number=("cuant[oa]s?", "que (?:porcentaje|proporcion|cantidad|numero|suma)", "a que precio"),
    asks_date=("cuando", "que (?:dia|fecha|mes|ano|hora)"),
    asks_name=("quien(?:es)?",),
    compares=frozenset("o u ambos ambas".split()),
    more_than=(r"(?:mas|menos)\sque",),
    sets_against=tuple(r"frente\sa(?:l)? contra en\scomparacion\scon en\slugar\sde respecto\sa(?:l)?".split()),
    titles=frozenset(
        """
        senor senora senorita don dona sr sra srta dr dra doctor doctora profesor profesora presidente
        presidenta ministro ministra alcalde alcaldesa senador senadora diputado diputada juez jueza fiscal
        general coronel capitan capitana rey reina principe princesa obispo papa
        """.split()
    ),
    determiners=frozenset("el la los las un una unos unas del al".split()),
    sayings=tuple(
        r"""
        dijo afirm\w* declar\w* asegur\w* advirti\w* critic\w* compar\w* pidi\w* exigi\w* prometi\w* calific\w*
        explic\w* senal[oae]\w* anunci\w* anadi\w* reconoci\w* admiti\w* insisti\w*
        """.split()
    ),
    follows=(r"suced\w+", r"sustitu(?:y\w+|id[oa]|ir\w*)", r"reemplaz\w+", "relev(?:a|o|aron|ara|ado|ada|ar)"),
    successors=("sucesor(?:a|es|as)?", "sustitut[oa]s?"),
    predecessors=("predecesor(?:a|es|as)?", "antecesor(?:a|es|as)?"),
    formers=(
        "ex", r"ex(?:ministr|president|alcald|director|gobernador)\w*", "antigu[oa]s?", "anterior(?:es)?", "elect[oa]",
        "futur[oa]", "candidat[oa]", r"vice\w*", "teniente",
    ),
    first_person=frozenset("yo nosotros nosotras".split()),
    asks_object=("a quien",),
    negations=frozenset("no nunca jamas nadie nada ningun ninguna ninguno tampoco sin ni".split()),
    refusals=(
        "se neg(?:o|aron|aba|aban) a",
        "se nieg(?:a|an) a",
        "neg(?:o|aron|aba|aban) (?:que|haber)",
    ),
    opposites={
        "sub(?:e|en|io|ieron|ido)|aument(?:a|an|o|aron|ado)|crec(?:e|en|io|ieron|ido)":
            "baj(?:a|an|o|aron|ado)|ca(?:e|en|yo|yeron|ido)|disminuy(?:e|en|o|eron)|descend(?:io|ieron|ido)",
        "aprob(?:o|aron|ado|ada)|aprueban?|acept(?:a|o|aron|ado)": "rechaz(?:a|an|o|aron|ado|ada)",
        "compr(?:a|an|o|aron|ado)": "vend(?:e|en|io|ieron|ido)",
        "gan(?:a|an|o|aron|ado)": "perd(?:io|ieron|ido)|pierden?",
        "abr(?:e|en|io|ieron)|abiert[oa]": "cerr(?:o|aron|ado|ada)|cierran?",
    },
    unrealised=tuple(
        r"""
        pued\w+ pod[eri]\w+ deb\w+ quier\w+ quer\w+ plane\w+ prev\w+ esper\w+ propon\w+ propus\w+ propuest\w+ pid\w+
        pidio pedi\w+ intent\w+ busc\w+ si quiza\w* probable\w* posible\w* supuest\w+ presunt\w+ acus\w+ asegur\w+
        promet\w+ amenaz\w+ exig\w+ tal
        """.split()
    ),
    future_endings=frozenset("rá rán ré ría rían".split()),
    passive_verbs=frozenset("fue fueron sido ser es son sera seran fuera".split()),
    agent_words=frozenset("por".split()),
    near_days={"anteayer": -2, "antes de ayer": -2, "ayer": -1, "hoy": 0, "pasado manana": 2},
    month_names={"setiembre": 9, "sept": 9},
    weekday_names={},
    weekday_plurals=("s",),
    day_parts=(),
    last=frozenset("pasado ultimo".split()),
    next=frozenset("proximo".split()),
    this=frozenset("este".split()),
    future=tuple("sera seran tendra comenzara empezara votara votaran abrira preve previst[oa] volvera ira".split()),
    number_words={
        "veintiun": 21, "veintidos": 22, "veintitres": 23, "veintiseis": 26, "billon": 10**12, "billones": 10**12,
        "docena": 12, "decena": 10, "centenar": 100,
    },
    scales={"mil": 3, "millon": 6, "millones": 6, "billon": 12, "billones": 12},
    number_joiners=frozenset("y coma punto".split()),
    not_numbers=frozenset(
        """
        un una uno cero primero primera primer segundo segunda millon millones billon billones unos unas primeros
        primeras segundos segundas cientos miles
        """.split()
    ),
    indefinite=frozenset("un".split()),
    halves=frozenset("medio media".split()),
    amounts=tuple("mitad tercios? docenas? decenas? cientos miles ninguno ninguna nadie".split()),
    percent=("por ciento",),
    machine_address=(
        r"(?:ignora|olvida)\b[^.]{0,40}\binstrucciones", "si eres una? (?:ia|modelo de lenguaje)",
    ),
    no_answer=(
        r"no\b.*\b(?:extractos?|fragmentos?)", r"(?:extractos?|fragmentos?)\b.*\bno",
    ),
    homographs=frozenset("ago doses miles once".split()),
)  # fmt: skip
