"""Every place that reads JSON, with what it may trust (docs/decisions/0081-strict-json.md)."""

from __future__ import annotations

import re

import pytest

from tests.test_architecture import PACKAGES, ROOT, sources

OURS = "a row or message that the platform wrote itself"
TOOL = "what a tool in a worker printed; another shape counts as nothing"
READERS = {
    # Strangers.
    "apps/api/parsing.py": "API bodies: the strict parser",
    "workers/runtime/payloads.py": "frames of children: the strict reader of the runtime",
    "workers/runtime/protocol.py": "the text of an answer's body: must be one string",
    "apps/api/requests.py": "bodies of endpoints: passed on as text when they are no JSON",
    "apps/panel/prop_fields.py": "an operator's value of a prop: `configure` checks it",
    "apps/panel/source_forms.py": "an operator's props as an object: `configure` checks them",
    "apps/accounts/oauth.py": "a provider's profile: single scalars are taken out",
    "workers/archives.py": "a registry's document: single fields are taken out",
    "workers/runtime/packages/manifest.py": "package.json: what cannot be read declares nothing",
    "apps/components/description.py": "a copy of what was read before, by writing and reading it",
    # The platform itself.
    **dict.fromkeys(
        [
            "apps/api/idempotency.py", "apps/api/ingress/facts.py", "apps/core/showing.py",
            "apps/core/fields.py", "apps/core/metrics.py", "apps/core/secrets.py",
            "apps/events/dedupe.py", "apps/runs/processes.py",
            "apps/events/items.py",
            "apps/panel/reading.py",
            "apps/runs/apphooks.py", "apps/runs/responses.py",
            "apps/runs/store.py", "apps/runs/suppressed.py", "apps/sources/resolving.py",
            "apps/subscriptions/deliveries.py", "config/settings.py", "stack/up.py",
            "stack/backup.py",
            "workers/errands.py", "workers/preparing.py", "workers/runtime/broker.py",
            "workers/runtime/gather.py", "workers/runtime/zygote.py", "workers/runtime/probe.py",
            "workers/runtime/attacks/model.py",
        ],
        OURS,
    ),
    **dict.fromkeys(
        [
            "workers/looking.py", "workers/runtime/packages/npm.py",
            "workers/runtime/packages/pip.py",
        ],
        TOOL,
    ),
    "workers/runtime/python/headwater/_json.py": "inside the child: what the platform sent",
}  # fmt: skip
_READS = re.compile(r"json\.loads?\(|JSONDecoder|\braw_decode\b")


def test_each_reader_of_json_is_written_down_with_its_reason() -> None:
    reading = {
        path.as_posix() for path in sources(*PACKAGES) if _READS.search((ROOT / path).read_text())
    }
    assert reading - READERS.keys() == set(), "who sends it, and by which rules is it read?"
    assert READERS.keys() - reading == set(), "reads no JSON any more"


def test_the_api_has_one_parser() -> None:
    """No view chooses another than the base of all views does."""
    settings = (ROOT / "config/settings.py").read_text()
    assert '"DEFAULT_PARSER_CLASSES": ["apps.api.parsing.StrictJSONParser"]' in settings
    chosen = [
        (path.as_posix(), line.strip())
        for path in sources("apps/api")
        for line in (ROOT / path).read_text().splitlines()
        if "parser_classes" in line
    ]
    assert chosen == [("apps/api/views.py", "parser_classes = [StrictJSONParser]")]


@pytest.mark.parametrize("reader", READERS)
def test_a_reason_is_more_than_a_word(reader: str) -> None:
    assert len(READERS[reader]) > 20
