"""Where this application keeps encrypted values (`apps.core.rotation`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.core.rotation import column_store, values
from apps.runs.models import Operation

# Arguments of operations that are one token each.
_TOKENS = ("given", "prev_context")


def _args(args: dict[str, Any], turn: Callable[[str], str]) -> dict[str, Any]:
    """Whatever waits for a runner: what a caller gave, and the secret props of a source to be."""
    turned = {**args, **{name: turn(args[name]) for name in _TOKENS if args.get(name)}}
    if args.get("secrets"):
        turned["secrets"] = values(args["secrets"], turn)
    if args.get("configured"):
        secrets = values(args["configured"]["secrets"], turn)
        turned["configured"] = {**args["configured"], "secrets": secrets}
    return turned


STORES = [column_store("operations", Operation, {"args": _args})]
