"""The benchmark of speed, small: its numbers agree, what is absent is named, and the docs hold the last full run."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("speed", ROOT / "benchmarks" / "speed.py")
assert spec is not None and spec.loader is not None
speed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(speed)


@pytest.mark.parametrize("tables", [["sums"], pytest.param(list(speed.JOBS), marks=pytest.mark.long)], ids=["sums", "all"])
def test_small_runs_agree(tables, tmp_path):
    """Each job of a table gives the total that ours gives: the run fails where one does not."""
    out = tmp_path / "speed.json"
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "speed.py", "--max-rows", "10000", "--repeats", "1",
                           "--tables", *tables, "--output", out], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    ran = {r["job"] for r in result["runs"] if "cpu" in r}
    named = {r["job"] for r in result["runs"] if "absent" in r}
    assert ran | named == {job for table in tables for job in speed.JOBS[table]} - {"ours on Spark"}
    assert not {"ours: Parquet to an estimate", "bare GROUP BY", "ours: codes to sums", "NumPy dot"} & named
    assert (tmp_path / "speed.png").stat().st_size > 5_000
    for job in named:
        assert f"| {job} |" in speed.markdown(result)


def test_a_wrong_number_ends_the_run():
    ours = {"job": "ours", "rows": 10, "value": 100.0}
    speed.agree(ours, {"job": "theirs", "rows": 10, "value": 100.0 + 1e-8})
    speed.agree(ours, {"job": "theirs", "rows": 10, "value": None})
    with pytest.raises(SystemExit, match=r"WRONG NUMBER: theirs gives 100\.1"):
        speed.agree(ours, {"job": "theirs", "rows": 10, "value": 100.1})


def test_the_exponent_of_a_power_law():
    runs = [{"job": "x", "rows": n, "cpu": 3e-7 * n**1.07} for n in (10**4, 10**5, 10**6, 10**7)]
    assert speed.exponent(runs, "x") == pytest.approx(1.07, rel=1e-12)
    runs[0]["cpu"] = 99.0  # below 10^5 rows a job is mostly start-up
    assert speed.exponent(runs, "x") == pytest.approx(1.07, rel=1e-12)
    assert speed.exponent(runs[:2], "x") is None


@pytest.mark.parametrize("name", ["README.md", "docs/clusters.md"])
def test_the_docs_hold_the_last_full_run(name):
    text = (ROOT / name).read_text()
    if name == "README.md" and speed.START not in text:
        pytest.skip("the README does not show the table")
    shown = text.partition(speed.START)[2].partition(speed.END)[0].strip()
    assert shown == speed.markdown(json.loads((ROOT / "benchmarks" / "speed.json").read_text())), (
        f"run: python benchmarks/speed.py --render {name}")


def test_the_median_run_is_shown_and_the_lowest_kept():
    runs = [{"cpu": cpu, "seconds": 2 * cpu, "value": 1.0} for cpu in (5.0, 0.9, 1.0)]
    assert speed.middle(runs) == {"cpu": 1.0, "seconds": 2.0, "value": 1.0, "lowest_cpu": 0.9}
    assert speed.middle(runs[:2])["cpu"] == 0.9  # of two the lower
    assert [speed.n_runs(10**k, 5) for k in (4, 6, 7, 8)] == [5, 5, 3, 1]
