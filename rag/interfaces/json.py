"""Answers and hits as plain data and as text: one shape for every face."""

from __future__ import annotations

from typing import Any

from rag.schema import Answer, Article, Citation, Coverage, Hit, Sentence, marked

UNSUPPORTED = "[unsupported]"  # stands where a sentence that failed its check would have its numbers


def answer_data(answer: Answer) -> dict[str, Any]:
    """What `ask --json` prints and every other face returns."""
    t = answer.timings
    return {
        "question": answer.question,
        "answered": answer.answered,
        "text": answer.text,
        "sentences": [
            {
                "text": s.text,
                "verdict": s.verdict,
                "reason": s.reason,
                "citations": [c.number for c in s.citations],
            }
            for s in answer.sentences
        ],
        "citations": [citation_data(c) for c in answer.citations],
        "hits": [hit_data(h) for h in answer.hits],
        "coverage": coverage_data(answer.coverage),
        "model": answer.model,
        "stray_markers": answer.stray_markers,
        "withheld": list(answer.withheld),
        "timings": {"retrieve_ms": t.retrieve_ms, "first_token_ms": t.first_token_ms, "total_ms": t.total_ms},
    }


def citation_data(citation: Citation) -> dict[str, Any]:
    """A citation with the quote and its place in the article's text."""
    return {
        "number": citation.number,
        **_source(citation.passage.article),
        "passage_id": citation.passage.id,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def hit_data(hit: Hit) -> dict[str, Any]:
    """A hit with its passage and its place in the article's text."""
    return {
        "score": round(hit.score, 4),
        **_source(hit.passage.article),
        "passage_id": hit.passage.id,
        "text": hit.passage.text,
        "start": hit.passage.start,
        "end": hit.passage.end,
        "copies": [{"article_id": a.id, "outlet": a.outlet, "title": a.title, "url": a.url} for a in hit.copies],
    }


def article_data(article: Article, *, with_text: bool = False) -> dict[str, Any]:
    """An article's metadata; its text and the spans that may not be cited on demand."""
    data = _source(article) | {
        "byline": article.byline,
        "genre": article.genre,
        "modified": article.modified.isoformat() if article.modified else None,
        "language": article.language,
        "version": article.version,
        "status": article.status,
    }
    if with_text:
        data |= {"text": article.text, "uncitable": [list(span) for span in article.uncitable]}
    return data


def coverage_data(coverage: Coverage) -> dict[str, Any]:
    """What was searched; days as ISO 8601 or None."""
    return {
        "articles": coverage.articles,
        "from": coverage.first.isoformat() if coverage.first else None,
        "to": coverage.last.isoformat() if coverage.last else None,
    }


def published(article: Article) -> str | None:
    """ISO 8601: the day alone where only the day is known."""
    moment = article.published
    if moment is None:
        return None
    day_only = moment.tzinfo is None and (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.date().isoformat() if day_only else moment.isoformat()


def _source(article: Article) -> dict[str, Any]:
    return {
        "article_id": article.id,
        "title": article.title,
        "outlet": article.outlet,
        "published": published(article),
        "url": article.url,
    }


def byline(article: Article) -> str:
    """`The Tide, 3 March 2025` as far as it is known."""
    day = f"{article.day.day} {article.day:%B %Y}" if article.day else "undated"
    return ", ".join(part for part in (article.outlet, day) if part)


def answer_text(answer: Answer) -> str:
    """An answer for a terminal: the text, why a sentence is unsupported, and the quotes behind the numbers."""
    lines = [answer.text]
    for sentence in answer.sentences:
        if sentence.verdict == "unsupported":
            lines.append(f"  ! not supported: “{sentence.text}” ({sentence.reason})")
    for c in answer.citations:
        lines += ["", f"[{c.number}] {c.passage.article.title} — {byline(c.passage.article)}", f"    “{c.quote}”"]
    if not answer.answered:
        lines += [f"  · {h.passage.article.title} — {byline(h.passage.article)}" for h in answer.hits[:3]]
    return "\n".join([*lines, "", f"({answer.model})"])


def checked_text(answer: Answer) -> str:
    """An answer for those who see nothing but its text: the numbers, and a warning behind what failed its check."""
    return " ".join(map(sentence_text, answer.sentences)) or answer.refusal


def sentence_text(sentence: Sentence) -> str:
    """The sentence with its numbers, or with the warning that it failed its check."""
    return marked(sentence) if sentence.verdict == "supported" else f"{marked(sentence)} {UNSUPPORTED}"


def is_settled(answer: Answer) -> bool:
    """Whether the sentences of an unfinished answer stay: a final answer has at least one that is supported."""
    return any(sentence.verdict == "supported" for sentence in answer.sentences)
