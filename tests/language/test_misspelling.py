from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language.misspelling import edits_allowed, is_misspelt


@pytest.mark.parametrize(
    ("word", "known", "misspelt"),
    [
        ("merkel", "merkel", True),
        ("merkal", "merkel", True),
        ("merkl", "merkel", True),
        ("merkkel", "merkel", True),
        ("mrekel", "merkel", True),
        ("nerkel", "merkel", True),
        ("merkals", "merkel", False),  # two edits in seven letters
        ("blomquist", "blonkvist", False),  # three edits
        ("blonqvist", "blomquist", True),  # two of nine
        ("iran", "iraq", False),  # too short to tell
        ("12345", "12346", False),
        ("台北捷運新", "台北捷運線", False),
    ],
)
def test_a_word_is_misspelt_within_the_edits_its_length_allows(word: str, known: str, misspelt: bool) -> None:
    assert is_misspelt(word, known) is misspelt


@given(st.text("abc", min_size=5, max_size=9), st.text("abc", min_size=5, max_size=9))
def test_edits_are_those_of_the_optimal_string_alignment(word: str, known: str) -> None:
    assert is_misspelt(word, known) is (_distance(word, known) <= edits_allowed(word))


def _distance(one: str, other: str) -> int:
    """The distance of optimal string alignment, by its table."""
    table = [[max(i, j) if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            )
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]
