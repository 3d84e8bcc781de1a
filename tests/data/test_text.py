"""Hashed features of text: equal to a reference that is written from their description, known hashes, and any bytes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradwire._ext import text as kernel

MASK = 2**64 - 1
DIRECTORY, PREFIX, NAME, EXTENSION, SECTION, PACKAGE, WORDS = range(1, 8)
BLANKS = b" \t\n\r"


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & MASK
    return state


def mixed(kind, data):
    x = fnv(bytes([kind]) + data)
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ x >> 33) * multiplier & MASK
    return x ^ x >> 33


def ids(features, bits):
    return sorted({mixed(kind, data) >> 64 - bits for kind, data in features})


def path_reference(line):
    """(features, section, package) of a line, None if it is not one."""
    line = line.rstrip(BLANKS)
    owner = max(line.rfind(bytes([blank])) for blank in BLANKS) + 1
    path, owner = line[:owner].rstrip(BLANKS + b"/"), line[owner:].partition(b",")[0]
    section, _, package = owner.rpartition(b"/")
    if not path or not package:
        return None
    features, at = [], 0
    *directories, name = path.split(b"/")
    for component in directories:
        at += len(component) + 1
        if component:
            features += [(DIRECTORY, component), (PREFIX, path[: at - 1])]
    features += [(NAME, name), (EXTENSION, name.rpartition(b".")[2] if b"." in name else b"")]
    return features, mixed(SECTION, section.rpartition(b"/")[2]) if b"/" in owner else 0, mixed(PACKAGE, package)


def word_reference(text, longest):
    words = text.split()
    return [(WORDS, b" ".join(words[i : i + n])) for n in range(1, longest + 1) for i in range(len(words) - n + 1)]


def spans(texts):
    stops = np.cumsum([len(text) for text in texts]).astype(np.int64)
    return b"".join(texts), np.concatenate([[0], stops[:-1]]).astype(np.int64), stops


def test_fnv_is_the_published_one():
    """Test vectors of draft-eastlake-fnv for the reference, which the kernel equals."""
    assert fnv(b"") == 0xCBF29CE484222325
    assert fnv(b"a") == 0xAF63DC4C8601EC8C
    assert fnv(b"foobar") == 0x85944171F73967E8


def test_a_path_has_the_features_that_the_data_set_describes():
    features, _, _ = path_reference(b"usr/share/doc/zlib/README.md   doc/zlib-doc")
    assert features == [
        *[(DIRECTORY, b"usr"), (PREFIX, b"usr"), (DIRECTORY, b"share"), (PREFIX, b"usr/share")],
        *[(DIRECTORY, b"doc"), (PREFIX, b"usr/share/doc"), (DIRECTORY, b"zlib"), (PREFIX, b"usr/share/doc/zlib")],
        *[(NAME, b"README.md"), (EXTENSION, b"md")],
    ]


@pytest.mark.parametrize("bits", [1, 20, 26, 32])
@pytest.mark.parametrize(
    "line",
    [
        b"bin/ash                                                 shells/ash\n",
        b"usr/share/a file with blanks.txt\t universe/net/pkg,doc/other\n",
        b"usr/lib/a.b/c.so.1.2 libs/c",
        b"usr//double///slash  libs/c",
        b"/absolute/x. libs/c",
        b"x pkg",
        b"usr/usr/usr/usr admin/usr",
        b"\xff\x00\xfe/\x80 a/b\r\n",
        b"usr/share/dir/ admin/d",
    ],
)
def test_paths_equal_the_reference(line, bits):
    features, section, package = path_reference(line)
    indptr, indices, sections, packages, bad = kernel.paths(*spans([line]), bits)
    assert bad == -1
    assert indptr.tolist() == [0, len(indices)]
    assert indices.tolist() == ids(features, bits)
    assert (int(sections[0]), int(packages[0])) == (section, package)


def test_sections_are_known_by_their_hash():
    *_, sections, _, _ = kernel.paths(*spans([b"a/b non-free/libdevel/x\n", b"a/b libdevel/y\n", b"a/b z\n"]), 20)
    assert int(sections[0]) == int(sections[1]) == kernel.section_hash(b"libdevel") == mixed(SECTION, b"libdevel")
    assert sections[2] == 0


@pytest.mark.parametrize("bad", [b"", b"\n", b"no-package\n", b"path  \n", b"  admin/x\n", b"path ,x\n", b"path admin/\n", b"// admin/x\n"])
def test_a_line_without_path_or_package_is_found(bad):
    *_, found = kernel.paths(*spans([b"a/b c/d\n", bad, b"a/b c/d\n"]), 20)
    assert found == 1


@pytest.mark.parametrize("longest", [1, 2, 3, 5])
@pytest.mark.parametrize("text", [b"", b" ", b"one", b"  to be or\tnot to be ", b"a a a a", b"\xff \x00 \x80\n"])
def test_words_equal_the_reference(text, longest):
    indptr, indices = kernel.words(*spans([b"before", text, b"after"]), longest, 22)
    assert indices[indptr[1] : indptr[2]].tolist() == ids(word_reference(text, longest), 22)
    assert indices[: indptr[1]].tolist() == ids([(WORDS, b"before")], 22)
    assert indices[indptr[2] :].tolist() == ids([(WORDS, b"after")], 22)


@given(st.lists(st.binary(max_size=60) | st.text("a/. ,\t", max_size=60).map(str.encode), min_size=1, max_size=8), st.integers(1, 32))
@example([b"/" * 60, b"." * 60, b"a/" * 30 + b" p"], 32)
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_the_reference(lines, bits):
    indptr, indices, sections, packages, bad = kernel.paths(*spans(lines), bits)
    expected = [path_reference(line) for line in lines]
    assert bad == next((i for i, one in enumerate(expected) if one is None), -1)
    for i, one in enumerate(expected[: bad if bad >= 0 else None]):
        assert indices[indptr[i] : indptr[i + 1]].tolist() == ids(one[0], bits)
        assert (int(sections[i]), int(packages[i])) == one[1:]
    indptr, indices = kernel.words(*spans(lines), 3, bits)
    for i, line in enumerate(lines):
        words = [(WORDS, b" ".join(gram)) for gram in grams(line)]
        assert indices[indptr[i] : indptr[i + 1]].tolist() == ids(words, bits)


def grams(text):
    """Like word_reference with longest 3, for any bytes: bytes.split() also splits at form feeds, the kernel does not."""
    for blank in BLANKS:
        text = text.replace(bytes([blank]), b" ")
    words = [word for word in text.split(b" ") if word]
    return [words[i : i + n] for n in (1, 2, 3) for i in range(len(words) - n + 1)]


@pytest.mark.parametrize(
    ("starts", "stops", "bits"),
    [([0], [8], 20), ([-1], [3], 20), ([4], [3], 20), ([0, 1], [1], 20), ([0], [3], 0), ([0], [3], 33)],
)
def test_texts_outside_and_impossible_bits_are_refused(starts, stops, bits):
    arguments = b"abc d/e", np.array(starts, np.int64), np.array(stops, np.int64)
    with pytest.raises(ValueError, match="expected"):
        kernel.paths(*arguments, bits)
    with pytest.raises(ValueError, match="expected"):
        kernel.words(*arguments, 2, bits)
    with pytest.raises(ValueError, match="1 word or more, got 0"):
        kernel.words(b"", np.empty(0, np.int64), np.empty(0, np.int64), 0, 20)
