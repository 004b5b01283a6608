"""A document walked through by somebody who pastes every line as it stands.

A block whose first line names a file is saved under that name, in the folder where commands are
typed then. A `sh` block is pasted into the terminal that its title names; one without a title into
that of the block before. A `text` block is what is seen in that terminal, or in the one of its
title: each line of it, in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.documents.blocks import Block, blocks
from tests.documents.terminal import SECONDS, Terminal

GOES_ON = re.compile(r"make run$|--follow$|python3 \w+\.py$|deno run .*$|headwater dev .*$")
# What the API answers when it refuses, as curl shows it.
REFUSED = re.compile(r'\{"error":')
PLATFORM = "the platform"


class Walk:
    """folder       where terminals are opened
    replaced     texts of the documents → what stands there on this machine: ports
    first_s      how long the very first command may take, which installs
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        replaced: Mapping[str, str],
        first_s: float = 100,
    ) -> None:
        self.folder = folder
        self.terminals: dict[str, Terminal] = {}
        self._environment = environment
        self._replaced = replaced
        self._patience_s = first_s
        self._last = ""
        self._shown: dict[str, str] = {}

    def starts(self, line: str) -> None:
        """The platform, in a terminal that is left to it."""
        self.types(PLATFORM, line, goes_on=True)
        self._see(PLATFORM, self._here("ready: http://127.0.0.1:8000"))

    def types(self, title: str, text: str, *, goes_on: bool = False) -> str:
        """Lines that no document has, into the terminal of this title; the next go there too."""
        self._last = title
        return self._terminal(title).paste(self._here(text), goes_on=goes_on)

    def through(self, document: str) -> None:
        """Pastes all of it; fails with the place of the block that did not do what it says."""
        for block in blocks(document):
            self.take(block)

    def take(self, block: Block) -> str:
        """One block; gives what its terminal has shown of it."""
        try:
            self._take(block)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}") from error
        return self._shown.get(block.title or self._last, "")

    def leave(self, *stay: str) -> None:
        """Closes the terminals, but for those of these titles: the next block opens new ones."""
        for title in reversed([title for title in self.terminals if title not in stay]):
            self.terminals.pop(title).close()
            self._shown.pop(title, None)

    def close(self) -> None:
        self.leave()

    def _take(self, block: Block) -> None:
        text = self._here(block.text)
        if block.file:
            (self._working_folder() / block.file).write_text(text, "utf-8")
        elif block.language == "sh":
            self._last = block.title or self._last
            terminal = self._terminal(self._last)
            goes_on = GOES_ON.search(text.rstrip()) is not None
            shown = self._shown[self._last] = terminal.paste(text, goes_on=goes_on)
            # curl ends with 0 whatever is answered.
            assert not REFUSED.search(shown), shown
        elif block.language == "text":
            self._see(block.title or self._last, text)
        else:
            raise AssertionError(f"nobody knows what to do with a block of {block.language!r}")

    def _see(self, title: str, text: str) -> None:
        terminal, shown = self._terminal(title), self._shown.get(title, "")
        for line in text.splitlines():
            if terminal.busy:
                terminal.shows(line, self._patience_s)
                self._patience_s = SECONDS
                continue
            _, found, shown = shown.partition(line)
            assert found, f"{line!r} not in {self._shown[title]!r}"

    def _terminal(self, title: str) -> Terminal:
        if title not in self.terminals:
            self.terminals[title] = Terminal(self.folder, self._environment)
        return self.terminals[title]

    def _working_folder(self) -> Path:
        """Where the terminal is in which commands are typed, or will be."""
        for title, terminal in self.terminals.items():
            if "commands" in title:
                return Path(terminal.paste("pwd").strip())
        return self.folder

    def _here(self, text: str) -> str:
        for word, ours in self._replaced.items():
            text = text.replace(word, ours)
        return text
