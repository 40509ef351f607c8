"""The one parser of filters and conversations."""

from __future__ import annotations

from datetime import date

import pytest

from rag.errors import QuestionError
from rag.interfaces.filters import filters_from, turns_from
from rag.schema import Filters, Turn


def test_nothing_named_restricts_nothing() -> None:
    assert filters_from() == filters_from(since="", until="  ", outlets=[], languages=None) == Filters()


def test_names_and_days_become_filters() -> None:
    found = filters_from(
        since="2025-03-01", until=" 2025-03-02 ", outlets=["The Tide"], languages=["en"], authors=["B"]
    )
    assert found == Filters(
        since=date(2025, 3, 1), until=date(2025, 3, 2), outlets=("The Tide",), languages=("en",), authors=("B",)
    )


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("value", ["yesterday", "2025-02-30", "31/02/2025"])
def test_what_is_no_day_is_named_with_its_field(field: str, value: str) -> None:
    with pytest.raises(QuestionError) as refused:
        filters_from(**{field: value})  # type: ignore[arg-type]
    assert str(refused.value) == f"{field} is '{value}', expected a day such as 2025-03-01."


def test_lone_surrogates_become_question_marks() -> None:
    assert filters_from(outlets=["\udfffTide"]).outlets == ("?Tide",)


def test_an_exchange_without_an_answer_is_left_out() -> None:
    assert turns_from([("Q?", ""), ("Who?", "She.")]) == (Turn(question="Who?", answer="She."),)
