"""The lexicon of German."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

GERMAN = Lexicon(
    language="de",
    stop_words=frozenset(
        """
        der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden wurde
        wurden worden sein hat haben hatte hatten kann konnte soll muss will wer was wann wo wie warum welche welcher
        welches welchen wessen wem wen von vom zu zum zur mit bei beim nach aus auf fur im in ins am an als auch nicht
        noch nur schon sich so es er sie wir ihr ich du man dass wenn weil um uber unter vor seit durch gegen ohne
        zwischen bis ab dieser diese dieses diesen diesem sehr mehr kein keine sagte
        """.split()
    ),
    abbreviations=frozenset(
        "h r z bzw ca usw ggf nr str tel mio mrd u a e g i d dr prof hr fr st art bspw evtl inkl jh sog vgl "
        "zzgl jan feb mär apr jun jul aug sep okt nov dez".split()
    ),
    pointers=frozenset(
        "er sie es ihn ihm ihr ihre ihrer ihren ihrem sein seine seiner seinen seinem dies dieser diese dieses diesen "
        "diesem jener jene jenes deren dessen".split()
    ),
    feminine=frozenset("sie ihr ihre ihrer ihren ihrem".split()),
    masculine=frozenset("er ihm ihn sein seine seiner seinen seinem".split()),
    question_pointers=frozenset("dann dort damals".split()),
    openers=("und", "aber", "was ist mit", "wie steht es mit", "auch"),
    small_talk=(
        "hallo", "hi", "guten (?:morgen|tag|abend)", "gute nacht", "servus", "moin", "gruss gott",
        "wie geht(?:.s| es)(?: dir| ihnen)?", "vielen dank(?: dir| ihnen)?", "dank (?:dir|ihnen)",
        "danke(?: schon| sehr| dir| ihnen)?", "dankeschon", "bitte", "in ordnung", "ja", "jawohl", "entschuldigung",
        "tschuss", "auf wiedersehen", "bis (?:bald|dann)", "testen",
    ),
    asks_number=(
        "wie ?viele?", "wie (?:alt|lange?|weit|gross|hoch|tief|breit|schnell|oft|teuer|schwer)",
        "welche[rs]? (?:anteil|zahl|preis|summe|betrag|prozentsatz)",
    ),
    asks_date=("wann", "(?:um )?wie ?viel uhr", "(?:an )?welche[rsmn]? (?:tag|datum|monat|jahr|zeit|wochentag)"),
    asks_name=("wer", "wen", "wem", "wessen"),
    compares=frozenset("oder beide beiden als jeweils".split()),
    more_than=(r"(?:mehr|weniger|\w+er)\sals",),
    sets_against=tuple(r"gegenuber verglichen\smit statt nach\szuvor gegen".split()),
    titles=frozenset(
        """
        herr herrn frau dr prof professor professorin prasident prasidentin kanzler kanzlerin bundeskanzler
        bundeskanzlerin minister ministerin burgermeister burgermeisterin senator senatorin richter richterin
        staatsanwalt staatsanwaltin general oberst konig konigin prinz prinzessin bischof papst
        """.split()
    ),
    determiners=frozenset(
        "der die das den dem des ein eine einen einem einer eines "
        "im am zum zur vom beim ins".split()
    ),
    sayings=tuple(
        r"""
        sagte sagt sagten gesagt erklart\w* meint\w* betont\w* behaupt\w* kritisi\w* warnt\w* verspr\w* forder\w*
        nannte vergl\w* beschuld\w* bestatig\w* kundigt\w* bestr\w*
        """.split()
    ),
    follows=(
        "folgt(?:e|en)?", "folgen", "nachgefolgt", "gefolgt", "ersetz(?:t|te|en|ten)", "abgelost", "abzulosen",
        r"lost(?:e|en)?(?= .*\bab\b)",
    ),
    successors=(r"nachfolge\w*",),
    predecessors=(r"vorganger\w*",),
    formers=(
        "ex", r"ehemalig\w*", r"fruher\w*", r"damalig\w*", r"bisherig\w*", r"designiert\w*", r"kunftig\w*",
        r"kandidat\w*", r"stellvertret\w*", r"vize\w*",
    ),
    first_person=frozenset("ich wir".split()),
    asks_object=("wen", "wem"),
    negations=frozenset(
        """
        nicht kein keine keinen keinem keiner keines nie niemals niemand niemanden nichts weder ohne
        """.split()
    ),
    refusals=(
        "weiger(?:t|n|te|ten) sich",
        "bestr(?:eitet|eiten|itt|itten) dass",
    ),
    opposites={
        "st(?:ieg|iegen|eigt|eigen)|gestiegen|erhoht(?:e|en)?|zugenommen":
            "s(?:ank|anken|inkt|inken)|gesunken|gefallen|fiel(?:en)?|senkt(?:e|en)?|gesenkt",
        "genehmigt(?:e|en)?|billigt(?:e|en)?|gebilligt": "abgelehnt|verworfen|verwarf",
        "kauft(?:e|en)?|gekauft": "verkauft(?:e|en)?",
        "gew(?:ann|annen|onnen|innt)": "verl(?:or|oren|iert)",
        "offnet(?:e|en)?|geoffnet": "schl(?:oss|ossen|iesst)|geschlossen",
    },
    unrealised=tuple(
        r"""
        wird werden wurde[nt]? konn\w+ konnte[nt]? kann soll(?:en|te|ten)? will woll(?:en|te|ten) muss\w* durf\w+
        darf mochte[nt]? plant? planen plante[nt]? hoff\w+ erwart\w+ wahrscheinlich moglich\w* vielleicht wohl falls
        ob wenn angeblich mutmasslich verspr\w+ droh\w+ forder\w+ vorschlag\w* ware[nt]? hatte[nt]? versuch\w+
        """.split()
    ),
    future_endings=frozenset(),
    passive_verbs=frozenset("wird werden wurde wurden worden ist sind".split()),
    agent_words=frozenset("von vom durch".split()),
    near_days={
        "vorgestern": -2, "gestern": -1, "heute": 0, "morgen": 1, "ubermorgen": 2,
    },
    month_names={"janner": 1, "feber": 2, "mrz": 3},
    weekday_names={"sonnabend": 5},
    weekday_plurals=("s", "e"),
    day_parts=("abend", "morgen", "fruh", "vormittag", "mittag", "nachmittag", "nacht"),
    last=frozenset("letzten letzter letzte letztem vergangenen vergangener vorigen".split()),
    next=frozenset("nachsten nachster nachste nachstem kommenden kommender".split()),
    this=frozenset("diesen dieser diesem diese".split()),
    future=tuple("wird werden soll sollen will geplant vorgesehen beginnt startet eroffnet findet".split()),
    number_words={"mio": 10**6, "mrd": 10**9, "dutzend": 12},
    scales={
        "hundert": 2, "tausend": 3, "million": 6, "millionen": 6, "mio": 6, "milliarde": 9, "milliarden": 9,
        "mrd": 9, "billion": 12, "billionen": 12,
    },
    number_joiners=frozenset("und komma".split()),
    not_numbers=frozenset(
        """
        ein eine eins einen einem einer eines null erste ersten erster erstes million millionen milliarde milliarden
        billion billionen mio mrd zweite zweiten zweiter zweites zweitem erstem
        """.split()
    ),
    indefinite=frozenset("eine einer".split()),
    halves=frozenset("halbe halben halber".split()),
    amounts=tuple("halfte drittel viertel dutzende? hunderte tausende kein(?:e|er)? niemand einmal zweimal".split()),
    percent=("prozent",),
    machine_address=(
        r"(?:ignoriere?n?|vergiss|missachten?)\b[^.]{0,40}\b(?:anweisung(?:en)?|instruktionen)",
        "wenn (?:du|sie) (?:eine ki|ein sprachmodell)",
    ),
    no_answer=(
        r"(?:nicht|kein\w*|nichts)\b.*\b(?:auszug\w*|ausschnitt\w*)",
        r"(?:auszug\w*|ausschnitt\w*)\b.*\b(?:nicht|kein\w*|nichts)",
    ),
    homographs=frozenset("als billion billionen den die dies elf er es hat man mit morgen war".split()),
)  # fmt: skip
