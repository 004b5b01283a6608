"""The secret key of a data directory: one for all processes, from the first moment."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.secret import secret_key


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data/secret_key"
    made = secret_key(path)
    assert len(made) == 64
    assert secret_key(path) == path.read_text() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_without_a_key_is_filled(tmp_path: Path) -> None:
    """As another process finds it that comes a moment later, or after a power cut."""
    path = tmp_path / "secret_key"
    path.touch()
    assert secret_key(path) == path.read_text() != ""


def test_all_who_come_at_once_have_the_same(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def come(round_: int) -> str:
        barrier.wait(20)
        return secret_key(tmp_path / f"{round_}")

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            found = set(pool.map(come, [number] * 8))
            assert found == {(tmp_path / f"{number}").read_text()} != {""}
