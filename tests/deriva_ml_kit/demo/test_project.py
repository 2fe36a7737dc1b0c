"""The project folder that cycle-zero makes."""

import ast

import pytest

from deriva_ml_kit.demo import project
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.imports import plain_imports, python_files


def test_every_script_in_the_folder_is_valid_python_and_the_training_script_is_edited(tmp_path):
    new = project.write_files(tmp_path)

    scripts = [name for name in new if name.startswith("src/scripts/")]
    for name in scripts:
        ast.parse((tmp_path / name).read_text(encoding="utf-8"))
    assert len(scripts) == 9
    assert "MLPClassifier" in (tmp_path / "src/scripts/train_digits.py").read_text(encoding="utf-8")


def test_no_script_in_the_folder_takes_the_plain_librarys_classes(tmp_path):
    project.write_files(tmp_path)

    assert [fault for file in python_files([tmp_path / "src"]) for fault in plain_imports(file)] == []


def test_templates_without_edits_are_copied_byte_for_byte(tmp_path):
    project.write_files(tmp_path)

    skills = project.plugin_root() / "skills"
    for name in ("populate_digit.py", "warm_cache.py"):
        assert (tmp_path / "src/scripts" / name).read_bytes() == (skills / project.COPIES[name]).read_bytes()


def test_what_a_person_changed_in_the_folder_stays(tmp_path):
    project.write_files(tmp_path)
    config = tmp_path / "src/configs/model_config.toml"
    config.write_text("epochs = 1\n")

    assert project.write_files(tmp_path) == []
    assert config.read_text() == "epochs = 1\n"


def test_a_folder_with_other_work_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(UsageError, match="not empty"):
        project.check_folder(tmp_path)
