"""The parser against scikit-learn and plain Python, and its errors."""

import math
import random
import re
from decimal import Decimal
from fractions import Fraction
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_svmlight_file

from gradwire._ext import libsvm as kernel
from gradwire._ext import rows as row_kernels
from gradwire.data import svmlight
from gradwire.data.svmlight import parse_range
from gradwire.errors import DataError

FAST = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def parse(tmp_path):
    """parse(text, n_features, zero_based) → CSR of the whole text."""

    def parse(text, n_features=1000, zero_based=False):
        path = tmp_path / "text.svm"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return parse_range(path, 0, path.stat().st_size, n_features, zero_based)

    return parse


def reference(text, zero_based):
    """list of (label, [(index, value), …]) by Python's own means."""
    rows = []
    for line in text.split("\n"):
        tokens = line.split("#")[0].split()
        if tokens:
            pairs = [token.split(":") for token in tokens[1:] if not token.startswith("qid:")]
            row = sorted((int(index) - (not zero_based), np.float32(float(value))) for index, value in pairs)
            rows.append((np.float32(float(tokens[0])), row))
    return rows


def listed(csr):
    values = np.ones(csr.nnz, np.float32) if csr.values is None else csr.values
    spans = [slice(a, b) for a, b in pairwise(csr.indptr)]
    return [(label, list(zip(csr.indices[s].tolist(), values[s]))) for label, s in zip(csr.labels, spans)]


numbers = st.one_of(
    st.sampled_from(["1", "-1", "+1", "0", "1.0", "-0", ".5", "5.", "1e3", "1E-3", "2e+2", "0.30151134", "00012"]),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e30, 1e30).map(repr),
    st.floats(-1, 1).map("{:.4f}".format),
)
blanks = st.sampled_from([" ", "  ", "\t", " \t "])


@st.composite
def lines(draw, zero_based, ordered):
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(["", "   ", "# a comment: 1:2", "\t# 1 2:3"]))
    indices = draw(st.lists(st.integers(0 if zero_based else 1, 99), unique=True, max_size=9))
    indices = sorted(indices) if ordered else indices
    line = draw(numbers)
    if draw(st.integers(0, 5)) == 0:
        line += draw(blanks) + f"qid:{draw(st.integers(0, 9))}"
    for index in indices:
        line += draw(blanks) + f"{index}:{draw(numbers)}"
    return line + draw(st.sampled_from(["", " ", "# end", " # 5:6", " #"]))


@st.composite
def files(draw):
    zero_based, ordered = draw(st.booleans()), draw(st.booleans())
    text = draw(st.sampled_from(["\n", "\r\n"])).join(draw(st.lists(lines(zero_based, ordered), min_size=1, max_size=12)))
    return text + draw(st.sampled_from(["", "\n", "\n\n"])), zero_based, ordered


@given(files())
@FAST
def test_any_file_parses_as_scikit_learn_and_python_do(tmp_path, file):
    text, zero_based, ordered = file
    path = tmp_path / "file.svm"
    path.write_text(text or "\n", newline="")
    csr = parse_range(path, 0, path.stat().st_size, 100, zero_based)
    assert listed(csr) == reference(text, zero_based)
    if csr.n_rows and ordered:  # scikit-learn refuses rows without order
        matrix, labels = load_svmlight_file(str(path), n_features=100, dtype=np.float32, zero_based=zero_based)
        assert np.array_equal(matrix.indptr, csr.indptr)
        assert np.array_equal(matrix.indices, csr.indices)
        assert np.array_equal(matrix.data, np.ones(csr.nnz) if csr.values is None else csr.values)
        assert np.array_equal(labels.astype(np.float32), csr.labels)


@given(files(), st.lists(st.integers(0, 400), max_size=5), st.sampled_from([40, 64, 200]))
@FAST
def test_any_cut_into_ranges_and_blocks_gives_every_row_once(tmp_path, file, cuts, block):
    text, zero_based, _ = file
    path = tmp_path / "file.svm"
    path.write_text(text or "\n", newline="")
    size = path.stat().st_size
    cuts = [0, *sorted(min(cut, size) for cut in cuts), size]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svmlight, "_BLOCK", block)
        parts = [listed(parse_range(path, a, b, 100, zero_based)) for a, b in pairwise(cuts)]
    assert list(chain(*parts)) == reference(text, zero_based)


def parse_numbers(texts):
    """float32 of each text, through the kernel."""
    text = "".join(f"0 1:{number}\n" for number in texts).encode()
    error, at, _, labels, _, _, _, values = kernel.Parser(1, False).parse(text + bytes(kernel.PAD), len(text))
    assert error == kernel.OK, text[at : at + 60]
    return np.ones(len(labels), np.float32) if values is None else values


def nearest(text):
    """The nearest double, rounded to float32."""
    with np.errstate(over="ignore"):
        return np.float32(float(text))


@given(st.lists(st.tuples(st.integers(0, 10**22), st.integers(-330, 20)), min_size=1, max_size=20))
@FAST
def test_numbers_are_the_nearest_double_rounded_to_float(pairs):
    texts = (
        [f"{w}e{exponent}" for w, exponent in pairs] + [f"0.{w:019d}" for w, _ in pairs] + [f"{w // 10**11}.{w % 10**11}" for w, _ in pairs]
    )
    texts = [text for text in texts if np.isfinite(nearest(text))]
    assert np.array_equal(parse_numbers(texts), [nearest(text) for text in texts])


def test_numbers_between_two_doubles_round_as_the_standard_says():
    """Exact ties of doubles, and ties plus or minus a digit far behind, written out in full."""
    rng, texts = random.Random(0), []
    for _ in range(300):
        double = math.ldexp(rng.random() + 0.5, rng.randrange(-60, 60))
        tie = (Fraction(double) + Fraction(math.nextafter(double, math.inf))) / 2
        exact = f"{Decimal(tie.numerator) / Decimal(tie.denominator):f}"
        texts += [exact, f"{exact}{'' if '.' in exact else '.'}{'0' * 900}1", exact[:-1] + str((int(exact[-1]) + 9) % 10)]
    assert np.array_equal(parse_numbers(texts), [nearest(text) for text in texts])


def test_long_and_extreme_numbers():
    texts = ["0" * 60 + "1.5", "0." + "0" * 50 + "1", "1" + "0" * 30 + "e-30", "0.1" + "3" * 900, "1" * 38, "1" * 900 + "e-890"]
    texts += [
        "3.4028235e38",
        "-3.4028235677973362e38",
        "1e-46",
        "1e-400",
        "0e99999999999999999999",
        "1e-99999999999999999999",
        "1e-9999999999999999999",
        "0." + "0" * 400 + "1e400",
    ]
    texts += ["18446744073709551615", "18446744073709551616", "9999999999999999999", "1.4012984643248170e-45", "7.006492321624085e-46"]
    assert np.array_equal(parse_numbers(texts), [nearest(text) for text in texts])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x 1:1", "expected a number as the label, got 'x'"),
        ("1,2 1:1", "expected a number as the label, got '1,2'"),
        ("+ 1:1", r"expected a number as the label, got '\+'"),
        ("1e 1:1", "expected a number as the label, got '1e'"),
        ("nan 1:1", "expected a finite 32-bit number, got 'nan'"),
        ("1 5", "expected index:value, got '5'"),
        ("1 a:1", "expected index:value, got 'a:1'"),
        ("1 -5:1", "expected index:value, got '-5:1'"),
        ("1 2:1 qid:7", "expected index:value, got 'qid:7'"),
        ("1 qid:x", "expected index:value, got 'qid:x'"),
        ("1 2:", "expected a number after the colon, got '2:'"),
        ("1 2: 3", "expected a number after the colon, got '2:'"),
        ("1 2:1:3", "expected a number after the colon, got '2:1:3'"),
        ("1 2:0x1", "expected a number after the colon, got '2:0x1'"),
        ("1 2:1_0", "expected a number after the colon, got '2:1_0'"),
        ("1 2:.", r"expected a number after the colon, got '2:\.'"),
        ("1 2:nano", "expected a number after the colon, got '2:nano'"),
        ("1 2:\x00\xff", r"expected a number after the colon, got '2:\\x00\\xff'"),
        ("1 2:NaN", "expected a finite 32-bit number, got 'NaN'"),
        ("1 2:-inf", "expected a finite 32-bit number, got '-inf'"),
        ("1 2:Infinity", "expected a finite 32-bit number, got 'Infinity'"),
        ("1e9999999999999999999 1:1", "expected a finite 32-bit number, got '1e9999999999999999999'"),
        ("1 2:3.5e38", "expected a finite 32-bit number, got '3.5e38'"),
        ("1 0:1", r"expected an index in 1 … 9 \(n_features = 9, zero_based = false\), got '0:1'"),
        ("1 10:1", "expected an index in 1 … 9 .*, got '10:1'"),
        ("1 18446744073709551621:1", "expected an index in 1 … 9 .*, got '18446744073709551621:1'"),
        ("1 3:1 5:2 3:4", "expected each index once in a line, got 3 twice"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_errors_name_file_line_and_what_was_expected(tmp_path, monkeypatch, line, expected, line_end):
    monkeypatch.setattr(svmlight, "_BLOCK", 300)
    path = tmp_path / "bad.svm"
    good = [f"{i % 2} {i % 9 + 1}:0.5 # {i}" for i in range(50)]
    path.write_bytes(line_end.join([*good[:30], "", line, *good[30:]]).encode("latin-1"))
    for start in (0, 200):
        with pytest.raises(DataError, match=re.escape(f"{path}, line 32: ") + expected + "$"):
            parse_range(path, start, path.stat().st_size, 9, False)


def test_zero_based_counts_from_zero(parse):
    assert parse("1 0:1 8:1\n", 9, True).indices.tolist() == [0, 8]
    with pytest.raises(DataError, match=r"index in 0 … 8 \(n_features = 9, zero_based = true\), got '9:1'"):
        parse("1 9:1\n", 9, True)
    with pytest.raises(DataError, match="got 4 twice"):
        parse("1 4:1 4:1\n", 9, True)
    assert parse("1 4294967296:1\n", 2**32, False).indices.tolist() == [2**32 - 1]


@pytest.mark.parametrize("tail", ["12:", "12", "12:1 345:", "12:1e"])
def test_a_line_cut_in_the_middle_of_a_pair_is_refused(parse, tail):
    with pytest.raises(DataError, match=r"line 2: .*the last line of the file has no end: is the file cut off"):
        parse(f"1 3:1\n0 5:1 {tail}")
    with pytest.raises(DataError, match="line 2: ") as raised:
        parse(f"1 3:1\n0 5:1 {tail}\n")
    assert "cut off" not in str(raised.value)


def test_values_are_none_exactly_when_all_are_one(parse, monkeypatch):
    assert parse("1 3:1 4:1.0\n0 1:1e0\n").values is None
    assert parse("1 3:1 4:2\n0 1:1\n").values.tolist() == [1, 2, 1]
    monkeypatch.setattr(svmlight, "_BLOCK", 32)
    assert parse("1 3:1\n" * 9 + "1 3:2\n" + "1 3:1\n" * 9).values.tolist() == [1] * 9 + [2] + [1] * 9


def test_rows_without_order_come_out_sorted(parse):
    many = list(range(1, 200))
    random.Random(1).shuffle(many)
    csr = parse("1 " + " ".join(f"{i}:{i / 2}" for i in many) + "\n1 5:5 2:2\n")
    assert csr.indices.tolist() == [*range(199), 1, 4]
    assert csr.values.tolist() == [(i + 1) / 2 for i in range(199)] + [2, 5]


def test_lines_longer_than_a_block_and_a_limit_for_them(parse, monkeypatch):
    line = "1 " + " ".join(f"{i}:1" for i in range(1, 900)) + "\n"
    monkeypatch.setattr(svmlight, "_BLOCK", 64)
    assert parse("0 1:1\n" + line + "0 2:1\n").nnz == 901
    monkeypatch.setattr(svmlight, "_LONGEST_LINE", 1024)
    with pytest.raises(DataError, match="line 2: expected lines below 1024 bytes"):
        parse("0 1:1\n" + line)


def test_a_file_that_shrinks_after_planning_is_refused(tmp_path):
    path = tmp_path / "short.svm"
    path.write_text("1 1:1\n" * 10)
    with pytest.raises(DataError, match="expected 80 bytes, as when the work was shared out, got 60"):
        list(svmlight.parse_blocks(path, 40, 80, 5, False, 80))
    with pytest.raises(DataError, match=r"range inside 0 … 60, got 0 … 61"):
        parse_range(path, 0, 61, 5, False)


def test_range_inside_a_line_is_empty(tmp_path):
    path = tmp_path / "long.svm"
    path.write_text("1 " + " ".join(f"{i}:1" for i in range(1, 100)))
    empty = parse_range(path, 5, 90, 100, False)
    assert (empty.n_rows, empty.nnz, empty.indptr.tolist()) == (0, 0, [0])
    assert parse_range(path, 5, path.stat().st_size, 100, False).n_rows == 0


@pytest.mark.parametrize("magic", ["BZh9", b"\x1f\x8b\x08"])
def test_compressed_and_missing_files_are_named(parse, tmp_path, magic):
    with pytest.raises(DataError, match="got a compressed file; unpack it with"):
        parse(magic if isinstance(magic, bytes) else magic.encode())
    with pytest.raises(DataError, match="got an empty file"):
        parse("")
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.svm: No such file"):
        parse_range(tmp_path / "nowhere.svm", 0, 0, 1, False)


def check_bytes(tmp_path, content, block=1 << 20):
    path = tmp_path / "hostile.svm"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svmlight, "_BLOCK", block)
        try:
            csr = parse_range(path, 0, len(content), 50, False)
        except DataError:
            return
    assert row_kernels.check(csr.indptr, csr.indices, 50) == -1
    assert np.isfinite(csr.labels).all()
    assert csr.values is None or np.isfinite(csr.values).all()


@given(st.binary(min_size=1, max_size=300), st.sampled_from([16, 64, 1 << 20]))
@example(b"1" * 300, 16)
@example(b"\n" * 50, 16)
@FAST
def test_random_bytes_give_rows_or_data_error(tmp_path, content, block):
    check_bytes(tmp_path, content, block)


@given(st.text("0123456789 :.-+eEnaif#qd\n\r\t", min_size=1, max_size=200))
@FAST
def test_random_text_of_the_grammar_gives_rows_or_data_error(tmp_path, text):
    check_bytes(tmp_path, text.encode(), 64)


def test_damaged_files_give_rows_or_data_error(tmp_path):
    rng = random.Random(2)
    good = bytearray(b"".join(b"%d %d:0.25 %d:1e-3\n" % (i % 2, i % 20 + 1, i % 20 + 25) for i in range(40)))
    for _ in range(400):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        check_bytes(tmp_path, bytes(bad[: rng.randrange(1, len(bad))]))


def test_parser_refuses_blocks_without_line_end_or_padding():
    parser = kernel.Parser(5, False)
    for text, n in ((b"1 1:1\n", 6), (b"1 1:1 " + bytes(8), 6), (bytes(8), 0)):
        with pytest.raises(ValueError, match="whole lines"):
            parser.parse(text, n)
