"""Errors become data: the right code, what to do, and nothing that somebody could log in with."""

import inspect
import subprocess
import time
from collections.abc import Callable

import pytest
import requests
from deriva.core.datapath import DataPathException

from deriva_ml_kit import mainline
from deriva_ml_kit.errors import Fault, Faults, KitError, Undecidable, UsageError
from deriva_ml_kit.mainline import errors
from deriva_ml_kit.tools.failure import Code, Failure, ToolError, failure_of, not_found, without_secrets

# Arguments of those that are not made of a message alone.
MADE: dict[str, Callable[[], BaseException]] = {
    "DerivaMLTableNotFound": lambda: errors.DerivaMLTableNotFound("Imge"),
    "DerivaMLFeatureNotFound": lambda: errors.DerivaMLFeatureNotFound("Image", "Diagnose"),
    "DerivaMLDatasetNotFound": lambda: errors.DerivaMLDatasetNotFound("1-AB"),
    "DerivaMLRidsNotFound": lambda: errors.DerivaMLRidsNotFound(["1-AB"]),
    "DerivaMLCycleError": lambda: errors.DerivaMLCycleError(["1-AB", "1-AC"]),
    "DerivaMLFaults": lambda: errors.DerivaMLFaults([Fault("bad", line=3)]),
    "DerivaMLMaterializeLimitExceeded": lambda: errors.DerivaMLMaterializeLimitExceeded(7, 5),
    "DerivaMLDenormalizeMultiLeaf": lambda: errors.DerivaMLDenormalizeMultiLeaf(["A", "B"], ["A", "B"]),
    "DerivaMLDenormalizeDownstreamLeaf": lambda: errors.DerivaMLDenormalizeDownstreamLeaf("A", ["B"]),
    "DerivaMLDenormalizeAmbiguousPath": lambda: errors.DerivaMLDenormalizeAmbiguousPath("A", "B", [["A", "B"]], ["C"]),
    "DerivaMLDenormalizeUnrelatedAnchor": lambda: errors.DerivaMLDenormalizeUnrelatedAnchor(["A"], ["B"]),
    "DerivaMLDirtyWorkflowError": lambda: errors.DerivaMLDirtyWorkflowError("a.py", ["a.py"]),
    "DerivaMLUploadError": lambda: errors.DerivaMLUploadError("lost", report=None),  # type: ignore[arg-type]
    "DerivaMLInvalidTerm": lambda: mainline.DerivaMLInvalidTerm("Grade", "lo"),
}
CODES = {
    "DerivaMLAuthenticationError": Code.NOT_LOGGED_IN,
    "DerivaMLReadOnlyError": Code.NOT_ALLOWED,
    "DerivaMLInvalidTerm": Code.NOT_FOUND,
    "DerivaMLException": Code.FAILED,
    "MainlineError": Code.FAILED,
    "DerivaMLExecutionError": Code.FAILED,
    "DerivaMLUploadError": Code.FAILED,
}


def known() -> dict[str, type[Exception]]:
    """Every exception that main line's classes raise on purpose."""
    found = {**vars(mainline), **vars(errors)}
    return {
        name: kind
        for name, kind in sorted(found.items())
        if inspect.isclass(kind) and issubclass(kind, mainline.DerivaMLException)
    }


@pytest.mark.parametrize("name", known())
def test_every_exception_of_main_line_is_data(name: str):
    error = MADE.get(name, lambda: known()[name]("It is gone."))()
    failure = failure_of(error)
    expected = Code.NOT_FOUND if isinstance(error, errors.DerivaMLNotFoundError) else Code.BAD_ARGUMENT

    assert failure.code is CODES.get(name, expected)
    assert failure.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KitError("no"), Code.FAILED),
        (UsageError("no"), Code.BAD_ARGUMENT),
        (Undecidable("no"), Code.CANNOT_DECIDE),
        (ToolError(Code.CONFLICT, "no"), Code.CONFLICT),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), Code.NOT_FOUND),
        (PermissionError(13, "Permission denied", "a.csv"), Code.NOT_ALLOWED),
        (IsADirectoryError(21, "Is a directory", "a"), Code.BAD_ARGUMENT),
        (OSError(28, "No space left on device"), Code.FAILED),
        (RecursionError("maximum recursion depth exceeded"), Code.FAILED),
        (subprocess.TimeoutExpired(["deriva-local", "status"], 30), Code.TIMEOUT),
        (requests.Timeout("slow"), Code.TIMEOUT),
        (requests.ConnectionError("gone"), Code.FAILED),
        (requests.JSONDecodeError("Expecting value", "<html>", 0), Code.FAILED),
        (SystemExit(3), Code.INTERNAL),
        (ZeroDivisionError("division by zero"), Code.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_other_errors_are_data_too(error: BaseException, code: Code):
    failure = failure_of(error)

    assert failure.code is code
    assert failure.message


STATUSES = {
    400: Code.BAD_ARGUMENT,
    401: Code.NOT_LOGGED_IN,
    403: Code.NOT_ALLOWED,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    412: Code.CONFLICT,
    413: Code.FAILED,
    500: Code.FAILED,
    502: Code.FAILED,
    503: Code.FAILED,
    504: Code.TIMEOUT,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("wrapped", [False, True], ids=["requests", "datapath"])
def test_what_a_server_refuses_is_told_in_its_words(status: int, wrapped: bool):
    response = requests.Response()
    response.status_code, response._content = status, b"because of\n  that"
    error: Exception = requests.HTTPError("refused", response=response)
    if wrapped:
        error = DataPathException("because of that", reason=error)
    failure = failure_of(error)

    assert (failure.code, failure.message) == (STATUSES[status], "because of that")
    assert failure.remedy or status in (400, 404, 413)


def test_faults_keep_their_places_and_are_not_all_listed():
    failure = failure_of(Faults([Fault("bad", file="a.csv", line=line) for line in range(80)]))

    assert failure.faults[0] == {"message": "bad", "file": "a.csv", "line": 0}
    assert len(failure.faults) == 50
    assert "80 faults" in failure.message


def test_names_that_may_have_been_meant_are_candidates():
    assert failure_of(not_found("table", "Imge", ["Image", "Subject"])).candidates == ["Image"]
    assert failure_of(not_found("table", "xyz", ["Image", "Subject"])).candidates == ["Image", "Subject"]
    assert failure_of(not_found("table", "xyz", [f"T{n}" for n in range(40)])).candidates == []
    assert failure_of(errors.DerivaMLDenormalizeMultiLeaf(["A", "B"], ["A", "B"])).candidates == ["A", "B"]


def test_what_is_empty_is_left_out():
    assert Failure(code=Code.FAILED, message="no").as_json() == {"code": "failed", "message": "no"}


@pytest.mark.parametrize(
    "text",
    [
        "Cookie: webauthn=S3cr3tValue; path=/",
        "{'cookie': 'webauthn=S3cr3tValue'}",
        "Authorization: Bearer S3cr3tValue",
        "Authorization: Basic S3cr3tValue==",
        '{"bearer-token": "S3cr3tValue"}',
        "access_token=S3cr3tValue&x=1",
        "refresh_token: S3cr3tValue",
        "https://me:S3cr3tValue@data.example.org/ermrest",
        "client_secret='S3cr3tValue'",
        "password = S3cr3tValue",
    ],
)
def test_logins_are_in_no_message(text: str):
    assert "S3cr3tValue" in text
    assert "S3cr3tValue" not in failure_of(RuntimeError(text)).message
    assert "S3cr3tValue" not in failure_of(KitError(text)).message


@pytest.mark.parametrize(
    "text",
    [
        "Nothing answers at localhost:8443 ([Errno 111] Connection refused).",
        "GET https://data.example.org/ermrest/catalog/1/entity/a:b?limit=3: there is no connection",
        "The bearer of bad news; a token of thanks, and secrets.",
        "There is no table Token.",
    ],
)
def test_other_messages_are_as_they_were(text: str):
    assert without_secrets(text) == text


def test_a_long_message_is_looked_through_in_no_time():
    start = time.process_time()
    without_secrets("a-" * 100_000)

    assert time.process_time() - start < 2


def test_a_failure_that_nobody_foresaw_names_the_kind_of_error():
    assert failure_of(LookupError("nothing there")).message == "LookupError: nothing there"
