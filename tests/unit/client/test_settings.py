"""Where the key comes from, and the file it is kept in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headwater_cli import settings
from headwater_cli.failures import Failure, NoAccess


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in (settings.URL, settings.KEY):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "headwater/config.json"


def test_the_environment_stands_over_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.save(settings.Saved("http://a", {"http://a": "hw_a"})) == place
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert settings.current() == settings.Site("http://a", "hw_a")
    monkeypatch.setenv(settings.KEY, "hw_given\n")
    assert settings.current() == settings.Site("http://a", "hw_given")
    monkeypatch.setenv(settings.URL, "https://B.example/v1/")
    assert settings.current() == settings.Site("https://b.example", "hw_given")
    monkeypatch.delenv(settings.KEY)
    with pytest.raises(NoAccess, match=r"not logged in to https://b\.example"):
        settings.current()


def test_a_key_is_in_no_representation() -> None:
    assert "hw_a" not in repr(settings.Site("http://a", "hw_a"))
    assert "hw_a" not in repr(settings.Saved("http://a", {"http://a": "hw_a"}))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": "http://a", "keys": []}', "\udcff"])
def test_a_file_that_cannot_be_read_is_named(place: Path, text: str) -> None:
    place.parent.mkdir()
    place.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Failure, match="cannot be read: remove it, and log in again"):
        settings.current()


@pytest.mark.parametrize("text", ["", "x", "ftp://x", "http://", "http://u:p@x", "http://x:y"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        settings.clean_url(text)


@pytest.mark.parametrize("text", ["", " \n", "hw_ä", "a b", "a\nb"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="not an API key"):
        settings.clean_key(text)
