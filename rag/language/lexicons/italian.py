"""The lexicon of Italian."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

ITALIAN = Lexicon(
    language="it",
    stop_words=frozenset(
        """
        il lo la i gli le l un uno una di del dello della dei degli delle d a al allo alla ai agli alle da dal dallo
        dalla dai dagli dalle in nel nello nella nei negli nelle su sul sullo sulla sui sugli sulle con per tra fra e
        ed o ma se che chi cui non ne ci si mi ti vi lui lei loro io tu noi voi suo sua suoi sue mio mia e sono era
        erano essere stato stata stati state ha hanno aveva avevano avere quale quali quando quanto quanta quanti
        quante dove come perche questo questa questi queste quello quella quelli quelle piu anche molto gia solo
        secondo dopo prima durante disse detto
        """.split()
    ),
    abbreviations=frozenset("sig sigg dott dr ing avv prof ecc pag gen feb apr mag giu lug ago ott dic".split()),
    pointers=frozenset(
        """
        lui lei loro esso essa essi esse questo questa questi queste quello quella quelli quelle cio suo sua suoi sue
        """.split()
    ),
    feminine=frozenset("lei ella".split()),
    masculine=frozenset("lui egli".split()),
    question_pointers=frozenset("allora poi li".split()),
    openers=("e", "ma", "e per quanto riguarda", "che ne e", "anche"),
    small_talk=(
        "ciao", "salve", "buongiorno", "buonasera", "buona ?notte", "come stai?", "come sta",
        "(?:grazie|mille grazie)(?: mille| tante)?", "prego", "va bene", "d.accordo", "per favore", "per piacere",
        "scusa", "scusi", "arrivederci", "a presto", "prova",
    ),
    asks_number=("quant[oaie]", "quale (?:percentuale|quota|numero|prezzo|somma|importo)", "a che prezzo"),
    asks_date=("quando", "(?:che|quale|in che|in quale) (?:giorno|data|mese|anno|ora)"),
    asks_name=("chi",),
    compares=frozenset("o oppure entrambi entrambe ciascuno".split()),
    more_than=(r"(?:piu|meno)\s(?:di|che|del\w*|rispetto)",),
    sets_against=tuple(r"contro rispetto\sal?\w* invece\sdi anziche".split()),
    titles=frozenset(
        """
        signor signora signorina sig dr dott dottor dottoressa prof professore professoressa avvocato ingegner
        presidente ministro ministra sindaco sindaca senatore senatrice onorevole giudice generale colonnello
        capitano re regina principe principessa vescovo papa don
        """.split()
    ),
    determiners=frozenset(
        "il lo la i gli le l un uno una del dello della dei degli delle "
        "al allo alla nel nella dal dalla sul sulla".split()
    ),
    sayings=tuple(
        r"""
        disse detto dice dichiar\w* afferm\w* assicur\w* annunci\w* spieg\w* sottoline\w* aggiun\w* critic\w* accus\w*
        promess\w* chiest\w* avvert\w* ammess\w*
        """.split()
    ),
    follows=("succe(?:de|deva|dera|duto|duta|dette|sse|ssa|sso)", r"sostitui\w+", r"rimpiazz\w+", r"subentr\w+"),
    successors=("successor[ei]", "sostitut[oaie]"),
    predecessors=("predecessor[ei]",),
    formers=("ex", "gia", "precedent[ei]", "defunt[oa]", "designat[oa]", "futur[oa]", "candidat[oa]", r"vice\w*"),
    first_person=frozenset("io noi".split()),
    asks_object=(),
    negations=frozenset("non mai nessuno nessuna nessun nulla niente senza".split()),
    refusals=(
        "rifiut(?:a|ano|ava|avano|ato|ata|ati|ate|o|arono) di",
        "neg(?:a|ano|ava|avano|ato|o|arono) (?:di|che)",
    ),
    opposites={
        "aument(?:a|ano|o|arono|ato|ata)|sal(?:e|ito|ita|irono)|crescono|cresciut[oa]":
            "diminu(?:isce|ito|ita)|cal(?:a|ano|o|ato|ata)|sces[oa]|scend(?:e|ono)",
        "approv(?:a|ano|o|ato|ata)": "respin(?:ge|to|ta|se)|bocciat[oa]",
        "compr(?:a|ano|o|ato|ata)|acquist(?:a|o|ato|ata)": "vend(?:e|ono|uto|uta)",
        "v(?:ince|inse|into|inta)": "pers[oaei]|perd(?:e|ono)",
        "apert[oa]|apre": "chius[oa]|chiude",
    },
    unrealised=tuple(
        r"""
        puo possono potr\w+ poteva\w* deve devono dovr\w+ vuole vogliono vol\w+ prevede\w* sper\w+ propo\w+ chied\w+
        chiest\w+ tent\w+ cerc\w+ se forse probabil\w+ possibil\w+ presunt\w+ accus\w+ promett\w+ minacci\w+
        vorrebb\w+
        """.split()
    ),
    future_endings=frozenset("rà ranno rebbe rebbero".split()),
    passive_verbs=frozenset("stato stata stati state e sono fu furono viene vennero venne essere sara".split()),
    agent_words=frozenset("da dal dalla dai dagli dalle".split()),
    near_days={
        "l'altro ieri": -2, "ieri": -1, "oggi": 0, "stasera": 0, "domani": 1, "dopodomani": 2,
    },
    month_names={},
    weekday_names={},
    weekday_plurals=(),
    day_parts=(),
    last=frozenset("scorso scorsa".split()),
    next=frozenset("prossimo prossima".split()),
    this=frozenset("questo questa".split()),
    future=tuple(
        """
        sara saranno avra avranno dovra dovranno potra iniziera comincera aprira votera previst[oaie]
        """.split()
    ),
    number_words={
        "milione": 10**6, "milioni": 10**6, "miliardo": 10**9, "miliardi": 10**9, "decina": 10, "dozzina": 12,
        "quindicina": 15, "ventina": 20, "trentina": 30, "quarantina": 40, "cinquantina": 50, "sessantina": 60,
        "centinaio": 100,
    },
    scales={"mila": 3, "milione": 6, "milioni": 6, "miliardo": 9, "miliardi": 9},
    number_joiners=frozenset("e virgola".split()),
    not_numbers=frozenset(
        """
        un uno una zero primo prima secondo seconda milione milioni miliardo miliardi primi prime secondi seconde
        """.split()
    ),
    indefinite=frozenset("un".split()),
    halves=frozenset("mezzo mezza".split()),
    amounts=tuple("meta terzo quarto decine dozzin[ae] centinaia migliaia nessun[oa]? nessuno".split()),
    percent=("per ?cento",),
    machine_address=(
        r"(?:ignora|ignorate|dimentica)\b[^.]{0,40}\bistruzioni", "se sei una? (?:ia|modello linguistico)",
    ),
    no_answer=(
        r"(?:non|nessun\w*|nulla)\b.*\b(?:estratt[oi]|brani)", r"(?:estratt[oi]|brani)\b.*\b(?:non|nessun\w*|nulla)",
    ),
    homographs=frozenset(
        """
        ago ai come dai due lei li ma mag mia none otto prim prima prime second secondo sei set solo state sue venti
        """.split()
    ),
)  # fmt: skip
