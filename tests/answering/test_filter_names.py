"""Filters that name what no article has: it is said, and what was probably meant."""

from __future__ import annotations

import pytest
from conftest import Asked

from rag.answering.retrieval.filter_names import unknown_names
from rag.archive.archive import Archive
from rag.schema import Filters


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (Filters(outlets=("the tidee",)), "There is no article of the outlet 'the tidee'. Did you mean 'The Tide'?"),
        (Filters(outlets=("curier",)), "There is no article of the outlet 'curier'. Did you mean 'Orr Courier'?"),
        (Filters(languages=("English",)), "There is no article in the language 'English'. Did you mean 'en'?"),
        (
            Filters(languages=("xx",)),
            "There is no article in the language 'xx'. Languages: en (English), es (Spanish), zh (Chinese).",
        ),
        (Filters(authors=("Tom Okafr",)), "There is no article by the author 'Tom Okafr'. Did you mean 'Tom Okafor'?"),
        (Filters(outlets=("The Tide",), languages=("EN",), authors=("okafor",)), ""),
        (Filters(), ""),
    ],
)
def test_an_unknown_name_is_told_with_the_one_meant(stored: Archive, filters: Filters, told: str) -> None:
    assert unknown_names(stored.catalog, filters) == told


def test_of_names_that_are_near_to_nothing_a_few_known_ones_are_listed(stored: Archive) -> None:
    told = unknown_names(stored.catalog, Filters(outlets=("x" * 300,)))
    assert told.startswith(f"There is no article of the outlet '{'x' * 60}…'. Outlets: The Tide, Corvane Ledger, ")


@pytest.mark.parametrize("question", ["Who runs the council of Villasera?", "How many articles are there?"])
def test_an_answer_says_which_name_no_article_has(assistant: Asked, question: str) -> None:
    asked = assistant(extraction=True).ask(question, Filters(outlets=("The Tidee",)))
    assert "There is no article of the outlet 'The Tidee'. Did you mean 'The Tide'?" in asked.text


def test_known_names_that_leave_nothing_together_are_not_called_unknown(assistant: Asked) -> None:
    asked = assistant(extraction=True).ask("Who runs the council?", Filters(outlets=("The Tide",), languages=("zh",)))
    assert "Searched: 0 articles, as none matches the days, outlets" in asked.refusal
