"""From a component's text to its class."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ._describe import HOOKS, find
from ._errors import ComponentError
from ._report import remember_source
from ._source import Source

MODULE = "component"


def lay_out(entry: str, files: dict[str, str]) -> None:
    """Write the files beside the entry, paths already checked, below the folder `code` beside the
    current one; those beside the entry become importable by their plain names."""
    if not files:
        return
    root = Path.cwd().parent / "code"
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    sys.path.insert(0, str((root / entry).parent))


def load(text: str, filename: str) -> type[Source]:
    """Run the text as a module of its own and find its component.

    SyntaxError for text that does not compile (a NUL character included); otherwise whatever the
    text itself raises.
    """
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        before = text[: text.index("\0")]
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise SyntaxError("a NUL character", (filename, line, column, None))
    code = compile(text, filename, "exec", dont_inherit=True)
    remember_source(filename, text)
    module = ModuleType(MODULE)
    module.__file__ = filename
    sys.modules[MODULE] = module
    exec(code, vars(module))  # noqa: S102 -- this is the purpose of the process
    return find(module)


def add_packages(directory: str) -> None:
    """Let the component import the packages installed in the directory, before others of the same
    name that come with the platform; the standard library stays what it is."""
    others = (n for n, path in enumerate(sys.path) if path.endswith(("site-packages", "python")))
    sys.path.insert(next(others, len(sys.path)), directory)
    names = {path.name.partition(".")[0] for path in Path(directory).iterdir()}
    names -= {*sys.stdlib_module_names, __package__ or ""}
    for module in tuple(sys.modules):
        if module.partition(".")[0] in names:
            del sys.modules[module]


class Entry:
    """`run` or a hook, and whether it wants the event."""

    __slots__ = ("function", "takes_event")

    def __init__(self, function: Callable[..., Any], takes_event: bool) -> None:
        self.function = function
        self.takes_event = takes_event


def entries(component: type[Source]) -> dict[str, Entry]:
    """Those of `run`, `deploy`, `activate`, `deactivate` that the component has."""
    # Loading has seen to it that there is one.
    found = {"run": Entry(component.run, _takes_event(component))}  # type: ignore[attr-defined]
    for name, method in HOOKS.items():
        function = getattr(component, method, None)
        if function is not None:
            found[name] = Entry(function, False)
    return found


def _takes_event(component: type[Source]) -> bool:
    run = inspect.getattr_static(component, "run")
    if isinstance(run, (staticmethod, classmethod)):
        raise ComponentError("run must be an ordinary method")
    parameters = list(inspect.signature(run).parameters.values())[1:]
    return any(
        parameter.kind is not parameter.KEYWORD_ONLY and parameter.kind is not parameter.VAR_KEYWORD
        for parameter in parameters
    )
