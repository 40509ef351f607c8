"""Cuts an article into passages of whole sentences, about 120 to 200 tokens, never across uncitable spans."""

from __future__ import annotations

from rag.language.sentences import sentence_spans
from rag.language.tokens import count_tokens
from rag.schema import Article, Span

# Changing any of these changes every passage, so they are stored in the archive and checked when it is opened.
TARGET_TOKENS = 160
MAX_TOKENS = 200
LEAST_TOKENS = 100  # a shorter passage takes a part of the next paragraph
# Version of the rules by which `count_tokens` counts, `sentence_spans` ends sentences and `embedded_text` adds to a
# passage. Raise it with every change.
RULES = 2
FINGERPRINT = f"paragraphs-{RULES}-{LEAST_TOKENS}-{TARGET_TOKENS}-{MAX_TOKENS}"


def passage_spans(article: Article) -> list[Span]:
    """The spans of an article's passages, in order.

    Sentences are gathered until the next would pass MAX_TOKENS; a passage ends with a paragraph where it can.
    A single sentence longer than MAX_TOKENS is cut at spaces.
    """
    spans: list[Span] = []
    for start, end in _citable(article):
        spans += _gather(article.text, start, end)
    return spans


def embedded_text(article: Article, span: Span) -> str:
    """The text that is embedded for a passage: it, then title, outlet and day, since passages rarely repeat them.

    They come last because embedders weigh the beginning more: passages of one article are alike enough as it is.
    Success@1 of e5's vectors with them first, last and without them: clef2020_claims .736 .792 .670, norquad .807 .829
    .851, heq .820 .858 .863, onestopqa_articles .770 .815 .838 (400 questions each at most).
    """
    head = " | ".join(part for part in (article.title, article.outlet, str(article.day or "")) if part)
    body = article.text[span[0] : span[1]]
    return f"{body}\n{head}" if head else body


def _citable(article: Article) -> list[Span]:
    """The spans of the text between the uncitable ones."""
    stretches, at = [], 0
    for start, end in sorted(article.uncitable):
        stretches.append((at, start))
        at = max(at, end)
    stretches.append((at, len(article.text)))
    return [(start, end) for start, end in stretches if article.text[start:end].strip()]


def _gather(text: str, start: int, end: int) -> list[Span]:
    """Passages of whole paragraphs; a paragraph is split only when it is too long for a passage.

    A quotation and the name of its speaker are usually in one paragraph, and so stay in one passage.
    """
    stretch = text[start:end]
    counted = [piece for span in sentence_spans(stretch) for piece in _bounded(stretch, *span)]
    pieces = [(start + a, start + b) for a, b, _ in counted]
    tokens = [size for _, _, size in counted]
    opens = [i == 0 or "\n" in text[pieces[i - 1][1] : s] for i, (s, _) in enumerate(pieces)]
    spans: list[Span] = []
    first, size = 0, 0
    for index in range(len(pieces)):
        ahead = _paragraph_tokens(index, tokens, opens) if opens[index] else tokens[index]
        full = size + tokens[index] > MAX_TOKENS
        crowded = opens[index] and size >= LEAST_TOKENS and size + min(ahead, MAX_TOKENS) > MAX_TOKENS
        if size and (full or crowded or (size >= TARGET_TOKENS and opens[index])):
            spans.append((pieces[first][0], pieces[index - 1][1]))
            first, size = index, 0
        size += tokens[index]
    if pieces:
        spans.append((pieces[first][0], pieces[-1][1]))
    return _with_short_end_joined(text, spans)


def _paragraph_tokens(index: int, tokens: list[int], opens: list[bool]) -> int:
    """Tokens of the paragraph that begins with this sentence."""
    total = tokens[index]
    for following in range(index + 1, len(tokens)):
        if opens[following]:
            break
        total += tokens[following]
    return total


def _with_short_end_joined(text: str, spans: list[Span]) -> list[Span]:
    """Joins a short last passage to the one before: by itself it has too little context to be retrieved."""
    if len(spans) < 2 or count_tokens(text[spans[-1][0] : spans[-1][1]]) >= 40:
        return spans
    whole = (spans[-2][0], spans[-1][1])
    if count_tokens(text[whole[0] : whole[1]]) > MAX_TOKENS + 40:
        return spans
    return [*spans[:-2], whole]


def _bounded(text: str, start: int, end: int) -> list[tuple[int, int, int]]:
    """The sentence itself, or pieces of it when it is longer than a passage may be: start, end and tokens of each."""
    pieces = []
    while start < end:
        cut = min(end, start + 8 * MAX_TOKENS)  # no writing has so many letters to a token
        whole = cut == end
        while (size := count_tokens(text[start:cut])) > MAX_TOKENS:
            cut, whole = start + max(1, (cut - start) * MAX_TOKENS // (size + 1)), False
        space = -1 if whole else text.rfind(" ", start + 1, cut)
        if space > start:
            cut, size = space, count_tokens(text[start:space])
        pieces.append((start, cut, size))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    return pieces
