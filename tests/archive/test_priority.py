from __future__ import annotations

from time import monotonic

import pytest

from rag.archive.priority import Priority, Stopped


def test_steps_are_large_only_where_no_search_runs_or_has_just_ended() -> None:
    priority = Priority()
    large = priority.next_step()
    with priority.search():
        # The pause ends after 50 ms while the search goes on.
        assert priority.next_step() < large / 10
    assert priority.next_step() < large / 10


def test_a_search_among_others_that_have_ended_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.archive.priority._RECENT", 0.0)
    priority = Priority()
    with priority.search():
        with priority.search():
            pass
        assert priority.is_searched()
    assert not priority.is_searched()


def test_after_a_stop_no_step_is_begun() -> None:
    priority = Priority()
    priority.stop()
    with pytest.raises(Stopped):
        priority.next_step()


def test_work_that_nobody_waits_for_rests_while_searches_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.archive.priority._REST", 0.2)
    priority = Priority()
    began = monotonic()
    assert not priority.rest(lambda: False)
    assert monotonic() - began < 0.1
    with priority.search():
        assert priority.rest(lambda: False)
        assert monotonic() - began >= 0.2
        began = monotonic()
        assert priority.rest(lambda: True)  # interrupted: somebody waits for something else
        assert monotonic() - began < 0.1
    priority.stop()
    with pytest.raises(Stopped):
        priority.rest(lambda: False)
