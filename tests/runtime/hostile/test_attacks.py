"""Every attack of the catalogue, in each language: stopped by the wall, and not stopped without it.

The controls show that each of these tests can fail: what stops an attack is taken away, and it
gets through.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from apps.runs.contract import Emit, Outcome, RunError
from tests.runtime.conftest import Bench, python_code, python_source
from tests.runtime.hostile.alone import command
from workers.runtime.attacks import CATALOGUE
from workers.runtime.attacks.model import Attack, judge
from workers.runtime.attacks.trial import Trial, trial
from workers.runtime.settings import RuntimeSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIRS = [(attack, language) for attack in CATALOGUE for language in attack.languages]
NATIVE = {"sandbox": "unsafe", "deno_permissions": False}


def each(pairs):
    ids = [f"{attack.name}-{language}" for attack, language in pairs]
    return pytest.mark.parametrize(("attack", "language"), pairs, ids=ids)


def _fixture(**given):
    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def made(tmp_path_factory) -> AsyncIterator[Trial]:
        settings = RuntimeSettings(run_dir=tmp_path_factory.mktemp("data") / "run", **given)
        async with trial(settings) as started:
            yield started

    return made


walled = _fixture()
outer = _fixture(deno_permissions=False)
unsafe = _fixture(**NATIVE)
open_network = _fixture(egress_allow=("127.0.0.0/8",))


@each(PAIRS)
async def test_the_wall_stops_it(walled: Trial, attack: Attack, language) -> None:
    """G8: and another user's run goes on meanwhile."""
    neighbour = python_code(python_source("self.emit(1)"))
    bench = Bench(walled.runtime, None)
    attacking = asyncio.create_task(walled.run(attack, language))
    while not attacking.done():
        other = await bench.run(neighbour)
        assert (other.error, [emit.payload for emit in other.emits]) == (None, [b"1"])
        await asyncio.wait([attacking], timeout=0.2)
    verdict = await attacking
    assert verdict.stopped, verdict


@each([(a, language) for a, language in PAIRS if language == "javascript" and a.by == "wall"])
async def test_the_outer_wall_stops_it_alone(outer: Trial, attack: Attack, language) -> None:
    """Whatever Deno's own permissions would let through."""
    verdict = await outer.run(attack, language)
    assert verdict.stopped, verdict


@each([p for p in PAIRS if p[0].by == "wall" and not p[0].names and not p[0].off_machine])
async def test_without_the_wall_it_gets_through(unsafe: Trial, attack: Attack, language) -> None:
    verdict = await unsafe.run(attack, language, strength=attack.bounded)
    assert verdict.reached, verdict


@each([p for p in PAIRS if p[0].by == "worker"])
async def test_the_bounds_of_any_child_stop_it(unsafe: Trial, attack: Attack, language) -> None:
    verdict = await unsafe.run(attack, language)
    assert verdict.stopped, verdict


@each([p for p in PAIRS if p[0].lifted])
async def test_without_its_bound_it_gets_through(unsafe: Trial, attack: Attack, language) -> None:
    verdict = await unsafe.run(attack, language, limits=attack.lifted, strength=attack.bounded)
    assert verdict.reached, verdict


@each([p for p in PAIRS if p[0].names])
async def test_where_the_network_is_open_it_gets_through(
    open_network: Trial, attack: Attack, language
) -> None:
    verdict = await open_network.run(attack, language, strength=attack.bounded)
    assert verdict.reached, verdict


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip")
@each([p for p in PAIRS if p[0].off_machine])
async def test_in_a_network_of_its_own_it_gets_through(
    tmp_path: Path, attack: Attack, language
) -> None:
    """Where those addresses are the machine's own, so that nothing leaves it."""
    tmp_path.chmod(0o755)
    own = ("169.254.169.254/32", "10.0.0.1/32", "64:ff9b::7f00:1/128")
    network = "ip link set lo up; " + "".join(f"ip addr add {a} dev lo;" for a in own)
    alone = command(tmp_path / "run", attack.name, language, sandbox="unsafe")
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", network + ' exec "$@"', "sh", *alone],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "GOT THROUGH" in done.stdout, done


@each([p for p in PAIRS if p[0].name in ("connect-race", "rebinding")])
@pytest.mark.slow
async def test_two_thousand_tries_get_nowhere(walled: Trial, attack: Attack, language) -> None:
    verdict = await walled.run(attack, language, strength={"tries": 2000})
    assert verdict.stopped, verdict


@pytest.mark.parametrize("attack", CATALOGUE, ids=lambda attack: attack.name)
async def test_no_attack_is_stopped_by_its_judge(attack: Attack) -> None:
    """What a component gets away with is told, however it is done; so is what was never tried."""
    assert judge(attack, Outcome(emits=[Emit(b'{"got":"x"}')])).reached
    assert judge(attack, Outcome(emits=[Emit(b'{"refused":"x"}')]), ["a witness"]).reached
    assert not judge(attack, Outcome()).stopped
    assert not judge(attack, Outcome(error=RunError("SyntaxError", "x"))).stopped


async def test_each_attack_is_there_in_both_languages_or_says_why() -> None:
    assert len({attack.name for attack in CATALOGUE}) == len(CATALOGUE) >= 30
    for attack in CATALOGUE:
        assert attack.languages
        assert (len(attack.languages) == 1) == bool(attack.absent)
