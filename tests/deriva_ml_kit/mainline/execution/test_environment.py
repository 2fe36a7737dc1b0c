from deriva_ml_kit.mainline.execution.environment import environment


def test_the_environment_is_recorded_without_secrets(monkeypatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "tok-1")
    monkeypatch.setenv("PGPASSWORD", "pw-1")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pw-2@proxy:3128")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    variables = environment()["os"]["environ"]

    assert variables["OMP_NUM_THREADS"] == "2"
    assert variables["MY_API_TOKEN"] == variables["PGPASSWORD"] == "(not recorded)"
    assert variables["HTTPS_PROXY"] == "http://proxy:3128"
