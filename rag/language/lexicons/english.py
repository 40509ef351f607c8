"""The lexicon of English."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

ENGLISH = Lexicon(
    language="en",
    stop_words=frozenset(
        """
        a about above after again against all also am an and any are as at be because been before being below
        between both but by can could did do does doing down during each few for from further had has have having
        he her here hers him his how i if in into is it its itself just me more most my no nor not now of off on
        once only or other our out over own said same say says she should so some such tell than that the their
        them then there these they this those through to too under until up upon us very was we were what when
        where which while who whom whose why will with would yes you your s t
        """.split()
    ),
    abbreviations=frozenset(
        """
        mr mrs ms dr prof gen col lt sgt capt cmdr adm sen rep gov pres st jr sr inc ltd co corp vs etc no nos
        jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun art fig vol approx dept est
        a e g i p m al cf ed eds hon rev messrs
        """.split()
    ),
    pointers=frozenset("he she it they him her them his its their this that these those".split()),
    feminine=frozenset("she her hers herself".split()),
    masculine=frozenset("he him his himself".split()),
    question_pointers=frozenset("then there".split()),
    openers=("and", "what about", "how about", "but", "also", "so"),
    small_talk=(
        "hello", "hi", "hey", "hiya", "good (?:morning|afternoon|evening|night|day)", "howdy", "greetings",
        "how are you(?: doing)?(?: today)?", "thank (?:you|u)(?: (?:so|very) much| again)?",
        "(?:many )?thanks(?: a lot| again)?", "thx", "cheers", "ok", "okay", "all right", "alright", "yes", "yeah",
        "yep", "please", "sorry", "never ?mind", "welcome", "you are welcome", "great", "cool", "nice", "well done",
        "lol", "haha", "bye", "goodbye", "see you(?: later)?", "test", "tests", "testing",
    ),
    asks_number=(
        "how (?:many|much|old|long|far|large|big|tall|high|deep|wide|fast|often)",
        "what (?:percentage|share|number|proportion|price|sum|amount)",
    ),
    asks_date=("when", "(?:what|which) (?:day|date|month|year|time|weekday)"),
    asks_name=("who", "whom", "whose", "which(?! (?:day|date|month|year|time|weekday|of)\\b)"),
    compares=frozenset("or than both either each versus".split()),
    more_than=(r"(?:more|fewer|less|\w+er)\sthan",),
    sets_against=tuple(r"against compared\swith compared\sto up\sfrom down\sfrom instead\sof versus".split()),
    titles=frozenset(
        """
        mr mrs ms miss mx sir dame lord lady dr prof professor president chancellor minister secretary senator
        representative judge justice governor mayor captain colonel general sergeant king queen prince princess
        bishop father sister rev pope gen col lt sgt capt sen rep gov pres hon
        """.split()
    ),
    determiners=frozenset("the a an".split()),
    sayings=tuple(  # no form that is a noun too: "the United States", "the complaint", "three claims"
        r"""
        said says told remarked complain(?:ed|s|ing) argu(?:ed|es|ing) describ(?:ed|es|ing) call(?:ed|ing) warn(?:ed|s)
        claim(?:ed|ing) stated critici[sz](?:ed|es|ing) liken(?:ed|s) compared promised accus(?:ed|es|ing) credited
        denied denies insist(?:ed|s|ing) admit(?:ted|s|ting) ask(?:ed|s|ing) replied answered wrote blam(?:ed|es|ing)
        explain(?:ed|s) noted acknowledg(?:ed|es) declar(?:ed|es) assert(?:ed|s) conced(?:ed|es) vowed pledged
        testified responded announc(?:ed|es)
        """.split()
    ),
    follows=(
        "succe(?:ed|eds|eded|eding)", "replac(?:e|es|ed|ing)", "t(?:ake|akes|aking|aken|ook) over",
        "follow(?:s|ed|ing)?", "c(?:ome|omes|ame) after",
    ),
    successors=("successors?", "replacements?"),
    predecessors=("predecessors?",),
    formers=(
        "former(?:ly)?", "ex", "late", "erstwhile", "one-?time", "elect(?:ed)?", "designate", "incoming", "nominees?",
        "candidates?", "deputy", "vice", "assistant", "would be", "would-be",
    ),
    first_person=frozenset("i we".split()),
    asks_object=("whom",),
    negations=frozenset(
        """
        not no never nobody nothing none neither nor without cannot didn doesn wasn weren isn aren hasn haven hadn
        couldn wouldn shouldn
        """.split()
    ),
    refusals=(
        "refus(?:e|es|ed|ing) to",
        "fail(?:s|ed|ing)? to",
        "declin(?:e|es|ed|ing) to",
        "den(?:y|ies|ied|ying) (?:that|having)(?: (?:he|she|it|they|had|has|have))*",
        r"den(?:y|ies|ied|ying) (?=\w+ing\b)",
        "stop(?:s|ped) short of",
    ),
    opposites={
        "ris(?:e|es|en|ing)|rose|increas(?:e|es|ed|ing)|grew|grown|climb(?:s|ed|ing)":
            "f[ae]ll(?:s|en|ing)?|decreas(?:e|es|ed|ing)|dropp?(?:s|ed|ing)?|shr[aiu]nk|declin(?:e|es|ed|ing)",
        "rais(?:e|es|ed|ing)|increas(?:e|es|ed|ing)": "lower(?:s|ed|ing)?|cuts?|cutting|reduc(?:e|es|ed|ing)",
        "approv(?:e|es|ed|ing)|accept(?:s|ed|ing)?|back(?:s|ed|ing)":
            "reject(?:s|ed|ing)?|oppos(?:e|es|ed|ing)|block(?:s|ed|ing)",
        "buy(?:s|ing)?|bought|acquir(?:e|es|ed|ing)": "sell(?:s|ing)?|sold",
        "w[io]ns?|winning": "los(?:e|es|ing)|lost",
        "open(?:s|ed|ing)?": "clos(?:e|es|ed|ing)",
        "acquitt(?:ed|ing)|cleared": "convict(?:ed|ing)",
        "innocent": "guilty",
    },
    unrealised=tuple(
        r"""
        may might could would should will shall can must plan(?:s|ned|ning)? intend(?:s|ed)? want(?:s|ed)?
        hop(?:e|es|ed|ing) expect(?:s|ed)? likely possibl[ey] perhaps probably propos(?:e|es|ed|al|als) ask(?:s|ed|ing)?
        urg(?:e|es|ed) tr(?:y|ies|ied|ying) seek(?:s|ing)? sought if whether unless alleg(?:ed|edly|es)
        accus(?:ed|es|e|ing) suspect(?:ed|s)? reportedly claim(?:ed|s)? promis(?:e|es|ed) threaten(?:s|ed)?
        aim(?:s|ed)? demand(?:s|ed|ing)? call(?:s|ed|ing)? due target fears? feared
        """.split()
    ),
    future_endings=frozenset(),
    passive_verbs=frozenset("be been being is are was were".split()),
    agent_words=frozenset("by".split()),
    near_days={
        "the day before yesterday": -2, "yesterday": -1, "today": 0, "tonight": 0, "tomorrow": 1,
        "the day after tomorrow": 2,
    },
    month_names={"sept": 9},
    weekday_names={},
    weekday_plurals=("s",),
    day_parts=(),
    last=frozenset({"last"}),
    next=frozenset({"next"}),
    this=frozenset({"this"}),
    future=(
        "will", "would", "shall", r"due(?! to (?:an?|the|its|his|her|their)\b)", "plans?", "planned", "scheduled",
        "expected", "set to", "to be", "is to",
        "are to", "begins?", "opens?", "starts?",
    ),
    number_words={"dozen": 12, "trillion": 10**12},
    scales={"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "bn": 9, "trillion": 12},
    number_joiners=frozenset("and point".split()),
    not_numbers=frozenset(
        """
        one o zero nil nought first second hundred thousand million billion trillion os oss ones zeros tens hundreds
        thousands millions billions trillions firsts seconds
        """.split()
    ),
    indefinite=frozenset("a an".split()),
    halves=frozenset("half".split()),
    amounts=tuple(
        """
        half third quarter quarters dozens? hundreds? thousands? millions? none nobody once twice one
        """.split()
    ),
    percent=("per ?cent", "pct"),
    machine_address=(
        r"(?:ignore|disregard|forget|override)\b[^.]{0,30}\b(?:previous|prior|above|earlier|all|any|your)\b[^.]{0,30}"
        r"\b(?:instructions?|prompts?|messages?|rules)",
        r"(?:note|message|instructions?|attention)\b[^.]{0,15}\b(?:ai|llms?|chatbots?|language models?)",
        "if you are an? (?:ai|llm|chatbot|language model)",
        "system prompt",
    ),
    no_answer=(
        r"(?:not|no|nothing|cannot|nowhere)\b.*\b(?:excerpts?|provided text)",
        r"excerpts?\b.*\b(?:not|no|nothing)",
    ),
)  # fmt: skip
