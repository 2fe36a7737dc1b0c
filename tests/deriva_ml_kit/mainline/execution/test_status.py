"""Words of both generations for how far an execution is."""

import pytest
from deriva_ml.core.definitions import Status

from deriva_ml_kit.mainline.execution.status import ExecutionStatus, read, word_of, words_for


def test_every_word_of_the_release_is_a_status_and_back() -> None:
    assert {status.value: read(status.value) for status in Status} == {
        "Initializing": ExecutionStatus.Created,
        "Created": ExecutionStatus.Created,
        "Pending": ExecutionStatus.Created,
        "Running": ExecutionStatus.Running,
        "Aborted": ExecutionStatus.Aborted,
        "Completed": ExecutionStatus.Uploaded,
        "Failed": ExecutionStatus.Failed,
    }
    assert all(read(word_of(status)) is status for status in ExecutionStatus)
    assert (read(None), read("told by nobody")) == (ExecutionStatus.Created, ExecutionStatus.Created)


def test_plain_clients_read_their_own_words() -> None:
    assert word_of(ExecutionStatus.Uploaded) == word_of(Status.completed) == word_of("Uploaded") == "Completed"
    assert word_of(Status.pending) == "Pending"


def test_a_question_finds_what_either_generation_wrote() -> None:
    assert words_for(ExecutionStatus.Uploaded) == words_for("Completed") == ["Completed", "Uploaded"]
    assert words_for("Created") == ["Created", "Initializing", "Pending"]
    assert words_for(Status.pending) == ["Pending"]
    assert words_for(ExecutionStatus.Failed) == ["Failed"]


def test_a_status_that_nobody_knows_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'Done' is no status .* Uploaded"):
        word_of("Done")
