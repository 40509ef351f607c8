"""People who share a last name are told apart, and a pronoun is read as the person whom the conversation names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rag.answering.people.mentions import named
from rag.answering.people.namesakes import asked_people, bearers_of, tells_of_another, without_namesakes
from rag.answering.people.referents import with_names
from rag.answering.people.same_name import told_apart
from rag.answering.people.several import named_alone
from rag.assistant import Assistant
from rag.models import files
from rag.schema import Article, Filters, Hit, Passage, Turn


def article(key: str, text: str, language: str = "en", title: str = "") -> Article:
    day = datetime(2025, 3, 1, tzinfo=UTC)
    return Article(id=key, title=title, text=text, language=language, source=key, published=day)


def hits(*articles: Article) -> list[Hit]:
    return [Hit(passage=Passage(article=one, number=0, start=0, end=len(one.text)), score=0.9) for one in articles]


def kept(question: str, *articles: Article) -> list[str]:
    return [hit.passage.article.id for hit in without_namesakes(question, hits(*articles))]


JUDGE = article("judge", "The judge, Ottilie Brandt, adjourned the trial. Brandt said she needed a week.")
COACH = article(
    "coach", "Rovers dismissed their coach, Jasper Brandt, on Monday. Mr Brandt had lost six games. He is 49."
)
MATCH = article("match", "Rovers lost again on Sunday, and the coach blamed the referee.")
BOTH = article(
    "both", "Jasper Brandt and his sister Ottilie Brandt opened the museum. Ottilie is older. Brandt thanked all."
)


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("How old is Jasper Brandt?", ["coach", "match", "both"]),
        ("how old is ottilie brandt", ["judge", "match", "both"]),
        ("Was sagte Ottilie Brandt?", ["judge", "match", "both"]),
        ("How old is Brandt?", ["judge", "coach", "match", "both"]),
        ("Do Jasper and Ottilie Brandt know each other?", ["judge", "coach", "match", "both"]),
        ("Who is Emil Brandt?", ["judge", "coach", "match", "both"]),  # nobody of that name: the refusal's affair
    ],
)
def test_articles_on_a_namesake_of_whom_the_question_names_are_no_hits(question: str, left: list[str]) -> None:
    assert kept(question, JUDGE, COACH, MATCH, BOTH) == left


@pytest.mark.parametrize(
    ("asked", "other", "language"),
    [
        ("¿Qué dijo Lucía Arteta?", "El alcalde Ramón Arteta dimitió. El señor Arteta se despidió.", "es"),
        (
            "Was sagte Lucía Arteta?",
            "Der Finanzminister Ramón Arteta ist gegangen. Minister Arteta bleibt noch hier.",
            "de",
        ),
        ("Qu'a dit Lucía Arteta ?", "Le maire, Ramón Arteta, part. M. Arteta a salué ses amis.", "fr"),
        ("Che cosa ha detto Lucía Arteta?", "Il sindaco Ramón Arteta lascia. Arteta ha salutato.", "it"),
        ("O que disse Lucía Arteta?", "O prefeito Ramón Arteta saiu. Arteta despediu-se.", "pt"),
        ("Wat zei Lucía Arteta?", "Burgemeester Ramón Arteta vertrekt. De heer Arteta nam afscheid.", "nl"),
    ],
)
def test_namesakes_are_told_apart_in_every_language(asked: str, other: str, language: str) -> None:
    own = article("own", "Lucía Arteta, 33, won. Arteta thanked the crowd.")
    assert kept(asked, own, article("other", other, language)) == ["own"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Engineer Brandt inspected the dam. An engineer must do so, Brandt said.", "en"),  # lower case elsewhere
        ("Minister Brandt resigned. Brandt gave no reason.", "en"),
        ("Die Frau Brandt kam nicht. Oberrichterin Brandt trat gestern zurück, und Brandt schwieg.", "de"),
    ],
)
def test_a_title_in_front_of_a_name_makes_nobody_else(text: str, language: str) -> None:
    assert kept("What did Ottilie Brandt say?", JUDGE, article("x", text, language)) == ["judge", "x"]


def test_places_and_bodies_that_share_a_word_are_no_people() -> None:
    city = article("city", "The council of Ravello met. In Ravello the bridge is shut.")
    club = article("club", "Sporting Ravello won the cup. The bank paid. National Bank sponsors Ravello.")
    yard = article("yard", "Cantieri Ravello built the ferry. Union Bank lent the money; the bank is content.")
    found = (city, club, yard)
    assert kept("Who coaches Sporting Ravello?", *found) == ["city", "club", "yard"]
    assert kept("What does National Bank pay?", *found) == ["city", "club", "yard"]
    assert bearers_of("ravello", found) == bearers_of("bank", found) == []
    assert named_alone("Who governs Ravello?", found) is None


def test_a_last_name_alone_means_whom_the_article_introduces_by_it() -> None:
    text = (
        "Selma Okonjo runs the clinic. Okonjo trained in Lagos.\n\nA patient, Peter Okonjo, praised it. Okonjo is 80."
        "\n\nSelma Okonjo will retire. Okonjo is tired."
    )
    told = article("clinic", text)
    people = asked_people("How old is Peter Okonjo?", [told])
    ends = {words: text.index(words) for words in ("Okonjo trained", "Okonjo is 80", "Okonjo is tired")}
    of_another = {words: tells_of_another(told, at, at + len(words), people) for words, at in ends.items()}
    # Between the two it may be either: whom the article names last, or whom it is about.
    assert of_another == {"Okonjo trained": True, "Okonjo is 80": False, "Okonjo is tired": True}


def test_a_sentence_that_names_the_namesake_is_none_of_an_article_that_does_not_know_the_person() -> None:
    other = article("other", "Ramón Arteta spoke. The hall was full.")
    own = article("own", "Lucía Arteta won. Arteta cheered.")
    people = asked_people("What did Lucía Arteta say?", [own, other])
    assert tells_of_another(other, 0, 19, people)
    assert not tells_of_another(other, 20, 38, people)
    assert not tells_of_another(own, 0, 17, people)


def test_names_are_read_with_middle_names_initials_hyphens_and_firms() -> None:
    text = "Ann B. Lee-Smith met Jo Anne Hart of Hart & Bell Trust. Dr. Hart left very early; then Prof Hart came."
    found = named(article("a", text))
    assert [sorted(one.given) for one in found.of("smith")] == [["ann", "lee"]]
    assert [sorted(one.given) for one in found.of("hart")] == [["anne", "jo"], [], []]
    assert found.of("bell") == ()


@pytest.mark.parametrize(
    ("question", "history", "meant"),
    [
        ("How old is he?", [("Whom did Rovers dismiss?", "The coach, Jasper Brandt.")], "How old is Jasper Brandt?"),
        ("When will she rule?", [("Who adjourned?", "Ottilie Brandt did.")], "When will Ottilie Brandt rule?"),
        (
            "How old is he?",  # the last one named is of the other sex
            [("Whom did Rovers dismiss?", "Jasper Brandt."), ("Who adjourned the trial?", "Ottilie Brandt did.")],
            "How old is Jasper Brandt?",
        ),
        ("Wie alt ist er?", [("Wer ist Jasper Brandt?", "Der Trainer.")], "Wie alt ist Jasper Brandt?"),
        ("What did Brandt say?", [("Who adjourned?", "Ottilie Brandt did.")], "What did Ottilie Brandt say?"),
        ("What did Jasper Brandt say?", [("Who adjourned?", "Ottilie Brandt did.")], "What did Jasper Brandt say?"),
        ("Why?", [("Who adjourned?", "Ottilie Brandt did.")], "Why?"),
        ("How old is he?", [("Where is it?", "In Port Ravello.")], "How old is he?"),
        ("Wann öffnet er?", [("Was kostet der Park?", "Nichts, sagte Jasper Brandt.")], "Wann öffnet er?"),  # the park
        ("Combien y a-t-il de clubs ?", [("Qui est Jasper Brandt ?", "Un juge.")], "Combien y a-t-il de clubs ?"),
        ("Quel âge a-t-il ?", [("Qui est Jasper Brandt ?", "Un juge.")], "Quel âge a-t-Jasper Brandt ?"),
        ("How old is he?", [], "How old is he?"),
    ],
)
def test_a_pronoun_or_a_last_name_means_whom_the_conversation_names(
    question: str, history: list[tuple[str, str]], meant: str
) -> None:
    turns = [Turn(question=asked, answer=answer) for asked, answer in history]
    assert with_names(question, turns, lambda _: hits(JUDGE, COACH, MATCH)) == meant


needs_models = pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")


@pytest.mark.models
@needs_models
@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("Who is Adrian Holloway?", "Green Hills"),
        ("Does Beatrix Holloway have a pilot's licence?", "pilot"),
        ("Was sagte Beatrix Hale?", "Gordon"),
        ("What did Imogen Ashdown say?", "at eleven"),
        ("Qui est Gordon Hale ?", "coroner"),
    ],
)
def test_an_answer_on_somebody_holds_nothing_on_a_namesake(
    demo_assistant: Assistant, question: str, other: str
) -> None:
    answer = demo_assistant.ask(question)
    assert answer.answered
    assert other not in answer.text


@pytest.mark.models
@needs_models
@pytest.mark.parametrize(
    ("question", "names", "said"),
    [
        ("How old is Holloway?", ("Adrian", "Beatrix"), ["Holloway, 41", "He is 56"]),
        ("What did Ashdown say?", ("Imogen", "Katrin"), ["at eleven", "hill town"]),
        ("Wer ist Hale?", ("Beatrix", "Gordon"), ["the coroner, Beatrix Hale", "chief executive"]),
    ],
)
def test_a_last_name_of_several_people_is_answered_for_each(
    demo_assistant: Assistant, question: str, names: tuple[str, str], said: list[str]
) -> None:
    answer = demo_assistant.ask(question)
    assert "people called" in answer.sentences[0].text
    assert all(name in answer.sentences[0].text for name in names)
    assert [words for words in said if words not in answer.text] == []
    numbers = [citation.number for sentence in answer.sentences for citation in sentence.citations]
    assert numbers == sorted(numbers)
    assert all(c.passage.article.text[c.start : c.end] == c.quote for c in answer.citations)


@pytest.mark.models
@needs_models
def test_what_a_person_got_is_not_answered_with_what_another_says_for_him(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("What sentence did Desmond Faircloth get?")
    assert "jailed for six years" in answer.text
    assert "Odile Renfrew" in demo_assistant.ask("What did Faircloth's barrister say?").text


@pytest.mark.models
@needs_models
@pytest.mark.parametrize(
    "question", ["Which party does Holloway lead?", "Does Holloway have a pilot's licence?", "Who is Helena Marsh?"]
)
def test_a_question_that_tells_whom_it_means_is_answered_for_that_person(
    demo_assistant: Assistant, question: str
) -> None:
    assert "people called" not in demo_assistant.ask(question).text


@pytest.mark.models
@needs_models
def test_the_words_of_the_one_who_is_meant_are_not_mixed_with_those_of_a_namesake(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("What did Holloway say about schools?")
    assert answer.sentences
    assert {"Adrian" in c.passage.article.text for c in answer.citations} == {False}


@pytest.mark.models
@needs_models
@pytest.mark.parametrize(
    ("question", "offices", "said"),
    [
        ("Who is Imogen Ashdown?", ["the chief executive", "director"], ["hill town", "named after the observatory"]),
        (
            "Wer ist Bridie Malone?",
            ["a crane driver for 16 years", "museum cleaner"],
            ["voted against", "less impressed"],
        ),
        # Articles on the judge come only to a search for the name.
        ("Who is Oduya?", ["judge", "engineer"], ["A joint inquiry will be led", "full lake"]),
        ("What did Quiroga say?", ["the chief Lunadan negotiator", "Corvane's chairman"], ["afternoon", "museum"]),
    ],
)
def test_people_who_share_their_full_name_are_told_apart_by_what_they_are(
    demo_assistant: Assistant, question: str, offices: list[str], said: list[str]
) -> None:
    lead, *told = demo_assistant.ask(question).sentences
    assert lead.text.startswith("The articles seem to name 2 people called")
    assert [office for office in offices if office not in lead.text] == []
    headings = [at for at, sentence in enumerate(told) if not sentence.citations]
    of_each = [
        " ".join(one.text for one in told[headings[0] : headings[1]]),
        " ".join(one.text for one in told[headings[1] :]),
    ]
    places = [[words in text for text in of_each].index(True) for words in said]
    assert sorted(places) == [0, 1]


@pytest.mark.models
@needs_models
def test_what_a_question_says_of_somebody_tells_him_from_another_of_the_name(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("Who is Judge Oduya?")
    assert "A joint inquiry will be led by Marguerite Oduya" in answer.text
    assert "seem to name" not in answer.text
    assert "engineer" not in answer.text
    assert "seem to name" not in demo_assistant.ask("What did Oduya say about the dam?").text


@pytest.mark.models
@needs_models
def test_one_person_in_articles_of_all_kinds_stays_one(demo_assistant: Assistant) -> None:
    archive = demo_assistant.archive
    articles = [one for key in archive.catalog.article_ids(Filters()) if (one := archive.catalog.article(key))]
    lasts = sorted({last for one in articles for last in named(one).by_last})
    apart = [
        own[0].name for last in lasts for one in bearers_of(last, articles)
        if len(own := told_apart(one, last, articles, archive)) > 1
    ]  # fmt: skip
    assert apart == ["Imogen Ashdown", "Bridie Malone", "Marguerite Oduya", "Esteban Quiroga"]


@pytest.mark.models
@needs_models
def test_whoever_changes_the_office_or_is_named_with_the_same_people_stays_one(demo_assistant: Assistant) -> None:
    def told(key: str, month: int, text: str) -> Article:
        return Article(
            id=key, title="", text=text, language="en", source=key, published=datetime(2025, month, 1, tzinfo=UTC)
        )

    coach = told("coach", 1, "The Rovers coach, Jasper Brandt, smiled. Brandt said he was glad.")
    agent = told("agent", 5, "Jasper Brandt, an estate agent, sold the hall. Brandt said it was old.")
    again = told("again", 9, "A football coach, Jasper Brandt, is back. Brandt has no team.")
    (brandt,) = bearers_of("brandt", [coach, agent, again])
    assert len(told_apart(brandt, "brandt", [coach, agent], demo_assistant.archive)) == 1
    offices = [one.office for one in told_apart(brandt, "brandt", [coach, agent, again], demo_assistant.archive)]
    assert offices == ["Rovers coach", "an estate agent"]
    friend = " His friend Ottoline Brakspear was there."
    with_friend = [replace(one, text=one.text + friend) for one in (coach, agent, again)]
    assert len(told_apart(brandt, "brandt", with_friend, demo_assistant.archive)) == 1


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (("Mohamed Morsi", "Mohammed Morsi", "Mohammad Morsi"), 1),
        (("Hosni Mubarak", "Husni Mubarak", "Gamal Mubarak"), 2),
        (("Anna Quill", "Anne Quill"), 2),
        (("Tim Quill", "Tom Quill"), 2),
        (("Husein Tantaui", "Mohamed Tantaui", "Mohamed Husein Tantaui"), 1),  # the last one is both
    ],
)
def test_a_first_name_in_another_transcription_is_the_same(names: tuple[str, ...], people: int) -> None:
    articles = [
        Article(id=name, title="", text=f"{name} spoke. {name.split()[-1]} smiled.", language="en", source=name)
        for name in names
    ]
    assert len(bearers_of(names[0].split()[-1].lower(), articles)) == people
