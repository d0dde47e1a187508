"""The page on clusters: its code runs, and gives one estimate wherever the table is."""

import pathlib
import re
from typing import Any

import pytest

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
#: The blocks of the page that are scripts: the table, the laptop, Dask, Spark.
SCRIPTS = [block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if ">>>" not in block]


def run(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, *blocks: int) -> dict[str, Any]:
    """The names that some of the blocks leave, run one after the other in a folder."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in blocks:
        # the Java process of Spark stays in the folder in which it began
        script = SCRIPTS[block].replace('spark.read.parquet("listings")', f'spark.read.parquet("{folder}/listings")')
        exec(compile(script, "clusters.md", "exec"), names)
    return names


def assert_alike(a: Any, b: Any) -> None:
    assert len(a.to_frame()) == len(b.to_frame()) > 1
    assert a.value == pytest.approx(b.value, rel=1e-12)
    assert a.interval == pytest.approx(b.interval, rel=1e-9)


def test_there_is_a_script_for_each_place():
    assert len(SCRIPTS) == 4 and "LocalCluster" in SCRIPTS[2] and "SparkSession" in SCRIPTS[3]


def test_a_laptop(tmp_path, monkeypatch):
    names = run(tmp_path, monkeypatch, 0, 1)
    assert_alike(names["here"], names["estimate"](names["table"]))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_dask(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="distributed is not installed")
    names = run(tmp_path, monkeypatch, 0, 1, 2)
    assert_alike(names["here"], names["on_dask"])
