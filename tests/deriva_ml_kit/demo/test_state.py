"""The record of finished steps."""

from deriva_ml_kit.demo.state import Done, State


def test_a_finished_step_is_there_after_loading_again(tmp_path):
    State.load(tmp_path).finish("schema", Done(1.0, 2.5, {"catalog_id": "7"}))

    assert State.load(tmp_path).result("schema") == {"catalog_id": "7"}


def test_an_empty_folder_has_no_finished_steps(tmp_path):
    assert State.load(tmp_path).steps == {}
