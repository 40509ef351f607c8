"""Reports that an outlet withdrew: what they told is no answer, and that they were withdrawn is one."""

from __future__ import annotations

from collections.abc import Sequence

from rag.answering.sentence_selection import citable, header, share_of, word_weights
from rag.archive.archive import Archive
from rag.language.dates import written
from rag.schema import Article, Filters, Hit

MOST, MOST_VERSIONS = 50, 3  # withdrawn articles that are compared with a question, and the last versions of each
CHARS = 3000  # of a version in which the question's words are counted
# Share of the weight of the question's words that a withdrawn report must hold, and by how much it must exceed that of
# each article found. Set by hand on questions to the demo archive, whose one withdrawn report is on a fee for ferry
# passengers: eight about it have .53 to 1 and lead by .12 to .65, six of them by these; five about other fees have .54
# to .75 and lead by .34 at most.
LEAST_SHARE, LEAST_LEAD = 0.78, 0.35


def withdrawn_report(question: str, hits: Sequence[Hit], archive: Archive, filters: Filters) -> Article | None:
    """The notice of withdrawal of the report that a question is about rather than about any article found; None where
    there is none, and where only some articles are searched: a report of others was not asked for."""
    notices = archive.catalog.withdrawn(MOST) if hits and filters == Filters() else []
    weights: dict[str, dict[str, float]] = {}

    def share(versions: Sequence[Article]) -> float:
        language = versions[0].language
        if language not in weights:
            weights[language] = word_weights(question, language, archive)
        text = " ".join(f"{header(one)} {citable(one)[:CHARS]}" for one in versions)
        return share_of(weights[language], text, language)

    found = [
        (share(archive.catalog.versions(notice.id)[-MOST_VERSIONS:] or [notice]), place)
        for place, notice in enumerate(notices)
    ]
    best, place = max(found, default=(0.0, 0))
    if best < LEAST_SHARE:
        return None
    articles = {hit.passage.article.id: hit.passage.article for hit in hits}
    nearest = max(share([article]) for article in articles.values())
    return notices[place] if best >= nearest + LEAST_LEAD else None


def told_of(notice: Article) -> str:
    """What is said of a withdrawn report: who withdrew it and, where the notice tells, when; not what it told."""
    by = f" by {notice.outlet}" if notice.outlet else ""
    on = f" on {written(notice.modified.date())}" if notice.modified else ""
    return f"The report that told of this was withdrawn{by}{on}; what it said cannot be relied on."
