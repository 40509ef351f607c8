"""Scores of one answer. Pure functions of a prediction: question, labels and the answer as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.metrics.statistics import contains_answer, normalize

# A prediction as `eval answers` writes it: id, question, answers, options, articles, answerable, answer or None.
Prediction = Mapping[str, Any]


def text_of(prediction: Prediction) -> str:
    """The words of the answer without its markers; "" for a refusal or a crash."""
    answer = prediction.get("answer")
    if not answer or not answer["answered"]:
        return ""
    return " ".join(str(sentence["text"]) for sentence in answer["sentences"])


def quotes_of(prediction: Prediction) -> str:
    """The words that the answer cites."""
    answer = prediction.get("answer") or {}
    return " ".join(str(citation["quote"]) for citation in answer.get("citations", ()))


def contains(prediction: Prediction) -> float:
    """1 when an accepted answer stands in the answer, both normalised as SQuAD does, at word boundaries."""
    return contains_answer(text_of(prediction), prediction["answers"])


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
    """The option that answer and quotes support best; "" when none is supported or two are alike.

    An option's support is 2 × the share of its own words in the answer + the share of them in the quotes; words
    that all options have in common do not count.
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
    leaders = [option for option, value in support.items() if value == best]
    return leaders[0] if best > 0 and len(leaders) == 1 else ""


def choice(prediction: Prediction) -> float:
    """1 when the option that is supported best is an accepted answer."""
    return float(bool(picked := chosen(prediction)) and picked in prediction["answers"])


def citation_recall(prediction: Prediction) -> float:
    """The share of the answer's sentences that cite a gold article (ALCE, Gao et al. 2023, arXiv 2305.14627).

    ALCE asks an entailment model whether the cited passages carry the sentence; here the labels say so.
    """
    sentences = prediction["answer"]["sentences"]
    gold = {c["number"] for c in prediction["answer"]["citations"] if c["article_id"] in prediction["articles"]}
    return sum(bool(gold & set(s["citations"])) for s in sentences) / len(sentences) if sentences else 0.0


def citation_precision(prediction: Prediction) -> float:
    """The share of the citations, counted in each sentence, that name a gold article (ALCE, with labels)."""
    article = {c["number"]: c["article_id"] for c in prediction["answer"]["citations"]}
    cited = [article[number] for s in prediction["answer"]["sentences"] for number in s["citations"]]
    return sum(one in prediction["articles"] for one in cited) / len(cited) if cited else 0.0


def verbatim(prediction: Prediction, texts: Mapping[str, str]) -> list[float]:
    """For each citation 1 when its quote is not empty and stands in the stored article at the very place it names."""
    return [
        float(bool(c["quote"]) and texts.get(c["article_id"], "")[c["start"] : c["end"]] == c["quote"])
        for c in (prediction.get("answer") or {}).get("citations", ())
    ]


def refused(prediction: Prediction) -> bool:
    """Whether the assistant said that the archive does not answer; a crash is no refusal."""
    return bool(prediction.get("answer")) and not prediction["answer"]["answered"]


def right(prediction: Prediction) -> float:
    """1 for a refusal of what cannot be answered, the right option, or an answer that contains an accepted one."""
    if prediction["answerable"] is False:
        return float(refused(prediction))
    return choice(prediction) if prediction["options"] else contains(prediction)
