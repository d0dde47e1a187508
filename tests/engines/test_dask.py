"""dask: partitions that split vendors and listings, worker processes, and a worker that dies half-way."""

import functools
import os
import signal
import time

import pandas as pd
import pytest

from darkmarket_estimates import HoldingPrice, Listings
from tests.engines.tables_elsewhere import assert_alike
from tests.tables import ROLES, listing_table

dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")


def frame(n: int = 800) -> pd.DataFrame:
    table = listing_table(n)
    table["id"] = [f"l{i % 190}" for i in range(n)]
    return table


def answer(table, **options):
    rule = HoldingPrice(cap=150, upper_multiple=2, lower_multiple=0.5)
    return Listings(table, **ROLES, duplicates="keep", **options).clean(rule).totals(by="country", bands=[50])


@pytest.mark.parametrize("npartitions", [1, 3, 7])
def test_any_number_of_partitions(npartitions):
    assert_alike(answer(frame()), answer(dd.from_pandas(frame(), npartitions=npartitions, sort=False)))


def test_empty_partitions_and_categories_that_differ():
    table = frame().astype({"id": "category", "seller": "category"})
    parts = [dd.from_pandas(part.assign(id=part.id.cat.remove_unused_categories()), npartitions=1)
             for part in (table[:300], table[300:])]
    both = dd.concat(parts)
    assert_alike(answer(frame()), answer(both))
    few = both[both.country == "NL"].repartition(npartitions=2)
    assert_alike(answer(frame().query("country == 'NL'")), answer(few))
    one = dd.from_pandas(frame(), npartitions=5, sort=False)
    assert_alike(answer(frame()[:100]), answer(one.loc[:99]))


def test_without_listings_nothing_is_shuffled(monkeypatch):
    table = dd.from_pandas(frame(), npartitions=3)
    roles = {**ROLES, "listing": None}
    monkeypatch.setattr(type(table), "shuffle", None)
    assert_alike(Listings(frame(), **roles).totals(by="country"), Listings(table, **roles).totals(by="country"))


def slow(part: pd.DataFrame, pause: float) -> pd.DataFrame:
    time.sleep(pause)
    return part


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kill", [False, True])
def test_two_worker_processes_of_which_one_dies(kill):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    table = dd.from_pandas(frame(), npartitions=6, sort=False)
    table = table.map_partitions(functools.partial(slow, pause=1.0), meta=table._meta)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client:
        if kill:
            pids = list(client.run(os.getpid).values())
            client.loop.call_later(1.5, os.kill, pids[0], signal.SIGKILL)
        assert_alike(answer(frame()), answer(table))
        if kill:
            assert pids[0] not in client.run(os.getpid).values()
