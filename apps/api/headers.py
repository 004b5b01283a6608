"""What the platform's own answers tell a browser (docs/decisions/0072-headers.md).

Django's middleware sets the common ones on what passes through it; here is what it does not know,
and all of them for what the edge answers by itself. Components' answers have their own rules
(`apps.api.ingress.answers`).
"""

from __future__ import annotations

from django.conf import settings

# JSON and errors: nothing is to be loaded, or shown within another page.
NOTHING = "default-src 'none'; frame-ancestors 'none'"
# Alpine, which the admin's theme is made with, evaluates expressions in attributes, and writes
# styles. Scripts come from files of this host alone.
ADMIN = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)


def ours(path: str) -> dict[str, str]:
    """Those that Django's middleware does not set, for answers that have none of their own."""
    shown = {
        "Content-Security-Policy": ADMIN if path.startswith("/admin/") else NOTHING,
        "Cache-Control": "no-store",
    }
    if settings.PUBLIC_URL.startswith("https:") and settings.HSTS_SECONDS:
        # Browsers ignore it where the connection itself has no TLS.
        shown["Strict-Transport-Security"] = f"max-age={settings.HSTS_SECONDS}"
    return shown


def complete(headers: list[tuple[bytes, bytes]], path: str) -> None:
    """Add all that are missing to an answer that Django has not seen. Names in lower case."""
    wanted = {
        **ours(path),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
        "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
        "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    }
    there = {name for name, _ in headers}
    for name, value in wanted.items():
        if (lower := name.lower().encode()) not in there:
            headers.append((lower, value.encode()))
