"""`dev`: a source of its own for a file, deployed anew whenever the file is saved.

One thread looks at the files and deploys, another shows what the source emits and writes. Ctrl-C
lets what is under way come to its end and then deletes the source, if it was made here; a second
one ends at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from headwater_cli.api import Api, Resource
from headwater_cli.deploying import Target, existing, name_for, place
from headwater_cli.failures import Failure, NoAccess, Refused
from headwater_cli.following import ALL, ERRORS, FIRST, LOGS, follow, position
from headwater_cli.imports import Seen, look, tree
from headwater_cli.places import Misplaced, placed
from headwater_cli.printing import ReaderGone, note
from headwater_cli.props import Given
from headwater_cli.sources import component_of

LOOK_SECONDS = 0.3
# Refusals that the next save may mend, or that pass by themselves.
MENDED = (400, 409, 413, 422, 429, 503)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Show = Callable[[Resource], None]


class Session:
    """`deployed` is told of the source, at its first deployment only."""

    def __init__(
        self,
        connect: Callable[[], Api],
        file: Path,
        given: Given,
        *,
        name: str | None,
        show: Show,
        deployed: Show,
    ) -> None:
        self._connect = connect
        self._file = file
        self._given = given
        self._name = name
        self._show = show
        self._deployed = deployed
        self._stopped = threading.Event()
        # By a signal. Its handler takes no lock: the thread that it interrupts may hold it.
        self._asked = False
        self._failure: Failure | None = None
        self._seen: Seen = {}
        self.source: Resource | None = None
        # Whether the source is this session's own, to be deleted at its end.
        self.made = False

    def run(self, *, keep: bool) -> None:
        """Until a signal comes, or nothing can go on (raises Failure)."""
        for number in SIGNALS:
            # What is ignored was meant so: by nohup, or a shell for what it runs in the background.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        with self._connect() as api:
            try:
                while not (self._asked or self._stopped.is_set()):
                    self._step(api)
                    self._stopped.wait(LOOK_SECONDS)
            except Failure:
                self._end(api, keep=keep)
                raise
            self._end(api, keep=keep)
        if self._failure is not None:
            raise self._failure

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked or self._stopped.is_set():
            raise KeyboardInterrupt
        self._asked = True

    def _step(self, api: Api) -> None:
        """Deploy, where a file is another than it was."""
        now = look(tree(self._file))
        if now == self._seen:
            return
        # Before the files are read: what changes from here on is another change.
        self._seen = now
        try:
            self._deploy(api)
        except Misplaced as misplaced:
            note(f"error: {misplaced}")
            for line in misplaced.excerpt.splitlines():
                note(f"  {line}")
        except Refused as refused:
            if refused.status not in MENDED:
                raise
            note(f"error: {refused}")
        except NoAccess as lost:
            if self.source is None:
                raise
            note(f"error: {lost}; save the file to try again")
        except OSError as error:
            note(f"error: {error.filename}: {error.strerror}")

    def _deploy(self, api: Api) -> None:
        with placed(str(self._file)):
            component = component_of(api, str(self._file))
        if self.source is not None:
            target = Target(source=self.source["id"])
            place(api, component, target, self._given)
            note(f"deployed {self._file} again")
            return
        target = Target(self._name or f"{name_for(component, str(self._file))} dev")
        before = existing(api, target)
        after = FIRST if before is None else position(api, before["id"], "", LOGS, ERRORS)
        self.source, self.made = place(api, component, target, self._given)
        self._deployed(self.source)
        threading.Thread(target=self._follow, args=(after,), daemon=True).start()

    def _follow(self, after: str) -> None:
        assert self.source is not None
        try:
            with self._connect() as api:
                for event in follow(api, self.source["id"], ALL, after, note):
                    self._show(event)
        except ReaderGone:
            self._stopped.set()
        except Failure as failure:
            if not self._stopped.is_set():
                self._failure = failure
                self._stopped.set()

    def _end(self, api: Api, *, keep: bool) -> None:
        self._stopped.set()
        if self.source is None:
            return
        named = f"{self.source['name']!r} ({self.source['id']})"
        if keep or not self.made:
            note(f"{named} stays and goes on")
            return
        try:
            api.delete(f"sources/{self.source['id']}")
        except Refused as refused:
            if refused.status != 404:
                raise
        note(f"deleted {named}")
