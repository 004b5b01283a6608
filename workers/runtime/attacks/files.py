"""Attacks on files: what a component reads, where it writes, how much."""

from __future__ import annotations

from typing import Final, TypedDict

from apps.runs.contract import OUT_OF_DISK, PROCESS_EXITED, Limits
from workers.runtime.attacks.model import WELL, Attack

_MIB: Final = 1 << 20


class _Disk(TypedDict):
    ends: tuple[str, ...]
    limits: Limits
    lifted: Limits
    full: dict[str, int]
    bounded: dict[str, int]


_DISK: Final[_Disk] = {
    "ends": (OUT_OF_DISK,),
    "limits": Limits(wall_s=60, scratch_bytes=48 * _MIB, scratch_files=1000),
    "lifted": Limits(wall_s=60, scratch_bytes=1024 * _MIB),
    "full": {"mib": 1024, "files": 100_000, "seconds": 60},
    "bounded": {"mib": 128, "files": 3000, "seconds": 1},
}

FILES: Final = (
    Attack(
        "read-a-secret",
        "read files of the platform, of the system, of another user",
        python="""
for path in (event["secret"], event["project"], "/etc/passwd", "/etc/shadow", "/proc/self/maps",
             "/proc/1/environ", "/dev/kmsg", "/sys/kernel/notes", "/root/.bashrc"):
    attempt(path, lambda: open(path, "rb").read(10))
attempt("list", lambda: os.listdir("/"))
""",
        javascript="""
const fs = await import("node:fs");
for (const path of [event.secret, event.project, "/etc/passwd", "/etc/shadow", "/proc/self/maps",
                    "/proc/1/environ", "/dev/kmsg", "/sys/kernel/notes", "/root/.bashrc"]) {
  await attempt(path, () => Deno.readTextFileSync(path).slice(0, 10));
  await attempt("node " + path, () => fs.readFileSync(path, "utf8").slice(0, 10));
}
await attempt("import", () => import(event.secret));
await attempt("list", () => [...Deno.readDirSync("/")].length);
""",
    ),
    Attack(
        "environ-of-the-parent",
        "read the environment and the memory of the worker and of the parent process",
        python="""
for pid in (event["worker"], os.getppid()):
    for name in ("environ", "cmdline", "mem"):
        attempt(f"{pid}/{name}", lambda: open(f"/proc/{pid}/{name}", "rb").seek(1))
""",
        javascript="""
for (const pid of [event.worker, Deno.ppid]) {
  for (const name of ["environ", "cmdline"]) {
    await attempt(`${pid}/${name}`, () => Deno.readTextFileSync(`/proc/${pid}/${name}`));
  }
  await attempt(`${pid}/mem`, () => Deno.openSync(`/proc/${pid}/mem`).close());
}
""",
    ),
    Attack(
        "own-environ",
        "find something in the own environment",
        by="worker",
        python="""
known = {"TZ", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "PATH", "RES_OPTIONS", "MALLOC_ARENA_MAX",
         "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "DENO_CERT", "PD_COMPONENT"}
def look():
    found = {name: os.environ[name] for name in set(os.environ) - known}
    if not found:
        raise LookupError("nothing is there")
    return found
attempt("environ", look)
""",
        javascript="""
const known = new Set(["TZ", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "PATH", "RES_OPTIONS",
  "MALLOC_ARENA_MAX", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "DENO_CERT", "PD_COMPONENT",
  "DENO_DIR", "NO_COLOR"]);
await attempt("environ", () => {
  const found = Object.keys({...process.env, ...Deno.env.toObject()}).filter((n) => !known.has(n));
  if (found.length === 0) throw new Error("nothing is there");
  return found;
});
""",
    ),
    Attack(
        "write-outside",
        "write, make, change and remove files that are not its own",
        python="""
path = event["victim"]
attempt("write", lambda: open(path, "w"))
attempt("append", lambda: open(path, "a"))
attempt("new", lambda: open(path + "2", "w"))
attempt("truncate", lambda: os.truncate(path, 0))
attempt("chmod", lambda: os.chmod(path, 0o600))
attempt("utime", lambda: os.utime(path))
attempt("link", lambda: os.link(path, "linked"))
attempt("mkdir", lambda: os.mkdir(path + "4"))
attempt("rename", lambda: os.rename(path, path + "3"))
attempt("unlink", lambda: os.unlink(path))
attempt("harness", lambda: open(event["harness"], "a"))
attempt("fifo", lambda: os.mkfifo("fifo"))
attempt("shm", lambda: open("/dev/shm/" + event["unique"], "w"))
attempt("sibling", lambda: os.mkdir("../../sibling"))
""",
        javascript="""
const path = event.victim;
await attempt("write", () => Deno.writeTextFileSync(path, "x"));
await attempt("append", () => Deno.writeTextFileSync(path, "x", {append: true}));
await attempt("new", () => Deno.writeTextFileSync(path + "2", "x"));
await attempt("truncate", () => Deno.truncateSync(path, 0));
await attempt("chmod", () => Deno.chmodSync(path, 0o600));
await attempt("utime", () => Deno.utimeSync(path, 1, 1));
await attempt("link", () => Deno.linkSync(path, process.env.TMPDIR + "/linked"));
await attempt("mkdir", () => Deno.mkdirSync(path + "4"));
await attempt("rename", () => Deno.renameSync(path, path + "3"));
await attempt("remove", () => Deno.removeSync(path));
await attempt("harness", () => Deno.openSync(event.harness, {append: true}).close());
await attempt("shm", () => Deno.writeTextFileSync("/dev/shm/" + event.unique, "x"));
await attempt("sibling", () => Deno.mkdirSync(process.env.TMPDIR + "/../../sibling"));
""",
    ),
    Attack(
        "symlink-out",
        "read a secret through a link in the own directory",
        python="""
attempt("symlink", lambda: (os.symlink(event["secret"], "link"), open("link").read()))
attempt("directory", lambda: (os.symlink("/", "root"), os.listdir("root")))
attempt("read", lambda: open("link").read())
attempt("fd", lambda: open("/proc/self/root/etc/passwd").read(10))
""",
        javascript="""
const link = process.env.TMPDIR + "/link";
await attempt("symlink", () => Deno.symlinkSync(event.secret, link));
await attempt("node", async () => (await import("node:fs")).symlinkSync("/", link + "2"));
await attempt("read", () => Deno.readTextFileSync(link));
await attempt("root", () => Deno.readTextFileSync("/proc/self/root/etc/passwd").slice(0, 10));
""",
    ),
    Attack(
        "big-file",
        "write a file of 1 GB",
        by="worker",
        python="""
def grow():
    with open("big", "wb") as file:
        file.seek(event["bytes"])
        file.write(b"x")
def truncate():
    os.truncate("big", event["bytes"])
attempt("grow", grow)
attempt("truncate", truncate)
""",
        javascript="""
const path = process.env.TMPDIR + "/big";
await attempt("truncate", () => {
  const file = Deno.openSync(path, {write: true, create: true});
  file.truncateSync(event.bytes);
  file.close();
});
""",
        ends=(WELL, PROCESS_EXITED),
        limits=Limits(wall_s=60, scratch_bytes=64 * _MIB),
        lifted=Limits(wall_s=60, scratch_bytes=2048 * _MIB),
        full={"bytes": 1 << 30},
        bounded={"bytes": 1 << 30},
    ),
    Attack(
        "many-big-files",
        "fill the disk with files each of which is small enough",
        by="worker",
        python="""
for number in range(event["mib"] // 16):
    Path(f"file{number}").write_bytes(bytes(16 << 20))
time.sleep(event["seconds"])
attempt("fill", lambda: f"{event['mib']} MiB")
""",
        javascript="""
const data = new Uint8Array(16 << 20);
for (let number = 0; number < event.mib / 16; number++) {
  Deno.writeFileSync(`${process.env.TMPDIR}/../code/file${number}`, data);
}
await new Promise((done) => setTimeout(done, event.seconds * 1000));
await attempt("fill", () => `${event.mib} MiB`);
""",
        **_DISK,
    ),
    Attack(
        "removed-files",
        "fill the disk with files that no directory lists",
        by="worker",
        python="""
kept = []
for number in range(event["mib"] // 16):
    kept.append(open("file", "wb"))
    os.unlink("file")
    kept[-1].write(bytes(16 << 20))
    kept[-1].flush()
time.sleep(event["seconds"])
attempt("fill", lambda: f"{event['mib']} MiB")
""",
        javascript="""
const data = new Uint8Array(16 << 20);
const kept = [];
for (let number = 0; number < event.mib / 16; number++) {
  const file = Deno.openSync(process.env.TMPDIR + "/file", {write: true, create: true});
  Deno.removeSync(process.env.TMPDIR + "/file");
  file.writeSync(data);
  kept.push(file);
}
await new Promise((done) => setTimeout(done, event.seconds * 1000));
await attempt("fill", () => `${event.mib} MiB, ${kept.length}`);
""",
        **_DISK,
    ),
    Attack(
        "many-files",
        "use the file system up with empty files",
        by="worker",
        python="""
for number in range(event["files"]):
    if number % 1000 == 0:
        os.makedirs(f"folder{number}", exist_ok=True)
    open(f"folder{number - number % 1000}/{number}", "w").close()
time.sleep(event["seconds"])
attempt("make", lambda: f"{event['files']} files")
""",
        javascript="""
for (let number = 0; number < event.files; number++) {
  const folder = `${process.env.TMPDIR}/folder${number - number % 1000}`;
  if (number % 1000 === 0) Deno.mkdirSync(folder);
  Deno.writeTextFileSync(`${folder}/${number}`, "");
}
await new Promise((done) => setTimeout(done, event.seconds * 1000));
await attempt("make", () => `${event.files} files`);
""",
        **_DISK,
    ),
    Attack(
        "hidden-files",
        "write where nobody can look: in folders that cannot be read, and too deep ones",
        by="worker",
        python="""
os.mkdir("folder", 0o300)
Path("folder/file").write_bytes(bytes(1 << 20))
for number in range(event["deep"]):
    os.mkdir("deeper")
    os.chdir("deeper")
time.sleep(event["seconds"])
attempt("hide", lambda: f"{event['deep']} levels")
""",
        javascript="""
let folder = process.env.TMPDIR;
for (let number = 0; number < event.deep; number++) Deno.mkdirSync(folder += "/d");
await new Promise((done) => setTimeout(done, event.seconds * 1000));
await attempt("hide", () => `${event.deep} levels`);
""",
        ends=(OUT_OF_DISK,),
        full={"deep": 1200, "seconds": 60},
    ),
)
