"""Files that DuckDB would read without a word: other types, other columns, folders that hide columns, lines that differ."""

import datetime as dt
import decimal
import gzip
import os
import pathlib
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkmarket_estimates import DataError, Listings, NotSupportedError
from darkmarket_estimates.engines import paths

ROLES = {"price": "p", "reviews": "n", "vendor": "v", "currency": "USD"}
ENGINES = pytest.mark.parametrize("engine", ["memory", "lazy"])
TABLE = pa.table({"p": [1.5, 2.0, 3.0], "n": [1, 2, 3], "v": ["a", "b", "a"]})
SUMS = {"a": 10.5, "b": 4.0}


def folder_of(folder: pathlib.Path, **parts: pa.Table) -> pathlib.Path:
    """A folder of Parquet files, each named by its part."""
    for name, part in parts.items():
        pq.write_table(part, folder / f"{name}.parquet")
    return folder


def sums(path, engine, by=(), **roles) -> dict:
    frame = Listings(path, **{**ROLES, **roles}, engine=engine).totals(by=list(by)).to_frame(vendors=True, names=True)
    return {(*row[:-1],) if by else row[0]: row[-1] for row in frame[[*by, "vendor", "value"]].itertuples(index=False, name=None)}


def refusal(path, engine, **roles) -> DataError:
    with pytest.raises(DataError) as caught:
        sums(path, engine, **roles)
    return caught.value


def one(p, n=1, v="x", **columns) -> pa.Table:
    return pa.table({"p": [p] if not isinstance(p, pa.Array) else p, "n": [n] if not isinstance(n, pa.Array) else n, "v": [v],
                     **columns})


def cents(text: str, digits: int, scale: int) -> pa.Array:
    return pa.array([decimal.Decimal(text)], pa.decimal128(digits, scale))


@ENGINES
@pytest.mark.parametrize(("a", "b", "want"), [
    (one(2), one(3.5), 5.5), (one(3.5), one(2), 5.5), (one(1.5, n=2), one(2.0, n=3.0), 9.0),
    (one(cents("1.5", 4, 1)), one(cents("1.2345", 9, 4)), 2.7345), (one(pa.array([0.5], pa.float32())), one(0.1), 0.6),
    (one(1.0, n=pa.array([1], pa.int8())), one(1.0, n=1000), 1001.0), (one(1.0), one(2.0).select(["v", "n", "p"]), 3.0),
], ids=["whole, float", "float, whole", "counts", "decimals", "float32", "int8", "other order"])
def test_files_of_one_table_may_have_other_numbers(engine, a, b, want, tmp_path):
    """By the type of the first file, as DuckDB has it, 3.5 is 4, 1.2345 is 1.2, and 0.1 is another number."""
    assert sums(folder_of(tmp_path, a=a, b=b), engine) == {"x": pytest.approx(want, rel=1e-15)}
    assert sums(str(tmp_path / "*.parquet"), engine) == {"x": pytest.approx(want, rel=1e-15)}


@ENGINES
def test_a_column_that_is_empty_in_the_first_file(engine, tmp_path):
    path = folder_of(tmp_path, a=one(1.0, g=pa.array([None], pa.null())), b=one(2.0, g=["NL"]))
    assert sums(path, engine, by=["g"]) == {("(missing)", "x"): 1.0, ("NL", "x"): 2.0}


@ENGINES
@pytest.mark.parametrize(("column", "a", "b", "noted"), [
    ("p", one(1.0), one("2"), "p (numbers in {0}/a.parquet, text in {0}/b.parquet)"),
    ("v", one(1.0, v=7), one(2.0), "v (numbers in {0}/a.parquet, text in {0}/b.parquet)"),
    ("v", one(1.0, v=None), one(2.0, v=True), "v (bool in {0}/b.parquet, numbers in {0}/c.parquet)"),
    ("n", one(1.0), one(2.0).drop(["n"]), "n (not in {0}/b.parquet)"),
    ("n", one(1.0).drop(["n"]), one(2.0), "n (not in {0}/a.parquet)"),
], ids=["text price", "text vendor", "vendors of two kinds", "second lacks", "first lacks"])
def test_files_that_differ_are_refused_where_it_matters(engine, column, a, b, noted, tmp_path):
    """The column that is not the same in all files is shown with the reason; others can be used."""
    path = folder_of(tmp_path, a=a, b=b, **({"c": one(3.0, v=7)} if "c.parquet" in noted else {}))
    error = refusal(path, engine)
    assert f"no column {column!r}" in error.what and noted.format(tmp_path.name) in error.got and "all files" in error.fix
    others = {"p": {"price": "n"}, "v": {"vendor": "w"}, "n": {"reviews": 1}}[column]
    (tmp_path / "c.parquet").unlink(missing_ok=True)
    path = folder_of(tmp_path, a=a.append_column("w", pa.array(["x"])), b=b.append_column("w", pa.array(["x"])))
    assert sum(sums(path, engine, **others).values()) == (2.0 if column == "p" else 3.0)


@ENGINES
def test_days_of_files_with_and_without_a_zone(engine, tmp_path):
    """DuckDB takes those without one for instants of the zone that this machine is in."""
    late = dt.datetime(2016, 1, 1, 23, 30)
    path = folder_of(tmp_path, a=one(1.0, d=pa.array([late], pa.timestamp("us"))),
                     b=one(2.0, d=pa.array([late], pa.timestamp("us", "UTC"))), c=one(3.0, d=[dt.date(2016, 1, 2)]))
    assert sums(path, engine) == {"x": 6.0}
    assert "d (days in" in refusal(path, engine, date="d").got
    (tmp_path / "b.parquet").unlink()
    listings = Listings(path, **ROLES, date="d", engine=engine)
    assert listings.to_currency("EUR", {"2016-01-01": 2.0, "2016-01-02": 5.0}).totals().sum("value") == 17.0


@ENGINES
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_folder_may_not_hide_a_column(engine, kind, tmp_path):
    """DuckDB puts the name of the folder in the place of the column, of one file too."""
    path = tmp_path / "v=z" / "g=NL" / f"t.{kind}"
    path.parent.mkdir(parents=True)
    if kind == "parquet":
        pq.write_table(TABLE, path)
    else:
        path.write_text("p,n,v\n1.5,1,a\n2,2,b\n3,3,a\n")
    for whole in (tmp_path, str(tmp_path / "*" / "*" / f"*.{kind}")):
        assert "'v' more than once" in refusal(whole, engine).what
        assert "'v' more than once" in refusal(whole, engine, price="v").what
        assert sums(whole, engine, vendor="g") == {"NL": 14.5}
    assert sums(path, engine) == SUMS
    assert "no column 'g'" in refusal(path, engine, vendor="g").what
    (tmp_path / "other").mkdir()
    path.rename(tmp_path / "other" / f"v=z.{kind}")  # the name of a file is no folder's
    assert sums(tmp_path / "other", engine) == SUMS


@ENGINES
def test_parquet_that_names_a_column_twice(engine, tmp_path):
    pq.write_table(pa.table([*TABLE.columns, pa.array(["x"] * 3), pa.array(["y"] * 3)], names=["p", "n", "v", "v", "V"]),
                   tmp_path / "t.parquet")
    assert "'v' more than once" in refusal(tmp_path / "t.parquet", engine).what
    assert "no column 'V'" in refusal(tmp_path / "t.parquet", engine, vendor="V").what  # DuckDB would read the first v
    assert sums(tmp_path / "t.parquet", engine, vendor="n", reviews=1) == {"1": 1.5, "2": 2.0, "3": 3.0}


@ENGINES
@pytest.mark.parametrize(("name", "raw"), [
    ("t.csv.zst", pa.compress(b"p,n,v\n1.5,1,a\n2,2,b\n3,3,a\n", codec="zstd", asbytes=True)),
    ("t.csv.gz", gzip.compress(b"p,n,v\n1.5,1,a\n2,2,b\n3,3,a\n")), ("t.csv", b"\xef\xbb\xbfp,n,v\n1.5,1,a\n2,2,b\n3,3,a\n"),
    ("t.csv", b"p,n,v\r\n1.5,1,a\r\n2,2,b\r\n3,3,a\r\n"), ("t.csv", b"p;n;v\n1.5;1;a\n2;2;b\n\n3;3;a\n"),
    ("t.csv", b'p,n,t,v\n1.5,1,"x\ny,""z",a\n2,2,,b\n3,3,"\r\n",a\n'), ("it's [a] *\".csv", b"p,n,v\n1.5,1,a\n2,2,b\n3,3,a"),
], ids=["zstd", "gzip", "byte order mark", "CRLF", "semicolons", "quotes", "odd name"])
def test_csv_of_any_dress(engine, name, raw, tmp_path):
    (tmp_path / name).write_bytes(raw)
    assert sums(tmp_path / name, engine) == SUMS


def test_compressed_text_counts_for_what_it_unpacks_to(tmp_path):
    """Or a file of 60 MB would be read into memory whole, as ten times of that."""
    for name, bytes_ in (("a.csv", 100), ("a.csv.gz", 800), ("a.csv.zst", 800)):
        (tmp_path / name).write_bytes(b"x" * 100)
        assert paths.size(str(tmp_path / name)) == bytes_
    assert paths.size(str(tmp_path / "*")) == 1700
    (tmp_path / "b").mkdir()
    for name in ("a.csv.gz", "b.csv.gz", ".c.csv.gz"):
        (tmp_path / "b" / name).write_bytes(b"x" * 100)
    assert paths.size(str(tmp_path / "b")) == 1600


@ENGINES
@pytest.mark.parametrize(("raw", "what", "got", "fix"), [
    (b"", "empty", "0 rows", ""), (b"\xef\xbb\xbf", "empty", "0 rows", ""), (b"p,n,v\n", "empty", "0 rows", ""),
    (b"p,n,v\n1,1,a\n2,2\n", "cannot be read", "Line: 3; Original Line: 2,2; Expected Number of Columns: 3 Found: 2",
     "mend that line"),
    (b"p;n;v\n1;1;a\n2;2;b;9\n", "cannot be read", "Expected Number of Columns: 3 Found: 4", "mend that line"),
    (b'p,n,v\n1,1,"a\n2,2,b\n', "cannot be read", "Line: 2", "mend that line"),
    (b"p,n,v\r\n1,1,a\n2,2,b\r\n3,3,a\n", "cannot be read", "dialect", "the same ending"),
    (b"p,n,v\n1,1,Z\xfcr\n", "cannot be read", "not utf-8", "latin-1"),
    (b"p;n;v\n1,5;1;a\n", "not a number in 1", "'1,5'", "is 1.234,50 one thousand or one?"),
    (b"p\n1\n", "no column 'n', 'v'", "columns 'p'", "name the table's own columns"),
], ids=["nothing", "a mark", "header", "short line", "long line", "open quote", "two endings", "latin-1", "comma", "one column"])
def test_csv_that_cannot_be_read(engine, raw, what, got, fix, tmp_path):
    (tmp_path / "t.csv").write_bytes(raw)
    error = refusal(tmp_path / "t.csv", engine)
    assert what in error.what and got in error.got and fix in error.fix


@ENGINES
def test_folders_of_some_files_only(engine, tmp_path):
    (tmp_path / "g=NL").mkdir()
    folder_of(tmp_path / "g=NL", a=TABLE)
    folder_of(tmp_path, b=TABLE)
    error = refusal(tmp_path, engine)
    assert "partition mismatch" in error.got and "folders of the same names" in error.fix


@ENGINES
def test_parquet_without_rows_among_others(engine, tmp_path):
    pq.ParquetWriter(tmp_path / "a.parquet", TABLE.schema).close()  # not even a row group
    path = folder_of(tmp_path, b=TABLE.slice(0, 0), c=TABLE)
    pq.write_table(TABLE, tmp_path / "c.parquet", row_group_size=1)
    assert sums(path, engine) == SUMS
    assert "empty" in refusal(tmp_path / "a.parquet", engine).what


def test_a_file_that_is_replaced_between_two_questions(tmp_path):
    """The next question is asked of what is there then."""
    path = folder_of(tmp_path, a=TABLE) / "a.parquet"
    listings = Listings(path, **ROLES, engine="lazy")
    assert listings.totals().sum("value") == 14.5
    pq.write_table(TABLE.slice(0, 2), path)
    assert listings.totals().sum("value") == 5.5 and len(listings) == 2
    pq.write_table(TABLE.drop(["v"]), path)
    with pytest.raises(DataError, match="cannot be read"):
        listings.totals()
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        listings.totals()


@ENGINES
@pytest.mark.parametrize("name", [".ipynb_checkpoints/t.parquet", "_temporary/0/t.parquet", ".t.parquet", "_t.parquet",
                                  "sub/.t.parquet", "t.parquet.crc", "notes.md"])
def test_copies_that_are_none_of_the_table(engine, name, tmp_path):
    """Those of editors and half-written ones of clusters: DuckDB counts their rows."""
    folder_of(tmp_path, a=TABLE)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(TABLE, tmp_path / name)
    assert sums(tmp_path, engine) == SUMS


@ENGINES
def test_a_partition_may_begin_with_an_underscore(engine, tmp_path):
    for day in (1, 2):
        (tmp_path / f"_day={day}").mkdir()
        folder_of(tmp_path / f"_day={day}", a=one(day / 2))
    assert sums(tmp_path, engine, by=["_day"]) == {("1", "x"): 0.5, ("2", "x"): 1.0}


@ENGINES
def test_no_file_of_the_table_is_left_out(engine, tmp_path):
    """Whatever the case of its ending, and behind links; but no row twice, and a link to nothing is a month that is missing."""
    whole, elsewhere = tmp_path / "whole", tmp_path / "elsewhere"
    (whole / "e.parquet").mkdir(parents=True)
    elsewhere.mkdir()
    folder_of(whole, a=TABLE)
    pq.write_table(TABLE, whole / "B.PARQUET")
    folder_of(elsewhere, c=TABLE)
    (whole / "link").symlink_to(elsewhere)
    (whole / "link again").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(whole)
    assert sums(whole, engine) == {"a": 31.5, "b": 12.0}
    assert sums(str(whole / "*.parquet"), engine) == SUMS
    (whole / "d.parquet").symlink_to("nowhere")
    for path in (whole, str(whole / "*.parquet")):
        for chosen in (engine, "auto"):
            assert "d.parquet" in refusal(path, chosen).got


@pytest.mark.parametrize(("books", "kind"), [("_delta_log", "Delta"), (".hoodie", "Hudi")])
def test_a_folder_that_only_its_books_explain(books, kind, tmp_path):
    """Some of its files hold rows that were overwritten since."""
    (tmp_path / "lake" / books).mkdir(parents=True)
    folder_of(tmp_path / "lake", a=TABLE)
    with pytest.raises(NotSupportedError, match=f"{kind} table") as caught:
        sums(tmp_path, "lazy")
    assert caught.value.where == str(tmp_path / "lake") and f"library for {kind}" in caught.value.fix


def test_a_closed_folder_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "b").mkdir()
    folder_of(tmp_path, a=TABLE)
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    error = refusal(tmp_path, "lazy")
    assert error.where == str(tmp_path / "b") and error.got == "permission denied"


def test_no_folder_for_what_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    error = refusal(folder_of(tmp_path, a=TABLE), "lazy")
    assert "temp folder" in error.what and "TMPDIR" in error.fix


@pytest.mark.parametrize(("name", "begin", "fix"), [
    ("t.db", b"12345678DUCK", "end in .duckdb"), ("t.duckdb", b"SQLite format 3\x00" + bytes(4080), "end in .sqlite"),
    ("t.duckdb", b"no database" * 999, "that the file is whole")], ids=["DuckDB", "SQLite", "neither"])
def test_a_database_under_another_name(name, begin, fix, tmp_path):
    (tmp_path / name).write_bytes(begin)
    error = refusal(tmp_path / name, "lazy", table="t")
    assert "cannot be read" in error.what and fix in error.fix
