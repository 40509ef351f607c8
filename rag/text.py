"""Words, sentences, numbers and names of a text, in any language. Pure functions without state."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.schema import Span
from rag.spelling import american

# ISO 639-1 -> Snowball stemmer. Hebrew has a rule of its own below; other languages without a stemmer are compared by
# their folded words.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "en": "english", "es": "spanish",
    "et": "estonian", "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian",
    "lt": "lithuanian", "nb": "norwegian", "nl": "dutch", "no": "norwegian", "nn": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip

LANGUAGE_NAMES = {
    "ar": "Arabic", "ca": "Catalan", "da": "Danish", "de": "German", "en": "English", "es": "Spanish",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip

# Characters that no reader sees (Unicode's Default_Ignorable_Code_Point, and the anchors of annotations): zero-width,
# soft hyphen, direction marks, invisible operators, fillers, variation selectors, tags. Instructions are smuggled in
# with them, and they break verbatim quotes.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Scripts written without spaces: each character is a token and so is each pair of neighbours.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_CJK_CHAR = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:[.,’'][^\W_{_CJK}]+)*")
_GROUPED = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: as written, where it stands, and folded (lower case, no accents)."""

    text: str
    start: int
    end: int
    folded: str


@cache
def _long_marks() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns: over 30 combining marks in a row, of the basic plane and of all; any character of the other planes."""
    found = [chr(c) for c in range(0x300, 0x1F000) if unicodedata.combining(chr(c))]
    basic = "".join(c for c in found if c < "\U00010000")
    basic_run, run = (re.compile(f"([{marks}][{marks}]{{29}})[{marks}]+") for marks in (basic, "".join(found)))
    return basic_run, run, re.compile("[\U00010000-\U0010ffff]")


def stream_safe(text: str) -> str:
    """The text with at most 30 combining marks in a row (UAX #15, "Stream-Safe Text Format"); no writing has more.

    Normal forms sort such a run in time that grows with the square of its length.
    """
    if text.isascii():
        return text
    basic, every, other = _long_marks()  # a class of both planes takes a hundred times as long to look for
    return (every if other.search(text) else basic).sub(r"\1", text)


def fold(text: str) -> str:
    """Lower case without accents: `Benítez` and `benitez` are one word."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", stream_safe(text.casefold()))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def tokens(text: str) -> list[Token]:
    """The words of a text in order. Chinese, Japanese, Korean and Thai give one token a character."""
    found = []
    for match in _TOKEN.finditer(text):
        word, start = match.group(), match.start()
        if _CJK_CHAR.match(word):
            found += [Token(c, start + i, start + i + 1, _key(c)) for i, c in enumerate(word)]
            continue
        if word.isalnum():  # nearly all: nothing in it to split at
            found.append(Token(word, start, match.end(), _key(word)))
            continue
        for part in _split_word(word):
            at = text.index(part, start)
            found.append(Token(part, at, at + len(part), _key(part)))
            start = at + len(part)
    return found


def folded_words(text: str) -> list[str]:
    """The folded words of a text, those of `tokens` without their places: several times as fast on plain English."""
    if not text.isascii():
        return [token.folded for token in tokens(text)]
    found: list[str] = []
    for word in _TOKEN.findall(text.lower()):
        found += [word] if word.isalnum() else _split_word(word)
    return found


def _key(word: str) -> str:
    """A word folded; itself where folding leaves nothing (a lone sound mark), and never with a space in it."""
    return fold(word).replace(" ", "") or word


def _split_word(word: str) -> list[str]:
    """`Putin’s` -> Putin, s; `1,200.5` and `U.S.` stay whole (numbers and initials hold together)."""
    if word[0].isdigit() or re.fullmatch(r"(?:[^\W\d]\.)+[^\W\d]", word):
        return [word]
    return [part for part in re.split(r"[.,’']", word) if part]


@cache
def _stemmer(language: str) -> object | None:
    import Stemmer

    name = STEMMERS.get(language)
    return Stemmer.Stemmer(name) if name else None


@lru_cache(maxsize=200_000)
def stem(folded: str, language: str) -> str:
    """The stem of a folded word in a language (ISO 639-1); the word itself where there is no stemmer.

    One for both spellings of an English word: `sceptical` and `skeptical`.
    """
    if folded[0].isdigit():
        return normal_number(folded)
    if language == "he":
        return _hebrew_stem(folded)
    stemmer = _stemmer(language)
    if stemmer is None:
        return folded
    return str(stemmer.stemWord(american(folded) if language == "en" else folded))  # type: ignore[attr-defined]


# "and", "when", "that", "from that" and then "the, in, as, to, from" are written as one word with what follows;
# plural, feminine and construct endings. Three letters stay, a root. Over whole articles of heq_news_val (522
# questions), BM25 with them rose from .814 to .852 hit@1.
_HEBREW_PREFIX = re.compile("ו?(?:כש|לכש|מש|ש)?[הבכלמ]?ה?")
_HEBREW_ENDINGS = ("יים", "ים", "ות", "ית", "ה", "ת", "י")  # longest first


def _hebrew_stem(word: str) -> str:
    """A Hebrew word without joined particles and inflection, by letters alone: no dictionary tells them from roots."""
    longest = _HEBREW_PREFIX.match(word)
    word = word[min(longest.end() if longest else 0, max(len(word) - 3, 0)) :]
    for ending in _HEBREW_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def normal_number(number: str) -> str:
    """`1,200` and `1.200` and `1 200` -> `1200`; `3.5` and `3,5` -> `3.5`."""
    joined = _GROUPED.sub("", number)
    return re.sub(r"(?<=\d),(?=\d)", ".", joined).rstrip(".")


def index_terms(text: str, language: str) -> tuple[list[str], list[str]]:
    """The terms of a text for a word index: (folded words, their stems).

    For scripts without spaces pairs of neighbouring characters stand beside the single ones, since
    single characters say little (Chinese bigram indexing, as in Lucene's CJKAnalyzer).
    """
    words = tokens(text)
    folded = [normal_number(t.folded) if t.folded[0].isdigit() else t.folded for t in words]
    pairs = [
        a.folded + b.folded
        for a, b in zip(words, words[1:], strict=False)
        if a.end == b.start and _CJK_CHAR.match(a.text) and _CJK_CHAR.match(b.text)
    ]
    return folded + pairs, [stem(t.folded, language) for t in words] + pairs


def content_stems(text: str, language: str) -> list[str]:
    """The stems of the words that carry meaning: without stop words and single letters."""
    return [
        stem(t.folded, language)
        for t in tokens(text)
        if t.folded not in STOP_WORDS and (len(t.folded) > 1 or t.folded.isdigit() or _CJK_CHAR.match(t.text))
    ]


# --- sentences ---------------------------------------------------------------------------------

_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof gen col lt sgt capt cmdr adm sen rep gov pres st jr sr inc ltd co corp vs etc no nos "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun art fig vol approx dept est "
    "sra srta dra ud uds pág núm av avda ing lic d dña h r z bzw ca usw ggf nr str tel mio mrd u a e g i p m "
    "al cf ed eds hon rev messrs mme mlle".split()
)
# “ closes in German („Es ist vorbei.“); with a letter behind it, it opens, and the space before it was lost.
_END = re.compile(r"(?:[.!?…]+|[。！？]+)[\"”’'»)\]]*(?:“(?=\s|$))?")
# "3." is no end in front of a month, behind a German article ("der 3. Tag"), or where it numbers an item of a list.
# "am" is none of them: "I am 12." is an end.
_GERMAN_MONTH = re.compile(
    "(Januar|Jänner|Februar|März|April|Mai|Ju[nl]i|August|September|Oktober|November|Dezember)\\b"
)
_GERMAN_ARTICLE = re.compile(r"\b([Dd](er|ie|as|em|en|es)|Am|[Ii]m|[Vv]om|[Zz]u[mr]) $")
_ADDRESS = re.compile(r"[\w-]*\.\w")
_VISIBLE = re.compile(r"\S")
_LAST_WORD = re.compile(r"[^\W_]+$")
_LINE_OPENS = re.compile(r"(^|\n)[ \t]*$")
_ITEM = re.compile(r"\d{1,2}[.)]\s+(?=\S)")
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*[-•*]\s)|\n")


def sentence_spans(text: str) -> list[Span]:
    """Where the sentences of a text stand, in order, without surrounding space; blocks end sentences too."""
    spans: list[Span] = []
    start = 0
    for block in _BLOCK.finditer(text):
        spans += _split_block(text, start, block.start())
        start = block.end()
    return spans + list(_split_block(text, start, len(text)))


def _split_block(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _END.finditer(text, start, end):
        if _ends_sentence(text, match, end):
            yield from _trim(text, begin, match.end())
            begin = match.end()
    yield from _trim(text, begin, end)


def _trim(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    after = match.end()
    if match.group()[0] in "。！？":
        return True
    if after < end and not text[after].isspace():
        # "3.5", "dateline.example"; but pasted text often lost the space after a full stop: "over.The".
        return bool(
            match.group() == "." and text[after].isupper() and text[match.start() - 1].islower()
            and not _ADDRESS.match(text, after)
        )  # fmt: skip
    goes_on = _VISIBLE.search(text, after, end)
    if not goes_on:
        return True
    rest = text[goes_on.start() : min(end, goes_on.start() + 20)]  # never the whole text: there are many sentences
    if match.group().startswith((".", "…")):
        word = _LAST_WORD.search(text[max(0, match.start() - 20) : match.start()])
        last = word.group() if word else ""
        if match.group() == "." and (last.casefold() in _ABBREVIATIONS or (len(last) == 1 and last.isupper())):
            return False
        if match.group() == "." and last.isdigit() and len(last) <= 2:
            begins = match.start() - len(last)
            before = text[max(0, begins - 20) : begins]
            if _LINE_OPENS.search(before) or _GERMAN_ARTICLE.search(before) or _GERMAN_MONTH.match(rest):
                return False
    if rest[0].islower():
        return False
    # “Is it true?” he asked: the speech goes on. A lower-case letter was handled above.
    return not rest[0].isdigit() or not match.group().startswith(".") or len(rest) > 3


def without_item_number(sentence: str) -> str:
    """A sentence without its number as an item of a list; one that opens with a day ("3. März") as it is."""
    item = _ITEM.match(sentence)
    return sentence[item.end() :] if item and not _GERMAN_MONTH.match(sentence, item.end()) else sentence


# --- numbers, names ------------------------------------------------------------------------------

_NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate(
        "zero cero|one uno una|two dos|three tres|four cuatro|five cinco|six seis|seven siete|eight ocho|"
        "nine nueve|ten diez|eleven once|twelve doce|thirteen trece|fourteen catorce|fifteen quince|"
        "sixteen dieciseis|seventeen diecisiete|eighteen dieciocho|nineteen diecinueve|twenty veinte".split("|")
    )
    for word in words.split()
}
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "mil": 3, "millones": 6, "millon": 6}
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan enero|february feb febrero|march mar marzo|april apr abril|may mayo|june jun junio|"
        "july jul julio|august aug agosto|september sep sept septiembre|october oct octubre|"
        "november nov noviembre|december dec diciembre".split("|"),
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        "monday lunes|tuesday martes|wednesday miercoles|thursday jueves|friday viernes|saturday sabado|"
        "sunday domingo".split("|")
    )
    for name in names.split()
}
# Words that a sentence may use without its source doing so.
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|º|ª|\.)$")


def numbers(text: str) -> set[str]:
    """The numbers stated in a text, normalised: digits, number words, ordinals, years; `1.2 million` -> 1200000."""
    found = set()
    words = tokens(text)
    for index, token in enumerate(words):
        value = _value(token.folded)
        if value is None:
            continue
        following = words[index + 1].folded if index + 1 < len(words) else ""
        scale = _SCALES.get(following)
        found.add(_scaled(value, scale) if scale is not None else value)
    return found


def _value(folded: str) -> str | None:
    if folded[0].isdigit():
        ordinal = _ORDINAL.match(folded)
        return normal_number(ordinal.group(1) if ordinal else re.sub(r"[^\d.,]+.*$", "", folded))
    # "one" and "una" are articles and pronouns more often than numbers.
    return None if folded in {"one", "uno", "una", "once", "zero", "cero"} else _NUMBER_WORDS.get(folded)


def _scaled(value: str, scale: int) -> str:
    try:
        scaled = float(value) * 10**scale
    except ValueError:
        return value
    return str(int(scaled)) if scaled == int(scaled) else str(scaled)


def months(text: str) -> set[int]:
    """The months named in a text (1 to 12); `May`, `mar`, `jan` count only when written like a month."""
    return {
        _MONTHS[t.folded] for t in tokens(text) if t.folded in _MONTHS and (len(t.folded) > 3 or t.text[0].isupper())
    }


def weekdays(text: str) -> set[int]:
    """The days of the week named in a text, Monday 0."""
    return {WEEKDAYS[t.folded] for t in tokens(text) if t.folded in WEEKDAYS}


def names(text: str, *, sentence_start: bool = False) -> list[str]:
    """The proper names in a text as folded words: capitalised words that do not merely open the sentence.

    With `sentence_start` the opening word counts too unless it is a stop word. Months and days of the
    week are left out. Text all in capitals (a headline) gives none.
    """
    words = [t for t in tokens(text) if t.text[0].isalpha()]
    if not words or sum(t.text[0].isupper() for t in words) > 0.7 * len(words) > 4:
        return []
    openers = {start for start, _ in sentence_spans(text)}
    found = []
    for token in words:
        opens = token.start in openers or (
            token.start > 0 and text[token.start - 1] in '“"‘«¿¡(' and not sentence_start
        )
        common = token.folded in STOP_WORDS or token.folded in _MONTHS or token.folded in WEEKDAYS
        capital = token.text[0].isupper()
        if capital and not common and len(token.text) > 1 and (sentence_start or not opens):
            found.append(token.folded)
    return found


@lru_cache(maxsize=1)
def _identifier() -> object:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def detect_language(text: str, *, least: float = 0.6) -> str:
    """The language of a text as ISO 639-1, or "" when there is too little text or the probability is below `least`."""
    sample = text[:2000]
    if len(sample.strip()) < 12:
        return ""
    language, probability = _identifier().classify(sample)  # type: ignore[attr-defined]
    return str(language) if probability >= least else ""


def count_tokens(text: str) -> int:
    """About how many tokens a model reads in a text, without loading a tokenizer.

    Words of up to 7 letters count as one, longer ones a further one for each 5; other marks one each.
    A rule of thumb, not compared with a tokenizer; other scripts count one a character.
    """
    total = 0
    for match in re.finditer(r"[a-zA-Z]+|\d{1,3}|[^\W\d_]|[^\w\s]", text):
        length = match.end() - match.start()
        total += 1 if length <= 7 else 1 + (length - 3) // 5
    return total


STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has have having
    he her here hers him his how i if in into is it its itself just me more most my no nor not now of off on
    once only or other our out over own said same say says she should so some such tell than that the their
    them then there these they this those through to too under until up upon us very was we were what when
    where which while who whom whose why will with would yes you your s t
    el la los las un una unos unas de del al y o u e que en por para con sin sobre entre desde hasta es son
    fue fueron ser era eran ha han habia hay se su sus lo le les como cual cuales quien quienes cuando donde
    cuanto cuanta cuantos cuantas mas muy ya no ni si tambien este esta estos estas ese esa eso esto a ante
    tras segun durante dijo me mi tu yo
    der die das den dem des ein eine einen einem einer und oder aber ist sind war waren wird werden hat haben
    wer was wann wo wie warum welche welcher welches von zu zum zur mit bei nach aus auf fur im am an nicht
    le les des du au aux et ou est sont etait une dans sur par pour avec qui quoi quand comment pourquoi ce
    cette ces il elle ils elles
    """.split()
)
