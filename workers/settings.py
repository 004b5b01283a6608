"""What a worker process needs to know, as plain values: loops do not read Django's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings as django_settings

from workers.runtime.settings import RuntimeSettings


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """Seconds, bytes, counts; see `config.settings` for their meanings."""

    database_url: str
    redis_url: str
    lease_seconds: float
    claim_seconds: float
    slots: int
    slots_per_user: int
    run_seconds: float
    hook_seconds: float
    run_attempts: int
    memory_bytes: int
    stream_length: int
    mailbox_cap: int

    @property
    def share(self) -> int:
        """Slots that the sources of one user may have at once."""
        return self.slots_per_user or max(1, self.slots - max(1, self.slots // 8))


def runner_settings() -> RunnerSettings:
    return RunnerSettings(
        database_url=django_settings.DATABASE_URL,
        redis_url=django_settings.REDIS_URL,
        lease_seconds=django_settings.LEASE_SECONDS,
        claim_seconds=django_settings.CLAIM_SECONDS,
        slots=django_settings.SLOTS,
        slots_per_user=django_settings.SLOTS_PER_USER,
        run_seconds=django_settings.RUN_SECONDS,
        hook_seconds=django_settings.HOOK_SECONDS,
        run_attempts=django_settings.RUN_ATTEMPTS,
        memory_bytes=django_settings.MEMORY_BYTES,
        stream_length=django_settings.STREAM_LENGTH,
        mailbox_cap=django_settings.MAILBOX_CAP,
    )


def runtime_settings() -> RuntimeSettings:
    return RuntimeSettings(
        run_dir=Path(django_settings.DATA_DIR) / "run",
        packages_dir=Path(django_settings.PACKAGES_DIR),
        egress_allow=tuple(django_settings.EGRESS_ALLOW),
        egress_deny=tuple(django_settings.EGRESS_DENY),
        egress_resolve=tuple(django_settings.EGRESS_RESOLVE),
        egress_ca=django_settings.EGRESS_CA,
        sandbox="unsafe" if django_settings.SANDBOX == "unsafe" else "on",
        max_children=django_settings.WARM_CHILDREN,
    )
