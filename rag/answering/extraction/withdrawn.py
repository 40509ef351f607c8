"""Reports that an outlet withdrew: what they told is no answer, and that they were withdrawn is one."""

from __future__ import annotations

from collections.abc import Sequence

from rag.answering.sentence_selection import COVERED_CHARS, citable, header, share_of, word_weights
from rag.archive.archive import Archive
from rag.language.dates import written
from rag.schema import Article, Hit

MOST = 50  # withdrawn articles that are compared with a question, the newest
# Share of the weight of the question's words that a withdrawn report must hold, and by how much it must exceed that of
# each article found. Set by hand on the eight questions to the demo archive about its one withdrawn report.
LEAST_SHARE, LEAST_LEAD = 0.5, 0.1


def withdrawn_report(question: str, hits: Sequence[Hit], archive: Archive) -> Article | None:
    """The notice of withdrawal of the report that a question is about rather than about any article found; None where
    there is none."""
    shares = [
        (_share(question, archive.catalog.versions(notice.id), archive), notice)
        for notice in archive.catalog.withdrawn(MOST)
    ]
    if not shares:
        return None
    best, notice = max(shares, key=lambda one: one[0])
    found = max((_share(question, [hit.passage.article], archive) for hit in hits), default=0.0)
    return notice if best >= max(LEAST_SHARE, found + LEAST_LEAD) else None


def told_of(notice: Article) -> str:
    """What is said of a withdrawn report: who withdrew it and when, without what it told."""
    by = f" by {notice.outlet}" if notice.outlet else ""
    on = f" on {written(notice.day)}" if notice.day else ""
    return f"The report that told of this was withdrawn{by}{on}; what it said cannot be relied on."


def _share(question: str, versions: Sequence[Article], archive: Archive) -> float:
    """The share of the weight of the question's words that the versions of an article hold, in its language."""
    language = versions[0].language
    text = " ".join(f"{header(one)} {citable(one)[:COVERED_CHARS]}" for one in versions)
    return share_of(word_weights(question, language, archive), text, language)
