"""The sentences of an article that may be quoted."""

from __future__ import annotations

from dataclasses import dataclass

from rag.answering.compose.sentences.quotations import whole_quotations
from rag.answering.relevance.addressed import addresses_machines
from rag.archive.archive import Archive
from rag.language.tokens import count_tokens
from rag.schema import Passage

LEAST_TOKENS = 5  # of a sentence; shorter ones are captions and headings


@dataclass(frozen=True, slots=True)
class QuotableSentence:
    """A sentence that may be quoted: its passage, that passage's key, where it stands in the article, its place."""

    passage: Passage
    key: int
    start: int
    end: int
    place: int

    @property
    def text(self) -> str:
        return self.passage.article.text[self.start : self.end]


def sentences_of(archive: Archive, article_id: str) -> list[QuotableSentence]:
    """The sentences of an article that may be quoted, in order."""
    found: list[QuotableSentence] = []
    for stored in archive.catalog.passages_of(article_id):
        passage = stored.passage
        for start, end in whole_quotations(passage.text):
            known = bool(found) and passage.start + start < found[-1].end  # passages may overlap
            short = count_tokens(passage.text[start:end]) < LEAST_TOKENS
            if known or short or addresses_machines(passage, start, end):
                continue
            found.append(QuotableSentence(passage, stored.key, passage.start + start, passage.start + end, len(found)))
    return found
