"""Composers: from sentences of articles to timelines, newest states, statements, summaries and comparisons."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest
from fakes import WordEmbedder

from rag.answering.compose import comparison, disagreement, latest, listing, statements, summary, timeline
from rag.answering.compose.figures import figures_of
from rag.answering.compose.material import Line, Material, years_of
from rag.answering.compose.sentences.nearness import Nearness
from rag.answering.compose.sentences.own_days import own_days
from rag.answering.compose.sentences.quotations import whole_quotations
from rag.answering.sentence_selection import Candidate
from rag.schema import Article, Passage, TimeWindow

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
        for place, (start, end) in enumerate(whole_quotations(article.text)):
            vector = np.zeros(256, dtype=np.float32)
            vector[-1 - len(found)] = 1
            found.append(Line(Candidate(passage, start, end, likeness=likeness), place, vector))
    return tuple(found)


def article(name, text, day=None, outlet="", language="en", title=""):
    published = datetime.fromisoformat(day) if day else None
    return Article(id=name, title=title, text=text, outlet=outlet, language=language, published=published)


def material(subject, *articles, language="en", **others):
    return Material(subject, language, Nearness(WordEmbedder()), lines(*articles), **others)


def texts(sentences):
    for sentence in sentences:
        assert sentence.verdict == "supported"
        assert all(sentence.text.endswith(citation.quote) for citation in sentence.citations)
    return [sentence.text for sentence in sentences]


def test_a_timeline_has_the_days_that_the_sentences_name_in_order():
    told = texts(timeline.compose(material("strike", END, WALKOUT)))
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
    told = texts(timeline.compose(material("strike", WALKOUT, again)))
    assert len([text for text in told if "walked out" in text]) == 1


def test_the_newest_state_comes_first_with_day_and_outlet():
    told = texts(latest.compose(material("strike", WALKOUT, END)))
    assert [text.split(":")[0] for text in told] == ["15 January 2026, Gazette", "7 October 2025, The Tide"]


def test_statements_are_those_of_the_person_named_also_where_only_the_sentence_before_names_him():
    told = texts(statements.compose(material("Luca Bren", END, WALKOUT)))
    assert told == [
        "7 October 2025, The Tide: Luca Bren said: “We have waited long enough.”",
        "7 October 2025, The Tide, Luca Bren: “Nobody listens to us.”",
    ]


@pytest.mark.parametrize("who", ["Ada Quill and Ben Renner", "Quill y Renner"])
def test_statements_of_all_who_are_asked_for_together_are_given(who):
    cut = article(
        "cut", "Ada Quill said: “It is a start.” Ben Renner said: “It fills no basket.” Cy Low said: “So be it.”"
    )
    told = " ".join(texts(statements.compose(material(who, cut))))
    assert ("a start" in told, "no basket" in told, "So be it" in told) == (True, True, False)


def test_statements_go_on_to_the_end_of_their_paragraph():
    vote = article(
        "vote",
        "Moira Standish said her members had wanted the reform. But 600 teachers were missing, she said. "
        "“It takes more than paper.”\nIt rained.\nStandish said the train was late.",
    )
    told_of = material("Moira Standish about the reform", vote)
    first, *others = told_of.lines
    nearest = replace(first, vector=told_of.nearness.to("reform").vector)
    told = " ".join(texts(statements.compose(replace(told_of, lines=(nearest, *others)))))
    assert ("600 teachers" in told, "more than paper" in told, "train" in told) == (True, True, False)


def test_a_summary_asks_nothing_and_opens_with_no_pronoun():
    told = texts(summary.compose(material("strike", END, WALKOUT)))
    assert told[-1].startswith("15 January 2026, Gazette: The strike ended")
    assert not any("It cost" in text or "Will prices" in text for text in told)


def test_a_comparison_has_both_years_and_is_not_given_for_one():
    told = texts(comparison.compose(material("strike 2025 and 2026", END, WALKOUT)))
    assert "2025" in told[0]
    assert "2026" in told[-1]
    assert comparison.compose(material("strike 2025 and 2026", END)) == []


HURT = article("hurt", "Twenty-three people were hurt at the pier. It was dark.", "2025-06-15", "Gazette")
INJURED = article(
    "injured", "A boat with 212 people aboard hit the pier, where 17 people were hurt.", "2025-06-15", "Tide"
)


def test_reports_that_give_different_figures_differ_and_the_number_asked_for_is_compared():
    told = [sentence.text for sentence in disagreement.compose(material("how many people were hurt", HURT, INJURED))]
    assert told[0] == "The reports differ: 2 independent reports give 2 figures."
    assert {text[:23] for text in told[1:]} == {"15 June 2025, Gazette: ", "15 June 2025, Tide: A b"}


def test_the_number_that_is_compared_is_the_one_whose_words_the_question_has():
    (figure,) = figures_of(material("people aboard", INJURED), "people aboard a boat")
    assert figure.value == "212"
    (figure,) = figures_of(material("people hurt", INJURED), "people were hurt")
    assert figure.value == "17"


def test_reports_that_give_the_same_figure_agree_and_a_copy_is_no_report_of_its_own():
    same = article("same", "At the pier 23 people were hurt.", "2025-06-16", "Tide")
    copy = article("copy", HURT.text, "2025-06-15", "Herald")
    told = [
        sentence.text
        for sentence in disagreement.compose(
            material("how many people were hurt", HURT, same, copies={"hurt": (copy,)})
        )
    ]
    assert told[0] == "The 2 independent reports of this agree:"
    assert told[-1] == "The report of Gazette is also in Herald."


def test_a_later_figure_of_the_same_outlet_is_no_disagreement():
    later = article("later", "In the end 31 people were hurt at the pier.", "2025-06-16", "Gazette")
    told = [sentence.text for sentence in disagreement.compose(material("how many people were hurt", HURT, later))]
    assert told[0].startswith("Only one independent report")
    assert "31 people" in told[1]
    assert not any("Twenty-three" in text for text in told)


def test_a_figure_of_another_day_is_a_change_and_no_disagreement():
    later = article("later", "In the end 31 people were hurt at the pier.", "2025-06-26", "Tide")
    told = [sentence.text for sentence in disagreement.compose(material("how many people were hurt", HURT, later))]
    assert told[0].startswith("The figure changed with time")


CORRECTED = article(
    "corrected",
    "Harrow Bay has 78 cases of measles now. The mayor has closed two schools in the town.\n\n"
    "Correction, 23 May 2025: An earlier version gave the cases of measles as 87.",
    "2025-05-22",
    "Courier",
)


def test_what_an_outlet_corrected_stands_behind_the_corrected_sentence():
    told = texts(latest.compose(material("cases of measles", CORRECTED)))
    assert [text.split(": ", 1)[1][:22] for text in told[:2]] == ["Harrow Bay has 78 case", "Correction, 23 May 202"]


def relevant(name, day, *told):
    """An article of these sentences, each with the logit of how likely it answers, as lines."""
    found = lines(article(name, "\n\n".join(text for text, _ in told), day, "Wire"))
    return [replace(line, relevance=logit) for line, (_, logit) in zip(found, told, strict=True)]


def test_the_newest_state_is_told_by_the_sentence_that_answers_though_another_is_more_like_the_subject():
    measles = relevant(
        "over",
        "2025-08-19",
        ("The outbreak of measles is over.", -1.0),
        ("Nurses gave doses in halls of the town.", -6.0),
        ("In all, 131 people fell ill.", 4.0),
    )
    told = texts(latest.compose(Material("measles", "en", Nearness(WordEmbedder()), tuple(measles))))
    assert [text.split(": ", 1)[1] for text in told] == [
        "In all, 131 people fell ill.",
        "The outbreak of measles is over.",
    ]


def test_an_undated_report_is_as_new_as_the_day_that_it_names():
    old = article("old", "The list had 214 people.", "2025-10-14", "Wire")
    undated = article("undated", "The list fell to 198 people at the end of February 2026.", None, "Radio")
    stories = {"old": "list", "undated": "list"}
    told = texts(latest.compose(material("people on the list", old, undated, stories=stories)))
    assert [text[:7] for text in told] == ["Undated", "14 Octo"]


def test_a_day_to_come_makes_no_undated_report_the_newest():
    old = article("old", "The list had 214 people.", "2025-10-14", "Wire")
    undated = article("undated", "The list of 198 people must be empty before 2031.", None, "Radio")
    stories = {"old": "list", "undated": "list"}
    told = texts(latest.compose(material("people on the list", old, undated, stories=stories)))
    assert [text[:7] for text in told] == ["14 Octo", "Undated"]


def test_another_event_needs_a_sentence_that_answers_nearly_as_well():
    main = relevant("rate", "2025-05-08", ("The bank left its rate at 4.5 per cent.", 4.0))
    other = relevant("bid", "2025-07-22", ("The bank had an offer of 5 crowns.", -5.0))
    told = texts(latest.compose(Material("rate", "en", Nearness(WordEmbedder()), (*main, *other))))
    assert [text.split(": ", 1)[1] for text in told] == ["The bank left its rate at 4.5 per cent."]


def test_two_events_of_a_kind_are_told_apart_and_the_newest_comes_first():
    flood = [
        article(f"flood{year}{day}", f"The flood of {name} killed {dead} people.", f"{year}-01-{day}", "Wire")
        for year, name, (first, last) in ((2025, "Brannagh", ("four", "eleven")), (2026, "Ysolde", ("two", "seven")))
        for day, dead in (("10", first), ("20", last))
    ]
    stories = {one.id: one.id[:9] for one in flood}
    told = texts(latest.compose(material("people killed by the flood", *flood, stories=stories)))
    assert [text.split("killed ")[1] for text in told] == [
        "seven people.",
        "two people.",
        "eleven people.",
        "four people.",
    ]
    told = texts(latest.compose(material("people killed by the flood of Ysolde", *flood, stories=stories)))
    assert [text.split("killed ")[1] for text in told] == ["seven people.", "two people."]


NOVEMBER = TimeWindow(first=date(2025, 11, 1), last=date(2025, 11, 30))


def of_november(*found):
    told = summary.of_days(Material("Harrow Bay", "en", Nearness(WordEmbedder()), tuple(found)), NOVEMBER)
    return [text.split(": ", 1)[1] for text in texts(told)]


def test_what_happened_in_some_days_is_told_story_by_story_in_order_and_not_from_other_days():
    trial = relevant("trial", "2025-11-15", ("A guard was jailed on Friday.", 1.0))
    strike = relevant("strike", "2025-11-12", ("The dockers went back to work.", 1.0))
    later = relevant("later", "2026-02-06", ("A docker won the seat.", 3.0))
    assert of_november(*trial, *strike, *later) == ["The dockers went back to work.", "A guard was jailed on Friday."]
    assert of_november(*later) == []


def test_a_story_of_some_days_is_told_by_its_news_and_by_what_is_asked():
    trial = relevant(
        "trial",
        "2025-11-15",
        ("Judge Orme speaks of a betrayal of the whole town of Harrow Bay", -5.0),
        ("A guard was jailed on Friday.", -5.0),
        ("Rain fell on the town.", -4.0),
        ("The guard had opened the museum to thieves.", 4.0),
        ("The museum has bought new locks.", 2.0),
    )
    assert of_november(*trial) == [
        "A guard was jailed on Friday.",
        "The guard had opened the museum to thieves.",
        "The museum has bought new locks.",
    ]


def test_a_story_beside_the_point_is_left_out_of_what_happened():
    asked = relevant("trial", "2025-11-15", ("A guard was jailed on Friday.", 4.0))
    beside = relevant("fair", "2025-11-12", ("A fair was held.", -6.0))
    beside = [replace(line, candidate=replace(line.candidate, likeness=0.0)) for line in beside]
    assert of_november(*asked, *beside) == ["A guard was jailed on Friday."]


def test_a_list_says_in_how_many_of_the_articles_it_was_found():
    thieves = article(
        "thieves", "The thieves took a silver whistle, a gold medal and a clock from the museum.", "2025-03-10"
    )
    other = article("other", "Rain fell on the hills and the rivers rose all day.", "2025-03-11")
    told = [sentence.text for sentence in listing.compose(material("thieves took from the museum", thieves, other))]
    assert told[0].endswith(thieves.text)
    assert told[-1] == "Found in 2 of the 2 articles read about this; there may be others."


def test_a_list_has_the_rows_of_a_table_without_its_heading():
    result = article(
        "result",
        "The seat was won.\n\nCandidate | Party | Votes\n\nAnn Hask | Greens | 1,204\n\nBen Orr | Labour | 388",
        "2026-02-06",
        title="Candidates in the by-election",
    )
    told = [sentence.text for sentence in listing.compose(material("candidates in the by-election", result))]
    rows = [one.split(": ")[1] for one in told if "|" in one]
    assert rows == ["Ann Hask | Greens | 1,204", "Ben Orr | Labour | 388"]


def test_a_list_takes_what_names_new_things_and_little_from_articles_about_something_else():
    thieves = article(
        "thieves", "The thieves took a clock. The thieves of the clock fled by boat and hid.", "2025-03-10"
    )
    more = article("more", "Also gone were the Orsk medal and the Hale whistle.", "2025-03-11")
    other = article("other", "Rain fell on Villasera and on Castellan all day.", "2025-03-12")
    shares = {"thieves": 1.0, "more": 0.9, "other": 0.6}
    told = [s.text for s in listing.compose(material("thieves took", thieves, more, shares=shares))]
    assert any("Orsk medal" in one for one in told)
    nearer = Material(
        "thieves took", "en", Nearness(WordEmbedder()), (*lines(thieves), *lines(other, likeness=0.5)), shares=shares
    )
    assert not any("Rain" in sentence.text for sentence in listing.compose(nearer))


TRIAL = article(
    "trial",
    "Faircloth's barrister, Odile Renfrew, said her client was sorry. “He does not ask to be forgiven,” she said.\n"
    "Judge Verity Ashcombe told Faircloth that he had “sold what he was paid to guard. There is no excuse.”",
    "2025-11-15",
    "Gazette",
)


def test_a_statement_is_that_of_its_speaker_and_not_of_whom_it_names():
    assert statements.compose(material("Faircloth", TRIAL)) == []
    told = texts(statements.compose(material("Renfrew", TRIAL)))
    assert told[1] == "15 November 2025, Gazette, Odile Renfrew: “He does not ask to be forgiven,” she said."


def test_an_office_is_a_speaker_too_and_a_quotation_stays_whole():
    (told,) = texts(statements.compose(material("judge", TRIAL)))
    assert told.endswith("“sold what he was paid to guard. There is no excuse.”")


def test_what_somebody_says_who_is_told_of_in_between_is_no_statement_of_the_one_before():
    report = article(
        "report",
        "The minister Edmund Lacey will leave in May, he said on Thursday.\n\nHis decision came after the ethics "
        "commissioner, Hanne Okafor, found that he had broken the code.\n\nOkafor cleared him of the graver charge. "
        "“I found carelessness,” she wrote in her report.",
        "2025-12-04",
    )
    told = " ".join(texts(statements.compose(material("Edmund Lacey", report))))
    assert "will leave in May" in told
    assert "carelessness" not in told


def test_a_quotation_beside_the_statement_on_the_subject_is_told_too():
    said = article(
        "said",
        "Renner said that fuel duty was too high. “A nurse who drives to work will pay,” he said. He smiled.\n"
        "“The choir sang well,” Renner said.",
        "2025-03-06",
    )
    told = texts(statements.compose(material("Renner about fuel duty", said)))
    assert told == [
        "6 March 2025: Renner said that fuel duty was too high.",
        "6 March 2025, Renner: “A nurse who drives to work will pay,” he said.",
    ]


def test_two_quotations_differ_though_their_speaker_is_named_in_the_same_words():
    first = article("first", "“The brake is eased,” said the governor, Mireille Danforth, on Thursday.", "2025-02-06")
    second = article("second", "“Patience too,” said the governor, Mireille Danforth, on Thursday.", "2025-05-08")
    again = article("again", "“The brake is eased,” Danforth told reporters.", "2025-05-09")
    told = texts(statements.compose(material("Danforth", first, second, again)))
    assert [one.split(":")[0] for one in told] == ["6 February 2025", "8 May 2025"]


FIRM = article(
    "firm",
    "The yard will shed 320 jobs.\n“There is no good way to do it,” said Beatrix Lanyon, the chief of the yard.\n"
    "Hamish Dole, the union man, said that the members of Orr Lake Power would vote.",
    "2026-05-12",
)


def test_an_office_is_held_by_whom_the_articles_describe_so_and_not_by_another_whom_the_question_names():
    (told,) = texts(statements.compose(material("chief of the yard when Dole spoke of jobs", FIRM)))
    assert "Beatrix Lanyon" in told
    assert statements.compose(material("bishop when the jobs went", FIRM)) == []


def test_a_name_inside_a_longer_one_is_no_speaker():
    orr = article("orr", "Lewis Orr said that the lake rose and the power failed.", "2026-05-12")
    assert texts(statements.compose(material("Orr", orr)))
    assert statements.compose(material("Orr Lake Power", orr)) == []


def test_each_year_in_which_a_person_spoke_on_a_topic_is_told_and_of_an_event_only_the_nearest():
    first = article("first", "Renner said that the duty on fuel was far too high.", "2025-03-06")
    second = article("second", "Renner said on the quay that fuel should be taxed less than bread.", "2026-06-17")
    told = texts(statements.compose(material("Renner on the duty on fuel", first, second)))
    assert [one.split(":")[0] for one in told] == ["6 March 2025", "17 June 2026"]
    (told,) = texts(statements.compose(material("Renner after the duty on fuel", first, second)))
    assert told.startswith("6 March 2025")


def test_words_that_go_on_with_a_pronoun_in_a_new_paragraph_are_those_of_the_speaker_before():
    talk = article(
        "talk", "“It was long,” Holloway says.\nOn machines he is wary. “I want a name,” he says.", "2026-03-01"
    )
    told = texts(statements.compose(material("Holloway on machines", talk)))
    assert told[-1] == "1 March 2026, Holloway: “I want a name,” he says."


def test_statements_are_on_what_the_question_names():
    said = article(
        "said",
        "Renner said that fuel duty was too high.\nThe choir sang.\nRenner said that he liked brass bands.",
        "2025-03-06",
    )
    (told,) = texts(statements.compose(material("Renner about fuel duty", said)))
    assert told.endswith("Renner said that fuel duty was too high.")


def test_a_timeline_of_a_year_has_no_day_of_another():
    told = texts(timeline.compose(material("strike 2025", WALKOUT, END)))
    assert told
    assert all("2025: " in text for text in told)


def test_a_summary_quotes_nobody_without_his_name_and_no_turn_of_an_interview():
    talk = article(
        "talk",
        "Thea Marchbanks writes novels in a garden shed in Orrin.\nNN: Your editor has called the book a miracle.\n"
        "“I threw away the second draft.”\nI write every morning before the birds wake up.",
        "2025-12-06",
    )
    (told,) = texts(summary.compose(material("Marchbanks", talk)))
    assert told.endswith("garden shed in Orrin.")


FOUND = article("found", "The last missing man was found on 31 January, and is the last to be named.", "2026-02-06")
QUEUE = article("queue", "HARROW BAY, 24 Oct (Gazette)\n\nThe queue of ships reached 34 as the dock strike went on.")
STRIKE = {"walkout": "strike", "end": "strike", "queue": "strike"}


def test_a_timeline_puts_an_undated_article_at_the_day_of_its_dateline_in_the_year_of_its_story():
    told = texts(timeline.compose(material("strike", WALKOUT, QUEUE, stories=STRIKE)))
    assert [text.split(":")[0] for text in told][-1] == "24 October 2025"
    assert "34" in told[-1]


def test_a_timeline_tells_of_an_undated_article_without_a_day_behind_the_others():
    undated = article("queue", "The queue of ships reached 34 as the dock strike went on.")
    told = texts(timeline.compose(material("strike", undated, WALKOUT, stories=STRIKE)))
    assert told[-1] == "Undated: The queue of ships reached 34 as the dock strike went on."


def test_a_day_without_its_year_is_not_put_far_ahead():
    (told,) = texts(timeline.compose(material("missing", FOUND)))
    assert "2027" not in told


def test_a_timeline_of_few_days_has_more_than_one_sentence_of_a_day():
    vote = article("vote", "The council closed the library. The vote was 19 to 18. It rained.", "2026-02-05")
    told = texts(timeline.compose(material("library", vote)))
    assert "5 February 2026: The vote was 19 to 18." in told


def test_a_summary_prefers_figures_to_speech_and_the_story_to_others():
    facts = [f"Firms in ward {ward} pay {100 + ward} crowns a year for parking." for ward in range(3, 10)]
    spoken = [f"“Nobody in the city wanted thing {number} of all these,” said Ann Finch." for number in "abcdefgh"]
    levy = article("levy", " ".join(["The council backed a parking levy.", *spoken, *facts]), "2025-01-22")
    other = article("other", "A ferry hit the pier at Dunmere and 23 people were hurt.", "2025-06-15")
    told = " ".join(texts(summary.compose(material("parking levy", levy, other))))
    assert all(fact in told for fact in facts)
    assert "ferry" not in told


@pytest.mark.parametrize("subject", ["the Tide's report on the levy", "Ann Finch's article on the levy"])
def test_a_summary_of_a_report_is_of_the_outlet_or_author_that_is_named(subject):
    levy = article("levy", "The council backed a levy of 300 crowns.", "2025-01-22", "Gazette")
    own = article("own", "Shops in 12 streets will not pay the levy.", "2025-01-23", "Tide")
    (told,) = texts(summary.compose(material(subject, levy, replace(own, byline="Ann Finch"))))
    assert told == "23 January 2025, Tide: Shops in 12 streets will not pay the levy."


@pytest.mark.parametrize(("subject", "is_told"), [("the Tide's report on the levy", True), ("the levy", False)])
def test_sentences_far_behind_are_summarised_where_their_outlet_is_named(subject, is_told):
    front = 16 * ["Firms in the harbour pay for parking."]
    levy = article("levy", " ".join([*front, "The levy brings 9 million crowns."]), "2025-01-22", "Tide")
    told = " ".join(texts(summary.compose(material(subject, levy))))
    assert ("9 million" in told) is is_told


def test_the_sides_of_two_names_are_the_articles_about_each_and_the_sentences_that_name_one():
    first = article("first", "Storm Brannagh killed eleven people. The water flooded 1,140 homes.", "2025-03-05")
    second = article("second", "Storm Ysolde killed seven people. The water flooded 2,060 homes.", "2026-02-06")
    both = article("both", "Brannagh was the first. Ysolde followed. Brannagh and Ysolde were storms.", "2026-03-28")
    one, other = comparison.sides_of(material("Brannagh and Ysolde", first, second, both))
    assert {line.article.id for line in one} == {"first", "both"}
    assert any("1,140" in line.text for line in one)
    assert any("2,060" in line.text for line in other)
    assert not any("Ysolde" in line.text for line in one)


def test_a_year_from_which_on_something_is_asked_restricts_to_no_year():
    assert years_of("rates since early 2025") == years_of("Zinsen seit 2025") == []
    assert years_of("rates in 2025 and 2026") == [2025, 2026]


def test_the_first_sentence_of_an_article_leans_on_none():
    (told,) = texts(
        summary.compose(material("train", article("train", "It is the first train since 2012.", "2026-01-23")))
    )
    assert told.endswith("It is the first train since 2012.")


def test_busy_days_are_those_before_publication_and_those_that_later_articles_recall():
    report = article("report", "The square was full.", "2011-02-12")
    later = article("later", "The president fell on 25 January 2011 after protests.", "2011-06-01")
    found = lines(report, later)
    weight = timeline.weights(timeline.dated_lines(found), found)
    assert weight[date(2011, 2, 11)] == timeline.DAY_BEFORE
    assert weight[date(2011, 1, 25)] == timeline.NAMED + timeline.RECALLED


@pytest.mark.parametrize(
    ("language", "text", "days"),
    [
        ("en", "They get 5.6 per cent, backdated to 1 October.", []),
        ("en", "The ban has been in force since last Friday.", []),
        ("en", "The ban has been in force since Friday.", []),
        ("en", "The gallery stays shut from 3 to 9 November.", []),
        ("en", "Police found it on 4 June in a storage unit.", [date(2025, 6, 4)]),
        ("en", "The parties met on Thursday before the vote of 9 December.", [date(2025, 11, 13)]),
        ("en", "The first shift starts on Monday 17 November.", [date(2025, 11, 17)]),
        ("en", "The country will vote on 9 December.", [date(2025, 12, 9)]),
        ("en", "Some 131 people caught it between the end of April and 8 July.", []),
        ("es", "La medida vale a partir del 1 de octubre.", []),
        ("es", "El acuerdo se firmó el 4 de junio.", [date(2025, 6, 4)]),
        ("de", "Die Regel gilt seit dem 1. Oktober.", []),
        ("fr", "Le port reste fermé jusqu'au lundi 17 novembre.", []),
    ],
)
def test_a_sentence_tells_of_the_days_on_which_something_happened_and_not_of_those_that_bound_it(language, text, days):
    assert own_days(text, date(2025, 11, 15), language) == days


def test_a_timeline_has_two_sentences_of_a_day_at_most():
    facts = [f"Ward {ward} lost {100 + ward} houses to the water." for ward in range(3, 9)]
    told = texts(timeline.compose(material("flood", article("flood", " ".join(facts), "2025-02-13"))))
    assert len(told) == timeline.MOST_OF_DAY


def test_a_timeline_has_what_was_told_again_in_another_story():
    first = article("first", "The bank cut its rate to 4.5 per cent on Thursday.", "2025-02-06")
    again = article("again", "The board lowered borrowing costs to 4 per cent on Thursday.", "2026-02-05")
    apart = replace(material("rate", first, again), lines=(*lines(first), *lines(again, likeness=0.1)))
    assert len(texts(timeline.compose(apart))) == 1
    told = texts(timeline.compose(replace(apart, series=frozenset({"first", "again"}))))
    assert told[-1].startswith("5 February 2026: The board lowered")
