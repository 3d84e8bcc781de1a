"""Numbers as text, and columns that line up."""

import pytest

from gradwire.report.layout import Block, as_markdown, as_text, byte_unit, decimals_for, fixed, significant


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"), (1234.5, "1,234"), (904, "904"), (31.24, "31.2"), (0.9999, "1.00"), (9.996, "10.0"), (0.0123, "0.0123"),
        (0.0001234, "1.23e-04"), (-2.5, "-2.50"), (float("nan"), "–"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_three_significant_digits(number, expected):
    assert significant(number) == expected


@pytest.mark.parametrize(
    ("largest", "expected"), [(0.2, 3), (1.5, 3), (15, 2), (150, 1), (1500, 0), (0, 0), (float("inf"), 0), (float("nan"), 0)]
)
def test_decimals_follow_the_largest_number(largest, expected):
    assert decimals_for(largest) == expected


def test_fixed_decimals():
    assert fixed(1234.56, 1) == "1,234.6"
    assert fixed(float("nan"), 1) == "–"


@pytest.mark.parametrize(("size", "name"), [(0, "B"), (999, "B"), (1000, "kB"), (2.5e6, "MB"), (3e12, "GB")])
def test_byte_unit(size, name):
    assert byte_unit(size)[0] == name


BLOCK = Block("Sizes, B", ("codec", "test\nloss"), (("none", "1"), ("a|b", "22.5")))


def test_text_is_aligned():
    rule = "─" * 11
    assert as_text(BLOCK).splitlines() == ["Sizes, B", rule, "       test", "codec  loss", rule, "none      1", "a|b    22.5", rule]


def test_markdown_is_a_table_with_pipes_escaped():
    lines = as_markdown(BLOCK).splitlines()
    assert lines == ["**Sizes, B**", "", "| codec | test loss |", "|:--|--:|", "| none | 1 |", "| a\\|b | 22.5 |"]
