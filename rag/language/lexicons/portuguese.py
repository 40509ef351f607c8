"""The lexicon of Portuguese, of Portugal and of Brazil."""

from __future__ import annotations

from rag.language.lexicons.lexicon import Lexicon

PORTUGUESE = Lexicon(
    language="pt",
    stop_words=frozenset(
        """
        o a os as um uma uns umas de do da dos das em no na nos nas num numa por pelo pela pelos pelas para com sem
        sob sobre entre desde ate ao aos e ou mas se que quem qual quais quando quanto quanta quantos quantas onde como
        porque nao nem ja so muito mais tambem e sao era eram foi foram ser estar esta estao tem tinha ha havia seu sua
        seus suas ele ela eles elas eu tu voce nos lhe lhes me te este esta estes estas esse essa esses essas isto isso
        aquele aquela aquilo apos segundo durante disse
        """.split()
    ),
    abbreviations=frozenset(
        """
        sr sra srs dr dra prof profa eng av etc pág jan fev mar abr jun jul ago set out nov dez
        """.split()
    ),
    pointers=frozenset(
        """
        ele ela eles elas lhe lhes seu sua seus suas dele dela deles delas este esta isto esse essa isso aquele
        aquela aquilo
        """.split()
    ),
    feminine=frozenset("ela dela".split()),
    masculine=frozenset("ele dele".split()),
    question_pointers=frozenset("entao la ali".split()),
    openers=("e", "mas", "e quanto a", "e sobre", "tambem"),
    small_talk=(
        "ola", "oi", "bo(?:m|a) (?:dia|tarde|noite)", "tudo bem", "como (?:vai|esta)(?: voce)?",
        "(?:muito )?obrigad[oa]", "de nada", "por favor", "desculpe", "desculpa", "tchau", "adeus",
        "ate (?:logo|breve|mais)", "teste", "testando",
    ),
    asks_number=(
        "quant[oa]s?", "(?:que|qual [ao]) (?:percentagem|parte|proporcao|numero|preco|soma|valor)",
    ),
    asks_date=("quando", "(?:que|qual o|qual a) (?:dia|data|mes|ano|hora)"),
    asks_name=("quem",),
    compares=frozenset("ou ambos ambas cada".split()),
    more_than=(r"(?:mais|menos)\s(?:do\s)?que",),
    sets_against=tuple(r"contra em\scomparacao\scom em\svez\sde face\sa".split()),
    titles=frozenset(
        """
        senhor senhora sr sra dr dra doutor doutora prof professor professora dom dona presidente presidenta
        ministro ministra prefeito prefeita senador senadora deputado deputada juiz juiza general coronel
        capitao rei rainha principe princesa bispo papa
        """.split()
    ),
    determiners=frozenset("o a os as um uma do da dos das ao aos no na nos nas pelo pela".split()),
    sayings=tuple(
        r"""
        disse diz disseram declar\w* afirm\w* garant\w* anunci\w* explic\w* sublinh\w* acrescent\w* critic\w* acus\w*
        promet\w* pedi\w* advert\w* admiti\w*
        """.split()
    ),
    follows=(r"suced\w+", r"substitui\w+"),
    successors=("sucessor(?:a|es|as)?", "substitut[oa]s?"),
    predecessors=("predecessor(?:a|es|as)?", "antecessor(?:a|es|as)?"),
    formers=(
        "ex", "antig[oa]s?", "anterior(?:es)?", "falecid[oa]s?", "eleit[oa]", "futur[oa]",
        "candidat[oa]", r"vice\w*",
    ),
    first_person=frozenset("eu nos".split()),
    asks_object=("a quem",),
    negations=frozenset("nao nunca jamais ninguem nada nenhum nenhuma sem nem".split()),
    refusals=(
        "se recus(?:a|am|ou|aram|ava|avam) a",
        "recus(?:a|am|ou|aram|ava|avam) se a",
        "neg(?:a|am|ou|aram|ava|avam) (?:que|ter)",
    ),
    opposites={
        "sub(?:iu|iram|iram|e|em|ido)|aument(?:a|am|ou|aram|ado)|cresc(?:e|eu|eram)":
            "ca(?:i|iu|iram|em)|diminu(?:i|iu|iram)|baix(?:a|ou|aram)|desc(?:e|eu|eram)",
        "aprov(?:a|am|ou|aram|ado|ada)|aceit(?:a|ou|aram)": "rejeit(?:a|am|ou|aram|ado|ada)|recus(?:a|ou|aram)",
        "compr(?:a|am|ou|aram|ado)": "vend(?:e|em|eu|eram|ido)",
        "ganh(?:a|am|ou|aram)|venc(?:e|eu|eram)": "perd(?:e|em|eu|eram)",
        "abr(?:e|em|iu|iram)|abert[oa]": "fech(?:a|am|ou|aram|ado|ada)",
    },
    unrealised=tuple(
        r"""
        pod\w+ dev\w+ quer\w* plane\w+ prev\w+ esper\w+ propo\w+ ped\w+ tent\w+ busc\w+ se talvez prova\w+ possi\w+
        supost\w+ acus\w+ promet\w+ ameac\w+ exig\w+ vai vao
        """.split()
    ),
    future_endings=frozenset("rá rão ria riam".split()),
    passive_verbs=frozenset("foi foram sido ser e sao sera serao".split()),
    agent_words=frozenset("por pelo pela pelos pelas".split()),
    near_days={
        "anteontem": -2, "ontem": -1, "hoje": 0, "amanha": 1, "depois de amanha": 2,
    },
    month_names={},
    weekday_names={},
    weekday_plurals=("s",),
    day_parts=(),
    last=frozenset("passado passada ultimo ultima".split()),
    next=frozenset("proximo proxima".split()),
    this=frozenset("este esta nesta neste".split()),
    future=tuple(
        """
        sera serao tera terao vai vao deve devera deverao comecara iniciara abrira votara previst[oa]s?
        """.split()
    ),
    number_words={"bilioes": 10**12, "dezena": 10, "duzia": 12, "centena": 100},
    scales={"mil": 3, "milhao": 6, "milhoes": 6, "bilhao": 9, "bilhoes": 9},
    number_joiners=frozenset("e virgula".split()),
    not_numbers=frozenset(
        """
        um uma zero primeiro primeira segundo segunda terca quarta quinta sexta milhao milhoes bilhao bilhoes uns
        primeiros primeiras segundos segundas
        """.split()
    ),
    indefinite=frozenset("um".split()),
    halves=frozenset("meio meia".split()),
    amounts=tuple("metade terco dezenas? duzias? centenas milhares nenhum[a]? ninguem".split()),
    percent=("por cento",),
    machine_address=(
        r"(?:ignore|ignora|esqueca)\b[^.]{0,40}\binstrucoes", "se (?:voce e|fores|es) uma? (?:ia|modelo de linguagem)",
    ),
    no_answer=(
        r"(?:nao|nenhum\w*|nada)\b.*\b(?:excertos?|trechos?)", r"(?:excertos?|trechos?)\b.*\b(?:nao|nenhum\w*|nada)",
    ),
    homographs=frozenset("a ago ali ate cent com do eu foi la nas no non o onze out sao sem set sob".split()),
)  # fmt: skip
