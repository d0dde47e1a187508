"""The vectorised simulator against a plain Python event loop of the same events.

The loop follows the published description of a simulator of Hansa (Cuevas et al. 2022, simulation code; weights,
numbers of listings, vendors and events as printed there) and is written from that description: the next event is drawn
with weights 1 for a new item, 4.302e-5 an item for a review, 5.999e-6 an item for a deletion, 2.719e-6 a shown item for
a hiding and 6.807e-5 a hidden item for a return; 2 to 9 new vendors a day; Zipf(3) popularity of vendors and items;
1 + Binomial(20, 0.02) units an order. By default it runs a market of a tenth of the size, with weights ten times as
large (the same mix of events), and its time is scaled up; `--full` runs all 445,511 events. The loop keeps tickets and
places, so that an event costs the same whatever the market's size; a second one looks through the live items at every
event, as one would write it first. Its time grows with the square of the events, and is extrapolated from two sizes.

    python benchmarks/simulator.py [--full] [--repeats 3]
"""

from __future__ import annotations

import argparse
import bisect
import math
import random
import time
from collections.abc import Callable
from itertools import accumulate

from darkmarket_estimates.simulate import Market

N_EVENTS, MAX_DAYS = 445_511, 700
EVENTS = ("listed", "review", "deleted", "hidden", "shown")
ZIPF_CUMULATIVE = list(accumulate(k**-3.0 for k in range(1, 10_001)))


def zipf3(rng: random.Random) -> int:
    """Draw k = 1, 2, ... with probability proportional to k**-3."""
    return 1 + bisect.bisect_left(ZIPF_CUMULATIVE, rng.random() * ZIPF_CUMULATIVE[-1])


def event_loop(n_events: int, seed: int) -> dict[str, int]:
    """Simulate events one by one and return how many there were of each kind."""
    rng = random.Random(seed)
    scale = n_events / N_EVENTS
    review, delete, hide, show = (w / scale for w in (4.302e-5, 5.999e-6, 2.719e-6, 6.807e-5))
    vendor_tickets: list[int] = []  # a vendor, as often as it is popular
    item_tickets: list[int] = []  # an item, as often as it is popular; deleted ones are skipped when drawn
    vendor_of: list[int] = []
    price: list[float] = []
    live: list[int] = []
    hidden: list[int] = []
    place: dict[int, int] = {}  # where an item stands in `live`
    hidden_place: dict[int, int] = {}
    sales: list[tuple[int, int, float, int]] = []
    count = dict.fromkeys(EVENTS, 0)
    n_vendors, day = 0, -1

    def take(rows: list[int], where: dict[int, int], item: int) -> None:
        at, last = where.pop(item), rows.pop()
        if last != item:
            rows[at] = last
            where[last] = at

    for step in range(n_events):
        if (today := step * MAX_DAYS // n_events) > day:
            for _ in range(day + 1, today + 1):
                for _ in range(max(1, round((1 + rng.randint(1, 8)) * scale))):
                    vendor_tickets.extend([n_vendors] * zipf3(rng))
                    n_vendors += 1
            day = today
        weights = (1.0, review * len(live), delete * len(live), hide * (len(live) - len(hidden)), show * len(hidden))
        event = rng.choices(EVENTS, weights)[0]
        count[event] += 1
        if event == "listed":
            item = len(vendor_of)
            vendor_of.append(rng.choice(vendor_tickets))
            price.append(rng.lognormvariate(4, 1.2))
            item_tickets.extend([item] * zipf3(rng))
            place[item] = len(live)
            live.append(item)
        elif event == "review":
            while (item := rng.choice(item_tickets)) not in place or item in hidden_place:
                pass
            quantity = 1 + sum(rng.random() < 0.02 for _ in range(20))
            sales.append((step, item, price[item], quantity))
        elif event == "deleted":
            item = rng.choice(live)
            take(live, place, item)
            if item in hidden_place:
                take(hidden, hidden_place, item)
        elif event == "hidden":
            while (item := rng.choice(live)) in hidden_place:
                pass
            hidden_place[item] = len(hidden)
            hidden.append(item)
        else:
            take(hidden, hidden_place, rng.choice(hidden))
    return count


def plain_loop(n_events: int, seed: int) -> int:
    """The same events, each found by looking through the live items; return how many items are live at the end."""
    rng = random.Random(seed)
    scale = n_events / N_EVENTS
    review, delete, hide, show = (w / scale for w in (4.302e-5, 5.999e-6, 2.719e-6, 6.807e-5))
    vendors: list[int] = []
    live: list[dict[str, int]] = []
    sales = []
    day = -1
    for step in range(n_events):
        while day < step * MAX_DAYS // n_events:
            day += 1
            vendors += [zipf3(rng) for _ in range(max(1, round((1 + rng.randint(1, 8)) * scale)))]
        shown = [item for item in live if not item["hidden"]]
        hidden = [item for item in live if item["hidden"]]
        event = rng.choices(EVENTS, (1.0, review * len(live), delete * len(live), hide * len(shown), show * len(hidden)))[0]
        if event == "listed":
            vendor = rng.choices(range(len(vendors)), vendors)[0]
            live.append({"vendor": vendor, "popularity": zipf3(rng), "hidden": 0})
        elif event == "review" and shown:
            item = rng.choices(shown, [other["popularity"] for other in shown])[0]
            sales.append((step, item["vendor"], 1 + sum(rng.random() < 0.02 for _ in range(20))))
        elif event == "deleted":
            live.remove(rng.choice(live))
        elif event in ("hidden", "shown") and (among := shown if event == "hidden" else hidden):
            rng.choice(among)["hidden"] ^= 1
    return len(live)


def seconds(run: Callable[[], object]) -> float:
    """Processor time of a call."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description="time the simulator against a plain event loop")
    parser.add_argument("--full", action="store_true", help="run the loop over all 445,511 events")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    n_events = N_EVENTS if options.full else N_EVENTS // 10

    Market.small(rng=0)
    loop_times, market_times = [], []
    for seed in range(options.repeats):
        loop_times.append(seconds(lambda seed=seed: event_loop(n_events, seed)))
        market_times.append(seconds(lambda seed=seed: Market.hansa_like(rng=seed)))
    count, market = event_loop(n_events, 0), Market.hansa_like(rng=0)
    small = N_EVENTS // 80
    plain = [min(seconds(lambda n=n, seed=seed: plain_loop(n, seed)) for seed in range(options.repeats))
             for n in (small, 2 * small)]
    exponent = math.log2(plain[1] / plain[0])
    whole = plain[1] * (N_EVENTS / (2 * small)) ** exponent
    loop, ours = min(loop_times) * N_EVENTS / n_events, min(market_times)
    happened = market.events["event"].value_counts().to_dict() | {"review": len(market.reviews)}

    note = "all of them run" if options.full else f"scaled up from {n_events:,}"
    print(f"{'event':<10}{'loop':>12}{'ours':>12}")
    for event in EVENTS:
        print(f"{event:<10}{count[event] * N_EVENTS / n_events:>12,.0f}{happened[event]:>12,}")
    print(f"event loop  {loop:8.2f} s for {N_EVENTS:,} events ({note})")
    n_ours = sum(happened[e] for e in EVENTS)
    print(f"vectorised  {ours:8.2f} s for {n_ours:,} events and {len(market.sales):,} orders, "
          "with tables and truth")
    print(f"ratio       {loop / ours:8.1f} (best of {options.repeats}, processor time)")
    print(f"plain loop  {plain[1]:8.2f} s for {2 * small:,} events, {plain[0]:.2f} s for {small:,}: exponent {exponent:.2f}, "
          f"about {whole:,.0f} s for all")
    print(f"ratio       {whole / ours:8,.0f} (extrapolated); the published simulator took 929 s: {929 / ours:,.0f}")


if __name__ == "__main__":
    main()
