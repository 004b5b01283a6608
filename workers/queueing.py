"""Which source gets the next free slot of this runner: users take turns.

Sources stand in line by their owners, first come, first served within an owner; a slot goes to the
owners in rotation. So one user's thousand busy sources delay another's one by a round, not by a
thousand runs. And no user has more slots than its share: runs that take a minute would else hold
every slot, and rotation gives away only what becomes free.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping

# Owners remembered of sources, at most; a source never changes hands.
REMEMBERED = 200_000


class Queue:
    """Sources that wait for a slot, each once. `share`: slots that one owner may have at once."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._owners: dict[str, str] = {}
        # Whose owner is not known yet.
        self._strangers: dict[str, None] = {}
        # Owner → its sources. The owners that have any stand in `_rotation`, each once.
        self._lines: dict[str, dict[str, None]] = {}
        self._rotation: deque[str] = deque()
        self._standing = 0

    def __len__(self) -> int:
        return len(self._strangers) + self._standing

    def offer(self, source_ids: Iterable[str]) -> None:
        for source_id in source_ids:
            if (owner := self._owners.get(source_id)) is None:
                self._strangers[source_id] = None
            else:
                self._stand(owner, source_id)

    def strangers(self) -> list[str]:
        """The sources whose owner must be told by `learn` before they can be chosen."""
        return list(self._strangers)

    def learn(self, asked: Iterable[str], owners: Mapping[str, str]) -> None:
        """Source → owner for those of the `strangers` that were asked for; those of them that are
        not in it are gone and forgotten. Others may have come while the answer was on its way."""
        self._owners.update(owners)
        while len(self._owners) > REMEMBERED:
            del self._owners[next(iter(self._owners))]
        for source_id in asked:
            del self._strangers[source_id]
            if (owner := owners.get(source_id)) is not None:
                self._stand(owner, source_id)

    def choose(self, free: int, working: Iterable[str]) -> list[str]:
        """Take out at most `free` sources, their owners in turn. `working`: the sources that have a
        slot."""
        taken = Counter(map(self._owners.get, working))
        chosen: list[str] = []
        full: list[str] = []
        while self._rotation and len(chosen) < free:
            owner = self._rotation.popleft()
            if taken[owner] >= self._share:
                full.append(owner)
                continue
            line = self._lines[owner]
            source_id = next(iter(line))
            del line[source_id]
            chosen.append(source_id)
            taken[owner] += 1
            if line:
                self._rotation.append(owner)
            else:
                del self._lines[owner]
        # They have waited longest.
        self._rotation.extendleft(reversed(full))
        self._standing -= len(chosen)
        return chosen

    def _stand(self, owner: str, source_id: str) -> None:
        line = self._lines.get(owner)
        if line is None:
            line = self._lines[owner] = {}
            self._rotation.append(owner)
        if source_id not in line:
            line[source_id] = None
            self._standing += 1
