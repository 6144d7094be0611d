"""Every error of the API, as RFC 9457 problem details with a stable code and the next step. Never cached, never a traceback."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from exchange import errors
from exchange.api.methods import allowed
from exchange.core.httpsig import ACCEPT
from exchange.errors import ExchangeError, Malformed, NotFound

PROBLEM = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store"}
RETRY_SECONDS = "30"

# The first class of the error's own line that stands here decides.
STATUS: dict[type[ExchangeError], int] = {
    errors.TooLarge: 413,
    errors.Malformed: 400,
    errors.BadSignature: 403,
    errors.ProofRefused: 401,
    errors.UnknownKey: 403,
    errors.NotSignedIn: 401,
    errors.Unverified: 422,
    errors.KeyNotAllowed: 403,
    errors.TooFewSignatures: 403,
    errors.WrongParticipant: 403,
    errors.RoleMissing: 403,
    errors.DuplicateSubmission: 409,
    errors.NotAdmitted: 422,
    errors.Contradiction: 409,
    errors.WrongOldSize: 409,
    errors.ChangedMeanwhile: 412,
    errors.DraftFrozen: 409,
    errors.NotFound: 404,
    errors.Restricted: 403,
    errors.Withheld: 451,
    errors.Unavailable: 503,
    errors.Misuse: 500,
    errors.ExchangeError: 500,
}

_ALSO = {
    401: {"WWW-Authenticate": "Signature", "Accept-Signature": ACCEPT},  # RFC 9110 section 11.6.1, RFC 9421 section 5.1
    503: {"Retry-After": RETRY_SECONDS},
}

_logger = logging.getLogger("exchange.api")


def told(error: ExchangeError, status: int | None = None) -> dict[str, Any]:
    """One of our own errors as a problem; `status` where a specification asks for another than everywhere else."""
    status = status or next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    body: dict[str, Any] = {
        "type": f"urn:cbm:error:{error.code}",
        "title": error.code.replace("-", " "),
        "status": status,
        "code": error.code,
        "detail": str(error),
        "next_step": error.next_step,
    }
    if error.pointer is not None:
        body["pointer"] = error.pointer
    return body


def problem(error: ExchangeError, status: int | None = None) -> JSONResponse:
    """The answer for one of our own errors."""
    body = told(error, status)
    headers = NO_STORE | _ALSO.get(body["status"], {})
    if isinstance(error, errors.NotSignedIn):
        headers |= {"WWW-Authenticate": "Bearer"}
    return JSONResponse(body, body["status"], headers, PROBLEM)


def _path(request: Request) -> str:
    """What was asked for, at most 200 characters. Not `request.url`, which is built from a Host header that may not parse."""
    return str(request.scope["path"])[:200]


def install(app: FastAPI) -> None:
    """One shape for every error, ours, the framework's and the unforeseen."""

    @app.exception_handler(ExchangeError)
    def ours(_request: Request, error: ExchangeError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    def parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = "/".join(str(part) for part in first["loc"][1:])
        if first["loc"][0] == "path":
            return problem(NotFound(f"there is no {_path(request)} here: {first['msg']}"))
        return problem(Malformed(f"the parameter {name!r}: {first['msg']}", pointer=f"/{name}"))

    @app.exception_handler(HTTPException)
    def framework(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return problem(NotFound(f"there is no {_path(request)} here"))
        body = {
            "type": "about:blank",
            "title": str(error.detail),
            "status": error.status_code,
            "code": f"http-{error.status_code}",
        }
        body |= {
            "detail": f"{request.method} {_path(request)}: {error.detail}",
            "next_step": "GET /openapi.json lists what this node answers.",
        }
        headers = {"Allow": allowed(request)} if error.status_code == 405 else dict(error.headers or {})
        return JSONResponse(body, error.status_code, NO_STORE | headers, PROBLEM)

    app.exception_handler(Exception)(unforeseen)


def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """The answer for an error that nobody foresaw, which goes into the node's log."""
    _logger.error("unforeseen error at %s %r", request.method, _path(request), exc_info=error)
    body = {"type": "urn:cbm:error:internal", "title": "internal error", "status": 500, "code": "internal"}
    body |= {"detail": "something went wrong here that was not foreseen; nothing was acknowledged"}
    body |= {"next_step": "Try again; if it stays, tell the operator of this node the time of this request."}
    return JSONResponse(body, 500, NO_STORE, PROBLEM)
