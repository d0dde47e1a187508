"""Files of totals: whole or absent, and refused where something else wrote or changed them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkmarket_estimates import AssumptionError, DataError, Totals
from darkmarket_estimates.totals.file import METADATA
from tests.tables import listings


@pytest.mark.parametrize("path", ["none/t.parquet", "folder", ""], ids=["no folder", "a folder", "no name"])
def test_where_nothing_can_be_written(path, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="totals cannot be written") as caught:
        listings().totals().save(path)
    assert "a folder that is there" in caught.value.fix
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("path", [None, 3, ["t.parquet"]], ids=str)
def test_what_is_no_path(path):
    with pytest.raises(AssumptionError, match="path is no path"):
        listings().totals().save(path)
    with pytest.raises(AssumptionError, match="path is no path"):
        Totals.load(path)


def changed(path, table=lambda t: t, meta=lambda m: json.dumps(m).encode()):
    """Write the file anew with another table or other metadata."""
    found = pq.read_table(path)
    known = json.loads(found.schema.metadata[METADATA])
    pq.write_table(table(found).replace_schema_metadata({METADATA: meta(known)}), path)


CHANGES = {
    "no header": {"meta": lambda m: json.dumps({k: v for k, v in m.items() if k != "header"}).encode()},
    "no audit": {"meta": lambda m: json.dumps({k: v for k, v in m.items() if k != "audit"}).encode()},
    "another key": {"meta": lambda m: json.dumps({**m, "keys": ["country"]}).encode()},
    "no JSON": {"meta": lambda m: b"{"},
    "a list": {"meta": lambda m: b"[]"},
    "a column less": {"table": lambda t: t.drop_columns(["value"])},
    "a value less": {"table": lambda t: t.set_column(t.column_names.index("value"), "value", pa.nulls(len(t), pa.float64()))},
    "text": {"table": lambda t: t.set_column(t.column_names.index("value"), "value", pa.array(["1"] * len(t)))},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_files_that_were_changed(change, tmp_path):
    listings().totals().save(tmp_path / "t.parquet")
    changed(tmp_path / "t.parquet")
    # hashed names come in an order of their own, in which the last bit of a sum can differ
    assert Totals.load(tmp_path / "t.parquet").sum("value") == pytest.approx(listings().totals().sum("value"), rel=1e-14)
    changed(tmp_path / "t.parquet", **change)
    with pytest.raises(DataError, match="not a file of totals"):
        Totals.load(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["t.csv", "t.XLSX", "t.json"])
def test_a_name_of_another_kind_is_refused(name, tmp_path):
    with pytest.raises(DataError, match="saved as Parquet"):
        listings().totals().save(tmp_path / name)
    assert not list(tmp_path.iterdir())
