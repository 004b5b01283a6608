"""Attacks on what all share: processor, memory, output, time."""

from __future__ import annotations

from typing import Final

from apps.runs.contract import OUT_OF_MEMORY, PAYLOAD_LIMIT, TIMEOUT, Limits
from workers.runtime.attacks.model import Attack

_MIB: Final = 1 << 20
_TIME: Final = Limits(wall_s=1)
_LONG: Final = Limits(wall_s=60)
_MEMORY: Final = Limits(wall_s=60, memory_bytes=128 * _MIB)
_ROOM: Final = Limits(wall_s=60, memory_bytes=4096 * _MIB)

LIMITS: Final = (
    Attack(
        "cpu-loop",
        "compute for ever",
        by="worker",
        python="""
until = time.monotonic() + event["seconds"]
while time.monotonic() < until:
    pass
attempt("loop", lambda: "its time")
""",
        javascript="""
const until = performance.now() + event.seconds * 1000;
while (performance.now() < until);
await attempt("loop", () => "its time");
""",
        ends=(TIMEOUT,),
        limits=_TIME,
        lifted=_LONG,
        full={"seconds": 600},
        bounded={"seconds": 1.5},
    ),
    Attack(
        "sleep",
        "hold a place for ever without doing anything",
        by="worker",
        python="""
time.sleep(event["seconds"])
attempt("sleep", lambda: "its time")
""",
        javascript="""
await new Promise((done) => setTimeout(done, event.seconds * 1000));
await attempt("sleep", () => "its time");
""",
        ends=(TIMEOUT,),
        limits=_TIME,
        lifted=_LONG,
        full={"seconds": 600},
        bounded={"seconds": 1.5},
    ),
    Attack(
        "private-memory",
        "fill 2 GB of memory of its own",
        by="worker",
        python="""
kept = []
for _ in range(event["mib"] // 16):
    kept.append(bytearray(b"x") * (16 << 20))
attempt("fill", lambda: f"{event['mib']} MiB")
""",
        javascript="""
const kept = [];
for (let number = 0; number < event.mib / 16; number++) kept.push(new Uint8Array(16 << 20).fill(1));
await attempt("fill", () => `${event.mib} MiB, ${kept.length}`);
""",
        ends=(OUT_OF_MEMORY,),
        limits=_MEMORY,
        lifted=_ROOM,
        full={"mib": 2048},
        bounded={"mib": 1024},
    ),
    Attack(
        "shared-memory",
        "fill 2 GB of memory that counts as shared",
        by="worker",
        python="""
import mmap
kept = []
for _ in range(event["mib"] // 16):
    kept.append(mmap.mmap(-1, 16 << 20))
    for at in range(0, 16 << 20, 4096):
        kept[-1][at] = 1
attempt("fill", lambda: f"{event['mib']} MiB")
""",
        javascript="""
const kept = [];
for (let number = 0; number < event.mib / 16; number++) {
  kept.push(new Uint8Array(new SharedArrayBuffer(16 << 20)).fill(1));
}
await attempt("fill", () => `${event.mib} MiB, ${kept.length}`);
""",
        ends=(OUT_OF_MEMORY, "OSError"),
        limits=_MEMORY,
        lifted=_ROOM,
        full={"mib": 2048},
        bounded={"mib": 1024},
    ),
    Attack(
        "output-flood",
        "print 1 GB",
        by="worker",
        python="""
for _ in range(event["mib"]):
    os.write(1, (b"x" * 1023 + b"\\n") * 1024)
attempt("print", lambda: f"{event['mib']} MiB")
""",
        javascript="""
const line = "x".repeat(1023);
for (let number = 0; number < event.mib * 1024; number++) console.log(line);
await attempt("print", () => `${event.mib} MiB`);
""",
        ends=(PAYLOAD_LIMIT,),
        lifted=Limits(wall_s=60, payload_bytes=64 * _MIB),
        full={"mib": 1024},
        bounded={"mib": 8},
    ),
)
