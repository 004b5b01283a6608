"""Every exception as an answer: JSON, with a code, never a traceback (REST specification 4)."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from apps.api.answers import error_answer
from apps.core import errors
from apps.core.errors import ApiError

logger = logging.getLogger(__name__)


def as_api_error(error: BaseException) -> ApiError:
    """The ApiError to show for `error`; what was not foreseen is logged and shown as a bare 500."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Http404):
        return errors.not_found()
    if isinstance(error, RequestDataTooBig):
        return ApiError(413, "too_large", "the request is too large")
    if isinstance(error, SuspiciousOperation | BadRequest):
        return errors.bad_request("bad_request", "the request is malformed")
    if isinstance(error, APIException) and error.status_code < 500:
        return ApiError(error.status_code, str(error.default_code), str(error.default_detail))
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database did not answer", exc_info=error)
        return errors.unavailable("the database does not answer")
    logger.error("unforeseen error in an API call", exc_info=error)
    return ApiError(500, "internal_error", "internal error")


def answer_for(error: BaseException) -> HttpResponse:
    return error_answer(as_api_error(error))


def bad_request(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What Django refused before a view could: bad hosts, forms that cannot be read."""
    too_big = isinstance(exception, RequestDataTooBig)
    return answer_for(exception if exception and too_big else BadRequest())


def page_not_found(_request: HttpRequest, exception: Any = None) -> HttpResponse:
    return error_answer(errors.not_found())


def server_error(_request: HttpRequest) -> HttpResponse:
    return error_answer(ApiError(500, "internal_error", "internal error"))
