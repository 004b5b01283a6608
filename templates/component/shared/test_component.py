"""Tries the component in dry runs of a running Headwater, which keep nothing.

    HEADWATER_URL=http://127.0.0.1:8000 HEADWATER_API_KEY=hw_... python3 -m unittest

Needs the standard library of Python only, whatever language the component is written in.
"""

import json
import os
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

[COMPONENT] = [
    path
    for path in Path(__file__).parent.glob("component.*")
    if path.suffix in (".py", ".js", ".ts")
]
TICK = {"timestamp": 1600000000, "interval_seconds": 900}


def dry_run(**parameters: Any) -> dict[str, Any]:
    """What one run did: `emits`, `suppressed`, `logs`, `db`, `response`, `error`.

    `event`, `configured_props`, `db` (the store before it) and `hook` say which run.
    """
    address = os.environ.get("HEADWATER_URL", "http://127.0.0.1:8000").rstrip("/")
    key = os.environ.get("HEADWATER_API_KEY")
    if not key:
        raise AssertionError("set HEADWATER_API_KEY to a key of the running Headwater")
    language = "python" if COMPONENT.suffix == ".py" else "javascript"
    code = {"component_code": COMPONENT.read_text("utf-8"), "language": language}
    request = urllib.request.Request(
        f"{address}/v1/components/dry_run",
        data=json.dumps({**code, **parameters}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
    except urllib.error.HTTPError as refused:
        raise AssertionError(f"{refused.code}: {refused.read().decode()}") from None
    except urllib.error.URLError as error:
        raise AssertionError(f"nothing answers at {address}: {error.reason}") from None
    return data


class CounterTest(unittest.TestCase):
    def test_the_first_tick_counts_from_nothing(self) -> None:
        ran = dry_run(event=TICK)
        self.assertIsNone(ran["error"])
        [emit] = ran["emits"]
        self.assertEqual(emit["event"], {"count": 1, "at": 1600000000})
        self.assertEqual(emit["metadata"]["summary"], "count 1")
        self.assertEqual(ran["db"], {"count": 1})

    def test_a_tick_goes_on_from_the_store(self) -> None:
        ran = dry_run(event=TICK, db={"count": 41}, configured_props={"step": 2})
        self.assertIsNone(ran["error"])
        self.assertEqual([emit["event"]["count"] for emit in ran["emits"]], [43])
        self.assertEqual(ran["db"], {"count": 43})


if __name__ == "__main__":
    unittest.main()
