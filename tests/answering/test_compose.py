"""Composers: from sentences of articles to timelines, newest states, statements, summaries and comparisons."""

from datetime import datetime

import numpy as np

from rag.answering.compose import comparison, latest, statements, summary, timeline
from rag.answering.compose.material import Line, Material
from rag.answering.sentence_selection import Candidate
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage

WALKOUT = Article(
    id="walkout", title="Dockers walk out", outlet="The Tide", language="en", published=datetime(2025, 10, 7),
    text="Dockers walked out on Monday over pay. Luca Bren said: “We have waited long enough.” “Nobody listens to us.”",
)  # fmt: skip
END = Article(
    id="end", title="Strike ends", outlet="Gazette", language="en", published=datetime(2026, 1, 15),
    text="The strike ended on 12 January after a ballot. It cost 41 million crowns. Will prices fall now?",
)  # fmt: skip


def lines(*articles, likeness=1.0):
    found = []
    for article in articles:
        passage = Passage(article=article, number=0, start=0, end=len(article.text))
        for place, (start, end) in enumerate(sentence_spans(article.text)):
            vector = np.zeros(64, dtype=np.float32)
            vector[len(found)] = 1
            found.append(Line(Candidate(passage, start, end, likeness=likeness), place, vector))
    return tuple(found)


def texts(sentences):
    for sentence in sentences:
        assert sentence.verdict == "supported"
        assert all(sentence.text.endswith(citation.quote) for citation in sentence.citations)
    return [sentence.text for sentence in sentences]


def test_a_timeline_has_the_days_that_the_sentences_name_in_order():
    told = texts(timeline.compose(Material("strike", "en", lines(END, WALKOUT))))
    assert told[0] == "6 October 2025: Dockers walked out on Monday over pay."
    assert "12 January 2026: The strike ended on 12 January after a ballot." in told
    assert not any("Will prices fall" in text for text in told)


def test_a_timeline_says_nothing_twice():
    again = Article(
        id="again",
        title="",
        outlet="",
        language="en",
        published=datetime(2025, 10, 9),
        text="Dockers walked out over pay.",
    )
    told = texts(timeline.compose(Material("strike", "en", lines(WALKOUT, again))))
    assert len([text for text in told if "walked out" in text]) == 1


def test_the_newest_state_comes_first_with_day_and_outlet():
    told = texts(latest.compose(Material("strike", "en", lines(WALKOUT, END))))
    assert [text.split(":")[0] for text in told] == ["15 January 2026, Gazette", "7 October 2025, The Tide"]


def test_statements_are_those_of_the_person_named_also_where_only_the_sentence_before_names_him():
    told = texts(statements.compose(Material("Luca Bren", "en", lines(END, WALKOUT))))
    assert told == [
        "7 October 2025, The Tide: Luca Bren said: “We have waited long enough.”",
        "7 October 2025, The Tide, Luca Bren: “Nobody listens to us.”",
    ]


def test_a_summary_asks_nothing_and_opens_with_no_pronoun():
    told = texts(summary.compose(Material("strike", "en", lines(END, WALKOUT))))
    assert told[-1].startswith("15 January 2026, Gazette: The strike ended")
    assert not any("It cost" in text or "Will prices" in text for text in told)


def test_a_comparison_has_both_years_and_is_not_given_for_one():
    told = texts(comparison.compose(Material("strike 2025 and 2026", "en", lines(END, WALKOUT))))
    assert "2025" in told[0]
    assert "2026" in told[-1]
    assert comparison.compose(Material("strike 2025 and 2026", "en", lines(END))) == []
