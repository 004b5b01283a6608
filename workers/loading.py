"""Code that is no component yet: its packages are installed, a child loads and describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from apps.runs.contract import Code, Description, Language, Limits, LoadError, RunError
from workers.runtime.packages.installer import Installer
from workers.runtime.packages.refusal import Refused
from workers.runtime.pool import Runtime

# Packages that are added to a component since loading it did not find them.
MOST_LACKING: Final = 5


class Loader:
    """What a worker needs to describe code."""

    def __init__(self, runtime: Runtime, installer: Installer, memory_bytes: int) -> None:
        self._runtime = runtime
        self._installer = installer
        self._limits = Limits(memory_bytes=memory_bytes)

    async def describe(
        self, operation_id: int, owner_id: str, args: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The result of a `describe` operation (`apps.runs.describing`), of the `code`,
        `language`, `entry` and `files` in `args`.

        The language given, else the first one in which the text parses (DESIGN, Q7).
        """
        text: str = args["code"]
        given: Language | None = args.get("language")
        languages: tuple[Language, ...] = (given,) if given else ("python", "javascript")
        errors: dict[Language, RunError] = {}
        for language in languages:
            name = code_id(operation_id, language)
            tree = args.get("entry", ""), args.get("files") or {}
            try:
                code, description = await self._load(Code(owner_id, name, language, text, *tree))
            except LoadError as failure:
                errors[language] = failure.error
                if failure.error.code != "syntax_error":
                    break
            else:
                return {
                    "language": language,
                    "description": asdict(description),
                    "packages": code.packages,
                }
        language = _likelier(text, errors)
        return {"language": language, "error": asdict(errors[language])}

    async def _load(self, code: Code) -> tuple[Code, Description]:
        """The code with its packages, and what it says of itself. Raises LoadError.

        An import that only loading finds, such as one that an installed package does not declare,
        is added and the code loaded again, a few times.
        """
        lacking: list[str] = []
        clock = asyncio.get_running_loop().time
        left = self._installer.seconds
        while True:
            began = clock()
            try:
                name = await self._installer.name_for(code, lacking, left)
            except Refused as refused:
                raise LoadError(refused.error) from None
            left -= clock() - began
            code = replace(code, packages=name)
            try:
                return code, await self._runtime.describe(code, self._limits)
            except LoadError as failure:
                more = self._installer.imports_lacking(failure.error)
                if not more or set(more) <= set(lacking) or len(lacking) >= MOST_LACKING:
                    raise
                lacking += more


def code_id(operation_id: int, language: str | None) -> str:
    """Names code that is no component, so that the child that described it may run it."""
    return f"op_{operation_id}_{language}"


def _likelier(text: str, errors: dict[Language, RunError]) -> Language:
    """Whose error to show of a text that parses in no language."""
    if "javascript" in errors and ("module.exports" in text or "export default" in text):
        return "javascript"
    return next(iter(errors))
