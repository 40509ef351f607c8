"""What a follow-up means, and its answers from the demo archive in chains of several turns and four languages."""

from __future__ import annotations

from datetime import date

import pytest
from conftest import Asked
from fakes import ScriptedLLM

from rag.answering.conversation.followups import read, standalone, unnamed_person
from rag.answering.conversation.moves import Move
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.models import files
from rag.schema import Answer, QuestionKind, Turn

TODAY = date(2026, 6, 18)
SEAT = [
    Turn(question="Is it raining?", answer="No."),
    Turn(question="Who won the seat?", answer="It was Joanna Teague of the Alliance, Joanna Teague from Orrin."),
]
COMPLETE = "how many dead fish were cleared from the lake in 2025"
GANNET = Turn(question="Which film won the Silver Gannet in 2025?", answer="“The Salt Ledger” by Agnes Torvald.")


@pytest.mark.parametrize(
    ("question", "looked_up"),
    [
        ("How many seats has she?", "Who won the seat? joanna teague alliance How many seats has she?"),
        ("What had the union asked for?", "Who won the seat? joanna teague alliance What had the union asked for?"),
        ("What did Kamala Harris promise?", "What did Kamala Harris promise?"),
        (COMPLETE, COMPLETE),
        ("Why?", "Who won the seat? joanna teague alliance Why?"),
        ("Who else?", "Who won the seat?"),
        ("shorter, please", "Who won the seat?"),
        ("as a timeline", "Who won the seat?"),
    ],
)
def test_what_a_follow_up_is_looked_up_with(question: str, looked_up: str) -> None:
    assert standalone(question, SEAT) == looked_up
    assert standalone(question, []) == question


@pytest.mark.parametrize(
    ("question", "move", "form"),
    [
        ("as a timeline, please", "form", "timeline"),
        ("y en forma de cronología", "form", "timeline"),
        ("als Zeitleiste bitte", "form", "timeline"),
        ("a summary, please", "form", "summary"),
        ("shorter", "shorter", None),
        ("más corto", "shorter", None),
        ("kürzer bitte", "shorter", None),
        ("plus court, s'il vous plaît", "shorter", None),
        ("in which outlet?", "source", None),
        ("¿en qué medio?", "source", None),
        ("in welcher Zeitung?", "source", None),
        ("dans quel journal ?", "source", None),
        ("who else?", "more", None),
        ("¿y quién más?", "more", None),
        ("und wer noch?", "more", None),
        ("qui d'autre ?", "more", None),
        ("tell me more", "more", None),
        ("how many more?", "content", None),
        ("and in 2026?", "days", None),
        ("what about last year?", "days", None),
        ("¿y un año después?", "days", None),
        ("und ein Jahr später?", "days", None),
        ("et l'année dernière ?", "days", None),
        ("why?", "content", None),
        ("und warum?", "content", None),
        ("What did she say?", "content", None),
    ],
)
def test_what_a_follow_up_does_with_the_question_before(question: str, move: Move, form: QuestionKind | None) -> None:
    reading = read(question, SEAT, TODAY)
    assert (reading.move, reading.form) == (move, form)


@pytest.mark.parametrize(
    ("question", "whom"),
    [
        ("How old is he?", "he"),
        ("Wie alt ist er?", "er"),
        ("¿Qué dijo él?", "él"),
        ("How old is Marsh?", ""),
        ("¿Quién es el alcalde?", ""),
        ("Wer ist Ihr Chef?", ""),
        ("What did she say about the bridge?", ""),
    ],
)
def test_a_person_whom_nothing_names_is_asked_for(question: str, whom: str) -> None:
    assert unnamed_person(question, []) == whom
    assert not unnamed_person(question, SEAT)


def test_a_question_about_somebody_whom_nothing_names_is_asked_back(archive: Archive) -> None:
    answer = Asked(archive)(extraction=True).ask("How old is he?")
    assert (answer.answered, answer.reason) == (False, "the question does not say whom it means")
    assert answer.text == "The question says “he”, but not who is meant. Ask again with the name."


def test_the_days_of_a_follow_up_take_the_place_of_those_before() -> None:
    reading = read("and in 2026?", [GANNET], TODAY)
    assert reading.text == "Which film won the Silver Gannet ? 2026"
    assert reading.window is not None
    assert (reading.window.first, reading.window.last) == (date(2026, 1, 1), date(2026, 12, 31))
    assert reading.elsewhere


@pytest.mark.parametrize(
    ("question", "asked", "first"),
    [
        ("and in 2026, who directed it?", "2026 who directed it?", date(2026, 1, 1)),
        ("And a year later - who directed it?", "who directed it?", date(2026, 1, 1)),
        ("¿Y un año después, quién la dirigió?", "quién la dirigió?", date(2026, 1, 1)),
        ("Und ein Jahr später: wer führte Regie?", "wer führte Regie?", date(2026, 1, 1)),
    ],
)
def test_a_question_of_its_own_may_be_of_other_days(question: str, asked: str, first: date) -> None:
    reading = read(question, [GANNET], TODAY)
    assert reading.text == f"Which film won the Silver Gannet ? {asked}"
    assert reading.kind_text == asked.removeprefix("2026 ")
    assert reading.window is not None
    assert (reading.window.first, reading.elsewhere, reading.move) == (first, True, "content")


def test_what_stands_in_front_of_a_question_may_be_no_other_days() -> None:
    reading = read("And two days before the prize, what had she said?", [GANNET], TODAY)
    assert reading.text.startswith("Which film won the Silver Gannet in 2025?")
    assert not reading.elsewhere


def test_what_is_so_now_is_not_looked_for_in_the_days_of_the_conversation() -> None:
    reading = read("And who is its director now?", [GANNET], TODAY)
    assert reading.window is None
    assert "2025" not in reading.text
    assert reading.text.startswith("Which film won the Silver Gannet")
    assert read("And who was its director?", [GANNET], TODAY).window is not None


def test_a_follow_up_without_days_has_those_of_the_conversation() -> None:
    turns = [Turn(question="Who resigned last week?", answer="Edmund Lacey."), Turn(question="Why?", answer="x")]
    reading = read("And who followed him?", turns, TODAY)
    assert reading.window is not None
    assert (reading.window.first, reading.window.last) == (date(2026, 6, 8), date(2026, 6, 14))


@pytest.mark.parametrize(
    ("question", "may"),
    [("What had the union asked for?", True), ("Why?", False), ("and the strike?", False), (COMPLETE, False)],
)
def test_a_short_question_that_points_at_nothing_may_stand_alone(question: str, may: bool) -> None:
    assert read(question, SEAT, TODAY).may_stand_alone is may


def test_the_subject_survives_three_follow_ups() -> None:
    turns = [GANNET, Turn(question="and in 2026?", answer="“La marea de enero”."), Turn(question="why?", answer="x")]
    reading = read("Who was the director?", turns, TODAY)
    assert reading.text.startswith("Which film won the Silver Gannet ? 2026")
    assert reading.window is not None
    assert reading.window.first == date(2026, 1, 1)


def test_a_pronoun_stands_for_the_person_named_last() -> None:
    turn = Turn(question="Who leads the Green Hills?", answer="Beatrix Holloway, since April 2025.")
    assert read("What did she say in the TV debate?", [turn], TODAY).subject == "Beatrix Holloway TV debate"


@pytest.mark.parametrize(
    "source", ["26 September 2025, Northline News: ", "Undated, Maravel Wire: ", "1 May 2025, Maravel Wire, "]
)
def test_the_outlet_in_front_of_a_sentence_is_nobody_who_speaks(source: str) -> None:
    turn = Turn(
        question="Who runs fisheries?", answer=f"{source}Ruth Pemberley was sworn in [1].\n{source}She sails [2]."
    )
    reading = read("What did she say?", [turn], TODAY)
    assert reading.subject == "Ruth Pemberley"
    assert "ruth pemberley" in reading.text


def test_a_long_conversation_is_read_in_time_that_grows_with_its_turns() -> None:
    assert len(read("why?", [Turn(question="why?", answer="Because Edmund Lacey said so.")] * 20, TODAY).text) < 2000


# --- the demo archive -----------------------------------------------------------------------------


def last_of(demo_assistant: Assistant, first: str, *more: str) -> Answer:
    """The answer to the last question of a conversation, whose own earlier answers are its history."""
    history: list[Turn] = []
    for question in (first, *more):
        answer = demo_assistant.ask(question, history=history, today=TODAY)
        history.append(Turn(question=question, answer=answer.text))
    return answer


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
class TestAnswers:
    @pytest.mark.parametrize(
        ("first", "question", "said"),
        [
            ("Why was Lake Thessaly lowered?", "how many people are waiting for an operation at the moment", "198,300"),
            ("What happened to the Kestrel Sound?", "Compare the 2025 and 2026 budgets", "43.9 billion"),
        ],
    )
    def test_a_question_on_something_else_begins_a_new_subject(
        self, demo_assistant: Assistant, first: str, question: str, said: str
    ) -> None:
        alone = demo_assistant.ask(question, today=TODAY)
        assert said in alone.text
        assert last_of(demo_assistant, first, question).text == alone.text

    @pytest.mark.parametrize(
        ("questions", "said"),
        [
            (("Which film won the Silver Gannet in 2025?", "And a year later?"), ["marea de enero"]),
            (
                ("Which film won the Silver Gannet in 2025?", "and in 2026?", "Who won best actress?"),
                ["Jocasta Lyle"],
            ),
            (("What started the fire on Kestrel Ridge?", "How many houses were destroyed?"), ["17 houses"]),
            (("Why did Edmund Lacey resign as fisheries minister?", "Who took over?"), ["Pemberley"]),
            (("¿Quién ganó la Liga Lunada en 2025?", "¿y un año después?"), ["Deportivo Puerto Alba"]),
            (("How many measles cases had Harrow Bay in May 2025?", "in which outlet?"), ["The Selwyn Courier: "]),
            (
                ("Who won the Castellan Marathon in 2026?", "in what time?", "and the men's race?", "the oldest?"),
                ["Percy Aldous, 81"],
            ),
        ],
    )
    def test_a_follow_up_carries_the_subject_and_the_days(
        self, demo_assistant: Assistant, questions: tuple[str, ...], said: list[str]
    ) -> None:
        answer = last_of(demo_assistant, *questions)
        assert [words for words in said if words not in answer.text] == []

    @pytest.mark.parametrize(
        ("questions", "days"),
        [
            (("What was the key rate in February 2026?", "and a year earlier?"), ("2025-02-01", "2025-02-28")),
            (("What was the city budget for 2026?", "and the year before?"), ("2025-01-01", "2025-12-31")),
            (("What happened in June 2025?", "and in March?", "the month before?"), ("2025-02-01", "2025-02-28")),
        ],
    )
    def test_other_days_are_as_many_and_all_that_is_told_is_of_them(
        self, demo_assistant: Assistant, questions: tuple[str, ...], days: tuple[str, str]
    ) -> None:
        answer = last_of(demo_assistant, *questions)
        assert answer.answered
        assert answer.window
        assert (str(answer.window.first), str(answer.window.last)) == days
        told = [str(one.passage.article.day) for one in answer.citations if one.passage.article.day]
        assert told
        assert days[0] <= min(told) <= max(told) <= days[1]

    def test_what_happened_in_other_days_is_told_as_in_the_first_ones(self, demo_assistant: Assistant) -> None:
        later = last_of(demo_assistant, "What happened in June 2025?", "and in August?")
        assert later.text == demo_assistant.ask("What happened in August 2025?", today=TODAY).text

    def test_articles_from_other_days_are_left_out(self, demo_assistant: Assistant) -> None:
        answer = last_of(demo_assistant, "Who won the Maravel Cup last year?", "And this year?")
        assert {hit.passage.article.day.year for hit in answer.hits if hit.passage.article.day} == {2026}

    def test_a_model_is_asked_of_other_days_in_full(self, demo_assistant: Assistant) -> None:
        model = ScriptedLLM("La marea de enero won the Silver Gannet.", probability=0.9)
        turn = Turn(
            question="Which film won the Silver Gannet in 2025?", answer="“The Salt Ledger” won it in May 2025."
        )
        asked = Assistant(demo_assistant.archive, demo_assistant.embedder, model, demo_assistant.settings)
        asked.ask("And a year later?", history=[turn], today=TODAY)
        prompts = [message.content for messages in model.asked for message in messages if message.role == "user"]
        assert len(prompts) == 2
        assert all("\n\nQuestion: Which film won the Silver Gannet" in prompt for prompt in prompts)
        assert not any("Salt Ledger” won it" in prompt for prompt in prompts)

    def test_who_else_gives_what_was_not_said(self, demo_assistant: Assistant) -> None:
        turn = Turn(question="Who was jailed for the raid on the Maritime Museum?", answer="Desmond Faircloth.")
        answer = demo_assistant.ask("Who else?", history=[turn], today=TODAY)
        assert "Lena Orsk" in answer.text
        assert "Kit Bramwell" in answer.text
        assert not any(sentence.text.startswith("Desmond") for sentence in answer.sentences)

    def test_shorter_is_one_sentence_that_says_what_was_said(self, demo_assistant: Assistant) -> None:
        turn = Turn(
            question="What happened in Arden Cutting in January 2026?",
            answer="Four of the six carriages of an express left the rails after earth slid on to the track. "
            "All 143 people aboard survived. The line will stay shut.",
        )
        answer = demo_assistant.ask("shorter", history=[turn], today=TODAY)
        assert len(answer.sentences) == 1
        assert "left the rails" in answer.text

    def test_another_form_is_given_of_the_same_subject(self, demo_assistant: Assistant) -> None:
        answer = last_of(
            demo_assistant, "What happened at the port of Harrow Bay in autumn 2025?", "as a timeline, please"
        )
        assert answer.kind == "timeline"
        assert "6 October 2025: Some 2,350 dockers walked out" in answer.text

    def test_a_complete_question_is_not_changed_by_the_conversation(self, demo_assistant: Assistant) -> None:
        question = "how many dead fish were cleared from the lake in 2025?"
        turn = Turn(question="Who won the Castellan Marathon in 2026?", answer="Maite Urbieta.")
        alone, within = (demo_assistant.ask(question, history=turns, today=TODAY) for turns in ([], [turn]))
        assert within.text == alone.text
        assert "38,000" in within.text
