from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_ml_kit import worktree

names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["M ", " M", "??", "R ", "RM"]), names)))
def test_every_path_of_a_status_is_found_whatever_its_name(entries: list[tuple[str, str]]) -> None:
    raw = [
        part
        for status, path in entries
        for part in ([f"{status} {path}", "old"] if "R" in status else [f"{status} {path}"])
    ]

    assert worktree.changed_paths([*raw, ""]) == [path for _, path in entries]
