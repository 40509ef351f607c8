from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from conftest import Asked
from fakes import ModelServer, ScriptedLLM, WordEmbedder

from ingest.pipeline import ingest
from rag.answering.answerability import LEAST_BELIEF, MIXED
from rag.archive.archive import Archive
from rag.assistant import EXTRACTION, Assistant
from rag.errors import ArchiveMissing, ModelUnavailable, QuestionError
from rag.interfaces.json import answer_data
from rag.interfaces.text import answer_text, sentence_text
from rag.language.dates import written
from rag.models.chat import OpenAIChat
from rag.schema import Answer, Article, Filters, Turn
from rag.settings import Settings

QUESTION = "What did the Bank of Corvane do with its key rate in 2025?"
TRUE = "The Bank of Corvane lowered its key rate by a quarter point to 2.75 per cent."
FALSE = "Governor Hal Mercer resigned over a scandal involving 17 yachts."


def every_citation_is_verbatim(answer: Answer, archive: Archive) -> bool:
    """Whether each [n] quotes a stored article at the place it names."""
    for citation in answer.citations:
        article = archive.catalog.article(citation.passage.article.id, citation.passage.article.version)
        assert article is not None
        if article.text[citation.start : citation.end] != citation.quote or not citation.quote.strip():
            return False
    return True


def prompted(assistant: Assistant) -> str:
    """All that the model was ever shown."""
    assert isinstance(assistant.llm, ScriptedLLM)
    return "\n".join(message.content for messages in assistant.llm.asked for message in messages)


def test_a_true_sentence_is_supported_and_cites_the_words_it_rests_on(assistant: Asked, stored: Archive) -> None:
    answer = assistant(TRUE).ask(QUESTION)
    (sentence,) = answer.sentences
    assert (answer.answered, sentence.verdict, answer.model) == (True, "supported", "scripted")
    assert answer.text == f"{TRUE[:-1]} [1]."
    assert answer.citations[0].passage.article.id == "a9"
    assert every_citation_is_verbatim(answer, stored)
    assert answer.draft == answer.refusal == ""


def test_the_hits_come_first_then_the_draft_then_the_checked_answer(assistant: Asked) -> None:
    first, *middle, last = assistant(f"{TRUE} {TRUE[:-1]} in February.").stream(QUESTION)
    assert first.hits
    assert (first.sentences, first.draft, first.answered) == ((), "", False)
    assert first.timings.retrieve_ms is not None
    assert first.timings.first_token_ms is None
    assert any(growing.draft for growing in middle)
    # From the sources to the first checked sentence the reader has the articles' own words.
    assert all(bool(growing.preview) != bool(growing.sentences) for growing in middle)
    assert middle[0].preview[0].citations[0].quote in middle[0].preview[0].text
    assert middle[0].timings.first_shown_ms is not None
    assert last.preview == ()
    assert all(growing.hits == first.hits for growing in middle)
    done = [len(growing.sentences) for growing in middle]
    assert done == sorted(done)  # what was shown as checked is not taken back while it streams
    assert last.draft == ""
    assert last.timings.total_ms is not None
    assert last.timings.first_token_ms is not None


def test_not_found_is_a_refusal_with_what_was_searched(assistant: Asked) -> None:
    *growing, answer = assistant("NOT FOUND").stream(QUESTION)
    assert (answer.answered, answer.sentences, answer.citations) == (False, (), ())
    assert "Searched: 10 articles from 20 January 2025 to 12 February 2026." in answer.refusal
    assert answer.text == answer.refusal
    assert answer.hits
    assert not any("NOT" in partial.draft for partial in growing)  # nobody sees the sign itself


@pytest.mark.parametrize("reply", ["NOT FOUND.", "not found", " NOT FOUND", "Not found."])
def test_the_sign_for_not_found_is_read_however_it_is_written(assistant: Asked, reply: str) -> None:
    assert not assistant(reply).ask(QUESTION).answered


@pytest.mark.parametrize("reply", ["", "   ", "[1]", "."])
def test_a_model_that_says_nothing_gives_a_refusal(assistant: Asked, reply: str) -> None:
    answer = assistant(reply).ask(QUESTION)
    assert not answer.answered
    assert answer.refusal


def test_a_model_that_judges_the_excerpts_is_not_asked_when_it_doubts_them(assistant: Asked) -> None:
    doubting = assistant(TRUE, belief=0.0)
    refused = doubting.ask(QUESTION)
    assert (refused.answered, refused.reason) == (False, "the model doubts that the excerpts state the answer")
    assert list(doubting.llm.replies) == [TRUE]  # type: ignore[union-attr]  # never streamed
    assert assistant(TRUE, belief=1.0).ask(QUESTION).answered


@pytest.mark.parametrize(
    ("reply", "stays"),
    [
        (TRUE, True),
        ("The Bank of Corvane, whose governors meet each month in Lunada, lowered its key rate.", False),
        ("The Bank of Corvane lowered its key rate after long and bitter talks about prices in winter.", False),
    ],
)
def test_a_small_model_leads_with_what_it_takes_from_the_articles_and_the_articles_follow(
    assistant: Asked, reply: str, stays: bool
) -> None:
    answer = assistant(reply, belief=1.0).ask(QUESTION)
    assert answer.answered
    assert (answer.sentences[0].text == reply, answer.withheld == ()) == (stays, stays)
    assert len(answer.sentences) > 1
    assert all(sentence.text != reply for sentence in answer.sentences[1:])


@pytest.mark.parametrize(
    ("question", "reply", "holds"),
    [
        ("Who leads the Bank of Corvane?", "Governor Hal Mercer said inflation had slowed.", True),
        ("Who leads the Bank of Corvane?", "The Bank of Corvane lowered its key rate.", False),
        ("How many fell ill with measles in Harrow Bay?", "Sixty-one people had fallen ill since October.", True),
        ("How many fell ill with measles in Harrow Bay?", "People had fallen ill since October.", False),
    ],
)
def test_a_small_model_must_answer_with_the_kind_of_words_asked_for(
    assistant: Asked, question: str, reply: str, holds: bool
) -> None:
    """The articles' own sentences, which hold a name or a number, take the place of a reply without one."""
    answer = assistant(reply, belief=1.0).ask(question)
    assert answer.answered
    assert (answer.by_extraction, answer.model == EXTRACTION) == (not holds, not holds)
    assert holds or reply in answer.withheld
    assert holds or reply not in answer.text
    assert not assistant(reply).ask(question).by_extraction  # a model that may refuse itself is not second-guessed


def test_a_lead_from_two_articles_needs_a_question_that_compares_or_a_sure_model(assistant: Asked) -> None:
    reply = "Nine councillors voted in favour. Councillor Tom Reyes blamed exemptions for residents."
    question = "What did councillors of Villasera say and do about the parking levy?"
    quoted = assistant(reply, belief=LEAST_BELIEF + 0.01).ask(question)
    assert (quoted.answered, quoted.by_extraction, len(quoted.withheld)) == (True, True, 2)
    assert not assistant(reply, belief=LEAST_BELIEF + MIXED + 0.01).ask(question).by_extraction
    assert not assistant(reply, belief=LEAST_BELIEF + 0.01).ask(question[:-1] + " or against it?").by_extraction


def test_a_model_that_says_that_the_excerpts_do_not_tell_has_refused(assistant: Asked) -> None:
    answer = assistant("The governor of the Bank of Corvane is not named in the given excerpts.").ask(QUESTION)
    assert not answer.answered
    assert answer.refusal


def test_an_invented_answer_is_refused_and_withheld(assistant: Asked) -> None:
    answer = assistant(FALSE).ask(QUESTION)
    assert (answer.answered, answer.sentences) == (False, ())
    assert FALSE in answer.withheld
    assert FALSE not in answer.text


def test_an_invented_sentence_beside_a_true_one_never_passes_as_supported(assistant: Asked, stored: Archive) -> None:
    answer = assistant(f"{TRUE} {FALSE}").ask(QUESTION)
    verdicts = {sentence.text: sentence.verdict for sentence in answer.sentences}
    assert verdicts[TRUE] == "supported"
    assert verdicts.get(FALSE, "unsupported") == "unsupported"
    wrong = [s for s in answer.sentences if s.text == FALSE]
    assert all(s.reason and not s.citations for s in wrong)
    assert every_citation_is_verbatim(answer, stored)


def test_the_opposite_beside_a_true_sentence_is_contradicted_by_what_the_true_one_cites(assistant: Asked) -> None:
    opposite = TRUE.replace(" lowered ", " has not lowered ")
    assert opposite != TRUE
    answer = assistant(f"{TRUE} {opposite}").ask(QUESTION)
    true, false = answer.sentences
    assert (true.verdict, false.verdict) == ("supported", "contradicted")
    assert false.citations == true.citations
    assert false.reason
    assert answer.text.endswith(opposite)  # without a marker
    assert f"contradicted by [{false.citations[0].number}]: “{opposite}” ({false.reason})" in answer_text(answer)
    assert sentence_text(false) == f"{opposite} [contradicted by {false.citations[0].number}]"


def test_markers_that_name_no_source_are_removed_and_counted(assistant: Asked) -> None:
    # [0] and [99] name nothing; [1] is a hint, and the answer's own numbers are given by the check
    answer = assistant(f"{TRUE[:-1]} [0][99][1].").ask(QUESTION)
    assert answer.stray_markers == 2
    assert answer.sentences[0].text == TRUE
    assert answer.text == f"{TRUE[:-1]} [1]."


def test_items_of_a_list_are_checked_without_their_numbers(assistant: Asked) -> None:
    answer = assistant(f"1. {TRUE}\n2. {FALSE}").ask(QUESTION)
    assert [(s.text, s.verdict) for s in answer.sentences] == [(TRUE, "supported"), (FALSE, "unsupported")]


def test_a_sentence_said_twice_is_given_once(assistant: Asked) -> None:
    assert len(assistant(f"{TRUE} {TRUE}").ask(QUESTION).sentences) == 1


@pytest.mark.parametrize(
    ("question", "filters", "message"),
    [
        ("", Filters(), "The question is empty"),
        (" \n\t ", Filters(), "The question is empty"),
        ("x" * 2001, Filters(), "has 2,001 characters; at most 2,000"),
        ("\ufdfa" * 1990, Filters(), "has 35,820 characters; at most 2,000"),  # each is read as 18
        (
            "Rain?",
            Filters(since=date(2025, 3, 2), until=date(2025, 3, 1)),
            "begins on 2025-03-02 and ends before that, on 2025-03-01",
        ),
    ],
)
def test_a_bad_question_is_an_error_before_anything_is_done(
    assistant: Asked, question: str, filters: Filters, message: str
) -> None:
    asked = assistant(TRUE)
    for verb in (asked.search, asked.ask, asked.stream):  # stream too: not only when it is iterated
        with pytest.raises(QuestionError, match=message):
            verb(question, filters)
    assert asked.llm.asked == []  # type: ignore[union-attr]


def test_an_empty_archive_says_how_to_fill_it(empty_archive: Archive) -> None:
    assistant = Assistant(empty_archive, WordEmbedder(), None, Settings(data_dir=empty_archive.folder))
    with pytest.raises(ArchiveMissing, match="holds no article yet. Add some: dateline ingest"):
        assistant.ask("Did it rain?")


def test_filters_that_let_nothing_through_give_a_refusal_not_an_error(assistant: Asked) -> None:
    answer = assistant(TRUE).ask(QUESTION, Filters(outlets=("Nobody",)))
    assert (answer.answered, answer.hits, answer.coverage.articles) == (False, (), 0)
    assert "Searched: 0 articles. There is no article of the outlet 'Nobody'." in answer.refusal


def test_an_answer_rests_on_articles_within_the_filters_only(assistant: Asked) -> None:
    answer = assistant(TRUE).ask(QUESTION, Filters(since=date(2026, 1, 1)))
    assert {hit.passage.article.id for hit in answer.hits} <= {"a4", "a10"}
    assert {c.passage.article.id for c in answer.citations} <= {"a4", "a10"}
    assert not any(s.verdict == "supported" and "quarter" in s.text for s in answer.sentences)


def test_without_a_model_sentences_are_quoted_word_for_word(assistant: Asked, stored: Archive) -> None:
    answer = assistant(extraction=True).ask(QUESTION)
    assert (answer.answered, answer.model) == (True, EXTRACTION)
    for sentence in answer.sentences:
        (citation,) = sentence.citations
        day, outlet = citation.passage.article.day, citation.passage.article.outlet
        assert sentence.text in (citation.quote, f"{written(day)}, {outlet}: {citation.quote}")
    assert every_citation_is_verbatim(answer, stored)


def test_teasers_are_never_shown_to_the_model_or_cited(assistant: Asked) -> None:
    asked = assistant("NOT FOUND", "NOT FOUND")
    asked.ask("What did Villasera council approve about the parking levy?")
    answer = asked.ask("Which animal escapes from Lunada zoo?")
    assert not answer.answered
    assert "Villasera council approved" in prompted(asked)
    assert "Zebra" not in prompted(asked)
    assert not any("Zebra" in hit.passage.text for hit in answer.hits)


def test_a_follow_up_is_looked_up_with_what_it_leans_on(assistant: Asked) -> None:
    history = [
        Turn(question="What did Governor Hal Mercer of the Bank of Corvane do?", answer="He lowered the key rate.")
    ]
    asked = assistant("Governor Hal Mercer said inflation had slowed to 1.9 per cent in January.")
    answer = asked.ask("Why did he do it?", history=history)
    assert "Governor Hal Mercer of the Bank of Corvane" in prompted(asked)
    assert {h.passage.article.id for h in answer.hits[:2]} == {"a9", "a10"}
    alone = assistant("NOT FOUND").ask("Why did he do it?")
    assert [h.passage.id for h in alone.hits[:2]] != [h.passage.id for h in answer.hits[:2]]


def test_a_question_that_stands_alone_is_not_mixed_with_what_was_asked_before(assistant: Asked) -> None:
    history = [Turn(question="What did Governor Hal Mercer do?", answer="He lowered the key rate.")]
    question = "How many people fell ill with measles in Harrow Bay since October?"
    with_history = assistant("NOT FOUND").ask(question, history=history)
    assert with_history.hits == assistant("NOT FOUND").ask(question).hits


def test_a_model_that_fails_in_mid_answer_raises_and_the_next_question_works(assistant: Asked) -> None:
    asked = assistant(ModelUnavailable("It fell over. Start it again."), TRUE)
    stream = asked.stream(QUESTION)
    assert next(stream).hits
    with pytest.raises(ModelUnavailable, match="fell over"):
        list(stream)
    assert asked.ask(QUESTION).answered


def test_closing_the_stream_stops_the_model(assistant: Asked) -> None:
    asked = assistant("It rained. " * 200)
    stream = asked.stream(QUESTION)
    while not next(stream).draft:
        pass
    assert isinstance(asked.llm, ScriptedLLM)
    stream.close()  # type: ignore[attr-defined]
    assert asked.llm.stopped
    assert asked.llm.streamed < 100


def test_search_gives_hits_without_asking_the_model(assistant: Asked) -> None:
    asked = assistant(TRUE)
    hits = asked.search("key rate", top_k=2)
    assert [hit.passage.article.id for hit in hits] == ["a9", "a10"] or [h.passage.article.id for h in hits] == [
        "a10",
        "a9",
    ]
    assert asked.llm.asked == []  # type: ignore[union-attr]


def test_a_cited_version_can_still_be_read_after_a_correction(archive: Archive) -> None:
    assistant = Assistant(archive, WordEmbedder(), ScriptedLLM(TRUE), Settings(data_dir=archive.folder))
    answer = assistant.ask(QUESTION)
    before = archive.catalog.article("a9")
    assert before is not None
    ingest([replace(before, text="The Bank of Corvane did nothing at all.")], archive, WordEmbedder())
    assert archive.catalog.article("a9").text != before.text  # type: ignore[union-attr]
    assert every_citation_is_verbatim(answer, archive)


def test_a_question_unlike_every_article_is_refused_before_the_model_is_asked(assistant: Asked) -> None:
    asked = assistant("Eggs are not needed.", belief=1.0)
    answer = asked.ask("best pancake recipe without eggs")
    assert (answer.answered, answer.reason) == (False, "nothing similar enough found")
    assert answer.hits
    assert asked.llm.asked == []  # type: ignore[union-attr]


def test_a_refusal_names_what_no_article_has(assistant: Asked) -> None:
    answer = assistant(TRUE).ask("What did the Bank of Corvane tell Angela Merkel?")
    assert answer.reason == "a name or number of the question is in no article found"
    assert answer.missing == ("angela", "merkel")
    assert assistant(TRUE).ask(QUESTION).missing == ()


@pytest.mark.parametrize(
    ("reply", "belief", "reason"),
    [
        (TRUE, None, ""),
        ("NOT FOUND", None, "the model found no answer in the excerpts"),
        (FALSE, None, "no sentence of the model is supported by the articles"),
    ],
)
def test_a_refusal_says_why(assistant: Asked, reply: str, belief: float | None, reason: str) -> None:
    answer = assistant(reply, belief=belief).ask(QUESTION)
    assert (answer.reason, answer.answered) == (reason, not reason)


@pytest.fixture
def hosted(stored: Archive, endpoint: ModelServer) -> Iterator[Assistant]:
    """An assistant whose model is on the network; the archive is shared, so only the model is closed."""
    llm = OpenAIChat(url=endpoint.url, model="tide", key="", name="Tide", timeout=10, evidence_tokens=200)
    yield Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none"))
    llm.close()


def test_sampling_is_an_argument_of_one_question(hosted: Assistant, endpoint: ModelServer) -> None:
    hosted.ask(QUESTION, sampling={"temperature": 0.9, "seed": 7})
    hosted.ask(QUESTION)
    list(hosted.stream(QUESTION, sampling={"presence_penalty": 1.5}))
    asyncio.run(hosted.aask(QUESTION, sampling={"temperature": 0.4}))
    sent = [(b["temperature"], b.get("seed"), b.get("presence_penalty")) for b in endpoint.bodies]
    assert sent == [(0.9, 7, None), (0, None, None), (0, None, 1.5), (0.4, None, None)]


def test_closing_the_assistant_again_does_nothing(archive: Archive) -> None:
    model = CountingLLM()
    with Assistant(archive, WordEmbedder(), model, Settings(data_dir=archive.folder)) as assistant:
        assistant.close()
    assistant.close()
    assert model.closings == 1


class CountingLLM(ScriptedLLM):
    """Counts how often it is closed."""

    closings = 0

    def close(self) -> None:
        """One more."""
        self.closings += 1


class StubbornLLM(ScriptedLLM):
    """A model that cannot be closed."""

    def close(self) -> None:
        """Raises RuntimeError."""
        raise RuntimeError("It hangs.")


def test_a_model_that_cannot_be_closed_does_not_keep_the_archive_open(archive: Archive) -> None:
    assistant = Assistant(archive, WordEmbedder(), StubbornLLM(), Settings(data_dir=archive.folder))
    assistant.search("ferry")
    with pytest.raises(RuntimeError, match="hangs"):
        assistant.close()
    assert not archive.owns_indexes


def test_closing_the_assistant_closes_model_and_archive(archive: Archive) -> None:
    model = ScriptedLLM()
    with Assistant(archive, WordEmbedder(), model, Settings(data_dir=archive.folder)) as assistant:
        assistant.search("ferry")
    assert model.closed
    assert not archive.owns_indexes


# --- one shape for every face -----------------------------------------------------------------------------


@pytest.fixture
def answers(assistant: Asked) -> list[Answer]:
    """A supported one, a mixed one, a refusal and an extraction."""
    return [
        assistant(TRUE).ask(QUESTION), assistant(f"{TRUE} {FALSE}").ask(QUESTION), assistant("NOT FOUND").ask(QUESTION),
        assistant(extraction=True).ask(QUESTION),
    ]  # fmt: skip


def test_the_data_of_an_answer_lose_no_source(answers: list[Answer]) -> None:
    for answer in answers:
        data = answer_data(answer)
        assert [c["number"] for c in data["citations"]] == [c.number for c in answer.citations]
        assert [h["passage_id"] for h in data["hits"]] == [h.passage.id for h in answer.hits]
        assert (data["text"], data["answered"], data["model"]) == (answer.text, answer.answered, answer.model)


def test_the_text_for_a_terminal_names_every_source_and_every_doubt(
    answers: list[Answer], articles: list[Article]
) -> None:
    for answer in answers:
        text = answer_text(answer)
        assert all(f"[{c.number}] {c.passage.article.title}" in text and c.quote in text for c in answer.citations)
        assert all(s.reason in text for s in answer.sentences if s.verdict == "unsupported")
