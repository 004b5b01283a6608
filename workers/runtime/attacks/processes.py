"""Attacks on processes: new ones, others, and the own one's end."""

from __future__ import annotations

from typing import Final

from apps.runs.contract import PROCESS_EXITED, PROTOCOL_VIOLATION, TIMEOUT, Limits
from workers.runtime.attacks.model import WELL, Attack

PROCESSES: Final = (
    Attack(
        "fork-bomb",
        "start processes without end",
        python="""
import multiprocessing, subprocess
def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
for number in range(event["processes"]):
    attempt(f"fork {number}", fork)
attempt("run", lambda: subprocess.run(["/bin/true"]))
attempt("spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
""",
        javascript="""
const child = await import("node:child_process");
for (let number = 0; number < event.processes; number++) {
  await attempt(`run ${number}`, () => new Deno.Command("/bin/true").outputSync().code);
}
await attempt("spawn", () => child.execFileSync("/bin/true"));
await attempt("shell", () => child.execSync("true"));
""",
        full={"processes": 1000},
        bounded={"processes": 8},
    ),
    Attack(
        "kill-the-parent",
        "signal the parent, the worker and another process",
        python="""
attempt("worker", lambda: os.kill(event["worker"], 0))
attempt("parent", lambda: os.kill(os.getppid(), 0))
attempt("group", lambda: os.killpg(os.getpgid(os.getppid()), 0))
attempt("pidfd", lambda: os.pidfd_open(os.getppid()))
attempt("kill", lambda: os.kill(event["bystander"], signal.SIGKILL))
""",
        javascript="""
await attempt("worker", () => process.kill(event.worker, 0));
await attempt("parent", () => process.kill(Deno.ppid, 0));
await attempt("kill", () => Deno.kill(event.bystander, "SIGKILL"));
await attempt("node", () => process.kill(event.bystander, "SIGKILL"));
""",
    ),
    Attack(
        "ptrace-the-parent",
        "look into the memory of other processes",
        python="""
libc = ctypes.CDLL(None, use_errno=True)
def call(*numbers):
    result = libc.syscall(*(ctypes.c_long(n) for n in numbers))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
for name, pid in (("parent", os.getppid()), ("bystander", event["bystander"])):
    if name in event["traced"]:
        attempt(f"seize {name}", lambda: call(101, 0x4206, pid, 0, 0))
    attempt(f"memory of {name}", lambda: open(f"/proc/{pid}/mem", "rb").close())
    attempt(f"descriptors of {name}", lambda: os.listdir(f"/proc/{pid}/fd"))
""",
        javascript="""
for (const pid of [Deno.ppid, event.bystander]) {
  await attempt("memory", () => Deno.openSync(`/proc/${pid}/mem`).close());
  await attempt("descriptors", () => [...Deno.readDirSync(`/proc/${pid}/fd`)].length);
}
""",
        # Who traces its parent stops it, and with it all.
        full={"traced": ["parent", "bystander"]},
        bounded={"traced": ["bystander"]},
    ),
    Attack(
        "daemon",
        "leave a process that outlives the run, by a double fork",
        python="""
def daemon():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        inner = os.fork()
        if inner == 0:
            time.sleep(20)
        else:
            os.write(write, str(inner).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return int(os.read(read, 20))
attempt("daemon", daemon)
""",
        javascript="""
await attempt("daemon", () => {
  const given = ["-c", "setsid sleep 20 > /dev/null 2>&1 & echo $!"];
  const done = new Deno.Command("/bin/sh", {args: given}).outputSync();
  return new TextDecoder().decode(done.stdout).trim();
});
""",
    ),
    Attack(
        "forged-frame",
        "answer the platform in the name of another run",
        by="worker",
        python="""
import json
body = json.dumps({"t": "emit", "run": "other", "at": 1}).encode() + b"\\n1"
os.write(3, len(body).to_bytes(4, "big") + body)
time.sleep(60)
""",
        javascript="""
const body = new TextEncoder().encode('{"t":"emit","run":"other","at":1}\\n1');
const head = new Uint8Array(4);
new DataView(head.buffer).setUint32(0, body.length);
const channel = Deno.openSync("/proc/self/fd/4", {write: true});
channel.writeSync(head);
channel.writeSync(body);
await new Promise((done) => setTimeout(done, 60_000));
""",
        ends=(PROTOCOL_VIOLATION,),
    ),
    Attack(
        "exit-mid-run",
        "leave with status 0 and pass for a success",
        by="worker",
        python="os._exit(0)",
        javascript="Deno.exit(0);",
        ends=(PROCESS_EXITED, "Error"),
    ),
    Attack(
        "segfault",
        "crash the process",
        by="worker",
        python="ctypes.string_at(0)",
        javascript="""
await attempt("native code", () => {
  return new Deno.UnsafePointerView(Deno.UnsafePointer.create(8n)).getInt32();
});
""",
        ends=(PROCESS_EXITED, WELL),
    ),
    Attack(
        "ignore-sigterm",
        "go on for ever, whatever signal asks it to end",
        by="worker",
        python="""
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
until = time.monotonic() + event["seconds"]
while time.monotonic() < until:
    pass
attempt("outlive", lambda: "its time")
""",
        javascript="""
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) Deno.addSignalListener(name, () => {});
const until = performance.now() + event.seconds * 1000;
while (performance.now() < until);
await attempt("outlive", () => "its time");
Deno.exit(0);
""",
        ends=(TIMEOUT,),
        limits=Limits(wall_s=1),
        lifted=Limits(wall_s=60),
        full={"seconds": 600},
        bounded={"seconds": 1.5},
    ),
)
