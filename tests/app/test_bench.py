import json

from benchmarks import matching


def test_what_is_measured_is_written(crowdtrace, tmp_path, monkeypatch):
    code, _, error = crowdtrace("bench", "nothing")
    assert code == 2
    assert "give one of match, embed, search, track" in error
    monkeypatch.setattr(matching, "peaks", lambda: {"int8": 1e9, "fp32": 1e9})
    monkeypatch.setattr(matching, "RUNS", 1)
    file = tmp_path / "match.json"
    code, out, _ = crowdtrace("bench", "match", "--gallery", 20, "--json", file)
    assert code == 0
    assert "gasm fp32" in out
    written = json.loads(file.read_text())
    assert written["command"] == "bench match"
    assert {"gasm fp32", "local int8", "definition"} <= {result["name"] for result in written["results"]}
