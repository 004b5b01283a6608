"""What a fresh installation needs before it serves: the first user, its key, the built-ins.

Runs at every start, does only what is missing, and prints one line for each thing it did:
- the superuser `admin`, when there is no superuser; the password goes to `<data>/admin_password`
- an API key of that user, when `<data>/api_key` is missing (mode 600, like the password)
- the describing of every built-in component whose code is new; the first runner carries it out

`bootstrap --wait 60` says nothing and returns when no built-in component waits for a runner any
more: the stack calls it before it says that it is ready.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.runs import describing

USERNAME = "admin"


class Command(BaseCommand):
    help = "Create the first user and key, and bring the registry up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", type=float, metavar="SECONDS")

    def handle(self, *_args: Any, wait: float | None, **_options: Any) -> None:
        if wait is not None:
            self._wait(wait)
            return
        data: Path = settings.DATA_DIR
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._user(data / "admin_password")
            self._key(data / "api_key")
        except OSError as error:
            raise CommandError(f"cannot write to {data}: {error.strerror}") from None
        describing.enqueue_registry()
        for operation in describing.registry_waits():
            self.stdout.write(f"registry: {operation.args['registry']} waits for a worker")

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while describing.registry_waits().exists():
            if time.monotonic() > deadline:
                raise CommandError(f"the built-in components were not loaded in {seconds:g} s")
            time.sleep(0.1)

    def _user(self, path: Path) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(18)
        with transaction.atomic():
            accounts.create_user(USERNAME, admin=True, password=password)
            write_secret(path, password)
        self.stdout.write(f"created the user {USERNAME}; its password is in {path}")

    def _key(self, path: Path) -> None:
        if path.exists():
            return
        user = User.objects.filter(is_superuser=True).order_by("date_joined", "id").first()
        assert user is not None
        with transaction.atomic():
            _, key = accounts.create_key(user, "bootstrap")
            write_secret(path, key)
        self.stdout.write(f"created an API key of {user.username}; it is in {path}")


def write_secret(path: Path, text: str) -> None:
    """The whole file or none: readable by its owner alone from the first moment."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
