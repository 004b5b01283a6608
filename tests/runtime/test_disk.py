"""How much disk a child takes, and that it may use what it is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.runs.contract import Limits
from tests.runtime.conftest import Bench
from workers.runtime.disk import exceeds, held_bytes
from workers.runtime.scratch import empty

KIB = 1024


def test_bytes_on_disk_and_names_count(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(bytes(64 * KIB))
    os.truncate(tmp_path / "a/b/file", 64 * KIB + (1 << 40))  # what is not written takes nothing
    assert not exceeds(tmp_path, 128 * KIB, 3)
    assert exceeds(tmp_path, 63 * KIB, 3)
    assert exceeds(tmp_path, 128 * KIB, 2)
    assert not exceeds(tmp_path / "gone", 0, 0)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").write_bytes(bytes(64 * KIB))
    (tmp_path / "inside/link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/up").symlink_to(tmp_path)
    assert not exceeds(tmp_path / "inside", 32 * KIB, 2)


def test_folders_without_end_are_too_many(tmp_path: Path) -> None:
    path = str(tmp_path)
    for _ in range(1100):
        path += "/d"
        Path(path).mkdir()
    assert exceeds(tmp_path, 1 << 30, 10_000)
    assert not exceeds(tmp_path.joinpath(*"d" * 200), 1 << 30, 10_000)
    empty(tmp_path)


def test_removed_files_are_seen_while_they_are_open(tmp_path: Path) -> None:
    before = held_bytes(os.getpid())
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(256 * KIB))
        file.flush()
        assert held_bytes(os.getpid()) == before
        (tmp_path / "file").unlink()
        assert held_bytes(os.getpid()) >= before + 256 * KIB
    assert held_bytes(os.getpid()) == before


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_may_use_what_it_is_given(bench: Bench) -> None:
    """Under its bounds a run that is looked at many times ends well."""
    outcome = await bench.python(
        """
        import time
        from pathlib import Path
        for number in range(200):
            Path(f"file{number}").write_bytes(bytes(4096))
            time.sleep(0.005)
        self.emit(1)
        """,
        Limits(wall_s=60, scratch_bytes=8 << 20, scratch_files=400),
    )
    assert outcome.error is None, outcome.error
