"""How often one client may come: so many requests a minute, after a first burst of as many."""

from __future__ import annotations

import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from rag.interfaces.http.errors import Busy

CLIENTS = 10_000  # counted at once; the one that has not come for longest is forgotten first


class Rate:
    """A token bucket for each client."""

    def __init__(self, per_minute: int, what: str = "requests") -> None:
        """`per_minute` 0 lets everything pass; `what` names in messages that which is counted."""
        self._per_minute, self._what = per_minute, what
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Counts one. Raises Busy with the seconds until the next is free."""
        if not self._per_minute:
            return
        now = time.monotonic()
        left, since = self._left.pop(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            seconds = int((1 - left) * 60 / self._per_minute) + 1
            raise Busy(f"More than {self._per_minute} {self._what} a minute came from you. Wait {seconds} s.", seconds)


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
