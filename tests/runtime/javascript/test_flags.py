"""What Deno's own permissions keep from a component, under the flags that `flags.command` gives."""

# ruff: noqa: E501 (lines of JavaScript)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.runtime.javascript.driver import Child


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ok":true}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def web() -> Iterator[str]:
    """The address of a server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def outcome(child: Child, expression: str) -> str:
    """`done` when the expression could be evaluated, else the name of its error."""
    child.describe(
        f"""
        module.exports = {{ async run() {{
          try {{ await ({expression}); this.$emit("done"); }} catch (error) {{ this.$emit(error.code || error.name); }}
        }} }};
        """
    )
    [value] = child.invoke().emitted
    return str(value)


@pytest.mark.parametrize(
    "expression",
    [
        "Deno.readTextFile('/etc/passwd')",
        "Deno.readTextFile('/proc/self/environ')",
        "Deno.readTextFile(`/proc/${Deno.ppid}/environ`)",
        "Deno.readTextFile('/proc/self/maps')",
        "Deno.readTextFile('/proc/self/fd/../environ')",
        "Deno.writeTextFile('/tmp/planted', 'x')",
        "Deno.symlink('/etc/passwd', 'link')",
        "Deno.open('/proc/self/mem', { write: true })",
        "new Deno.Command('/bin/true').output()",
        "Deno.dlopen('libc.so.6', {})",
        "Deno.kill(Deno.ppid, 'SIGKILL')",
        "Deno.listen({ path: '/tmp/socket', transport: 'unix' })",
        "fetch('http://169.254.169.254/latest/meta-data/')",
        "fetch('http://10.0.0.1/')",
        "Deno.connect({ hostname: '192.168.0.1', port: 80 })",
        "fetch('file:///etc/passwd')",
        "Deno.systemMemoryInfo()",
        "Deno.networkInterfaces()",
        "Deno.permissions.request({ name: 'run' }).then(({ state }) => { if (state !== 'granted') throw new Deno.errors.NotCapable() })",
    ],
)
def test_the_wall_refuses(child: Child, expression: str) -> None:
    assert outcome(child, expression) == "NotCapable"


@pytest.mark.parametrize(
    "call",
    [
        "require('fs').readFileSync('/etc/passwd')",
        "require('fs').readFileSync('/proc/self/environ')",
        "require('/etc/hostname.js')",
        "require('os').networkInterfaces()",
        "process.kill(process.ppid)",
        "process.dlopen({}, '/lib/x.node')",
    ],
)
def test_the_wall_refuses_the_ways_of_node_too(child: Child, call: str) -> None:
    result = outcome(child, f"(() => {{ const value = {call}; if (value?.code) throw value; }})()")
    assert result in ("NotCapable", "ERR_ACCESS_DENIED", "EACCES", "EPERM", "ERR_DLOPEN_FAILED")


@pytest.mark.parametrize("way", ["execFileSync", "spawnSync", "spawn"])
def test_no_program_is_started(child: Child, way: str) -> None:
    made = child.directory / "tmp" / "made"
    outcome(child, f"require('child_process').{way}('/usr/bin/touch', ['{made}'])")
    assert not made.exists()


@pytest.mark.parametrize(
    "code",
    [
        'import secret from "{path}"; export default {{ run() {{}}, name: secret }};',
        'const secret = require("{path}"); module.exports = {{ run() {{}}, name: secret }};',
        'import secret from "{path}" with {{ type: "json" }}; export default {{ run() {{}}, name: secret }};',
        'import secret from "{path}" with {{ type: "text" }}; export default {{ run() {{}}, name: secret }};',
    ],
)
def test_an_import_reads_nothing_outside(
    child: Child, tmp_path_factory: pytest.TempPathFactory, code: str
) -> None:
    outside: Path = tmp_path_factory.mktemp("outside") / "secret.js"
    outside.write_text("module.exports = 'the secret'; export default 'the secret';")
    error = child.failure(code.format(path=outside))
    assert "the secret" not in str(error)
    assert "read access" in error["message"] or "cannot import" in error["message"]


def test_a_symlink_made_inside_leads_nowhere(child: Child) -> None:
    result = outcome(
        child,
        "(async () => { await Deno.symlink('/etc/hostname', 'out'); return Deno.readTextFile('out'); })()",
    )
    assert result == "NotCapable"


def test_the_own_directory_is_open(child: Child) -> None:
    load = child.load(
        """
        const fs = require("fs");
        module.exports = { run() {
          const path = `${process.env.TMPDIR}/scratch.txt`;
          fs.writeFileSync(path, "kept");
          this.$emit(fs.readFileSync(path, "utf8"));
        } };
        """,
        env={"TMPDIR": str(child.directory / "tmp")},
    )
    assert load["t"] == "loaded"
    assert child.invoke().emitted == ["kept"]


def test_a_server_is_reached_where_no_network_is_denied(tmp_path: Path, template: Path) -> None:
    with web() as address, Child(tmp_path, denied_networks=(), template=template) as child:
        child.describe(
            f"module.exports = {{ async run() {{ this.$emit(await (await fetch('http://{address}/')).json()); }} }};"
        )
        for _ in range(2):
            result = child.invoke()
            assert result.emitted == [{"ok": True}]
            assert result.done["reuse"], "a kept-alive connection is nothing left over"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"]
)
def test_a_server_on_loopback_is_refused_under_the_flags(child: Child, host: str) -> None:
    with web() as address:
        port = address.rpartition(":")[2]
        # A name with several addresses gives a TypeError that sums their refusals up.
        assert outcome(child, f"fetch('http://{host}:{port}/')") in ("NotCapable", "TypeError")


def test_version_6_of_loopback_is_refused_under_the_flags(child: Child) -> None:
    assert outcome(child, "fetch('http://[::1]:8080/')") == "NotCapable"


def test_no_way_leads_to_the_environment_of_the_process(child: Child) -> None:
    """Also not from a thread, where the harness has put nothing over `Deno.env`."""
    child.describe(
        """
        import { env } from "node:process";
        const thread = "data:application/javascript,postMessage(Deno.env.get('SECRET') ?? null)";
        export default { async run() {
          const worker = new Worker(thread, { type: "module" });
          const told = await new Promise((done) => { worker.onmessage = ({ data }) => done(data); });
          worker.terminate();
          const seen = [env, process.env, Deno.env.toObject()].map(({ SECRET }) => SECRET ?? null);
          this.$emit([told, ...seen]);
        } };
        """
    )
    assert child.invoke().emitted == [[None, None, None, None]]
