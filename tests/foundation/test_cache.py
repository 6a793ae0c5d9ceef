"""The cache in memory: age, room, and what it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.cache import Cache


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_there_until_it_is_too_old() -> None:
    clock = Clock()
    cache: Cache[str, str] = Cache(10, 60.0, clock=clock)
    cache.put("a", "x")
    clock.now += 59
    assert cache.get("a") == "x"
    clock.now += 2
    assert cache.get("a") is None
    assert cache.metrics().evicted == 1


def test_what_is_least_recently_used_goes_first() -> None:
    cache: Cache[str, bytes] = Cache(10, 60.0, size_of=len)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    cache.put("c", b"1234")
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.metrics().evicted == 1
    assert cache.metrics().size == 8


def test_a_value_larger_than_the_whole_cache_is_not_kept_nor_is_what_it_replaces() -> None:
    cache: Cache[str, bytes] = Cache(4, 60.0, size_of=len)
    cache.put("a", b"12")
    cache.put("a", b"12345")
    assert cache.get("a") is None
    assert cache.metrics().refused == 1


def test_a_value_is_made_once_while_it_is_fresh() -> None:
    made: list[int] = []
    cache: Cache[str, int] = Cache(4, 60.0)

    def make() -> int:
        made.append(1)
        return 7

    assert [cache.get_or_make("a", make) for _ in range(3)] == [7, 7, 7]
    assert made == [1]
    metrics = cache.metrics()
    assert (metrics.hits, metrics.misses, metrics.entries) == (2, 1, 1)
    assert 0.6 < metrics.hit_rate < 0.7


def test_what_is_forgotten_counts_as_nothing_thrown_out() -> None:
    cache: Cache[str, int] = Cache(4, 60.0)
    cache.put("a", 1)
    cache.put("b", 1)
    cache.forget("a")
    cache.forget("absent")
    cache.clear()
    assert cache.metrics().evicted == 0
    assert cache.metrics().hit_rate == 0.0


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=30), st.integers(0, 40)), max_size=60))
def test_it_never_holds_more_than_it_may_nor_what_is_too_old(steps: list[tuple[int, bytes, int]]) -> None:
    clock = Clock()
    cache: Cache[int, bytes] = Cache(64, 60.0, size_of=len, clock=clock)
    put: dict[int, tuple[float, bytes]] = {}
    for key, value, pause in steps:
        clock.now += pause
        cache.put(key, value)
        put[key] = (clock.now, value)
        assert cache.metrics().size <= 64
        for known, (since, kept) in put.items():
            found = cache.get(known)
            assert found is None or (found == kept and clock.now - since < 60)
