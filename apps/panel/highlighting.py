"""Code with its words coloured, by Pygments: HTML of spans whose classes begin with `hl-`. Pure.

Its lexers are regular expressions that look ahead, and some texts make them look through all that
is left at each step. So the time is bounded: what is not done by then is shown without colours.
It is the time that the thread computes: on a busy machine a page looks the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from time import thread_time

import pygments
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from pygments.formatters import HtmlFormatter
from pygments.lexer import RegexLexer
from pygments.lexers.data import JsonLexer
from pygments.lexers.javascript import JavascriptLexer, TypeScriptLexer
from pygments.lexers.python import PythonLexer
from pygments.token import Text, _TokenType

from apps.core.showing import visible

# Lines are longer where nobody reads them; one expression takes the square of a line.
LONGEST_LINE = 300
LONGEST = 100_000
# By the endings of files. A stranger names files: no other lexer is to be had by a name.
_LEXERS: dict[str, type[RegexLexer]] = {
    ".py": PythonLexer,
    **dict.fromkeys((".js", ".mjs", ".cjs"), JavascriptLexer),
    **dict.fromkeys((".ts", ".mts", ".cts"), TypeScriptLexer),
    ".json": JsonLexer,
}


class Highlighter:
    """`seconds`: for all that is highlighted with it."""

    def __init__(self, seconds: float) -> None:
        self._ends = thread_time() + seconds
        self._formatter = HtmlFormatter(nowrap=True, classprefix="hl-")

    def html(self, code: str, path: str, limit: int) -> SafeString:
        """Its first `limit` characters line by line, for a `<pre>`; `path` says what it is."""
        text = visible(code.replace("\r\n", "\n"), limit)
        lexer = _LEXERS.get(PurePosixPath(path).suffix)
        if lexer is None or not _fits(text):
            return _numbered(text)
        # The formatter escapes, and closes what it opens at each end of line.
        marked = pygments.format(self._tokens(lexer(), text), self._formatter)
        return _numbered(mark_safe(marked.removesuffix("\n")))  # noqa: S308

    def _tokens(self, lexer: RegexLexer, text: str) -> Iterator[tuple[_TokenType, str]]:
        done = 0
        tokens = lexer.get_tokens_unprocessed(text)
        while thread_time() < self._ends:
            token = next(tokens, None)
            if token is None:
                return
            at, kind, part = token
            done = at + len(part)
            yield kind, part
        yield Text, text[done:]


def _fits(text: str) -> bool:
    return len(text) <= LONGEST and all(len(line) <= LONGEST_LINE for line in text.split("\n"))


def _numbered(text: str) -> SafeString:
    """The style sheet counts; who copies the code copies no numbers."""
    lines = conditional_escape(text).split("\n")
    return mark_safe("\n".join(f'<span class="hw-line">{line}</span>' for line in lines))  # noqa: S308
