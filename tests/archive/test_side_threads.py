from __future__ import annotations

import threading
from functools import partial

import pytest

from rag.archive.side_threads import SideThreads


def test_a_call_runs_beside_the_calling_thread_and_gives_its_result() -> None:
    side, met = SideThreads(), threading.Barrier(2, timeout=10)
    with side.beside(met.wait) as result:
        assert {met.wait(), result()} == {0, 1}  # each waits until the other has arrived
    side.close()


def test_no_call_is_left_running_when_the_context_ends() -> None:
    side, begun, go_on, ended = SideThreads(), threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert go_on.wait(10)
        ended.set()

    def search() -> None:
        with side.beside(call):
            assert begun.wait(10)
            threading.Timer(0.05, go_on.set).start()
            raise KeyError("a step beside it")

    with pytest.raises(KeyError, match="a step beside it"):
        search()
    assert ended.is_set()
    side.close()


def test_while_all_threads_are_busy_a_call_runs_in_the_calling_thread() -> None:
    side, go_on = SideThreads(), threading.Event()
    busy = [side.beside(partial(go_on.wait, 10)) for _ in range(20)]
    for one in busy:
        one.__enter__()
    with side.beside(threading.current_thread) as result:
        assert result() is threading.current_thread()
    go_on.set()
    for one in busy:
        one.__exit__(None, None, None)
    side.close()


def test_after_closing_a_call_runs_in_the_calling_thread() -> None:
    side = SideThreads()
    side.close()
    with side.beside(threading.current_thread) as result:
        assert result() is threading.current_thread()
