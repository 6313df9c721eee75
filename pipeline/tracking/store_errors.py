"""What MLflow raises where a store gives no answer, or not the wanted one."""

import http.client
import re

from mlflow.exceptions import MlflowException
from requests import HTTPError, RequestException

from pipeline.core.errors import StoreError

PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP states that may be others a moment later
AUTOFLUSH = re.compile(r"^\(raised as a result of Query-invoked autoflush.*\n")  # SQLAlchemy's, before the reason
PAGE = re.compile(r"failed with error code (\d{3}) != |too many (\d{3}) error responses")  # without MLflow's own words


def passing(error: Exception) -> bool:
    """Whether the same may succeed a moment later: the store was not reached, or is not itself."""
    if isinstance(error, StoreError):
        return isinstance(error.__cause__, Exception) and passing(error.__cause__)
    if isinstance(error, HTTPError):
        return error.response is None or error.response.status_code in PASSING
    if isinstance(error, MlflowException):
        return error.get_http_status_code() in PASSING
    return isinstance(error, RequestException)


def unusable(error: Exception) -> bool:
    """Whether it is the store and not what it was asked: it does not answer, or not to this user."""
    return passing(error) or _status(error) in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN)


def reason(error: Exception) -> str:
    """Why a store cannot be used, in a few words, and what to do if it is known."""
    if isinstance(error, StoreError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    text = AUTOFLUSH.sub("", str(error)) or type(error).__name__
    if isinstance(error, OSError) and not isinstance(error, RequestException):  # of a file, which it names
        return text
    # Of what was not answered MLflow tells the whole history of its objects; the system's own words are enough.
    if told := re.search(r"\[Errno[^\"')]*", text):
        return told[0]
    if "failed with exception" in text and not PAGE.search(text):
        return "no answer in time" if "timed out" in text else "no answer"
    return _answer(_status(error), text, shown=not PAGE.search(text) and not isinstance(error, HTTPError))


def _answer(code: int, text: str, *, shown: bool) -> str:
    """What to say of an answer that was not the wanted one; `shown` where the text is MLflow's own."""
    if code == http.HTTPStatus.UNAUTHORIZED:
        return "it wants a user and password, or others: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if "Invalid Host header" in text:
        return "it is not to be reached by this name: start it with `mlflow server --allowed-hosts NAME`"
    return text.splitlines()[0] if shown else f"it answers {code} {http.client.responses.get(code, '')}".rstrip()


def _status(error: Exception) -> int:
    if isinstance(error, HTTPError) and error.response is not None:
        return int(error.response.status_code)
    if shown := PAGE.search(str(error)):
        return int(shown[1] or shown[2])
    return int(error.get_http_status_code()) if isinstance(error, MlflowException) else 0
