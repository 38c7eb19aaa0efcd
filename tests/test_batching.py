"""Records to batches: nothing lost, nothing out of order, no batch too large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowferry.batches import Origin
from rowferry.batching import CHUNK_BYTES, Batcher, next_fetch
from rowferry.formats import FORMATS

some_bodies = st.lists(st.integers(0, 40), max_size=30).map(
    lambda sizes: [b"%d:" % number + b"x" * size for number, size in enumerate(sizes)]
)


def split(bodies, cuts):
    ends = [*sorted(cut for cut in cuts if cut <= len(bodies)), len(bodies)]
    return [bodies[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def texts(batch):
    """Give the texts of its records, where the batcher joins with `list`."""
    return list(batch.parts or batch.body)


def body(batch, join):
    return join(batch.parts) if batch.parts else batch.body


def batched(batcher, chunks, *, with_origins=True):
    batches, number = [], 0
    for chunk in chunks:
        origins = [Origin((number + index,)) for index in range(len(chunk))]
        number += len(chunk)
        batches += batcher.add(list(chunk), origins if with_origins else [])
    return batches + batcher.flush()


@given(
    some_bodies,
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(1, 7),
    st.integers(1, 120),
    st.booleans(),
)
def test_batches_in_a_row_are_the_records_in_order(bodies, cuts, size, max_bytes, with_origins):
    batcher = Batcher(list, size=size, max_bytes=max_bytes)
    batches = batched(batcher, split(bodies, cuts), with_origins=with_origins)
    assert [text for batch in batches for text in texts(batch)] == bodies
    assert [batch.count for batch in batches] == [len(texts(batch)) for batch in batches]
    origins = [origin.key for batch in batches for origin in batch.origins]
    assert origins == ([(n,) for n in range(len(bodies))] if with_origins else [])
    assert batcher._bodies == []
    assert all(1 <= batch.count <= size for batch in batches)


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].max_batch_size != 1])
@given(some_bodies, st.lists(st.integers(0, 30), max_size=4), st.integers(2, 7))
def test_a_batch_is_larger_than_its_bound_only_where_one_record_is(name, bodies, cuts, size):
    for max_bytes in (1, 20, 50, 200):
        join = FORMATS[name].join
        batcher = Batcher(join, size=size, max_bytes=max_bytes)
        for batch in batched(batcher, split(bodies, cuts)):
            assert len(body(batch, join)) <= max_bytes or batch.count == 1


@given(some_bodies, st.lists(st.integers(0, 30), max_size=4), st.integers(2, 7))
def test_a_batch_is_sent_as_soon_as_it_is_full(bodies, cuts, size):
    batcher = Batcher(list, size=size, max_bytes=10_000)
    for chunk in split(bodies, cuts):
        batches = batcher.add(list(chunk), [])
        assert all(batch.count == size for batch in batches)
        assert len(batcher._bodies) < size


def test_a_record_larger_than_a_batch_goes_alone():
    batcher = Batcher(list, size=10, max_bytes=10)
    batches = batched(batcher, [[b"a", b"b", b"x" * 50, b"c", b"d"]])
    assert [texts(batch) for batch in batches] == [[b"a", b"b"], [b"x" * 50], [b"c", b"d"]]


def test_nothing_gathered_gives_no_batch():
    batcher = Batcher(list, size=10, max_bytes=10)
    assert batcher.flush() == []
    assert batcher.add([], []) == []
    assert batcher.flush() == []


@pytest.mark.parametrize("name", [name for name in FORMATS if hasattr(FORMATS[name], "split")])
@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1))
def test_a_body_that_is_taken_apart_is_what_it_was_made_of(name, texts):
    body_format = FORMATS[name]
    texts = [text.replace(b"\n", b" ") for text in texts]
    batcher = Batcher(body_format.join, size=len(texts) + 1, max_bytes=10**9, splittable=True)
    batcher.add(list(texts), [])
    (batch,) = batcher.flush()
    opened = batch.opened(body_format.split)
    assert batch.body == body_format.join(opened.parts)
    assert list(opened.parts) == texts
    assert (opened.size, opened.count) == (batch.size, batch.count)


@pytest.mark.parametrize(
    ("name", "body"), [("json", b"1"), ("json_array", b"[1,2]"), ("ndjson", b"1\n2\n")]
)
def test_a_format_joins_texts(name, body):
    texts = [b"1"] if name == "json" else [b"1", b"2"]
    assert FORMATS[name].join(texts) == body


# how many rows to fetch


def test_fetches_grow_while_chunks_are_small():
    counts = [100]
    for _ in range(8):
        counts.append(next_fetch(counts[-1], counts[-1] * 50, 5000))
    assert counts == [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]


def test_fetches_shrink_while_chunks_are_large():
    assert next_fetch(100, CHUNK_BYTES + 1, 5000) == 50
    assert next_fetch(1, CHUNK_BYTES + 1, 5000) == 1
    assert next_fetch(100, CHUNK_BYTES // 2, 5000) == 100


@given(st.integers(1, 10_000), st.integers(0, 2**40), st.integers(1, 10_000))
def test_a_fetch_has_one_row_at_least_and_a_chunk_at_most(count, size, chunk_size):
    assert 1 <= next_fetch(count, size, chunk_size) <= chunk_size


@given(st.integers(1, 100_000_000))
def test_chunks_settle_at_most_at_twice_their_bound(row_bytes):
    count = 100
    for _ in range(40):
        count = next_fetch(count, count * row_bytes, 5000)
    assert count == 1 or count * row_bytes <= CHUNK_BYTES


def test_an_array_is_no_larger_than_batch_bytes():
    join = FORMATS["json_array"].join
    batcher = Batcher(join, size=10, max_bytes=4)
    batches = batcher.add([b"1", b"2", b"3"], []) + batcher.flush()
    assert all(0 < len(body(batch, join)) <= 4 for batch in batches)
