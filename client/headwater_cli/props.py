"""From the words of a command to `configured_props`. Pure, but for the file of `--props-file`.

A text becomes what the prop's type wants (`configurable_props` of the component): JSON where that
is a number, a yes or no, an object or a list, and the text itself otherwise. What does not fit is
sent as it is: the API says what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from headwater_cli.failures import Failure

TIMER = "$.interface.timer"
Prop = Mapping[str, Any]
_JSON_TYPES = ("integer", "boolean", "object", "number", "any", TIMER)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", re.IGNORECASE)
_ACCOUNT = re.compile(r"apn_[0-9A-Za-z]+")


class WrongProps(Failure):
    """The words do not make props: wrong usage."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Given:
    """The options about props, as typed. `every` in seconds."""

    pairs: Sequence[str] = ()
    file: Mapping[str, Any] | None = None
    every: int | None = None
    cron: str | None = None
    timezone: str | None = None
    unset: Sequence[str] = ()

    def __bool__(self) -> bool:
        timer = (self.every, self.cron, self.timezone)
        return bool(self.pairs or self.unset or self.file is not None or any(timer))


def duration(text: str) -> int:
    """`90`, `90s`, `15m`, `1h30m`, `2d` in seconds. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise ValueError(f"{text!r} is not a time such as 90s, 15m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_json(text: str) -> Any:
    """As the API reads it: no NaN. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def configured(given: Given, props: Sequence[Prop]) -> dict[str, Any]:
    """`configured_props`: of the file first, then of the options, later ones over earlier ones."""
    kinds = {str(prop["name"]): str(prop.get("type", "")) for prop in props}
    found: dict[str, Any] = dict(given.file or {})
    found |= {
        name: value_of(texts, kinds.get(name, "")) for name, texts in _by_name(given.pairs).items()
    }
    found |= dict.fromkeys(given.unset)
    if (timer := _timer(given)) is not None:
        found[_timer_name(kinds)] = timer
    return found


def value_of(texts: Sequence[str], kind: str) -> Any:
    """The value of a prop that was given once, or several times (a list)."""
    if kind.endswith("[]"):
        if len(texts) == 1 and isinstance(whole := _json_or_text(texts[0]), list):
            return whole
        return [value_of([text], kind[:-2]) for text in texts]
    # Given twice, the later one holds.
    text = texts[-1]
    if kind == "app":
        return {"authProvisionId": text} if _ACCOUNT.fullmatch(text) else _json_or_text(text)
    return _json_or_text(text) if kind in _JSON_TYPES else text


def _by_name(pairs: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            # Not shown: it may be a secret without its name.
            raise WrongProps("--prop takes NAME=VALUE")
        found.setdefault(name, []).append(text)
    return found


def _timer(given: Given) -> dict[str, Any] | None:
    if given.every is not None and given.cron is not None:
        raise WrongProps("--every and --cron exclude each other")
    if given.timezone is not None and given.cron is None:
        raise WrongProps("--timezone goes with --cron")
    if given.every is not None:
        return {"intervalSeconds": given.every}
    if given.cron is None:
        return None
    return {"cron": given.cron} | ({"timezone": given.timezone} if given.timezone else {})


def _timer_name(kinds: Mapping[str, str]) -> str:
    for name, kind in kinds.items():
        if kind == TIMER:
            return name
    raise WrongProps("the component has no timer: --every and --cron are of no use to it")


def _json_or_text(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
