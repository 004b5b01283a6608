"""Every request to the source's own endpoint."""

from typing import Any

from headwater import Http, HttpEvent, Source


class NewRequests(Source):
    name = "New Requests"
    key = "http-new-requests"
    version = "0.1.0"
    description = "Get an address and emit an event for each HTTP request to it."

    http = Http()

    def run(self, event: Any) -> None:
        # A run by hand brings any JSON value.
        request = isinstance(event, HttpEvent)
        self.emit(event, summary=f"{event.method} {event.path}" if request else "run by hand")
