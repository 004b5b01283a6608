"""What comes from anywhere cannot steer a terminal."""

from __future__ import annotations

import json

import pytest

from headwater_cli import printing

ODD = "a\x1b[31m\x9b1m\x07\u202eb\r\n\tc\x7f"


def test_control_characters_are_shown_and_not_sent() -> None:
    assert printing.safe(ODD) == "a\\u001b[31m\\u009b1m\\u0007\\u202eb\\u000d  c\\u007f"


def test_json_says_the_same_in_its_own_way() -> None:
    text = printing.compact({"odd": ODD, "ä": "日本"})
    assert not printing._CONTROLS.search(text)
    assert json.loads(text) == {"odd": ODD, "ä": "日本"}
    assert '"ä":"日本"' in text


def test_a_table_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show_table(("A", "B"), [("x\ny", None), (True, {"k": 1}), ("z" * 99, "007")])
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["A", "B"]
    assert [line.split() for line in out[1:3]] == [["x", "y", "-"], ["yes", '{"k":1}']]
    assert out[3].split() == ["z" * 59 + "…", "007"]
    assert len(out) == 4
