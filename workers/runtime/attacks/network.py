"""Attacks on the network: of this machine, and of the one it stands in."""

from __future__ import annotations

from typing import Final

from workers.runtime.attacks.model import WELL, Attack

_NO_NATIVE_CODE: Final = (
    "JavaScript has no such call, and native code, which has, is refused (--allow-ffi)"
)


def _dial(name: str, tries: str, *hosts: str, off_machine: bool = False) -> Attack:
    """Connects to the closed port at each of the hosts, in every way that a language has."""
    urls = [f"[{host}]" if ":" in host else host for host in hosts]
    return Attack(
        name,
        tries,
        python=f"""
for host in {hosts!r}:
    for timeout in (None, 3):
        attempt(host, lambda: socket.create_connection((host, event["port"]), timeout).close())
""",
        javascript=f"""
for (const host of {urls!r}) {{
  await attempt("fetch " + host, async () =>
    (await fetch(`http://${{host}}:${{event.port}}`, {{signal: AbortSignal.timeout(3e3)}})).text());
  await attempt("connect " + host, async () =>
    (await Deno.connect({{hostname: host.replace(/[\\[\\]]/g, ""), port: event.port}})).close());
}}
""",
        off_machine=off_machine,
    )


NETWORK: Final = (
    _dial("loopback-v4", "connect to loopback by IPv4", "127.0.0.1", "127.9.9.9"),
    _dial("loopback-v6", "connect to loopback by IPv6", "::1"),
    _dial("loopback-mapped", "connect to loopback by IPv4 in IPv6", "::ffff:127.0.0.1"),
    _dial(
        "loopback-carried",
        "connect to loopback by addresses of gateways that carry IPv4 in IPv6",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        off_machine=True,
    ),
    _dial(
        "loopback-decimal",
        "connect to loopback by numbers that resolvers read as addresses",
        "2130706433",
        "127.1",
        "0x7f000001",
    ),
    _dial("address-zero", "connect to the address that means this machine", "0.0.0.0", "::"),  # noqa: S104
    _dial("loopback-name", "connect to loopback by its name", "localhost"),
    _dial(
        "metadata-address",
        "connect to the address at which clouds tell a machine its secrets",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        off_machine=True,
    ),
    _dial(
        "private-addresses",
        "connect to hosts of the network that the machine stands in",
        *("10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1"),
        *("fe80::1", "fd00::1", "224.0.0.1", "255.255.255.255"),
        off_machine=True,
    ),
    Attack(
        "redirect",
        "follow the redirect of a host that may be reached to loopback",
        python="""
import httpx, urllib.request
start = f"http://{event['allowed']}:{event['port']}/redirect"
if httpx.get(start).status_code != 302:
    raise RuntimeError("the first host does not answer")
attempt("httpx", lambda: httpx.get(start, follow_redirects=True).text)
attempt("urllib", lambda: urllib.request.urlopen(start, timeout=5).read())
""",
        javascript="""
const start = `http://${event.allowed}:${event.port}/redirect`;
const first = await fetch(start, {redirect: "manual"});
await first.body?.cancel();
if (first.status !== 302) throw new Error("the first host does not answer");
await attempt("fetch", async () => (await fetch(start)).text());
await attempt("import", () => import(start));
""",
    ),
    Attack(
        "rebinding",
        "connect by a name that leads to a permitted address and to loopback by turns",
        python="""
passed = reached = 0
def dial():
    nonlocal passed, reached
    try:
        with socket.create_connection((event["name"], event["port"]), 5) as connection:
            if connection.getpeername()[0] == event["allowed"]:
                passed += 1
            else:
                reached += 1
    except OSError:
        pass
for _ in range(event["tries"]):
    dial()
if not passed + reached:
    raise RuntimeError("the name led nowhere")
def count():
    if not reached:
        raise PermissionError(f"0 of {event['tries']}, {passed} to the permitted address")
    return reached
attempt("rebinding", count)
""",
        javascript="""
let passed = 0, reached = 0;
const count = (host) => host === event.allowed ? passed++ : reached++;
const dial = async () => {
  try {
    const connection = await Deno.connect({hostname: event.name, port: event.port});
    count(connection.remoteAddr.hostname);
    connection.close();
  } catch { /* refused */ }
};
const get = async () => {
  try {
    count(await (await fetch(`http://${event.name}:${event.port}/`)).text());
  } catch { /* refused */ }
};
for (let number = 0; number < event.tries; number += 20) {
  await Promise.all(Array.from({length: 20}, (_, n) => n % 2 ? dial() : get()));
}
if (passed + reached === 0) throw new Error("the name led nowhere");
await attempt("rebinding", () => {
  if (reached === 0) throw new Error(`0 of ${event.tries}, ${passed} to the permitted address`);
  return reached;
});
""",
        names=True,
        full={"tries": 100},
        bounded={"tries": 20},
    ),
    Attack(
        "connect-race",
        "change the address between the look at it and its use",
        python="""
import struct, threading
libc = ctypes.CDLL(None, use_errno=True)
good, bad = (struct.pack("=H", 2) + struct.pack("!H", event["port"]) + socket.inet_aton(host)
             for host in (event["allowed"], event["closed"]))
memory = ctypes.create_string_buffer(good + bytes(8), 16)
stop = False
def swap():
    while not stop:
        ctypes.memmove(memory, bad, 8)
        ctypes.memmove(memory, good, 8)
thread = threading.Thread(target=swap)
thread.start()
passed = through = 0
for _ in range(event["tries"]):
    with socket.socket() as connection:
        if libc.connect(connection.fileno(), memory, 16) == 0:
            at = connection.getpeername()[0]
            passed += at == event["allowed"]
            through += at == event["closed"]
    if through:
        break
stop = True
thread.join()
if not passed + through:
    raise RuntimeError("no connection was made")
def count():
    if not through:
        raise PermissionError(f"0 of {event['tries']}, {passed} to the permitted address")
    return through
attempt("race", count)
""",
        absent="a component cannot touch the address after Deno was given it: it is copied into the"
        " runtime; `rebinding` races what names lead to instead",
        full={"tries": 200},
        # Until it has won once: on a busy machine that takes as long as the other thread is kept
        # waiting for a processor.
        bounded={"tries": 10000},
    ),
    Attack(
        "fast-open",
        "send with the first packet, past the call that connects",
        python="""
def send(closed):
    with socket.socket() as connection:
        connection.settimeout(3)
        request = b"GET / HTTP/1.0\\r\\n\\r\\n"
        connection.sendto(request, socket.MSG_FASTOPEN, (closed, event["port"]))
        return connection.recv(10)
attempt("sendto", lambda: send(event["closed"]))
attempt("sendto zero", lambda: send("0.0.0.0"))
def message():
    with socket.socket() as connection:
        where = (event["closed"], event["port"])
        return connection.sendmsg([b"x"], [], socket.MSG_FASTOPEN, where)
attempt("sendmsg", message)
""",
        absent=_NO_NATIVE_CODE,
    ),
    Attack(
        "unix-socket",
        "connect to a UNIX socket of another program",
        python="""
def connect():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(event["unix"])
        return connection.recv(10)
attempt("connect", connect)
attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close())
""",
        javascript="""
const net = await import("node:net");
await attempt("deno", async () =>
  (await Deno.connect({transport: "unix", path: event.unix})).close());
await attempt("node", () => new Promise((done, failed) => {
  const connection = net.connect({path: event.unix});
  connection.on("connect", () => { connection.destroy(); done("connected"); }).on("error", failed);
}));
""",
    ),
    Attack(
        "abstract-socket",
        "connect to a UNIX socket that has no file",
        python="""
def connect():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\\0" + event["unique"])
        return connection.recv(10)
attempt("connect", connect)
""",
        absent="Deno passes names of UNIX sockets on as paths only",
    ),
    Attack(
        "udp",
        "send a datagram",
        python="""
def send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"x", (event["closed"], event["udp"]))
attempt("send", send)
""",
        javascript="""
await attempt("deno", () => Deno.listenDatagram({port: 0, transport: "udp"}).close());
const dgram = await import("node:dgram");
await attempt("node", () => new Promise((done, failed) => {
  const sender = dgram.createSocket("udp4");
  sender.on("error", failed);
  sender.send("x", event.udp, event.closed, (error) => {
    sender.close();
    if (error) failed(error); else done("sent");
  });
}));
""",
        ends=(WELL, "NotCapable"),
    ),
    Attack(
        "serve",
        "take connections from others",
        python="""
attempt("bind", lambda: socket.socket().bind((event["closed"], 0)))
attempt("listen", lambda: socket.socket().listen())
""",
        javascript="""
await attempt("deno", () => Deno.listen({hostname: event.closed, port: 0}).close());
await attempt("node", async () => {
  const {createServer} = await import("node:net");
  await new Promise((done, failed) => {
    const server = createServer().on("error", failed);
    server.listen(0, event.closed, () => server.close(done));
  });
});
""",
    ),
    Attack(
        "other-sockets",
        "open sockets of other kinds than TCP",
        python="""
attempt("pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
""",
        absent=_NO_NATIVE_CODE,
    ),
)
