"""One visit with a browser: what it asked for, what it complained about, and how a page looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.finding import Found
from tests.processes import ROOT

FLAGS: Final = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    # No other host is reached, whether a page asks for it or the browser itself. Unlike a route of
    # Playwright's this leaves the browser its cache.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
SCREENSHOTS: Final = Path(os.environ.get("SCREENSHOTS") or ROOT / "build/screenshots")
DESKTOP: Final = ViewportSize(width=1280, height=800)
PHONE: Final = ViewportSize(width=390, height=844)
LOOKS: Final = ("light", "dark", "phone")
# What axe calls these is red.
RED: Final = ("serious", "critical")
WAIT_MS: Final = 15_000
expect.set_options(timeout=WAIT_MS)

_WATCH_POLICY: Final = """document.addEventListener("securitypolicyviolation", (event) =>
    window.policyViolated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""
# Axe measures colours: none of them may be on its way to another.
_SETTLED: Final = """async () => {
    await document.fonts.ready;
    const ending = document.getAnimations().filter(
        (one) => one.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map((one) => one.finished));
}"""
_AXE: Final = Axe().axe_script
_LOOK: Final = """async ([scope, options]) =>
    (await axe.run(Object.keys(scope).length ? scope : document, options)).violations"""
_SWITCH: Final = """(colours) => {
    if (window.Alpine) Alpine.$data(document.documentElement).adminTheme = colours;
}"""
# Whether what has the focus is `wanted`, and whether a person can tell that it has it.
_FOCUS: Final = """(wanted) => {
    const one = document.activeElement, style = getComputedStyle(one);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return {
        here: one.matches(wanted), last: one === document.body,
        seen: outlined || style.boxShadow !== "none", html: one.outerHTML.slice(0, 200),
    };
}"""
_WIDER: Final = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def started(found: Found) -> Iterator[Browser]:
    """The browser, without its own sandbox: CI is root, and it meets no page but ours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable,
            args=list(FLAGS),
            env={**os.environ, **found.environment},
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page, and everything that goes wrong on it.

    `expected` are patterns of notes that belong to the test.
    """

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.notes: list[str] = []
        self.expected: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.expose_function("policyViolated", lambda told: self._note("policy", told))
        self.page.add_init_script(_WATCH_POLICY)
        self.page.on("request", self._requested)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._note("error", error))
        self.page.on("dialog", self._asked)

    def open(self, path: str) -> Self:
        self.page.goto(f"{self.base}{path}")
        return self

    def check(
        self,
        name: str,
        looks: Sequence[str] = LOOKS,
        within: str | None = None,
        *,
        menu: bool = False,
    ) -> None:
        """The page as it is now, in each look: a picture, axe, no wider than a phone. Then all that
        was noted since the visit began.

        name    that of the pictures
        within  a CSS selector: axe looks at nothing else
        menu    axe looks at the panel's menu too, which is the same on each of its pages
        """
        for look in looks:
            self.look(look)
            self.page.evaluate(_SETTLED)
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
            assert self.page.evaluate(_WIDER) <= 0, f"{name} ({look}) is wider than the window"
            # In the dark only colours differ, on a phone only places; a page that is looked at on
            # a phone alone is looked at whole.
            if look != "phone" or "light" not in looks:
                scope: dict[str, Any] = {"include": [[within]]} if within else {}
                if not menu:
                    scope["exclude"] = [["#nav-sidebar"]]
                faults = self.faults(scope, () if look != "dark" else ("color-contrast",))
                assert not faults, "\n".join([f"{name} ({look})", *faults])
        self.look("light")
        self.quiet()

    def tab_to(self, wanted: str, most: int = 80) -> None:
        """Tab until the focus is on `wanted`, a CSS selector. Each stop must be visible."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            focus = self.page.evaluate(_FOCUS, wanted)
            assert focus["last"] or focus["seen"], f"nobody sees the focus on {focus['html']}"
            if focus["here"]:
                return
        raise AssertionError(f"{most} times Tab do not lead to {wanted}")

    def quiet(self) -> None:
        """Nothing was noted but what was expected."""
        strange = [
            note for note in self.notes if not any(re.search(one, note) for one in self.expected)
        ]
        assert not strange, "\n".join(strange)

    def faults(self, scope: dict[str, Any], rules: Sequence[str] = ()) -> list[str]:
        """What axe holds to be serious or critical, with the elements. `scope`: axe's `include` and
        `exclude`; `rules`: no others."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(_AXE)
        # Preloaded are style sheets and media, for rules about what turns and what sounds.
        options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
        if rules:
            options["runOnly"] = list(rules)
        found = self.page.evaluate(_LOOK, [scope, options])
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for one in found
            if one["impact"] in RED
            for node in one["nodes"]
        ]

    def keep(self, directory: Path, name: str) -> None:
        """What there is to see of a test that failed."""
        directory.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[^\w.-]+", "-", name)
        self.page.screenshot(path=directory / f"{stem}.png", full_page=True)
        self.page.context.tracing.stop_chunk(path=directory / f"{stem}.zip")

    def look(self, look: str) -> None:
        """One of LOOKS. The theme asks for the colours of the system only when a page is loaded;
        this is its own switch."""
        colours: Literal["dark", "light"] = "dark" if look == "dark" else "light"
        self.page.emulate_media(color_scheme=colours)
        self.page.evaluate(_SWITCH, colours)
        self.page.set_viewport_size(PHONE if look == "phone" else DESKTOP)

    def _note(self, kind: str, what: object) -> None:
        self.notes.append(f"{kind}: {what}")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base}/", "data:", "blob:")):
            self._note("left the host", request.url)

    def _failed(self, request: Request) -> None:
        # A page that is left drops its event stream, and what it has not loaded yet.
        if request.failure != "net::ERR_ABORTED":
            self._note("failed", f"{request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note("answer", f"{response.status} {response.url}")

    def _asked(self, dialog: Dialog) -> None:
        self._note("dialog", dialog.message)
        dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note("console", message.text)
