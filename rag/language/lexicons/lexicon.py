"""The type of a lexicon: what a reader of a language knows that no rule can derive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The language-specific words of one language, or of all of them together where the language is not known.

    Words and phrases are folded (`rag.language.tokens.fold`: lower case, no accents), but for `abbreviations`,
    `future_endings`, `feminine` and `masculine`, which keep their accents. A field of type `tuple[str, ...]` holds
    regular expressions over folded text, without groups that capture; `rag.language.lexicons.pattern` compiles them
    into one that matches whole words.
    """

    language: str
    """ISO 639-1, or "" for the words of all languages."""
    stop_words: frozenset[str]
    """Words that carry no meaning of their own: articles, prepositions, conjunctions, auxiliary verbs, pronouns."""
    abbreviations: frozenset[str]
    """Abbreviations whose full stop ends no sentence, without that stop, in lower case, with accents."""
    pointers: frozenset[str]
    """Pronouns and demonstratives that refer to somebody or something named before."""
    feminine: frozenset[str]
    """Of the pronouns those that mean a woman, with accents; one that also has other meanings counts by its most usual
    one in news."""
    masculine: frozenset[str]
    """Of the pronouns those that mean a man, with accents."""
    question_pointers: frozenset[str]
    """Adverbs that refer back in a question ("What happened then?"), but seldom in a statement ("There is")."""
    openers: tuple[str, ...]
    """Openings of a question that continues the one before it ("what about", "and")."""
    small_talk: tuple[str, ...]
    """Greetings, thanks, assent and trials: what people type that asks for nothing."""
    asks_number: tuple[str, ...]
    """Question phrases that ask for a number."""
    asks_date: tuple[str, ...]
    """Question phrases that ask for a day, a month, a year or a time."""
    asks_name: tuple[str, ...]
    """Question phrases that ask for a person or a thing by name."""
    compares: frozenset[str]
    """Words that put two things side by side, so that an answer may rest on two articles."""
    more_than: tuple[str, ...]
    """Phrases behind a number that say by how much one thing differs from another ("22 fewer than")."""
    sets_against: tuple[str, ...]
    """Phrases before a number that set it against another one ("612 million, against 588 million")."""
    titles: frozenset[str]
    """Words for an office or a courtesy that are written with a capital right before a name ("Mr", "Minister"), short
    forms too."""
    determiners: frozenset[str]
    """Definite and indefinite articles, and their fusions with prepositions: they stand before things, seldom before
    the name of a person."""
    sayings: tuple[str, ...]
    """Verbs that report what somebody said."""
    follows: tuple[str, ...]
    """Verbs for taking the place of somebody in an office ("replaced")."""
    successors: tuple[str, ...]
    """Nouns for who has an office after somebody ("successor")."""
    predecessors: tuple[str, ...]
    """Nouns for who had an office before somebody ("predecessor")."""
    formers: tuple[str, ...]
    """Words beside an office that somebody has no more, not yet or not himself ("former", "elect", "deputy")."""
    first_person: frozenset[str]
    """Pronouns by which who writes or speaks means himself, as the subject of a sentence ("I", "we")."""
    asks_object: tuple[str, ...]
    """Forms of "who" that ask for whom something is done to ("whom"); none where a language has one form."""
    negations: frozenset[str]
    """Words that deny what stands beside them."""
    refusals: tuple[str, ...]
    """Phrases that say of what follows that somebody did not do it or denies it ("refused to", "denied that")."""
    opposites: Mapping[str, str]
    """Expressions for words of a direction or a decision, and for those that say the opposite ("rose", "fell")."""
    unrealised: tuple[str, ...]
    """Single words that say that something may, shall or is said to be, not that it is: modal verbs, intentions,
    requests, accusations, conditions."""
    future_endings: frozenset[str]
    """Endings, with accents, of verbs in the future or the conditional."""
    passive_verbs: frozenset[str]
    """Forms of the verbs that make up a passive ("was")."""
    agent_words: frozenset[str]
    """Prepositions before the doer in the passive ("by")."""
    near_days: Mapping[str, int]
    """Phrases for a day near that of publication, and its distance from it in days (yesterday: -1)."""
    month_names: Mapping[str, int]
    """Month names that CLDR does not list for the language (1 to 12)."""
    weekday_names: Mapping[str, int]
    """Weekday names that CLDR does not list for the language, plurals and genitives left out (Monday 0)."""
    weekday_plurals: tuple[str, ...]
    """Endings of weekday names in the plural ("Mondays")."""
    day_parts: tuple[str, ...]
    """Parts of a day that are written as one word with a weekday (German "Freitagabend")."""
    last: frozenset[str]
    """Words beside a weekday for the one before the day of publication ("last")."""
    next: frozenset[str]
    """Words beside a weekday for the one after the day of publication ("next")."""
    this: frozenset[str]
    """Words beside a weekday for the nearest one ("this")."""
    future: tuple[str, ...]
    """Verbs that set a sentence in the future, so that a bare weekday is the coming one."""
    number_words: Mapping[str, int]
    """Number words that the number library does not read in this language, and their values. Behind another number
    they multiply it ("two dozen")."""
    scales: Mapping[str, int]
    """Words that multiply the digits before them, and the power of ten they stand for ("1.2 million": 6)."""
    number_joiners: frozenset[str]
    """Words inside a number ("one hundred and five", "trois virgule cinq")."""
    not_numbers: frozenset[str]
    """Number words that are mostly something else when they stand alone (`one`: a pronoun; `un`: an article)."""
    indefinite: frozenset[str]
    """Indefinite articles: behind them a lone scale is a number ("a million")."""
    halves: frozenset[str]
    """Words for a half in front of a scale ("half a million")."""
    amounts: tuple[str, ...]
    """Vague and partial amounts that answer "how many" though they state no number ("dozens", "twice")."""
    percent: tuple[str, ...]
    """Words that make the number before them a percentage, beside the sign."""
    machine_address: tuple[str, ...]
    """Phrases that address a language model that reads the text, not a person."""
    no_answer: tuple[str, ...]
    """Sentences in which a language model says that the excerpts do not hold the answer."""
    homographs: frozenset[str] = field(default=frozenset())
    """Entries of any field above that are common words of another language: they count only where the language of
    the text is known."""


def union(lexicons: Iterable[Lexicon]) -> Lexicon:
    """One lexicon with the entries of several, less the homographs of each; its `language` is ""."""
    merged: dict[str, object] = {}
    sources = list(lexicons)
    for name in (f.name for f in fields(Lexicon)):
        values = [(one.homographs, getattr(one, name)) for one in sources]
        if name in {"language", "homographs"}:
            continue
        if isinstance(values[0][1], tuple):
            merged[name] = tuple(dict.fromkeys(entry for shared, v in values for entry in v if entry not in shared))
        elif isinstance(values[0][1], frozenset):
            merged[name] = frozenset(entry for shared, v in values for entry in v if entry not in shared)
        else:
            merged[name] = MappingProxyType(
                {entry: value for shared, v in values for entry, value in v.items() if entry not in shared}
            )
    return Lexicon(language="", **merged)  # type: ignore[arg-type]
