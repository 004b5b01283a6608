"""`python -m stack backup`, while another writes the same file."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from stack import options
from stack.backup import backup
from stack.postgres import binary
from tests.making import World, until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^LOCK'"


def test_of_two_at_once_into_one_file_each_writes_a_whole_one(world: World, tmp_path: Path) -> None:
    file = tmp_path / "headwater.dump"
    chosen = replace(options.read(), database_url=world.dsn)
    with ThreadPoolExecutor(2) as pool, world.connect() as holder:
        holder.execute("LOCK TABLE sources_source")
        both = [pool.submit(backup, chosen, file) for _ in range(2)]
        until(lambda: world.one(WAITING) == 2 or any(one.done() for one in both))
        assert len(list(tmp_path.iterdir())) == 2
    assert [one.exception() for one in both] == [None, None]
    assert list(tmp_path.iterdir()) == [file]
    listed = subprocess.run([binary("pg_restore"), "--list", file], capture_output=True, text=True)
    assert "TABLE DATA public sources_source" in listed.stdout
