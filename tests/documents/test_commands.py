"""Command lines of every document, those too that no test pastes: each names a target of the
Makefile, a command that is there, and arguments that this command takes."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from django.core.management import get_commands, load_command_class

from stack import __main__ as stack
from tests.benchmarks import __main__ as benchmarks
from tests.documents.blocks import ROOT, documents
from workers.runtime.attacks import CATALOGUE

_MAKE = re.compile(r"\bmake (?P<target>[a-z-]+)\b(?P<rest>[^`\n]*)")
_ARGS = re.compile(r'\bARGS=(?:"([^"\n]*)"|([^\s"`]+))')
_MANAGE = re.compile(r"(?<![\w/])manage\.py (?P<words>[a-z][\w -]*)")
_STACK = re.compile(r"python -m stack (?P<words>[^`\n]*)")


def found(pattern: re.Pattern[str]) -> list[tuple[str, re.Match[str]]]:
    """`document:line` of each place that the pattern finds."""
    texts = {document: (ROOT / document).read_text("utf-8") for document in documents()}
    return [
        (f"{document}:{text.count(chr(10), 0, one.start()) + 1}", one)
        for document, text in texts.items()
        for one in pattern.finditer(text)
    ]


def arguments(target: str) -> list[tuple[str, str]]:
    """What documents give a target by ARGS, in comments too."""
    return [
        (place, quoted or bare)
        for place, one in found(_MAKE)
        if one["target"] == target
        for quoted, bare in _ARGS.findall(one["rest"])
    ]


def named(found_there: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(text, id=f"{place}-{text}") for place, text in found_there]


def takes(command: str) -> None:
    """Fails unless manage.py has the command and it takes the arguments."""
    name, *rest = shlex.split(command)
    name = name.replace("-", "_")
    made = load_command_class(get_commands()[name], name)
    made.create_parser("manage.py", name).parse_args(rest)
    if name == "sandbox_check":
        assert set(rest) <= {"--list", *(attack.name for attack in CATALOGUE)}


MANAGED = arguments("manage")


@pytest.mark.parametrize("command", named(MANAGED))
def test_a_management_command_takes_what_is_written(command: str) -> None:
    takes(command)


@pytest.mark.parametrize(
    "command", named([(place, one["words"].strip()) for place, one in found(_MANAGE)])
)
def test_what_is_said_of_manage_py_names_a_command(command: str) -> None:
    assert command.split()[0].replace("-", "_") in get_commands()


@pytest.mark.parametrize("line", named([
    # Decisions name commands without their arguments.
    (place, one["words"]) for place, one in found(_STACK) if "docs/decisions/" not in place
]))  # fmt: skip
def test_the_stack_takes_what_is_written(line: str) -> None:
    stack.read(shlex.split(line))


@pytest.mark.parametrize("line", named([
    (place, one[0].partition("#")[0].strip())
    for place, one in found(_MAKE)
    if one["target"] in ("backup", "restore") and "=" in one[0]
]))  # fmt: skip
def test_make_hands_the_file_on(line: str) -> None:
    """`make -n` shows what would be run."""
    command = ["make", "--no-print-directory", "-n", "--old-file=.venv/.installed"]
    given = shlex.split(line)[1:]
    told = subprocess.run(
        [*command, *given], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    _, _, words = told.strip().partition(" -m stack ")
    taken = stack.read(shlex.split(words))
    files = [word.removeprefix("FILE=") for word in given if word.startswith("FILE=")]
    assert [str(taken.file)] == files
    assert getattr(taken, "hold", False) == ("ARGS=--hold" in given)


@pytest.mark.parametrize("text", named(arguments("bench")))
def test_the_benchmarks_take_what_is_written(text: str) -> None:
    assert benchmarks.read(shlex.split(text)).scale > 0


def test_lines_are_found_where_they_are_known_to_be() -> None:
    texts = {command for _, command in MANAGED}
    assert {"sandbox_check redirect udp", "axes_reset_username admin", "registry list"} <= texts
    assert len(found(_STACK)) >= 3
    assert len(arguments("bench")) >= 3
