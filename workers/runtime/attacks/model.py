"""What an attack is, and how it is told whether the wall stopped it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from apps.runs.contract import Language, Limits, Outcome

_PYTHON = """
def attempt(name, what):
    try:
        got = what()
    except BaseException as error:
        self.emit({"refused": f"{type(error).__name__}: {error}"[:300]}, summary=name)
    else:
        self.emit({"got": repr(got)[:300]}, summary=name)
import ctypes, os, signal, socket, time
from pathlib import Path
"""
_JAVASCRIPT = """
const attempt = async (name, what) => {
  let said;
  try { said = {got: String(await what()).slice(0, 300)}; }
  catch (error) { said = {refused: String(error).slice(0, 300)}; }
  this.$emit(said, {summary: name});
};
"""

WELL = ""
"""Among `Attack.ends`: the run ends without an error, and each of its attempts was refused."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing that a hostile component tries.

    tries      what it does, in a line
    python     body of `run` in Python, after `attempt(name, what)` was defined: it emits `got` with
               what `what()` gave, or `refused` with the error. What it aims at is in `event`
    javascript the same with `await attempt(name, async () => …)`
    absent     why there is no code for a language
    by         what stops it. `wall`: what SANDBOX=unsafe switches off; `worker`: what stays then
    ends       how a run that was stopped ends: names of errors, or WELL
    limits     of the run
    lifted     limits under which an attack that the worker's bounds stop gets through
    full       what the event says of its strength
    bounded    the same where nothing stops it: little enough to harm no machine
    off_machine it dials addresses off this machine: without the wall only in a network of its own
    names      it needs a name server of its own, which children have behind the wall only
    """

    name: str
    tries: str
    python: str = ""
    javascript: str = ""
    absent: str = ""
    by: Literal["wall", "worker"] = "wall"
    ends: tuple[str, ...] = (WELL,)
    limits: Limits = field(default_factory=lambda: Limits(wall_s=60))
    lifted: Limits | None = None
    full: Mapping[str, Any] = field(default_factory=dict)
    bounded: Mapping[str, Any] = field(default_factory=dict)
    off_machine: bool = False
    names: bool = False

    @property
    def languages(self) -> tuple[Language, ...]:
        both: tuple[Language, Language] = ("python", "javascript")
        return tuple(language for language in both if self.body(language))

    def body(self, language: Language) -> str:
        return self.python if language == "python" else self.javascript

    def source(self, language: Language) -> str:
        """The text of the component."""
        return component(language, self.body(language))


def component(language: Language, body: str) -> str:
    """A component whose `run` is the body of an attack."""
    if language == "javascript":
        return (
            "export default { name: 'Hostile', version: '0.0.1', props: {},\n"
            f"  async run(event) {{\n{_JAVASCRIPT}\n{body}\n  }} }};\n"
        )
    return (
        "from headwater import Source\n"
        "class Hostile(Source):\n    name = 'Hostile'\n    version = '0.0.1'\n"
        "    async def run(self, event):\n"
        + textwrap.indent(_PYTHON + textwrap.dedent(body), "        ")
        + "\n"
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an attack. `reached` names what got through; `why` says why it is neither
    that nor stopped: it did not do what it is there for."""

    reached: tuple[str, ...] = ()
    why: str = ""

    @property
    def stopped(self) -> bool:
        return not self.reached and not self.why

    def __str__(self) -> str:
        if self.reached:
            return f"GOT THROUGH: {'; '.join(self.reached)}"
        return f"UNCLEAR: {self.why}" if self.why else "stopped"


def judge(attack: Attack, outcome: Outcome, seen: Sequence[str] = ()) -> Verdict:
    """`seen`: what witnesses outside saw of the attack."""
    reached, refused = list(seen), 0
    for emit in outcome.emits:
        said = orjson.loads(emit.payload)
        if "got" in said:
            reached.append(f"{emit.meta.get('summary')}: {said['got']}"[:200])
        refused += "refused" in said
    error = outcome.error
    if error is None and WELL not in attack.ends:
        reached.append("the run counts as a success")
    if reached:
        return Verdict(tuple(reached))
    if error is None:
        return Verdict() if refused else Verdict(why="nothing was tried")
    if error.name in attack.ends:
        return Verdict()
    return Verdict(why=f"{error.name}: {error.message}"[:300])
