"""Turn every failure of an MLflow store into a StoreError with one line that says why."""

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from requests import HTTPError, RequestException
from requests.utils import get_environ_proxies, select_proxy
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.errors import StoreError
from pipeline.core.text import redact

TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # HTTP status codes that may differ a moment later
AUTOFLUSH = re.compile(r"^\(raised as a result of Query-invoked autoflush.*\n")  # SQLAlchemy's, before the reason
READ_ONLY = "attempt to write a readonly database"  # sqlite's; MLflow reports it like a database that is locked
PAGE = re.compile(r"failed with error code (\d{3}) != |too many (\d{3}) error responses")  # without a text of MLflow's


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Raise a StoreError in place of what MLflow and its libraries raise.

    Raises:
        StoreError: the store cannot be used, or refuses the request.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = short_reason(error)
        raise StoreError(
            f"the MLflow store {redact(uri)} cannot be used{_through(uri)} ({reason}): start it, or choose another one "
            "with tracking=sqlite, tracking.uri or MLFLOW_TRACKING_URI",
            reason=reason,
            error_code=error.error_code if isinstance(error, MlflowException) else "",
            transient=is_transient(error),
        ) from error


def _through(uri: str) -> str:
    """The proxy between this machine and a server, if there is one: it may be what fails."""
    proxy = select_proxy(uri, get_environ_proxies(uri)) if uri.startswith("http") else None
    return redact(f" through the proxy {proxy}") if proxy else ""


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later: the store was not reached, or is overloaded."""
    if READ_ONLY in str(error):
        return False
    if isinstance(error, HTTPError):
        return error.response is None or error.response.status_code in TRANSIENT
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in TRANSIENT
    return isinstance(error, RequestException)


def short_reason(error: Exception) -> str:
    """Why a store cannot be used, in a few words, and what to do if that is known."""
    if isinstance(error, StoreError):
        return error.reason
    text = AUTOFLUSH.sub("", str(error)) or type(error).__name__
    if isinstance(error, OSError) and not isinstance(error, RequestException):  # about a file, which it names
        return text
    # About a request without an answer MLflow prints a chain of objects. The system's own words are enough.
    if system_error := re.search(r"\[Errno[^\"')]*", text):
        return system_error[0]
    if "failed with exception" in text and not PAGE.search(text):
        return "no answer in time" if "timed out" in text else "no answer"
    return _answer(_status(error), text, is_mlflows=not PAGE.search(text) and not isinstance(error, HTTPError))


def _answer(status: int, text: str, *, is_mlflows: bool) -> str:
    """The reason in an answer of a server; `is_mlflows` where the text is MLflow's own."""
    if status == http.HTTPStatus.UNAUTHORIZED:
        return "it asks for another user or password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if "Invalid Host header" in text:
        return "it does not accept this host name: start it with `mlflow server --allowed-hosts NAME`"
    return (
        text.splitlines()[0] if is_mlflows else f"it answers {status} {http.client.responses.get(status, '')}".rstrip()
    )


def _status(error: Exception) -> int:
    if isinstance(error, HTTPError) and error.response is not None:
        return int(error.response.status_code)
    if page := PAGE.search(str(error)):
        return int(page[1] or page[2])
    return int(error.get_http_status_code()) if isinstance(error, MlflowException) else 0
