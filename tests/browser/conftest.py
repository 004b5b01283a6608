"""One stack and one browser for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.finding import Found, NoBrowser, find
from tests.browser.house import Hooks, House, build
from tests.browser.visiting import DESKTOP, SCREENSHOTS, Visit, started
from tests.processes import ROOT, Running

Reporting = Generator[None, pytest.TestReport, pytest.TestReport]
FAILURES = SCREENSHOTS / "failures"


@pytest.fixture(scope="session")
def chromium() -> Found:
    """Without one the tests are skipped, and red in CI."""
    try:
        return find(os.environ)
    except NoBrowser as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def receiver() -> Iterator[Hooks]:
    """Takes the deliveries of the stack."""
    made = Hooks()
    yield made
    made.close()


@pytest.fixture(scope="session")
def stack(receiver: Hooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    environment = {"WORKERS": "1", "EGRESS_ALLOW": f"127.0.0.0/8:{receiver.port}"}
    data = tmp_path_factory.mktemp("stack")
    with Running(data, root=ROOT, environment=environment) as running:
        yield running.ready(100)


@pytest.fixture(scope="session")
def base(stack: Running) -> str:
    return stack.address


@pytest.fixture(scope="session")
def house(stack: Running, receiver: Hooks) -> House:
    return build(stack, receiver)


# Of a module, not of the session: while Playwright waits, its loop counts as running, and no
# asynchronous test can.
@pytest.fixture(scope="module")
def browser(chromium: Found) -> Iterator[Browser]:
    with started(chromium) as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Of strangers."""
    with _context(browser) as made:
        yield made


@pytest.fixture(scope="module")
def operators_context(
    browser: Browser, stack: Running, base: str, house: House
) -> Iterator[BrowserContext]:
    """Logged in as the administrator."""
    with _context(browser) as made:
        page = made.new_page()
        page.goto(f"{base}/admin/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", (stack.data / "admin_password").read_text().strip())
        page.press("[name=password]", "Enter")
        page.wait_for_url(f"{base}/admin/")
        page.close()
        yield made


@pytest.fixture
def stranger(context: BrowserContext, base: str) -> Iterator[Visit]:
    """A visit without a login."""
    yield from _visit(context, base)


@pytest.fixture
def operator(operators_context: BrowserContext, base: str) -> Iterator[Visit]:
    """A visit of the administrator."""
    yield from _visit(operators_context, base)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails leaves a picture and a trace (`playwright show-trace`)."""
    report = yield
    if report.when == "call" and report.failed:
        for visit in getattr(item, "funcargs", {}).values():
            if isinstance(visit, Visit):
                visit.keep(FAILURES, item.name)
    return report


@contextmanager
def _context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    made.tracing.start(snapshots=True)
    yield made
    made.close()


def _visit(context: BrowserContext, base: str) -> Iterator[Visit]:
    context.tracing.start_chunk()
    visit = Visit(context, base)
    yield visit
    try:
        visit.quiet()
    finally:
        visit.page.close()
        context.tracing.stop_chunk()
