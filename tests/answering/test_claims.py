"""What a sentence claims, and which texts state it."""

from __future__ import annotations

import pytest

from rag.answering.claims import verbatim

TEXT = "Mayor Lucía Prat said: “The levy will pay for eleven new tram stops.”"


@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("eleven new tram stops", True),
        ("Eleven NEW tram stops!", True),
        ("lucia prat", True),
        ("new eleven tram stops", False),
        ("tram sto", False),  # whole words
        ("", True),
    ],
)
def test_a_quotation_is_looked_up_word_for_word(quote: str, there: bool) -> None:
    assert verbatim(quote, TEXT) is there
