import json

from benchmarks import matching


def test_what_is_measured_is_written(crowdtrace, tmp_path, monkeypatch):
    code, _, error = crowdtrace("bench", "nothing")
    assert code == 2
    assert "give one of match, embed, search, track, pipeline" in error
    monkeypatch.setattr(matching, "peaks", lambda: {"int8": 1e9, "fp32": 1e9})
    monkeypatch.setattr(matching, "RUNS", 1)
    file = tmp_path / "match.json"
    code, out, _ = crowdtrace("bench", "match", "--gallery", 20, "--json", file)
    assert code == 0
    assert "gasm fp32" in out
    written = json.loads(file.read_text())
    assert written["command"] == "bench match"
    assert {"gasm fp32", "local int8", "definition"} <= {result["name"] for result in written["results"]}


def test_the_pipeline_is_measured_beside_its_detector(crowdtrace, tmp_path):
    file = tmp_path / "pipeline.json"
    code, _, error = crowdtrace("bench", "pipeline", "--cameras", 2, "--frames", 2, "--rounds", 1, "--json", file)
    assert (code, error) == (0, "")
    results = {each["name"]: each for each in json.loads(file.read_text())["results"]}
    assert set(results) == {"detector", "ours", "ours-boxes"}
    assert results["detector"]["ratio"] == 1
    assert all(each["fps"] > 0 for each in results.values())
    assert results["ours"]["embed_ms"] > 0
    assert results["detector"]["people"] > 5
