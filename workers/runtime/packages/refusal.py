"""Why a component's packages cannot be had."""

from __future__ import annotations

from apps.runs.contract import RunError

# `RunError.code` of what is refused.
INSTALLS_OFF = "installs_off"
BAD_IMPORT = "bad_import"
NOT_FOUND = "package_not_found"
NO_SUCH_VERSION = "package_version_not_found"
UNSAFE = "package_refused"
TOO_LARGE = "packages_too_large"
UNREACHABLE = "registry_unreachable"
FAILED = "install_failed"


class Refused(Exception):
    """`code` is one of those above; the message names the package where one is at fault."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def error(self) -> RunError:
        return RunError("Import Error", str(self), code=self.code)
