from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.citations import Citer, link, same_words, split_finished, strip_markers
from rag.answering.sentence_selection import Candidate
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage

LEVY = Article(
    id="levy", title="Council approves parking levy", outlet="The Tide", byline="Tom Okafor", language="en",
    published=datetime(2025, 1, 20),
    text="Villasera council approved a parking levy of 3.50 euros a day. Mayor Lucía Prat said: “The levy will pay "
    "for eleven new tram stops.” Nine councillors voted in favour and four against. The levy starts in March.",
)  # fmt: skip
RATE = Article(
    id="rate", title="Bank lowers its key rate", outlet="Corvane Ledger", language="en", published=datetime(2025, 2, 6),
    text="The Bank of Corvane lowered its key rate to 2.75 per cent. Governor Hal Mercer spoke in Villasera.",
)  # fmt: skip


def candidates(*articles: Article) -> list[Candidate]:
    """Every sentence of the articles."""
    return [
        Candidate(passage=Passage(article=a, number=0, start=0, end=len(a.text)), start=start, end=end)
        for a in articles
        for start, end in sentence_spans(a.text)
    ]


# --- markers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plain", "named", "stray"),
    [
        ("It rained [1].", "It rained.", [1], 0),
        ("It rained. [1]", "It rained.", [1], 0),
        ("It rained [0].", "It rained.", [], 1),
        ("It rained [99].", "It rained.", [], 1),
        ("It rained [1, 3].", "It rained.", [1, 3], 0),
        ("It rained [1; 4].", "It rained.", [1], 1),
        ("It rained [2][2].", "It rained.", [2, 2], 0),
        ("It rained [1-3].", "It rained.", [1, 2, 3], 0),
        ("It rained [1–2].", "It rained.", [1, 2], 0),
        ("It rained [2-9].", "It rained.", [2, 3], 6),  # 4 to 9 are no sources
        ("It rained 【2】.", "It rained.", [2], 0),
        ("It rained [Source: 2].", "It rained.", [2], 0),
        ("In [2024] it rained.", "In [2024] it rained.", [], 0),  # a year in brackets
        ("It rained (2024).", "It rained (2024).", [], 0),
        ("It rained (2).", "It rained (2).", [], 0),  # parentheses are prose
        ("“It rained [1]” he said.", "“It rained” he said.", [1], 0),
        ("It rained [sic].", "It rained [sic].", [], 0),
        ("It rained.", "It rained.", [], 0),
        ("", "", [], 0),
    ],
)
def test_markers_are_removed_and_those_without_a_source_counted(
    text: str, plain: str, named: list[int], stray: int
) -> None:
    assert strip_markers(text, 3) == (plain, named, stray)


@given(st.text(alphabet="a [](),;-–0123456789【】.", max_size=40), st.integers(0, 9))
def test_no_marker_names_a_source_that_is_not_there(text: str, sources: int) -> None:
    _, named, stray = strip_markers(text, sources)
    assert all(1 <= number <= sources for number in named)
    assert stray >= 0


# --- what a sentence rests on ---------------------------------------------------------------------------


def linked(text: str, *articles: Article) -> tuple[list[str], str]:
    quotes, reason = link(text, candidates(*(articles or (LEVY, RATE))), language="en")
    return [quote.text for quote in quotes], reason


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("The council of Villasera approved a parking levy of 3.50 euros a day.", "Villasera council approved"),
        ("Nine councillors voted in favour.", "Nine councillors"),
        ("The Bank of Corvane lowered its key rate to 2.75 per cent.", "The Bank of Corvane"),
        ("The mayor said the levy will pay for “eleven new tram stops”.", "Mayor Lucía Prat said"),
        ("The levy will pay for 11 new tram stops, mayor Lucia Prat said.", "Mayor Lucía Prat said"),  # 11 is eleven
    ],
)
def test_a_sentence_that_the_words_carry_is_linked_to_them(text: str, quote: str) -> None:
    quotes, reason = linked(text)
    assert reason == ""
    assert quotes[0].startswith(quote)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The council approved a parking levy of 4.50 euros a day.", "the number 4.5"),
        ("Mayor Karin Prat said the levy will pay for eleven new tram stops.", "the name Karin"),
        ("The levy will pay for “twelve new tram stops”, mayor Lucía Prat said.", "“twelve new tram stops”"),
        ("The parking levy starts in April.", "date"),
        ("The council approved a parking levy of 3.50 euros a day on Friday.", "date"),
        ("Residents protested against broken promises and rising rents.", ""),
    ],
)
def test_a_sentence_with_a_claim_that_is_not_in_the_words_is_unsupported_and_says_which(text: str, reason: str) -> None:
    _, found = linked(text)
    assert found != ""
    assert reason in found


DOCTOR = Article(
    id="doctor", title="Outbreak grows", language="en",
    text="Leonie Marchetti has run the clinic since 2019.\n\nMeasles finds a gap as water finds a crack, "
    "Dr Marchetti said.\n\nA survey puts the Labour Alliance at 36 percent before the vote.",
)  # fmt: skip


def test_a_first_name_that_the_article_gives_elsewhere_is_carried() -> None:
    assert linked("Dr Leonie Marchetti said that measles finds a gap as water finds a crack.", DOCTOR)[1] == ""
    assert "Hanna" in linked("Dr Hanna Marchetti said that measles finds a gap as water finds a crack.", DOCTOR)[1]


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("The survey puts the Labour Alliance at 36 seats before the vote.", False),
        ("The survey puts the Labour Alliance at 36 per cent before the vote.", True),
        ("The survey puts the Labour Alliance at 36 before the vote.", True),
        ("The survey puts the Labour Alliance at 36% before the vote.", True),
    ],
)
def test_a_share_carries_no_count(text: str, carried: bool) -> None:
    reason = linked(text, DOCTOR)[1]
    assert reason == ("" if carried else "the cited words say 36 percent")


def test_nothing_to_link_to_is_unsupported() -> None:
    assert link("It rained.", [], language="en")[1] != ""


def test_outlet_and_year_count_as_cited_since_the_citation_shows_them() -> None:
    text = "The Tide reported that the council approved a parking levy of 3.50 euros a day in 2025."
    assert linked(text)[1] == ""


def test_a_second_quote_is_taken_where_it_adds_what_the_first_lacks() -> None:
    quotes, reason = linked("The levy of 3.50 euros a day starts in March.", LEVY)
    # The first sentence has the 3.50 euros, the last one the March; neither alone carries the claim.
    assert reason == ""
    assert sorted(quotes) == [
        "The levy starts in March.",
        "Villasera council approved a parking levy of 3.50 euros a day.",
    ]


def test_one_quote_is_enough_where_it_carries_all() -> None:
    quotes, _ = linked("Villasera council approved a parking levy of 3.50 euros a day.")
    assert len(quotes) == 1


# --- numbers and growing text ------------------------------------------------------------------------------


def test_quotes_are_numbered_in_order_of_appearance_and_keep_their_number() -> None:
    first, second, third = candidates(LEVY)[:3]
    citer = Citer()
    one = citer.sentence("A.", (second,), "")
    two = citer.sentence("B.", (first, second), "")
    three = citer.sentence("C.", (third,), "the number 4 is not in the cited words")
    assert [[c.number for c in s.citations] for s in (one, two, three)] == [[1], [2, 1], []]
    assert [s.verdict for s in (one, two, three)] == ["supported", "supported", "unsupported"]
    assert [c.quote for c in two.citations] == [first.text, second.text]
    assert three.reason == "the number 4 is not in the cited words"


@pytest.mark.parametrize(
    ("text", "finished", "rest"),
    [
        ("It rained. It po", ["It rained."], "It po"),
        ("It rained.", [], "It rained."),  # "It rained.5" might follow
        ("Dr.", [], "Dr."),
        ("", [], ""),
        ("One. Two. Thr", ["One.", "Two."], "Thr"),
    ],
)
def test_a_sentence_is_finished_when_the_next_has_begun(text: str, finished: list[str], rest: str) -> None:
    assert split_finished(text) == (finished, rest)


def test_a_model_that_repeats_itself_is_noticed() -> None:
    assert same_words("It rained.", "it rained!")
    assert not same_words("It rained.", "It rained again.")
