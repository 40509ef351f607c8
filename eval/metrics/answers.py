"""Metrics of one answer: pure functions of a prediction, which is question, labels and answer as plain data."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rag.language.identify import detect_language
from rag.language.numbers import numbers
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import is_unspaced, tokens

# A prediction as `eval answers` writes it: id, question, answers, options, articles, answerable, answer or None.
Prediction = Mapping[str, Any]
_ARTICLES = re.compile(r"\b(a|an|the|el|la|los|las)\b")
_PERCENT = re.compile(r"%|\b(?:per\s?cent|por\s+ciento)\b", re.IGNORECASE)
_CURRENCIES = {
    "$": "$", "dollar": "$", "dollars": "$", "usd": "$", "€": "€", "euro": "€", "euros": "€", "eur": "€",
    "£": "£", "pound": "£", "pounds": "£", "gbp": "£",
}  # fmt: skip
_SHORT_SCALE = re.compile(r"([$€£]\s?\d[\d.,]*)\s?(m|bn)\b", re.IGNORECASE)
_LONGER = 5  # words by which a number may be longer in an answer: "twelve million six hundred thousand"


def normalize(text: str) -> str:
    """SQuAD's normalisation (Rajpurkar et al. 2016): lower case, no punctuation, no articles, single spaces.

    Thousands separators and ordinal endings are removed first, so that 1,200 equals 1200 and 3rd equals 3. A percent
    sign becomes a word of its own, so that "71.4%" and "71.4 per cent" both contain "71.4". In Chinese, Japanese,
    Korean and Thai each character is a word, as in the evaluation of CMRC 2018.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    if not text.isascii():
        text = "".join(_spaced(character) for character in text)
    text = re.sub(r"(?<=\d)[,.](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    text = _PERCENT.sub(" % ", text)
    text = re.sub(r"[^\w\s.%]|(?<!\d)\.|\.(?!\d)", _kept_mark, text)
    return " ".join(_ARTICLES.sub(" ", text).split())


def _spaced(character: str) -> str:
    return f" {character} " if is_unspaced(character) else character


def _kept_mark(found: re.Match[str]) -> str:
    """A vowel sign or tone mark as it is, which \\w leaves out; a space for punctuation and symbols."""
    return found.group() if unicodedata.category(found.group()).startswith("M") else " "


def contains_answer(text: str, answers: Sequence[str]) -> float:
    """1 when the text contains one of the accepted answers, both normalised, at word boundaries; else 0."""
    spaced = f" {normalize(text)} "
    return float(any(f" {normalize(answer)} " in spaced for answer in answers))


def contains_answer_leniently(text: str, answers: Sequence[str]) -> float:
    """1 also when the text states an accepted answer with its numbers written in another way, else 0.

    "six months" is then "6 months", and "$12.6 million" is "$12,600,000".
    """
    return max(contains_answer(text, answers), float(any(_states(text, answer) for answer in answers)))


def _states(text: str, answer: str) -> bool:
    """Whether all numbers and words of an answer stand close together in a text."""
    text, answer = (_signs_as_words(one) for one in (text, answer))
    # The language of a short text is often detected wrongly; without one, that which knows most of its number words.
    return any(_states_in(text, answer, language) for language in dict.fromkeys((detect_language(text), "")))


def _signs_as_words(text: str) -> str:
    """With "percent" for a percent sign, "million" for the m of "$12.6m", and $ for US$."""
    text = _SHORT_SCALE.sub(_long_scale, text.replace("US$", "$"))
    return _PERCENT.sub(" percent ", text)


def _states_in(text: str, answer: str, language: str) -> bool:
    wanted = numbers(answer, language)
    if not wanted or not wanted <= numbers(text, language):
        return False
    beside, currencies = _words_beside_numbers(answer, language, wanted), _currencies(answer)
    words, width = tokens(text), len(tokens(answer)) + _LONGER
    for first in range(max(1, len(words) - width + 1)):
        part = text[max(0, words[first].start - 1) : words[min(first + width, len(words)) - 1].end]  # with its sign
        named = _currencies(part)
        if (
            wanted <= numbers(part, language)
            and beside <= {token.folded for token in tokens(part)}
            and not (named and currencies and named.isdisjoint(currencies))
        ):
            return True
    return False


def _long_scale(found: re.Match[str]) -> str:
    return f"{found.group(1)} {'million' if found.group(2).lower() == 'm' else 'billion'}"


def _words_beside_numbers(answer: str, language: str, stated: set[str]) -> set[str]:
    """The words without which the answer states the same numbers; without currencies and stop words."""
    return {
        token.folded
        for token in tokens(answer)
        if token.folded not in STOP_WORDS
        and token.folded not in _CURRENCIES
        and numbers(f"{answer[: token.start]} {answer[token.end :]}", language) == stated
    }


def _currencies(text: str) -> set[str]:
    return {_CURRENCIES[word] for word in re.findall(r"[$€£]|[^\W\d_]+", text.lower()) if word in _CURRENCIES}


def text_of(prediction: Prediction) -> str:
    """The text of the answer without citation markers; "" for a refusal or a crash."""
    answer = prediction.get("answer")
    if not answer or not answer["answered"]:
        return ""
    return " ".join(str(sentence["text"]) for sentence in answer["sentences"])


def quotes_of(prediction: Prediction) -> str:
    """The quotes of all citations, joined."""
    answer = prediction.get("answer") or {}
    return " ".join(str(citation["quote"]) for citation in answer.get("citations", ()))


def contains(prediction: Prediction) -> float:
    """1 when the answer contains an accepted answer, both normalised as SQuAD does, at word boundaries."""
    return contains_answer(text_of(prediction), prediction["answers"])


def contains_leniently(prediction: Prediction) -> float:
    """1 when the answer contains an accepted answer, also with its numbers written in another way."""
    return contains_answer_leniently(text_of(prediction), prediction["answers"])


def exact_match(prediction: Prediction) -> float:
    """1 when the whole answer is an accepted one, both normalised (SQuAD, Rajpurkar et al. 2016)."""
    said = normalize(text_of(prediction))
    return float(bool(said) and any(said == normalize(one) for one in prediction["answers"]))


def token_f1(prediction: Prediction) -> float:
    """The best harmonic mean of word precision and recall against an accepted answer (SQuAD)."""
    said = Counter(normalize(text_of(prediction)).split())
    return max((_f1(said, Counter(normalize(one).split())) for one in prediction["answers"]), default=0.0)


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    shared = sum((said & wanted).values())
    return 2 * shared / (sum(said.values()) + sum(wanted.values())) if shared else 0.0


def chosen(prediction: Prediction) -> str:
    """The option that the answer and its quotes support best; "" when none is supported, or two equally."""
    leaders = best_supported(prediction)
    return leaders[0] if len(leaders) == 1 else ""


def best_supported(prediction: Prediction) -> list[str]:
    """The options that the answer and its quotes support best: several where they tie, none where none is supported.

    The support of an option is 2 × the share of its words in the answer + the share of its words in the quotes. Words
    that all options share do not count.
    """
    options: Sequence[str] = prediction["options"]
    words = {option: set(normalize(option).split()) for option in options}
    common = set.intersection(*words.values()) if len(words) > 1 else set()
    said, cited = (set(normalize(text).split()) for text in (text_of(prediction), quotes_of(prediction)))
    support = {
        option: (2 * len(own & said) + len(own & cited)) / len(own)
        for option, all_words in words.items()
        if (own := all_words - common)
    }
    best = max(support.values(), default=0.0)
    return [option for option, value in support.items() if value == best > 0]


def choice(prediction: Prediction) -> float:
    """1 when the best supported option is an accepted answer."""
    return float(bool(picked := chosen(prediction)) and picked in prediction["answers"])


def citation_recall(prediction: Prediction) -> float:
    """The share of the answer's sentences that cite a gold article (ALCE, Gao et al. 2023, arXiv 2305.14627).

    ALCE asks an entailment model whether the passages support the sentence; here the relevance labels decide.
    """
    sentences = prediction["answer"]["sentences"]
    gold = {c["number"] for c in prediction["answer"]["citations"] if c["article_id"] in prediction["articles"]}
    return sum(bool(gold & set(s["citations"])) for s in sentences) / len(sentences) if sentences else 0.0


def citation_precision(prediction: Prediction) -> float:
    """The share of the citations, counted sentence by sentence, of a gold article (ALCE, with relevance labels)."""
    article = {c["number"]: c["article_id"] for c in prediction["answer"]["citations"]}
    cited = [article[number] for s in prediction["answer"]["sentences"] for number in s["citations"]]
    return sum(one in prediction["articles"] for one in cited) / len(cited) if cited else 0.0


def verbatim(prediction: Prediction, texts: Mapping[str, str]) -> list[float]:
    """For each citation 1 when its quote is not empty and equals the stored article's text at the cited offsets."""
    return [
        float(bool(c["quote"]) and texts.get(c["article_id"], "")[c["start"] : c["end"]] == c["quote"])
        for c in (prediction.get("answer") or {}).get("citations", ())
    ]


def refused(prediction: Prediction) -> bool:
    """Whether the assistant declined to answer; a crash is not a refusal."""
    return bool(prediction.get("answer")) and not prediction["answer"]["answered"]


def right(prediction: Prediction) -> float:
    """1 for refusing an unanswerable question, choosing the right option, or containing an accepted answer; else 0."""
    if prediction["answerable"] is False:
        return float(refused(prediction))
    return choice(prediction) if prediction["options"] else contains(prediction)


def right_leniently(prediction: Prediction) -> float:
    """1 also for numbers written in another way, an accepted answer in other words than its option, and a tie.

    A tie is an accepted option that is supported as well as the best other one.
    """
    if prediction["answerable"] is False:
        return right(prediction)
    accepted = prediction["answers"]
    tied = any(option in accepted for option in best_supported(prediction))
    return max(float(tied), contains_answer_leniently(text_of(prediction), accepted))


def facts_held(prediction: Prediction) -> float:
    """The share of the expected facts that the shown sentences hold, each in one of its wordings; 0 for a refusal."""
    said, facts = text_of(prediction), prediction["facts"]
    return sum(says(said, wordings) for wordings in facts) / len(facts) if facts else 0.0


def tells_false(prediction: Prediction) -> float:
    """1 when a sentence marked as supported contains a wording that is labelled as false, else 0.

    A wording does not count where the shown sentences also have one of its `unless`: the final toll beside the first.
    """
    said = text_of(prediction)
    supported = [s["text"] for s in prediction["answer"]["sentences"] if s["verdict"] == "supported"] if said else []
    return float(
        any(
            any(says(sentence, one["says"]) for sentence in supported) and not says(said, one["unless"])
            for one in prediction["false"]
        )
    )


def passes(prediction: Prediction) -> float:
    """1 for an answer that an editor would accept: all facts, nothing false; or a refusal where one is right.

    A refusal is right where the question `expects` a refusal or a correction.
    """
    if prediction["expects"] != "answer" and refused(prediction):
        return 1.0
    return float(bool(prediction["facts"]) and facts_held(prediction) == 1 and not tells_false(prediction))


def says(text: str, wordings: Sequence[str]) -> bool:
    """Whether the text contains one of the wordings, without regard to case, accents and punctuation."""
    return bool(contains_answer(_unaccented(text), [_unaccented(wording) for wording in wordings]))


def _unaccented(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
