"""Who took over from whom: which way a question asks, and which sentences tell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rag.answering.people.succession import asked_person, direction_of, ranked
from rag.answering.sentence_selection import Candidate, Evidence
from rag.assistant import Assistant
from rag.language.sentences import sentence_spans
from rag.models import files
from rag.schema import Article, Hit, Passage, Turn


@pytest.mark.parametrize(
    ("language", "successor", "predecessor"),
    [
        ("en", ["Who replaced Osei?", "Who is Osei's successor?", "Who will take over from Osei?"],
         ["Who did Osei replace?", "Whom did Osei succeed?", "Who was Osei's predecessor?"]),
        ("en", ["Who was Osei replaced by?", "Who is replacing Osei?"], ["Who was replaced by Osei?"]),
        ("de", ["Wer hat Osei abgelöst?", "Wer folgte auf Osei?", "Von wem wurde Osei ersetzt?", "Wer löste Osei ab?"],
         ["Wen hat Osei abgelöst?", "Wer wurde von Osei ersetzt?", "Wer war der Vorgänger von Osei?"]),
        ("fr", ["Qui a remplacé Osei ?", "Par qui Osei a-t-il été remplacé ?", "Qui a succédé à Osei ?"],
         ["Qui Osei a-t-il remplacé ?", "À qui Osei a-t-il succédé ?"]),
        ("es", ["¿Quién sustituyó a Osei?", "¿Por quién fue sustituido Osei?", "¿Quién relevó a Osei?"],
         ["¿A quién sustituyó Osei?", "¿Quién fue sustituido por Osei?"]),
        ("it", ["Chi ha sostituito Osei?", "Chi è subentrato a Osei?", "Da chi è stato sostituito Osei?"],
         ["Chi era il predecessore di Osei?"]),
        ("pt", ["Quem substituiu Osei?", "Por quem foi substituído Osei?", "Quem sucedeu a Osei?"],
         ["A quem sucedeu Osei?"]),
        ("nl", ["Wie verving Osei?", "Wie volgde Osei op?", "Door wie werd Osei vervangen?"],
         ["Wie was de voorganger van Osei?"]),
    ],
)  # fmt: skip
def test_which_way_a_question_asks(language: str, successor: list[str], predecessor: list[str]) -> None:
    assert {one: direction_of(one, "osei", language) for one in successor} == dict.fromkeys(successor, "successor")
    told = {one: direction_of(one, "osei", language) for one in predecessor}
    assert told == dict.fromkeys(predecessor, "predecessor")


@pytest.mark.parametrize("question", ["Who accused Osei?", "When was Osei replaced?", "Who replaced the roof?"])
def test_other_questions_ask_for_nobody_before_or_after(question: str) -> None:
    assert direction_of(question, "osei", "en") is None


def evidence(*texts: tuple[int, str]) -> tuple[list[Hit], Evidence]:
    """The hits and the sentences of articles of these months of 2025, all with one score."""
    hits = []
    for month, text in texts:
        day = datetime(2025, month, 1, tzinfo=UTC)
        article = Article(id=f"a{month}", title="", text=text, language="en", source=f"a{month}", published=day)
        hits.append(Hit(passage=Passage(article=article, number=0, start=0, end=len(text)), score=0.8))
    found = [
        Candidate(hit.passage, *span, score=1.0, likeness=0.9)
        for hit in hits
        for span in sentence_spans(hit.passage.text)
    ]
    return hits, Evidence(candidates=tuple(found), likeness=0.9, closeness=1.5)


def first(question: str, *texts: tuple[int, str], most: int = 1) -> str:
    """The sentences that come first, at most so many; "" where none tells."""
    hits, found = evidence(*texts)
    asked = asked_person(question, "en", hits)
    assert asked is not None
    told = ranked(found, asked)
    return " ".join(one.text for one in told.candidates[:most]) if told.likeness else ""


LEFT = "The harbour commissioner, Abena Osei, left on Friday. Osei was tired, she said."
CAME = "Harbour Commissioner Idris Vane opened the new dock. He thanked the crew."
ACTIVE = "Nobody stood. Idris Vane succeeded Abena Osei in the spring. The dock was closed."
PASSIVE = "Nobody stood. Abena Osei was succeeded by Idris Vane in the spring. The dock was closed."
PRONOUN = "Idris Vane has the post. The choice was his own.\n\nHe takes over from Abena Osei, who sails."
NOUN = "The dock has a new head, Idris Vane. Abena Osei, his predecessor, praised him. It rained."


@pytest.mark.parametrize("told", [ACTIVE, PASSIVE, PRONOUN, NOUN])
def test_the_sentence_that_tells_comes_first_and_only_for_the_question_it_answers(told: str) -> None:
    assert "Osei" in first("Who replaced Abena Osei?", (3, told), most=2)
    assert first("Who did Abena Osei replace?", (3, told)) == ""


@pytest.mark.parametrize("told", [ACTIVE, PASSIVE, NOUN])
def test_the_same_sentence_answers_for_the_other_one(told: str) -> None:
    assert "Osei" in first("Whom did Idris Vane succeed?", (3, told))
    assert first("Who succeeded Idris Vane?", (3, told)) == ""


def test_whoever_has_the_office_later_came_after_and_the_days_tell_which() -> None:
    archive = (3, LEFT), (6, CAME)
    for question in ("Who replaced Abena Osei?", "who replaced osei"):
        assert first(question, *archive).startswith("Harbour Commissioner Idris Vane")
    assert first("Who did Idris Vane replace?", *archive).startswith("The harbour commissioner, Abena Osei")
    assert first("Who replaced Idris Vane?", *archive) == first("Who did Abena Osei replace?", *archive) == ""


def test_whoever_takes_over_in_the_article_on_the_person_or_is_named_to_an_interviewer_came_after() -> None:
    until = f"{LEFT}\n\nOsei will sail. Milo Trent, the port chaplain, takes over until May. Osei has a boat."
    assert first("Who replaced Abena Osei?", (3, until)).startswith("Milo Trent")
    interview = "Abena Osei, commissioner, retires. She is glad.\n\nWho will replace you?\n\nIdris Vane, my old mate."
    assert first("Who replaced Abena Osei?", (3, interview)).startswith("Idris Vane")
    assert first("Who did Abena Osei replace?", (3, interview)) == ""


def test_a_sentence_with_a_pronoun_is_shown_with_the_one_that_names_its_person() -> None:
    hits, found = evidence((3, PRONOUN))
    asked = asked_person("Who replaced Abena Osei?", "en", hits)
    assert asked is not None
    best = ranked(found, asked).candidates[:2]
    assert {one.text[:10] for one in best} == {"He takes o", "Idris Vane"}


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Who replaced Edmund Lacey?", "Ruth Pemberley"),
        ("Wer hat Edmund Lacey abgelöst?", "Ruth Pemberley"),
        ("Qui a remplacé Edmund Lacey ?", "Ruth Pemberley"),
        ("Wer hat Lacey ersetzt?", "Ruth Pemberley"),  # though it shares few words with the articles
        ("Wie volgde Lacey op?", "Ruth Pemberley"),
        ("Who did Ruth Pemberley replace?", "Edmund Lacey"),
        ("Who succeeded Gordon Pryde?", "Octavio Merino"),
    ],
)
def test_the_archive_answers_who_came_before_and_after(demo_assistant: Assistant, question: str, named: str) -> None:
    assert named in demo_assistant.ask(question).sentences[0].text


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
@pytest.mark.parametrize(
    "question",
    [
        "Wer hat Danforth ersetzt?",  # the articles name a deputy governor, and not who replaced whom
        "Who succeeded Luther Voss?",  # "the mayor of Harrow Bay, Luther Voss": the town in front of him is no office
        "Wer folgte auf Luther Voss?",
    ],
)
def test_somebody_beside_the_office_is_no_certain_answer(demo_assistant: Assistant, question: str) -> None:
    assert demo_assistant.ask(question).sentences[0].text.startswith("It is not certain")


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
def test_a_follow_up_asks_who_replaced_whom_the_conversation_names(demo_assistant: Assistant) -> None:
    before = Turn(question="Who resigned over a trawler firm?", answer="Fisheries minister Edmund Lacey resigned.")
    answer = demo_assistant.ask("Who took over from him?", history=[before])
    assert "Ruth Pemberley" in answer.sentences[0].text
    nobody = demo_assistant.ask("Who succeeded Beatrix Holloway?")
    assert nobody.sentences[0].text.startswith("It is not certain")
