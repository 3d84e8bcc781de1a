"""synthetic-ctr: advertising data as wide and as dense as industry's, where no public set is: 58 million features, 100 per row.

The third data set of the SketchML paper, a company's click log, is private; only its dimension, 58 million, is known (and 300
million rows in 100 GB). Everything else is our choice: 40 one-hot fields (the user, the ad, the page, the query and crosses of them)
and 80 ids of four sets (words of the query and of the ad, the user's interests, pages seen before) of which a row has 75%; 5% clicks.
See synthetic.py for how rows are made. criteo and avazu are the public data nearest to it.
"""

from dataclasses import dataclass

from .synthetic import Field, Synthetic

_ONE_HOT = (2, 3, 6, 7, 8, 10, 12, 20, 24, 31, 50, 80, 100, 180, 250, 366, 500, 800, 1_200, 2_000)
_ONE_HOT += (3_000, 5_000, 8_000, 12_000, 20_000, 30_000, 50_000, 80_000, 120_000, 200_000)
_CROSSES = (300_000, 500_000, 800_000, 1_200_000, 2_000_000, 3_000_000, 5_000_000, 8_000_000, 12_000_000)
_SETS = {"query word": 15, "ad word": 25, "interest": 20, "page seen": 20}
_SET_IDS = {"query word": 20_000, "ad word": 10_000, "interest": 1_000, "page seen": 50_000}


def _fields(dim):
    members = [Field(f"{name} {i}", _SET_IDS[name], 1.05, 5.0, 0.75) for name, count in _SETS.items() for i in range(count)]
    small = [Field(f"field {i}", size, 1.05, 5.0) for i, size in enumerate(_ONE_HOT)]
    large = [Field(f"cross {i}", size, 0.8, 20.0) for i, size in enumerate(_CROSSES)]
    user = Field("user", dim - sum(field.cardinality for field in (*members, *small, *large)), 0.7, 10.0)
    return (*small, *members, *large, user)


@dataclass(frozen=True, kw_only=True)
class SyntheticCTR(Synthetic):
    """Click-through data with the dimension of SketchML's CTR. The fields of a set have ids of their own, as all fields have."""

    name = "synthetic-ctr"
    summary = "like a company's click log: 58,000,000 features, 100 entries per row, 5% positive"
    paper = "SketchML, SIGMOD 2018: the dimension of CTR, which is private; all else is our choice"

    dim = 58_000_000
    positive_share = 0.05
    fields = _fields(58_000_000)


__all__ = ["SyntheticCTR"]
