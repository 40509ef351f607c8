"""The lexicon of French."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

FRENCH = Lexicon(
    language="fr",
    stop_words=frozenset(
        """
        le la les l un une des du de d au aux a et ou est sont etait etaient ete etre ai as avons avez ont avait
        dans sur sous par pour avec sans en chez vers entre depuis jusque qui que qu quoi quand comment combien
        pourquoi quel quelle quels quelles dont ce c cet cette ces ceci cela ca il elle on nous vous ils elles je j
        tu me m te t se s lui leur leurs mon ma mes ton ta tes son sa ses notre nos votre vos y ne n pas plus mais
        donc or ni car si comme aussi tres bien tout toute tous toutes meme apres avant pendant selon dit
        """.split()
    ),
    abbreviations=frozenset(
        """
        m mme mmes mlle mlles mgr dr etc av bd env janv févr avr juil sept oct nov déc
        """.split()
    ),
    pointers=frozenset(
        """
        il elle ils elles lui leur leurs eux ce cet cette ces cela ca ceci celui celle ceux celles son sa
        ses
        """.split()
    ),
    feminine=frozenset("elle".split()),
    masculine=frozenset("il".split()),
    question_pointers=frozenset("alors ensuite".split()),
    openers=("et", "mais", "qu'en est-il", "et pour", "aussi"),
    small_talk=(
        "bonjour", "bonsoir", "salut", "coucou", "ca va", "comment (?:ca va|allez[ -]vous|vas[ -]tu)",
        "merci(?: beaucoup| bien)?", "d.accord", "de rien", "s.il (?:vous|te) plait", "pardon", "oui", "au revoir",
        "a bientot",
    ),
    asks_number=("combien", "quel(?:le)? (?:pourcentage|part|proportion|nombre|prix|somme|montant|age)"),
    asks_date=("quand", "quel(?:le)? (?:jour|date|mois|annee|heure)"),
    asks_name=("qui", "lequel", "laquelle", "lesquels", "lesquelles"),
    compares=frozenset("ou chacun chacune tandis".split()),
    more_than=(r"de\s(?:plus|moins)\sque",),
    sets_against=tuple(r"contre par\srapport\saux? au\slieu\sde".split()),
    titles=frozenset(
        """
        monsieur madame mademoiselle m mme mlle dr docteur professeur president presidente ministre maire
        depute deputee senateur senatrice juge general colonel capitaine roi reine prince princesse eveque pape
        maitre
        """.split()
    ),
    determiners=frozenset("le la les l un une des du au aux".split()),
    sayings=tuple(
        r"""
        dit disent declar\w* affirm\w* assur\w* annonc\w* expliqu\w* estim\w* indiqu\w* precis\w* ajout\w* soulign\w*
        critiqu\w* accus\w* promi[st]\w* demand\w* compar\w* averti\w* reconn\w*
        """.split()
    ),
    follows=(r"succed\w+", "remplac(?:e|a|er|era|ent|ee?s?|ait)", "pren(?:d|dra) la suite", "pris la suite"),
    successors=("successeure?s?", "remplacante?s?"),
    predecessors=("predecesseure?s?",),
    formers=(
        "ex", "ancien(?:ne)?s?", "precedente?s?", "feue?", "designee?s?", "futur[es]*", "candidate?s?",
        "adjointe?s?", "vice",
    ),
    first_person=frozenset("je j nous".split()),
    asks_object=("qui est ce que",),
    negations=frozenset("ne n pas jamais rien aucun aucune sans ni non".split()),
    refusals=(
        "refus(?:e|ent|ait|aient|er|a|erent) de",
        "ni(?:e|ent|ait|aient) (?:que|avoir)",
        "dement(?:i|ent)? avoir",
    ),
    opposites={
        "augment(?:e|ent|ait|er)|mont(?:e|ent|ait)|hausse":
            "baiss(?:e|ent|ait|er)|diminu(?:e|ent|ait|er)|recul(?:e|ent)",
        "approuv(?:e|ent|er|es)|adopt(?:e|ent|er)|accept(?:e|ent|er)": "rejet(?:e|er|te|tent)|refus(?:e|er|ent)",
        "achet(?:e|ent|er)|acquis": "vend(?:s|u|ue|ent)?|vendre",
        "gagn(?:e|ent|er)": "perd(?:s|u|ent)?",
        "ouv(?:re|rent|ert|erte)": "ferm(?:e|ent|er|ee)",
    },
    unrealised=tuple(
        r"""
        peut peuvent pourr\w+ pouva\w+ doit doivent dev(?:ra|rait|raient|ait|aient) veut veulent voul\w+ prevo\w+
        espere\w* propos\w+ demand\w+ tent\w+ cherch\w+ si peut-etre probable\w* possible\w* presume\w* accus\w+
        affirm\w+ prom\w+ menac\w+ souhait\w+ va vont aura\w*
        """.split()
    ),
    future_endings=frozenset("ra ront rait raient".split()),
    passive_verbs=frozenset("ete est sont fut furent etre sera seront".split()),
    agent_words=frozenset("par".split()),
    near_days={
        "avant-hier": -2, "hier": -1, "aujourd'hui": 0, "aujourd’hui": 0, "ce soir": 0, "demain": 1, "apres-demain": 2,
    },
    month_names={},
    weekday_names={},
    weekday_plurals=("s",),
    day_parts=(),
    last=frozenset("dernier passe".split()),
    next=frozenset("prochain".split()),
    this=frozenset("ce".split()),
    future=tuple(
        "sera seront aura auront va vont doit doivent devrait devraient pourra debutera commencera ouvrira votera "
        "prevue? prevus prevues attendue?".split()
    ),
    number_words={
        "billion": 10**12, "billions": 10**12, "dizaine": 10, "douzaine": 12, "quinzaine": 15, "vingtaine": 20,
        "trentaine": 30, "quarantaine": 40, "cinquantaine": 50, "soixantaine": 60, "centaine": 100,
    },
    scales={
        "cents": 2, "mille": 3, "million": 6, "millions": 6, "milliard": 9, "milliards": 9, "billion": 12,
        "billions": 12,
    },
    number_joiners=frozenset("et virgule".split()),
    not_numbers=frozenset(
        """
        un une zero premier premiere second seconde million millions milliard milliards billion billions uns unes
        premiers premieres seconds secondes
        """.split()
    ),
    indefinite=frozenset("un une".split()),
    halves=frozenset("demi".split()),
    amounts=tuple("moitie tiers quarts? dizaines? douzaines? centaines? milliers? aucune? personne".split()),
    percent=("pour ?cent", "pourcents?"),
    machine_address=(
        r"(?:ignore[zr]?|oublie[zr]?)\b[^.]{0,40}\binstructions",
        "si (?:tu es|vous etes) une? (?:ia|modele de langage)",
    ),
    no_answer=(
        r"(?:ne|n|aucun|pas)\b.*\bextraits?",
        r"extraits?\b.*\b(?:ne|n|aucun|pas)",
    ),
    homographs=frozenset(
        """
        ai billion billions car cent cents comment dit il la le les ma mes
        neuf on onze par plus pour qui sans second sept son sur ton tout
        """.split()
    ),
)  # fmt: skip
