import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradwire as gw
from gradwire import spec


def test_a_lone_name_that_is_a_preset_is_that_preset():
    assert type(gw.codec("natural")).__name__ == "Natural"
    assert type(gw.codec("topk+natural").values).__name__ == "NaturalValues"


def test_parts_that_are_not_named_have_defaults():
    composed = gw.codec("topk(ratio=0.1)")
    assert (composed.sparsifier.ratio, composed.keys.name, composed.values.name) == (0.1, "adaptive", "fp32")
    composed = gw.codec("bitflag+uniform(bits=8)")
    assert (composed.sparsifier, composed.keys.name, composed.values.bits) == (None, "bitflag", 8)


def test_a_codec_is_returned_as_it_is():
    codec = gw.codec("natural")
    assert gw.codec(codec) is codec


@pytest.mark.parametrize(
    "text", ["natural", "sketchml(buckets=64)", "topk(ratio=0.01)+bitflag+natural", 'quantile(sketch="kll(k=64)")', "none(force=true)"]
)
def test_spec_strings_round_trip(text):
    codec = gw.codec(text)
    assert gw.codec(codec.spec) == codec
    assert hash(gw.codec(codec.spec)) == hash(codec)


def test_equal_codecs_have_equal_specs():
    one, same = gw.codec("topk(ratio=1)+minmax(col_ratio=1)"), gw.codec("topk(ratio=1.0)+minmax(col_ratio=1.0)")
    assert one == same and one.spec == same.spec and one.spec_hash == same.spec_hash
    assert gw.codec('fastsgd(scale="none")').spec == 'fastsgd(scale="none")'


def test_a_preset_and_its_parts_read_each_others_messages():
    g = gw.Gradient([1.0, 2.0], 10, [3, 4])
    message = gw.codec("adam-sparse").encode(g, gw.Step())
    assert gw.codec("nonzero+raw+fp32").decode(message, gw.Step()).values.tolist() == [1, 2]
    with pytest.raises(gw.CorruptMessage, match="specification hash"):
        gw.codec("bf16").decode(message, gw.Step())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("natrual", "unknown codec or part 'natrual' .did you mean 'natural'"),
        ("topk+natrual", "unknown values 'natrual' .*known: .*natural"),
        ("raw+raw", "in that order"),
        ("natural+raw", "in that order"),
        ("fp32+topk", "in that order"),
        ("zipml+raw", "'zipml' is a whole codec and cannot be combined"),
        ("raw(x=1)", "takes no arguments, got 'x'"),
        ("topk(rato=1)", "unknown argument 'rato' .did you mean 'ratio'"),
        ("topk(ratio=2, ratio=3)", "given twice"),
        ("topk(0.5)", "expected key=value, got '0.5'"),
        ("topk(ratio=0.5", "unbalanced parentheses"),
        ('quantile(sketch="kll)', "unbalanced quotes"),
        ("", "expected a specification string"),
        ("topk+", "expected name"),
        ("__import__('os')", "expected"),
        (7, "expected a specification string"),
        ("topk(ratio=-1)", "topk"),
        ("sketchml(buckets=1)", "sketchml|minmax"),
    ],
)
def test_bad_specs_say_what_is_wrong_and_what_is_known(text, says):
    with pytest.raises(gw.ConfigError, match=says):
        codec = gw.codec(text)
        codec.encode(gw.Gradient([1.0], 1), gw.Step())


@given(st.text(max_size=30))
def test_any_text_is_a_codec_or_a_config_error(text):
    try:
        gw.codec(text)
    except gw.ConfigError:
        pass


@given(
    st.lists(
        st.sampled_from(["topk", "natural", "(", ")", "=", "ratio", "0.1", ",", "+", '"', " ", "raw", "nan", "1e999", "-"]), max_size=9
    )
)
def test_any_tokens_are_a_codec_or_a_config_error(tokens):
    try:
        gw.codec("".join(tokens))
    except gw.ConfigError:
        pass


@pytest.mark.parametrize("kind", spec.BUILTIN)
def test_every_builtin_name_is_what_its_class_calls_itself(kind):
    for name in spec.BUILTIN[kind]:
        cls = spec.lookup(kind, name)
        assert cls.name == name
        assert cls.summary and isinstance(cls.paper, str)


def test_part_names_are_unique_across_kinds():
    every = [name for kind in ("sparsifiers", "keys", "values") for name in spec.BUILTIN[kind]]
    assert len(every) == len(set(every))


def test_plugins_are_found_by_entry_point(monkeypatch):
    class Point:
        name = "mine"

        @staticmethod
        def load():
            from gradwire.codecs.keys.raw import Raw

            return Raw

    monkeypatch.setattr(spec, "entry_points", lambda group: [Point] if group == "gradwire.keys" else [])
    spec._plugins.cache_clear()
    try:
        assert "mine" in spec.names("keys")
        assert gw.keys("mine").name == "raw"
    finally:
        monkeypatch.undo()
        spec._plugins.cache_clear()
        spec.lookup.cache_clear()


def test_one_wants_one_name():
    with pytest.raises(gw.ConfigError, match="one name of keys"):
        gw.keys("raw+raw")


def test_public_makers():
    assert gw.values("fp32").name == "fp32"
    assert gw.sparsifier("topk(k=3)").k == 3
    assert gw.sketch("kll(k=64)").count == 0
    assert set(gw.list_codecs()) >= {"none", "fp16", "bf16", "adam-sparse", "zipml", "fastsgd", "sketchml", "natural"}


@pytest.mark.parametrize("name", ["os:system", "os.system", "gradwire.codecs.none:Uncompressed", "codecs.none", "./evil.py", "evil"])
def test_only_registered_names_are_loaded(name, tmp_path, monkeypatch):
    """A name is looked up, never imported: not a module of that name, nor a file in the working folder."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for make in (gw.codec, gw.keys, gw.values, gw.sketch):
        with pytest.raises(gw.ConfigError):
            make(name)


def test_endless_specifications_are_refused():
    with pytest.raises(gw.ConfigError, match="at most 4096 characters, got 100000"):
        gw.codec(" " * 99_999 + "!")
