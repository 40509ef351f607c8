"""Words that name a time, in 21 languages: months, units, "last week", "three days ago", and what stands around them.

Names and relative phrases are those of dateparser's data: CLDR's with its own additions. Its files are read one by one,
since the package itself takes eight times as long to import and reads whole dates, which a question rarely is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Literal

from rag.language.lexicons import LEXICONS
from rag.language.tokens import fold, tokens

Unit = Literal["day", "week", "month", "quarter", "year"]
Kind = Literal[
    "relative", "ago", "month", "unit", "season", "ordinal", "last", "this", "past", "in", "on", "since",
    "before", "after", "until", "between", "join", "of", "part", "the", "weekday",
]  # fmt: skip
NUMBER = "#"  # stands for any number in a phrase

_LANGUAGES = "ar ca da de en es fi fr he it ja ko nb nl pl pt ru sv tr uk zh".split()
_MONTHS = "january february march april may june july august september october november december".split()
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_UNITS: tuple[Unit, ...] = ("day", "week", "month", "year")
_RELATIVE = re.compile(r"(\d) (day|week|month|year) ago")
_NUMBER_PATTERN = r"(\d++[.,]?\d*+)"

# What dateparser's data lack, folded; "_" joins the words of a phrase. Languages are those of the lexicons, Russian,
# Chinese and Japanese.
_WORDS: Mapping[Kind, str] = {
    "in": "in during within im in_den en dans durant pendant au durante nel nell nella em no na gedurende tijdens в во",
    "on": "on am an_dem vom el le il dia_el op em na no в",
    "since": "since seit seit_dem seit_der desde depuis dal dalla dall sinds с",
    "before": "before prior_to vor vor_dem antes_de antes_del avant prima_di prima_del voor до",
    "after": "after nach nach_dem despues_de despues_del apres dopo dopo_il depois_de после",
    "until": "until till up_to bis bis_zum hasta jusqu_en jusqu_au fino_a fino_al ate ate_o tot по",
    "between": "between from zwischen von vom entre de del del_dia tra dal da van tussen с между",
    "join": "and or to through und oder bis bis_zum y o a al hasta et ou au e ed en of tot и или по 和 与 至 到 と "
    "から",
    "of": "of de del d di do des",
    "part": "early mid late anfang mitte ende a_principios_de principios_de a_mediados_de mediados_de a_finales_de "
    "finales_de debut mi fin inizio meta fine inicio_de meados_de fim_de begin eind",
    "the": "the",
    "last": "last previous letzte letzten letzter letztes letztem vergangene vergangenen vergangener vergangenes "
    "vorige "
    "voriger vorigen voriges pasado pasada dernier derniere passe passee scorso scorsa passato passata ultimo ultima "
    "passado vorig afgelopen прошлом прошлой прошлый прошлую 上",
    "this": "this diese dieser dieses diesen diesem este esta ce cet cette questo questa quest deste desta neste nesta "
    "dit deze этом этой эту",
    "past": "past last previous recent letzten letzter vergangenen ultimos ultimas pasados pasadas derniers dernieres "
    "ultimi ultime afgelopen laatste последние последних 过去 過去 最近 近",
}  # fmt: skip
_SEASONS = (
    "spring fruhling fruhjahr primavera printemps lente весной 春天 春季",
    "summer sommer verano ete estate verao zomer летом 夏天 夏季 夏",
    "autumn herbst otono automne autunno outono herfst осенью 秋天 秋季 秋",
    "winter invierno hiver inverno зимой 冬天 冬季 冬",
)
_ORDINALS = (
    "first 1st 1er 1e 1 ersten erste primer primero premier primo primeiro eerste q1 t1 一",
    "second 2nd 2e 2 zweiten zweite segundo deuxieme secondo tweede q2 t2 二",
    "third 3rd 3e 3 dritten dritte tercer tercero troisieme terzo terceiro derde q3 t3 三",
    "fourth 4th 4e 4 vierten vierte cuarto quatrieme quarto vierde q4 t4 四",
)
_UNIT_WORDS: Mapping[Unit, str] = {
    "quarter": "quarter quartal trimestre trimestres kwartaal квартале квартал 季度 四半期",
    "day": "tage tagen dia dias giorno giorni dag dagen",
    "week": "semana semanas settimana settimane week weken uge uker",
    "month": "mes meses mese mesi maand maanden 个月",
    "year": "jahres jahren ano anos anni anno jaar jaren",
}
_NUMBER_WORDS = (
    "one a an einem einer eine un una une uno um uma een 一",
    "two zwei dos deux due dois duas twee два две 二 两 両",
    "three drei tres trois tre drie три 三",
    "four vier cuatro quatre quattro quatro четыре 四",
    "five funf cinco cinq cinque vijf пять 五",
    "six sechs seis sei zes шесть 六",
    "seven sieben siete sept sette sete zeven семь 七",
    "eight acht ocho huit otto oito восемь 八",
    "nine neun nueve neuf nove negen девять 九",
    "ten zehn diez dix dieci dez tien десять 十",
    "eleven elf once onze undici одиннадцать",
    "twelve zwolf doce douze dodici doze twaalf двенадцать",
)
NUMBERS: Mapping[str, int] = {
    fold(word): number for number, words in enumerate(_NUMBER_WORDS, start=1) for word in words.split()
}
"""Folded number words of the same languages -> 1 to 12."""
# Names that are common words, or parts of names, of another language or of the same.
_NOT_MONTHS = frozenset("marco marc ene out set ago des dec maa".split())


@dataclass(frozen=True, slots=True)
class TimeWord:
    """What a phrase names: `value` counts units before today (relative), or is a month, a season, a number.

    `languages` are those that read it so, empty where that does not matter.
    """

    kind: Kind
    value: int = 0
    unit: Unit = "day"
    languages: frozenset[str] = frozenset()


Phrases = Mapping[str, tuple[tuple[tuple[str, ...], TimeWord], ...]]


@cache
def phrases() -> Phrases:
    """First folded token -> (all folded tokens, what they name), the longest first. Loaded once.

    A phrase that begins with a number stands under `after_number` of its second token.
    """
    found: dict[tuple[str, ...], dict[tuple[Kind, int, Unit], set[str]]] = {}
    for words, kind, value, unit, language in (*_by_hand(), *(e for one in _LANGUAGES for e in _of_language(one))):
        if words:
            found.setdefault(words, {}).setdefault((kind, value, unit), set()).update({language} - {""})
    by_first: dict[str, list[tuple[tuple[str, ...], TimeWord]]] = {}
    for words, meanings in found.items():
        for (kind, value, unit), languages in meanings.items():
            key = after_number(words[1]) if words[0] == NUMBER else words[0]
            by_first.setdefault(key, []).append((words, TimeWord(kind, value, unit, frozenset(languages))))
    return {first: tuple(sorted(several, key=lambda one: -len(one[0]))) for first, several in by_first.items()}


def after_number(word: str) -> str:
    """The key of `phrases` for those that begin with a number and this folded word."""
    return f"{NUMBER} {word}"


_Entry = tuple[tuple[str, ...], Kind, int, Unit, str]


def _by_hand() -> Iterator[_Entry]:
    for kind, words in _WORDS.items():
        yield from ((_tokens(word.replace("_", " ")), kind, 0, "day", "") for word in words.split())
    for kind, several in (("season", _SEASONS), ("ordinal", _ORDINALS)):
        for number, words in enumerate(several, start=1):
            yield from ((_tokens(word), kind, number, "day", "") for word in words.split())
    for unit, words in _UNIT_WORDS.items():
        yield from ((_tokens(word), "unit", 0, unit, "") for word in words.split())


def _of_language(language: str) -> Iterator[_Entry]:
    data = _data(language)
    for number, month in enumerate(_MONTHS, start=1):
        for words in _long_enough(data.get(month, ()), 3):
            if words[0] not in _NOT_MONTHS:
                yield words, "month", number, "month", language
    for day in _WEEKDAYS:
        names = [name for name in data.get(day, ()) if len(name) > 3]
        yield from ((_tokens(name), "weekday", 0, "day", language) for name in names)
    for unit in _UNITS:
        yield from ((words, "unit", 0, unit, language) for words in _long_enough(data.get(unit, ()), 3))
        for pattern in data.get("relative-type-regex", {}).get(f"\\1 {unit} ago", ()):
            words = _tokens(pattern.replace(_NUMBER_PATTERN, " 0 "))
            if len(words) > 2 or not words[-1].isascii():
                yield tuple(NUMBER if word == "0" else word for word in words), "ago", 0, unit, language
    for key, names in data.get("relative-type", {}).items():
        if match := _RELATIVE.fullmatch(key):
            for words in _long_enough(names, 3):
                yield words, "relative", int(match[1]), match[2], language  # type: ignore[misc]
    if language == "nl":
        yield ("na",), "after", 0, "day", language
    if language in LEXICONS:
        yield from (
            (_tokens(word), "relative", -days, "day", language)
            for word, days in LEXICONS[language].near_days.items()
            if days <= 0
        )


def _long_enough(names: Iterable[str], least: int) -> Iterator[tuple[str, ...]]:
    """The tokens of each name, less abbreviations of the Latin script with fewer letters."""
    for name in names:
        if len(name) >= least or not name.isascii():
            yield _tokens(name)


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(token.folded for token in tokens(fold(text)))


def _data(language: str) -> Mapping[str, Any]:
    """dateparser's data of a language, without importing the package."""
    package = find_spec("dateparser")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "data" / "date_translation_data" / f"{language}.py"
    spec = spec_from_file_location(f"dateparser_{language}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.info  # type: ignore[no-any-return]
