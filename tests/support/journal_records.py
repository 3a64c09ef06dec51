"""Any record that a journal may hold, for property tests."""

from hypothesis import strategies as st

from rigd.streams.journal import (
    Checkpoint,
    End,
    Extent,
    Head,
    Inline,
    Part,
    Record,
    Recovered,
    Skeleton,
)
from rigd.streams.standing import Standing

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
COUNTS = st.lists(U64, max_size=5).map(tuple)

DATASETS = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.text(max_size=9),
            "dtype": st.sampled_from(["<i2", [["x", "<f4"]]]),
            "shape": st.lists(U16, max_size=2),
            "chunk": st.lists(U16, max_size=3),
        }
    ),
    max_size=3,
)

STANDINGS = st.builds(Standing, *([U64] * 7))

RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        Head,
        key=U64,
        stream=st.text(max_size=9),
        datasets=DATASETS,
        compression=st.sampled_from(["none", "gzip"]),
        version=U16,
    ),
    st.builds(Skeleton, st.binary(max_size=99)),
    st.builds(Part, U32, COUNTS),
    st.builds(
        Extent,
        dataset=U16,
        row=U64,
        rows=U32,
        tile=U32,
        offset=U64,
        size=U32,
        part=U32,
        digest=U64,
    ),
    st.builds(
        Inline,
        dataset=U16,
        row=U64,
        rows=U32,
        part=U32,
        content=st.binary(max_size=99),
    ),
    st.builds(Checkpoint, STANDINGS, COUNTS, U32),
    st.builds(End, st.booleans(), st.integers(0, 255), st.text(max_size=9)),
    st.builds(Recovered, U64, U64, U64, U64, U64, st.text(max_size=9)),
)
