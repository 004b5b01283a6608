"""Connections to PostgreSQL notice a dead link; tests/machines cuts one."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from config.links import redis_options, session, watched


def test_what_the_address_says_stands() -> None:
    found = conninfo_to_dict(
        watched("postgresql://u:p@db/x?tcp_user_timeout=1500&sslmode=require", 10)
    )
    assert (found["host"], found["password"], found["sslmode"]) == ("db", "p", "require")
    assert found["tcp_user_timeout"] == "1500"
    assert found["keepalives_idle"] == "4"


def test_the_kernel_gives_up_by_the_clock() -> None:
    for seconds in (0.5, 3.0, 10.0, 60.0):
        found = conninfo_to_dict(watched("dbname=x", seconds))
        assert int(str(found["tcp_user_timeout"])) == seconds * 1000
        asked = int(str(found["keepalives_idle"])) + int(str(found["keepalives_interval"]))
        assert asked <= max(2, seconds)
        assert f"tcp_user_timeout = {seconds * 1000:.0f}" in session(seconds)
        assert all(v >= 1 for v in redis_options(seconds)["socket_keepalive_options"].values())
