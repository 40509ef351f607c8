"""Article → passages: whole sentences, about 120 to 200 tokens, never across what may not be cited."""

from __future__ import annotations

from rag.schema import Article, Span
from rag.text import count_tokens, sentence_spans

# Changing either changes every passage, so it is stored in the archive and checked when that is opened.
TARGET_TOKENS = 160
MAX_TOKENS = 200
FINGERPRINT = f"sentences-{TARGET_TOKENS}-{MAX_TOKENS}-1"


def passage_spans(article: Article) -> list[Span]:
    """Where the passages of an article stand, in order.

    Sentences are gathered until the next would pass MAX_TOKENS, or TARGET_TOKENS at the end of a paragraph.
    A single sentence longer than MAX_TOKENS is cut at spaces.
    """
    spans: list[Span] = []
    for start, end in _citable(article):
        spans += _gather(article.text, start, end)
    return spans


def embedded_text(article: Article, span: Span) -> str:
    """What is embedded for a passage: title, outlet and day in front, since passages rarely repeat them."""
    head = " | ".join(part for part in (article.title, article.outlet, str(article.day or "")) if part)
    body = article.text[span[0] : span[1]]
    return f"{head}\n{body}" if head else body


def _citable(article: Article) -> list[Span]:
    """The stretches of the text between what may not be cited."""
    stretches, at = [], 0
    for start, end in sorted(article.uncitable):
        stretches.append((at, start))
        at = max(at, end)
    stretches.append((at, len(article.text)))
    return [(start, end) for start, end in stretches if article.text[start:end].strip()]


def _gather(text: str, start: int, end: int) -> list[Span]:
    pieces = [
        (start + a, start + b) for s, e in sentence_spans(text[start:end]) for a, b in _bounded(text[start:end], s, e)
    ]
    spans: list[Span] = []
    begin, size = -1, 0
    for index, (s, e) in enumerate(pieces):
        tokens = count_tokens(text[s:e])
        if begin >= 0 and size + tokens > MAX_TOKENS:
            spans.append((begin, pieces[index - 1][1]))
            begin, size = -1, 0
        if begin < 0:
            begin = s
        size += tokens
        last = index + 1 == len(pieces)
        if last or (size >= TARGET_TOKENS and "\n" in text[e : pieces[index + 1][0]]):
            spans.append((begin, e))
            begin, size = -1, 0
    return _without_crumb(text, spans)


def _without_crumb(text: str, spans: list[Span]) -> list[Span]:
    """Joins a short last passage to the one before: a lone closing line has no context to be found by."""
    if len(spans) < 2 or count_tokens(text[spans[-1][0] : spans[-1][1]]) >= 40:
        return spans
    whole = (spans[-2][0], spans[-1][1])
    if count_tokens(text[whole[0] : whole[1]]) > MAX_TOKENS + 40:
        return spans
    return [*spans[:-2], whole]


def _bounded(text: str, start: int, end: int) -> list[Span]:
    """The sentence itself, or pieces of it when it is longer than a passage may be."""
    pieces = []
    while start < end:
        cut = min(end, start + 8 * MAX_TOKENS)  # seven letters and a space are one token: enough for any piece
        whole = cut == end
        while (size := count_tokens(text[start:cut])) > MAX_TOKENS:
            cut, whole = start + max(1, (cut - start) * MAX_TOKENS // (size + 1)), False
        space = -1 if whole else text.rfind(" ", start + 1, cut)
        cut = space if space > start else cut
        pieces.append((start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    return pieces
