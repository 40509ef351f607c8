"""How often one client may come: so many requests a minute, after a first burst of as many."""

from __future__ import annotations

import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from rag.errors import Busy

MOST_CLIENTS = 10_000  # counted at once; the one that has been silent for longest is forgotten first


class RateLimiter:
    """A token bucket for each client, in the memory of this process."""

    def __init__(self, per_minute: int, what: str = "requests") -> None:
        """`per_minute` 0 sets no limit; `what` names in messages that which is counted."""
        self._per_minute, self._what = per_minute, what
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> tokens left, at what time

    async def take(self, client: str) -> None:
        """Takes one token of the client's. Raises Busy with the seconds until there is one again."""
        if self._per_minute:
            self._take_here(client)

    def _take_here(self, client: str) -> None:
        now = time.monotonic()
        left, since = self._buckets.get(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        self._note(client, left - 1 if left >= 1 else left)
        if left < 1:
            raise self._busy(left)

    def _note(self, client: str, left: float) -> None:
        """Remembers what a client has left now."""
        self._buckets[client] = left, time.monotonic()
        self._buckets.move_to_end(client)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)

    def _busy(self, left: float) -> Busy:
        seconds = int((1 - left) * 60 / self._per_minute) + 1
        return Busy(f"More than {self._per_minute} {self._what} a minute came from you. Wait {seconds} s.", seconds)


def client_network(address: str) -> str:
    """What an address counts as: itself, or for IPv6 its network of 64 bits, which one client has to itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found)
