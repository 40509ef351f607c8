"""The lexicon of Dutch."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

DUTCH = Lexicon(
    language="nl",
    stop_words=frozenset(
        """
        de het een en of maar want dus is zijn was waren wordt worden werd werden geworden heeft hebben had hadden kan
        kunnen kon zal zullen zou moet moeten wil ik jij je hij zij ze wij we jullie u hem haar hun hen mijn zijn ons
        onze dit dat deze die er hier daar wie wat waar wanneer hoe waarom welke welk van voor met bij naar uit op aan
        in om te ten ter tot door over onder tegen zonder tussen na sinds als dan ook niet nog al geen zich zo veel
        meer zeer volgens zei
        """.split()
    ),
    abbreviations=frozenset(
        """
        dhr mevr mw dr prof ir ing nr blz bijv bv ca enz evt incl jl resp st jan feb mrt apr jun jul aug sep okt nov
        dec
        """.split()
    ),
    pointers=frozenset("hij zij ze hem haar hun hen het dit dat deze die zijn".split()),
    feminine=frozenset("zij haar".split()),
    masculine=frozenset("hij hem".split()),
    question_pointers=frozenset("toen daar dan".split()),
    openers=("en", "maar", "hoe zit het met", "wat met", "ook"),
    small_talk=(
        "hallo", "hoi", "goede(?:morgen|middag|avond|nacht)", "goeden? ?(?:dag|morgen|middag|avond|nacht)",
        "hoe gaat het(?: met (?:je|u))?", "dank (?:je|u)(?: wel)?", "bedankt", "alsjeblieft", "alstublieft",
        "in orde", "oke", "ja", "jawel", "sorry", "tot ziens", "doei", "dag",
    ),
    asks_number=(
        "hoe ?veel", "hoe (?:oud|lang|ver|groot|hoog|diep|breed|snel|vaak|duur|zwaar)",
        "welk (?:percentage|aandeel|aantal|bedrag|deel)", "welke (?:prijs|som)",
    ),
    asks_date=("wanneer", "hoe laat", "(?:op )?welke? (?:dag|datum|maand|jaar|tijd)"),
    asks_name=("wie", "wiens"),
    compares=frozenset("of beide beiden dan elk".split()),
    more_than=(r"(?:meer|minder|\w+er)\sdan",),
    sets_against=tuple(r"tegenover tegen vergeleken\smet in\splaats\svan".split()),
    titles=frozenset(
        """
        meneer heer mevrouw mw dr drs mr prof professor president premier minister burgemeester wethouder
        rechter generaal kolonel kapitein koning koningin prins prinses bisschop paus
        """.split()
    ),
    determiners=frozenset("de het een t".split()),
    sayings=tuple(
        r"""
        zei zegt zeiden gezegd verklaar\w* beweer\w* benadruk\w* waarschuw\w* beloof\w* eist\w* noemde vergele\w*
        bekritis\w* beschuld\w* bevestig\w* ontken\w*
        """.split()
    ),
    follows=(
        "opvolg(?:t|de|den|en)", "opgevolgd", r"volgt(?= .*\bop\b)", r"volgde(?= .*\bop\b)", "vervang(?:t|en)",
        "verving(?:en)?",
    ),
    successors=("opvolg(?:ers?|ster)", "vervangers?"),
    predecessors=(r"voorganger\w*", "voorgangster"),
    formers=(
        "ex", "voormalige?", "vroegere?", "toenmalige?", "wijlen", "aanstaande", "kandidaat", r"plaatsvervangend\w*",
        r"vice\w*", "loco",
    ),
    first_person=frozenset("ik wij we".split()),
    asks_object=(),
    negations=frozenset("niet geen nooit niemand niets zonder noch".split()),
    refusals=(
        "weiger(?:t|en|de|den)(?: om)?",
        "ontken(?:t|de|den|nen) dat",
    ),
    opposites={
        "st(?:eeg|egen|ijgt|ijgen)|gestegen|groeide(?:n)?": "da(?:alt|len|alde|alden)|gedaald|zakt(?:e|en)?",
        "goedgekeurd|aangenomen|aanvaard(?:de|den)?": "verworpen|afgewezen|verwierp(?:en)?",
        "ko(?:cht|chten|opt|pen)|gekocht": "verko(?:cht|chten|opt|pen)",
        "w(?:on|onnen|int)|gewonnen": "verl(?:oor|oren|iest)",
        "open(?:t|de|den)|geopend": "s(?:loot|loten|luit)|gesloten",
    },
    unrealised=tuple(
        r"""
        kan kunnen kon konden zou zouden zal zullen moet\w* mag mogen wil willen wilde[n]? plan\w* hoop\w* hopen
        verwacht\w* waarschijnlijk mogelijk misschien als of vermeende beschuld\w* belo\w+ dreig\w* eis\w*
        voorstel\w* prob\w+ word(?:t|en)
        """.split()
    ),
    future_endings=frozenset(),
    passive_verbs=frozenset("wordt worden werd werden is zijn".split()),
    agent_words=frozenset("door".split()),
    near_days={
        "eergisteren": -2, "gisteren": -1, "vandaag": 0, "vanavond": 0, "morgen": 1, "overmorgen": 2,
    },
    month_names={},
    weekday_names={},
    weekday_plurals=("en",),
    day_parts=("avond", "ochtend", "morgen", "middag", "namiddag", "nacht"),
    last=frozenset("afgelopen vorige laatste".split()),
    next=frozenset("volgende komende aanstaande".split()),
    this=frozenset("deze".split()),
    future=tuple("zal zullen zou gaat gaan moet wordt worden gepland verwacht begint opent start".split()),
    number_words={"mln": 10**6, "mld": 10**9, "dozijn": 12, "tiental": 10, "twintigtal": 20, "honderdtal": 100},
    scales={"honderd": 2, "duizend": 3, "miljoen": 6, "mln": 6, "miljard": 9, "mld": 9, "biljoen": 12},
    number_joiners=frozenset("en komma".split()),
    not_numbers=frozenset("een nul eerste tweede miljoen miljard mln mld eersten".split()),
    indefinite=frozenset("een".split()),
    halves=frozenset("half halve".split()),
    amounts=tuple("helft derde kwart tientallen honderden duizenden geen niemand".split()),
    percent=("procent",),
    machine_address=(
        r"(?:negeer|vergeet)\b[^.]{0,40}\b(?:instructies|aanwijzingen)", "als (?:je|u) een (?:ai|taalmodel)",
    ),
    no_answer=(
        r"(?:niet|geen|niets)\b.*\b(?:fragment(?:en)?|uittreksels?)",
        r"(?:fragment(?:en)?|uittreksels?)\b.*\b(?:niet|geen|niets)",
    ),
    homographs=frozenset(
        """
        dan dat de die dit door elf entiende hem hen het hier hoe hun is met morgen of om op over start te ten tiende
        tot van want wat we wie
        """.split()
    ),
)  # fmt: skip
