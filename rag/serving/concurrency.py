"""How much runs at once: a limit with a waiting line in front of it, and the threads for blocking work."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from rag.errors import Busy

T = TypeVar("T")


class ConcurrencyLimit:
    """Lets `slots` requests run at once and `line` more wait, first come, first served. For one event loop."""

    def __init__(self, slots: int, line: int) -> None:
        self.slots, self.line = slots, line
        self.admitted = 0  # running and waiting
        self.running = 0
        self._slots = asyncio.Semaphore(slots)  # wakes waiters in order of arrival
        self._seconds = 1.0  # how long a slot is held, as a moving average

    @property
    def waiting(self) -> int:
        """Requests that were admitted and hold no slot yet."""
        return self.admitted - self.running

    def admit(self) -> None:
        """Counts one request in; `release` counts it out. Raises Busy with an estimate of when to try again."""
        if self.admitted >= self.slots + self.line:
            seconds = max(1, math.ceil(self._seconds * self.admitted / self.slots / 2))
            raise Busy(
                f"{self.admitted} requests are being answered or waiting; no more are let in. "
                f"Ask again in {seconds} seconds.",
                seconds,
            )
        self.admitted += 1

    def release(self) -> None:
        """Counts out a request that `admit` counted in."""
        self.admitted -= 1

    @contextmanager
    def admission(self) -> Iterator[None]:
        """`admit` on entering and `release` on leaving. Raises Busy."""
        self.admit()
        try:
            yield
        finally:
            self.release()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for a free slot and holds it."""
        async with self._slots:
            self.running += 1
            began = time.monotonic()
            try:
                yield
            finally:
                self.running -= 1
                self._seconds += 0.2 * (time.monotonic() - began - self._seconds)


class WorkerThreads:
    """Threads for work that would block the event loop, whose own few threads everybody shares."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="answer")

    async def run(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """What the work returns or raises. A cancelled caller still waits until its thread has returned.

        A thread cannot be stopped. If its caller's slot were given away before the thread returns, more requests
        would run at once than there are slots.
        """
        context = copy_context()  # carries the trace that the caller is in
        future = self._pool.submit(context.run, work, *arguments, **named)
        step = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait({step})
            raise

    def close(self) -> None:
        """Lets the threads end, without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
