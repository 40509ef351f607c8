"""The newest of a person: whether somebody is still something is told by the sentences that name him."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ingest.pipeline import ingest
from rag.answering.compose.material import MOST_SENTENCES
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.language.sentences import sentence_spans
from rag.models import files
from rag.models.embeddings import Embedder
from rag.schema import Article
from rag.settings import Settings

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed"),
]

TODAY = date(2026, 6, 18)
STANDS = "north south east west old new small high low red blue green white grey outer inner upper lower".split()
CROWD = " ".join(f"The {stand} stand of the ground was full of singing people." for stand in STANDS)
SPRING = "Selwyn Rovers have signed a goalkeeper. He is a fine lad, manager Tam Hollis said. Hollis was glad."
MANAGED = "Selwyn Rovers won the final. Selwyn Rovers, the team of Tam Hollis, had not won it before. "
LAST = "It was Hollis's last match as manager of Selwyn Rovers."


def assistant_of(archive: Archive, embedder: Embedder, *texts: tuple[datetime, str]) -> Assistant:
    """An assistant of an archive of articles with these days and texts."""
    articles = [
        Article(id=f"a{at}", title="", text=text, language="en", source=f"a{at}", published=day)
        for at, (day, text) in enumerate(texts)
    ]
    ingest(articles, archive, embedder)
    return Assistant(archive, embedder, None, Settings(data_dir=archive.folder, llm="none"))


def rovers(archive: Archive, embedder: Embedder) -> Assistant:
    """An assistant of an article on a signing and a later one on a final, which ends with the manager."""
    final = f"{MANAGED}{CROWD}\n\n{LAST}"
    assert len(sentence_spans(final)) > MOST_SENTENCES + 1
    signed, won = datetime(2025, 3, 3, tzinfo=UTC), datetime(2025, 5, 24, tzinfo=UTC)
    return assistant_of(archive, embedder, (signed, SPRING), (won, final))


@pytest.mark.parametrize("who", ["Tam Hollis", "Hollis"])
def test_whether_somebody_is_still_there_is_told_by_the_newest_sentence_that_names_him_however_far_down(
    demo_assistant: Assistant, empty_archive: Archive, who: str
) -> None:
    answer = rovers(empty_archive, demo_assistant.embedder).ask(f"Is {who} still managing Selwyn Rovers?", today=TODAY)
    assert answer.kind == "latest"
    assert answer.sentences[0].text == f"24 May 2025: {LAST}"
    assert "won the final" not in answer.text


def test_of_a_club_the_sentences_that_name_nobody_are_told(demo_assistant: Assistant, empty_archive: Archive) -> None:
    answer = rovers(empty_archive, demo_assistant.embedder).ask("Is Selwyn Rovers still in the final?", today=TODAY)
    assert answer.kind == "latest"
    assert "Selwyn Rovers won the final" in answer.text


def test_a_question_that_begins_with_something_else_than_its_person_keeps_its_other_sentences(
    demo_assistant: Assistant, empty_archive: Archive
) -> None:
    wage = "The minimum wage is now 14 crowns an hour. Minister Tobias Renner promised a higher minimum wage."
    text = f"{wage} Renner spoke at a congress."
    asked = assistant_of(empty_archive, demo_assistant.embedder, (datetime(2025, 5, 3, tzinfo=UTC), text))
    both = asked.ask("What is the minimum wage now, and what does Renner promise?", today=TODAY)
    assert both.kind == "latest"
    assert "14 crowns" in both.text
    assert "Renner promised" in both.text
    of_him = asked.ask("Is Tobias Renner still a minister?", today=TODAY)
    assert of_him.kind == "latest"
    assert "Tobias Renner" in of_him.sentences[0].text
    assert "14 crowns" not in of_him.text
