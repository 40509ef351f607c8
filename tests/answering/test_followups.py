from __future__ import annotations

import pytest

from rag.answering.followups import standalone
from rag.schema import Turn


@pytest.mark.parametrize(
    ("question", "looked_up"),
    [
        ("How many seats has she?", "Who won the seat? Joanna Teague Alliance How many seats has she?"),
        ("What had the union asked for?", "Who won the seat? Joanna Teague Alliance What had the union asked for?"),
        ("What did Kamala Harris promise?", "What did Kamala Harris promise?"),
        ("Why?", "Who won the seat? Joanna Teague Alliance Why?"),
    ],
)
def test_what_a_follow_up_is_looked_up_with(question: str, looked_up: str) -> None:
    history = [
        Turn(question="Is it raining?", answer="No."),
        Turn(question="Who won the seat?", answer="It was Joanna Teague of the Alliance, Joanna Teague from Orrin."),
    ]
    assert standalone(question, history).replace("joanna teague alliance", "Joanna Teague Alliance") == looked_up
    assert standalone(question, []) == question
