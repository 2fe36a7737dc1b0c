"""The checks of the documents see what is wrong: a check that never complains proves nothing."""

from pathlib import Path

import pytest
from plugin_checks import calls, commands, snippets
from plugin_checks.documents import SKILLS, Document

STORAGE = SKILLS / "manage-deriva-storage"
WARM = "uv run python src/scripts/warm_cache.py --hostname data.example.org --catalog-id 1 --dataset-rid <dataset_rid>"


@pytest.mark.parametrize(
    "text",
    [
        WARM,
        WARM + " \\\n    --version <version>  # a comment",
        'eval "$(uv run deriva-local env)"',
        'cp "${CLAUDE_SKILL_DIR}/scripts/warm_cache.py" src/scripts/mine.py',
        "git add a.py && git commit -m 'why; and how'",
        "uv run deriva-ml-ops register-criteria --example > docs/design/criteria.toml",
    ],
)
def test_a_true_command_passes(text: str):
    assert commands.complaints(text, STORAGE) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (WARM + " --fast", "unrecognized arguments: --fast"),
        ("uv run python src/scripts/warm_cache.py --hostname h --catalog-id 1", "required: --dataset-rid"),
        ("git status && " + WARM + " --fast", "unrecognized arguments: --fast"),
        ('eval "$(uv run deriva-local envs)"', "invalid choice: 'envs'"),
        ("uv run python src/scripts/nobody.py", "nothing is known of src/scripts/nobody.py"),
        ("uv run no-such-program", "nothing is known of no-such-program"),
        ("uv build --no-such-option .", "uv build has no option --no-such-option"),
        ("rm -rf data", "no such program is known here"),
        ('cp "${CLAUDE_SKILL_DIR}/scripts/cold_cache.py" src/scripts/mine.py', "does not exist"),
        ("uv run deriva-local start --port <prot>", "unknown placeholder <prot>"),
        ("uv run deriva-ml-ops rollout stop --name digits", "invalid choice: 'stop'"),
    ],
)
def test_a_wrong_command_is_a_complaint(text: str, complaint: str):
    assert complaint in "\n".join(commands.complaints(text, STORAGE))


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("ml.create_feature('Image', 'Digit', term=['Digit_Class'])", "unexpected keyword argument 'term'"),
        ("ml.lookup_feature('Image')", "missing a required argument"),
        ("ml.lookup_features", "DerivaML has no lookup_features"),
        ("exe.upload_everything()", "Execution has no upload_everything"),
        ("from deriva_ml_kit.mainline import Execution, Executor", "has no Executor"),
        (
            "from deriva_ml_kit.mainline import DatasetSpec\nDatasetSpec('2-ABCD', '0.2.0')",
            "too many positional arguments",
        ),
        ("with open('x')\n    pass", "expected ':'"),
    ],
)
def test_wrong_python_is_a_complaint(code: str, complaint: str):
    assert complaint in "\n".join(snippets.complaints(code))


def test_right_python_passes_and_its_calls_are_counted():
    code = "from deriva_ml_kit.mainline import DerivaML\nml = DerivaML('h', '1')\nml.lookup_feature('Image', 'Digit')"

    assert snippets.complaints(code) == []
    assert snippets.calls(code) == 2


def test_a_document_is_taken_apart_with_line_numbers(tmp_path: Path):
    path = tmp_path / "SKILL.md"
    path.write_text('---\nname: x\ndescription: "Use when y: z"\n---\n# T\n\n```bash\na `b`\n```\n\n`c` [d](e.md)\n')
    document = Document(path)

    assert document.frontmatter == {"name": "x", "description": "Use when y: z"}
    assert [(span.line, span.language, span.text) for span in document.fences] == [(8, "bash", "a `b`\n")]
    assert [(span.line, span.text) for span in document.inline_code] == [(11, "c")]
    assert [(span.line, span.text) for span in document.links] == [(11, "e.md")]


@pytest.mark.parametrize(
    "text",
    [
        'deriva_ml_get_feature(hostname="data.example.org", catalog_id="1", target_table="Image", feature_name="X")',
        'first deriva_ml_bag_info(dataset_rid="<dataset_rid>"), then\nbump_version("<patch|minor|major>")',
        "deriva_ml_validate_execution_configuration(hostname=..., catalog_id=..., config={...})",
        'deriva_ml_denormalize_dataset(\n    dataset_rid="<dev_rid>",\n    include_tables=["Image (1)"],\n)',
        "`rag_index_schema()` and deriva_ml_kit.tools; ml.create_table(nothing=1)",
    ],
)
def test_a_true_call_passes(text: str):
    assert calls.calls(text)
    assert calls.unknown(text) + calls.complaints(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("call deriva_ml_get_features", "did you mean 'deriva_ml_get_feature'"),
        ("uv run deriva-ml-kit tool list_vocabulary", "did you mean 'list_vocabular"),
        ('deriva_ml_bag_info(rid="<dataset_rid>")', "rid: there is no such argument"),
        ("deriva_ml_bag_info()", "dataset_rid: is missing"),
        ("deriva_ml_bag_info(dataset_rid=rid)", "dataset_rid=rid is no value"),
        ("deriva_ml_bag_info(dataset_rid=..., hots=...)", "there is no argument hots"),
        ('deriva_ml_bag_info(dataset_rid="<my_rid>")', "unknown placeholder <my_rid>"),
        ('bump_version("huge")', "Input should be 'patch', 'minor' or 'major'"),
    ],
)
def test_a_wrong_call_is_a_complaint(text: str, complaint: str):
    assert complaint in "\n".join(calls.unknown(text) + calls.complaints(text))
