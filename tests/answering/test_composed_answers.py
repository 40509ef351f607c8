"""Questions that a composer answers, asked of the demo archive with the packaged embedder and no language model."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ingest.pipeline import ingest
from rag.answering.quoting import CLOSEST
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import QuestionError
from rag.models import files
from rag.schema import Article, Filters, QuestionKind
from rag.settings import Settings

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed"),
]


@pytest.mark.parametrize(
    ("question", "kind", "said"),
    [
        (
            "Give me a timeline of the dock strike",
            "timeline",
            ["6 October 2025: Some 2,350 dockers walked out", "14 November 2025: Members", "15 November 2025: Dockers"],
        ),
        (
            "chronology of the central bank's rate moves since early 2025",
            "timeline",
            ["6 February 2025: The Bank of Maravel cut", "5 February 2026: PORT SELWYN"],
        ),
        ("What is the key rate now?", "latest", ["5 February 2026", "to 4 per cent", "8 May 2025", "6 February 2025"]),
        ("What did Marsh say about the budget?", "statements", ["Marsh", "We borrowed less each year"]),
        (
            "Did the outlets agree on how many people were hurt on the Kestrel Sound?",
            "disagreement",
            ["The reports differ", "Twenty-three people were hurt", "17 people"],
        ),
        ("toll of the Orr flood", "latest", ["flood is seven", "Two people were killed", "Brannagh to eleven"]),
        ("Vergleiche die Filmfestivals 2025 und 2026.", "comparison", ["The Salt Ledger", "La marea de enero"]),
        ("Give me a timeline of the dock strike in 2025", "timeline", ["6 October 2025: Some 2,350", "14 November"]),
        ("Résume la grève des dockers.", "summary", ["Some 2,350 dockers", "40-day strike"]),
        ("Name all the objects stolen from the Maritime Museum", "list", ["boatswain's call", "Found in"]),
        (
            "names of the rate board members who voted against the february 2026 cut",
            "list",
            ["Felix Aubrey, the deputy governor", "Percival Strand and Noor Adeyemi", "Found in"],
        ),
        ("¿Qué dijo Concha Urdiales sobre el origen del incendio?", "statements", ["Todo apunta a una cosechadora"]),
        ("How many articles does the archive hold?", "archive", ["84 articles from 22 January 2025"]),
        ("How many pieces from The Tide do you hold", "archive", ["7 articles from The Tide"]),
        (
            "Combien d'articles depuis mars 2026 ?",
            "archive",
            ["18 articles published since 1 March 2026", "7 articles of"],
        ),
        ("what do we have on libraries?", "archive", ["Nearest to what is asked for", "close Quarry Lane library"]),
        ("Which reports were withdrawn?", "archive", ["1 article that was withdrawn", "Maravel Wire, 13 August 2025"]),
        ("Was ist der neueste Artikel?", "archive", ["newest article is of 17 June 2026"]),
        ("Welche Zeitungen hast du im Archiv?", "archive", ["Northline News (18)"]),
    ],
)
def test_the_kind_of_a_question_gives_its_answer_a_form(
    demo_assistant: Assistant, question: str, kind: QuestionKind, said: list[str]
) -> None:
    answer = demo_assistant.ask(question)
    assert (answer.kind, answer.answered, answer.by_extraction) == (kind, True, True)
    places = [answer.text.find(words) for words in said]
    assert -1 not in places
    assert places == sorted(places)
    assert all(c.passage.article.text[c.start : c.end] == c.quote for c in answer.citations)
    own_words = ("disagreement", "list", "archive")
    assert all(sentence.citations for sentence in answer.sentences) or kind in own_words


@pytest.mark.parametrize(
    "question",
    [
        "What did Renner say about the schools law?",
        "Qu'a dit Renner sur la loi scolaire ?",
        "Renner on the schools law",
    ],
)
def test_a_columnist_who_contradicts_somebody_is_not_quoted_for_him(demo_assistant: Assistant, question: str) -> None:
    text = demo_assistant.ask(question, kind="statements").text
    assert "the end of the village school" in text
    assert "I do not believe" not in text
    assert "I believe" not in text


@pytest.mark.parametrize(
    ("question", "who", "topic"),
    [
        ("What did Renner say about bitcoin?", "Tobias Renner", "bitcoin"),
        ("What has Quill said on cryptocurrency?", "Arthur Quill", "cryptocurrency"),
        ("What did Katrin Ashdown say about football?", "Ashdown", "football"),
    ],
)
def test_words_on_something_else_are_told_to_be_beside_the_topic(
    demo_assistant: Assistant, question: str, who: str, topic: str
) -> None:
    lead, *closest = demo_assistant.ask(question).sentences
    assert lead.text == f"No article found in which {who} speaks names “{topic}”. What comes closest:"
    assert 1 <= len(closest) <= 3


def test_that_somebody_is_not_heard_on_a_topic_is_told_for_each_of_a_name(demo_assistant: Assistant) -> None:
    told = [sentence.text for sentence in demo_assistant.ask("What did Holloway say about bitcoin?").sentences]
    assert sum("speaks names “bitcoin”" in text for text in told) == 2


@pytest.mark.parametrize(
    ("question", "by_others"),
    [
        ("What did Bridie Malone say about the chronometer?", "Philippa Drewe"),
        ("What did Standish say about pensions?", "Holloway"),
    ],
)
def test_words_of_others_are_no_answer_where_somebody_is_to_be_heard(
    demo_assistant: Assistant, question: str, by_others: str
) -> None:
    answer = demo_assistant.ask(question)
    assert answer.sentences
    assert by_others not in answer.text


def test_that_words_asked_for_were_not_found_is_told(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("What did Renner say about the measles outbreak?")
    assert answer.sentences[0] == CLOSEST


@pytest.mark.parametrize(
    ("question", "holders"),
    [
        ("Who is the mayor of Harrow Bay?", ["Luther Voss"]),
        ("Who is the current mayor of Harrow Bay?", ["Luther Voss"]),
        ("Who is prime minister at the moment?", ["Helena Marsh"]),
        ("Who is the current governor of the Bank of Maravel?", ["Mireille Danforth"]),
        ("Who was the fisheries minister?", ["Ruth Pemberley", "Edmund Lacey"]),
    ],
)
def test_who_has_an_office_is_told_by_the_newest_article_first_and_by_nothing_else(
    demo_assistant: Assistant, question: str, holders: list[str]
) -> None:
    told = demo_assistant.ask(question).sentences
    assert holders[0] in told[0].text
    assert all(any(one in sentence.text for one in holders) for sentence in told)
    assert len(told) <= 3


def test_sentences_are_not_read_for_an_office_where_none_is_asked_for(
    demo_assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("an office was looked for")  # .3 s, more than the rest of the answer

    monkeypatch.setattr("rag.answering.compose.composer.material_of", read)
    assert "Joanna Teague" in demo_assistant.ask("Who won the by-election?").text


def test_who_had_an_office_once_does_not_have_it(demo_assistant: Assistant) -> None:
    told = [sentence.text for sentence in demo_assistant.ask("Who is the current fisheries minister?").sentences]
    assert "Ruth Pemberley" in told[0]  # newer articles have "Edmund Lacey, the former fisheries minister"
    assert not any("former fisheries minister" in text for text in told)


@pytest.mark.parametrize(
    "question",
    ["Who leads the Bank of Maravel today?", "Who did the fisheries minister meet?", "Who will be the next mayor?"],
)
def test_a_question_for_more_than_an_office_is_not_answered_by_who_has_it(
    demo_assistant: Assistant, question: str
) -> None:
    answer = demo_assistant.ask(question)
    assert "leader of the opposition" not in answer.text
    assert "opposition leader" not in answer.text
    assert len({citation.passage.article.id for one in answer.sentences for citation in one.citations}) > 1


@pytest.mark.parametrize(
    ("language", "question", "texts"),
    [
        ("de", "Wer ist der Bürgermeister von Lindental?",
         ("Bürgermeister Karl Brandner eröffnete in Lindental das Freibad. Es regnete.",
          "Lindental bekommt eine Brücke. Anna Seidel, die Bürgermeisterin von Lindental, zeigte die Pläne.",
          "Der ehemalige Bürgermeister Karl Brandner besuchte in Lindental eine Schule. Kinder sangen.")),
        ("fr", "Qui est le maire de Valcreux ?",
         ("Le maire Luc Ferrand a ouvert la piscine de Valcreux. Il pleuvait.",
          "Valcreux aura un pont. Anne Delmas, la maire de Valcreux, a montré les plans.",
          "Luc Ferrand, ancien maire de Valcreux, a visité une école. Les enfants chantaient.")),
    ],
)  # fmt: skip
def test_who_has_an_office_is_told_in_other_languages(
    demo_assistant: Assistant, empty_archive: Archive, language: str, question: str, texts: tuple[str, ...]
) -> None:
    articles = [
        Article(id=f"a{month}", title="", text=text, language=language, source=f"a{month}",
                published=datetime(2025, month, 1, tzinfo=UTC))
        for month, text in enumerate(texts, start=1)
    ]  # fmt: skip
    embedder = demo_assistant.embedder
    ingest(articles, empty_archive, embedder)
    answer = Assistant(empty_archive, embedder, None, Settings(data_dir=empty_archive.folder, llm="none")).ask(question)
    first, *others = [one.citations[0].passage.article.id for one in answer.sentences]
    assert first == "a2"
    assert set(others) <= {"a1"}


@pytest.mark.parametrize(
    ("question", "day"),
    [("A timeline of the Castellan line", "9 September 2025"), ("timeline of the Orr flood", "19 February 2025")],
)
def test_a_sentence_of_a_timeline_stands_under_no_day_that_only_the_one_behind_it_names(
    demo_assistant: Assistant, question: str, day: str
) -> None:
    entries = [one.text for one in demo_assistant.ask(question).sentences]
    assert entries
    assert not any(entry.startswith(f"{day}:") for entry in entries)


@pytest.mark.parametrize("question", ["timeline of the dock strike", "Give me a timeline of the dock strike"])
def test_a_timeline_keeps_to_the_story_that_is_asked_for_though_another_one_mentions_it(
    demo_assistant: Assistant, question: str
) -> None:
    titles = {one.passage.article.title for one in demo_assistant.ask(question).citations}
    assert len(titles) == 3
    assert all("dock" in title.casefold() for title in titles)


def test_a_timeline_goes_on_with_the_other_stories_of_its_subject(demo_assistant: Assistant) -> None:
    told = demo_assistant.ask("A timeline of the Castellan line").text
    assert "Fewer than three trains in four" in told
    assert "All 143 people aboard" in told


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Is the Kestrel Sound still in service?", "sold for scrap in January"),
        ("¿Sigue en servicio el Kestrel Sound?", "sold for scrap in January"),
        ("Is Arthur Quill still in office?", "will not stand again, among them finance minister Arthur Quill"),
        ("What is the newest on the Calder chronometer?", "el cronómetro Calder"),
    ],
)
def test_whether_something_still_holds_is_told_by_the_newest_sentence_that_names_it_in_whatever_article(
    demo_assistant: Assistant, question: str, said: str
) -> None:
    answer = demo_assistant.ask(question, today=date(2026, 6, 18))
    assert answer.kind == "latest"
    assert said in answer.sentences[0].text


def test_a_question_that_no_composition_fits_is_answered_as_a_fact(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("Nenne alle Astronauten der Mondlandung")
    assert answer.kind == "fact"
    assert demo_assistant.search("Nenne alle Astronauten der Mondlandung") == list(answer.hits)


def test_each_of_two_questions_is_answered(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("Who won the by-election and what was the turnout?")
    assert "Joanna Teague" in answer.text
    assert "Turnout was 47.3 percent" in answer.text


def test_a_question_without_an_answer_beside_one_with_an_answer_is_named(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("Who won the by-election and what did the elephant eat for breakfast?")
    assert "Joanna Teague" in answer.text
    assert "No answer was found to “what did the elephant eat for breakfast?”." in answer.text


def test_a_question_why_is_answered_by_a_sentence_that_gives_the_cause(demo_assistant: Assistant) -> None:
    answer = demo_assistant.ask("Pourquoi le taux d'intérêt a-t-il été réduit en février 2026 ?")
    assert "hurt more than expected by the autumn's dock strike" in answer.text


@pytest.mark.parametrize("question", ["What is the key interest rate now?", "Timeline of the interest rate"])
def test_a_composition_reads_no_article_of_days_to_come(demo_assistant: Assistant, question: str) -> None:
    answer = demo_assistant.ask(question, today=date(2025, 6, 1))
    assert answer.sentences
    assert all(one.passage.article.day <= date(2025, 6, 1) for one in answer.citations if one.passage.article.day)


def test_the_caller_may_choose_another_form(demo_assistant: Assistant) -> None:
    question = "Tell me about the dock strike"
    assert demo_assistant.ask(question).kind != "timeline"
    answer = demo_assistant.ask(question, kind="timeline")
    assert (answer.kind, answer.kind_dropped) == ("timeline", None)
    assert "6 October 2025: Some 2,350 dockers walked out" in answer.text
    plain = demo_assistant.ask("Give me a timeline of the dock strike", kind="fact")
    assert (plain.kind, plain.kind_dropped) == ("fact", None)


@pytest.mark.parametrize(
    ("question", "kind"),
    [("Who landed on the moon?", "timeline"), ("Nenne alle Kandidaten der Bürgermeisterwahl", "statements")],
)
def test_a_form_that_finds_too_little_gives_way_to_a_plain_answer_that_says_so(
    demo_assistant: Assistant, question: str, kind: QuestionKind
) -> None:
    answer = demo_assistant.ask(question, kind=kind)
    assert (answer.kind, answer.kind_dropped) == ("fact", kind)


def test_a_form_that_is_none_is_refused(demo_assistant: Assistant) -> None:
    with pytest.raises(QuestionError, match="kind is 'poem', expected one of fact, latest, timeline"):
        demo_assistant.ask("Who won?", kind="poem")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("A timeline of the Harrow Bay dock strike", Filters(outlets=("The Tide",))),
        ("A timeline of the Harrow Bay dock strike", Filters(since=date(2025, 11, 1))),
        ("What is the latest on the Harrow Bay dock strike?", Filters(until=date(2025, 10, 31))),
        ("What did the Bank of Maravel decide?", Filters(since=date(2025, 5, 1), until=date(2025, 5, 31))),
    ],
)
def test_a_composed_answer_rests_on_articles_within_the_filters_only(
    demo_assistant: Assistant, question: str, filters: Filters
) -> None:
    cited = [one.passage.article for one in demo_assistant.ask(question, filters).citations]
    assert cited
    for one in cited:
        assert one.outlet in (filters.outlets or (one.outlet,))
        assert one.day
        assert (filters.since or date.min) <= one.day <= (filters.until or date.max)
