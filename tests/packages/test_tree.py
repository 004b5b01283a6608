"""What was installed is checked like hostile input, whoever unpacked it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workers.runtime.packages.refusal import Refused
from workers.runtime.packages.tree import check

LIMITS = {"most_bytes": 1_000_000, "most_files": 100}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two packages as Deno lays them out."""
    top = tmp_path / "set"
    inner = top / "node_modules" / ".deno" / "one@1.0.0" / "node_modules" / "one"
    inner.mkdir(parents=True)
    (inner / "index.js").write_text("1")
    (top / "node_modules" / "one").symlink_to(".deno/one@1.0.0/node_modules/one")
    return top


def refused(tree: Path, *, native: bool = False, **limits: int) -> Refused:
    with pytest.raises(Refused) as refusal:
        check(tree, native=native, **{**LIMITS, **limits})
    return refusal.value


def test_links_inside_are_as_they_shall_be(tree: Path) -> None:
    check(tree, native=False, **LIMITS)
    assert (tree / "node_modules" / "one" / "index.js").read_text() == "1"


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../outside", "../../..", "loop", "/proc/self/root"]
)
def test_links_that_lead_out(tree: Path, target: str) -> None:
    inner = tree / "node_modules" / ".deno" / "one@1.0.0" / "node_modules" / "one"
    (inner / "loop").symlink_to("/etc")
    (inner / "evil").symlink_to(target)
    told = refused(tree)
    assert told.code == "package_refused"
    assert "one/" in str(told)


def test_a_chain_of_links_is_followed_to_its_end(tree: Path, tmp_path: Path) -> None:
    modules = tree / "node_modules"
    (tmp_path / "secret").write_text("s")
    (modules / "a").symlink_to("b")
    (modules / "b").symlink_to("../../secret")
    assert refused(tree).code == "package_refused"


def test_what_is_neither_file_nor_folder(tree: Path) -> None:
    os.mkfifo(tree / "node_modules" / "pipe")
    assert refused(tree).code == "package_refused"


def test_native_add_ons_of_node(tree: Path) -> None:
    (tree / "node_modules" / "one" / "Binding.NODE").write_bytes(b"")
    assert "one/Binding.NODE" in str(refused(tree))
    check(tree, native=True, **LIMITS)


def test_bounds(tree: Path) -> None:
    assert refused(tree, most_files=3).code == "packages_too_large"
    (tree / "big").write_bytes(b"x" * 2000)
    assert refused(tree, most_bytes=1000).code == "packages_too_large"


def test_nothing_is_executable_or_writable_by_others(tree: Path) -> None:
    script = tree / "node_modules" / "one" / "run.sh"
    script.write_text("")
    script.chmod(0o6777)
    check(tree, native=False, **LIMITS)
    assert stat.S_IMODE(script.stat().st_mode) == 0o644
    assert stat.S_IMODE(tree.stat().st_mode) == 0o755
