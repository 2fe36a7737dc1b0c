"""Versions: text and back, order, what the release and its specs make of them."""

import copy
import json
import pickle

import pytest
from deriva_ml.dataset.aux_classes import DatasetSpec as ReleasedSpec
from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion
from deriva_ml.dataset.aux_classes import VersionPart
from hypothesis import given
from hypothesis import strategies as st

from deriva_ml_kit.mainline.dataset.spec import DatasetSpec, DatasetSpecConfig, refuse_in_development
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion, own
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError, DerivaMLValidationError

numbers = st.integers(0, 1000)
released = st.builds(DatasetVersion, numbers, numbers, numbers)
labels = st.builds(lambda version, dev: version.in_development(dev), released, st.integers(1, 1000))
versions = released | labels


@given(versions)
def test_a_version_is_read_as_it_is_written(version: DatasetVersion) -> None:
    again = DatasetVersion.parse(str(version))
    assert (again, hash(again), again.dev) == (version, hash(version), version.dev)
    assert copy.deepcopy(version) == pickle.loads(pickle.dumps(version)) == version


@given(released, st.integers(1, 1000), st.sampled_from(list(VersionPart)))
def test_changes_come_after_their_version_and_before_the_next(
    version: DatasetVersion, dev: int, part: VersionPart
) -> None:
    first, later = version.in_development(dev), version.in_development(dev + 1)
    assert version < first < later < first.next_release(part) == version.next_release(part)
    assert later >= first != version


@given(versions, versions)
def test_any_two_can_be_compared(a: DatasetVersion, b: DatasetVersion) -> None:
    assert [a < b, a == b, a > b].count(True) == 1
    assert (a <= b) is not (a > b)
    assert sorted([a, b]) == sorted([b, a])


@given(numbers, numbers, numbers)
def test_a_release_equals_the_releases_own(major: int, minor: int, patch: int) -> None:
    theirs, ours = ReleasedVersion(major, minor, patch), DatasetVersion(major, minor, patch)
    assert theirs == ours == theirs
    assert ours == str(ours) and ours == (major, minor, patch) and ours != 1
    assert hash(theirs) == hash(ours)
    assert theirs < ours.in_development(1) and ours.in_development(1) > theirs
    assert theirs in {ours}


def test_labels_are_as_main_line_writes_them() -> None:
    label = DatasetVersion.parse("0.2.0.post1.dev3")
    assert (str(label), label.is_devrelease, label.dev, label.post) == ("0.2.0.post1.dev3", True, 3, 1)
    assert label.to_dict() == {"major": 0, "minor": 2, "patch": 0}
    assert str(label.increment_version(VersionPart.patch)) == str(label.next_release("patch")) == "0.2.1"


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "1.2.3.dev1", "1.2.3.post2.dev1", "١.2.3", "1.2.3\n"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(DerivaMLValidationError, match="no version") as refused:
        DatasetVersion.parse(text)
    assert isinstance(refused.value, ValueError)


def test_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DerivaMLValidationError, match="no part 'build'"):
        DatasetVersion(1).next_release("build")


@pytest.mark.parametrize("version", ["0.2.0", (0, 2, 0), [0, 2, 0], {"major": 0, "minor": 2}, ReleasedVersion(0, 2)])
def test_a_spec_takes_every_form_of_a_version(version: object) -> None:
    spec = DatasetSpec(rid="1-000S", version=version)
    assert isinstance(spec.version, DatasetVersion) and str(spec.version) == "0.2.0"
    assert own(version) == spec.version


def test_a_spec_has_main_lines_fields_and_dumps_as_the_release_does() -> None:
    spec = DatasetSpec(rid="1-000S", version="0.2.0", exclude_tables={"Subject"}, timeout=(10, 60))
    released = ReleasedSpec(rid="1-000S", version=spec.version)
    assert released.model_dump() == {name: spec.model_dump()[name] for name in released.model_dump()}
    assert DatasetSpec(**json.loads(spec.model_dump_json())) == spec
    assert isinstance(spec, ReleasedSpec)
    assert DatasetSpec.from_shorthand("1-000S@0.2.0").version == spec.version


def test_a_spec_in_development_keeps_its_label() -> None:
    spec = DatasetSpec.from_shorthand("1-000S@0.2.0.post1.dev3")
    assert DatasetSpec(**spec.model_dump()).version == spec.version
    with pytest.raises(DerivaMLValidationError, match=r"1-000S@0\.2\.0\.post1\.dev3"):
        refuse_in_development([spec, DatasetSpec(rid="1-000S", version="0.2.0")])
    refuse_in_development([DatasetSpec(rid="1-000S", version="0.2.0"), ReleasedSpec(rid="1-000S", version="0.2.0")])


@pytest.mark.parametrize("text", ["", "1-000S", "1-000S@", "1-000S@0.2", "@0.2.0", "1-000S@0.2.0@0.3.0"])
def test_a_shorthand_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="RID@VERSION") as refused:
        DatasetSpec.from_shorthand(text)
    assert isinstance(refused.value, ValueError)


def test_a_configuration_of_hydra_makes_a_spec() -> None:
    from hydra_zen import instantiate  # noqa: PLC0415  (slow to import)

    spec = instantiate(DatasetSpecConfig(rid="1-000S", version="0.2.0", exclude_tables=["Subject"], timeout=[1, 2]))
    assert spec == DatasetSpec(rid="1-000S", version="0.2.0", exclude_tables={"Subject"}, timeout=(1, 2))
