"""Targets of tests/fuzz.py that are files and texts: svmlight text, specifications and settings, checkpoints, recorded gradients, caches.

As in fuzz_families.py, a target damages valid inputs and reads them. What may come out besides a valid result is a ConfigError for
what a user writes, a DataError for what lies in a file. Checksums and sizes are made right again in most inputs, so that the checks
behind them are reached.
"""

import atexit
import builtins
import io
import json
import shutil
import struct
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import xxhash
from fuzz_families import Target, _exact, mutate

import gradwire as gw
from gradwire import arrayfile, config, gradients, recorder, settings
from gradwire._ext import libsvm
from gradwire.data import Table, cache, svmlight
from gradwire.spec import BUILTIN, lookup

FOLDER = Path(tempfile.mkdtemp(prefix="gradwire-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
TOKENS = (
    b"1", b"-1", b"+1", b"0", b"1e39", b"1e-46", b"nan", b"inf", b"0x10", b":", b"1:", b":1", b"7:1", b"7:1e5", b"7:-0", b"99:.5",
    b"4294967295:1", b"4294967296:1", b"18446744073709551616:1", b"qid:3", b"#", b"# comment", b"\n", b"\r\n", b"\t", b"\0", b"1" * 400,
    b"0." + b"0" * 400 + b"1", b"\xff", b"3:1 3:1", b"5:1 4:1",
)  # fmt: skip


def _with_tokens(random, data, tokens):
    data = bytearray(data)
    for _ in range(random.choice((0, 1, 2, 6))):
        at = random.randrange(len(data) + 1)
        data[at : at + random.choice((0, 0, 1, 5))] = random.choice(tokens)
    return bytes(data)


class Text(Target):
    """svmlight text: the kernel on a buffer of just that size, and the whole file against the file read in two ranges."""

    refusals = gw.DataError

    def __init__(self, spec):
        self.name = spec
        self.n_features, self.zero_based = {"small": (10, True), "kdd": (54_686_452, False), "all": (2**32, True)}[spec]
        rng, most = np.random.default_rng(4), min(self.n_features, 10**6)
        rows = [np.sort(rng.choice(most, rng.integers(0, 9), replace=False)) + (not self.zero_based) for _ in range(40)]
        ones = "".join(f"{i % 2} " + " ".join(f"{k}:1" for k in keys) + "\n" for i, keys in enumerate(rows))
        real = "".join(f"{rng.normal():.7g} " + " ".join(f"{k}:{rng.normal():.5g}" for k in keys) + "  # x\n" for keys in rows)
        self.seeds = [b"1 1:1\n", ones.encode(), real.encode(), real.replace("\n", "\r\n").encode(), real.encode()[:-1]]

    def damaged(self, random):
        data = _with_tokens(random, mutate(random, *self.pick(random)), TOKENS)
        return data, random.randrange(len(data) + 1)

    def decode(self, damaged):
        data, cut = damaged
        path = FOLDER / "text.svm"
        path.write_bytes(data)
        size = len(data)
        whole = svmlight.parse_range(path, 0, size, self.n_features, self.zero_based)
        parts = [svmlight.parse_range(path, *span, self.n_features, self.zero_based) for span in ((0, cut), (cut, size))]
        assert whole.n_rows == sum(part.n_rows for part in parts), "ranges lose rows"
        assert whole.indices.tobytes() == b"".join(part.indices.tobytes() for part in parts), "ranges differ from the whole"
        text = _exact((data if data.endswith(b"\n") else data + b"\n") + bytes(libsvm.PAD))
        error, *_, labels, _, indptr, indices, values = libsvm.Parser(self.n_features, self.zero_based).parse(text, len(text) - libsvm.PAD)
        assert error == libsvm.OK and labels.tobytes() == whole.labels.tobytes() and indices.tobytes() == whole.indices.tobytes()
        assert (np.diff(indptr) >= 0).all() and (indices < self.n_features).all() and np.isfinite(labels).all()
        assert values is None or np.isfinite(values).all()
        return indices.tobytes() + labels.tobytes(), len(indices) + len(labels)


FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "pickle.find_class",
    "ctypes.dlopen",
)
_seen = []


def _watch(event, arguments):
    made_up = event == "exec" and getattr(arguments[0], "co_filename", "<").startswith("<string")
    if event in FORBIDDEN or made_up or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        _seen.append(event)


class Words(Target):
    """Specifications, `--set` texts and experiment files: nothing in them is executed, no file is written, no process started."""

    refusals = (gw.ConfigError, gw.IncompatibleError)
    watched = False

    def __init__(self, spec):
        self.name, self.read = spec, getattr(self, f"_{spec}")
        parts = [*BUILTIN["codecs"], "topk(ratio=0.01)+elias_fano+natural", "quantile(buckets=64)", 'fastsgd(splits=8, keys="raw")']
        parts += ["a(x=1)", 'a(b="c")', "__import__('os').system('true')", "none(x=__class__)", "topk(ratio=1e999)+raw", "kll(k=200)"]
        sets = [
            "run.epochs=3",
            "codec.uplink=natural",
            'data."a.b"=[1, 2]',
            "run.seed=2**9",
            "sweep.run.seed=[1, 2]",
            "codec.momentum={a=1}",
        ]
        files = [path.read_text() for path in sorted((Path(__file__).parent.parent / "experiments").glob("*.toml"))]
        self.seeds = [text.encode() for text in {"spec": parts, "set": sets, "experiment": [*files, "[run]\nepochs = 1\n"]}[spec]]
        self.tokens = [text.encode() for text in (*parts, *sets, "(" * 3000, "[" * 3000, "{a=" * 1000, "9" * 5000, " " * 3000, "a." * 900)]
        self.tokens += [
            text.encode() for text in ("=" * 2000, "+" * 2000, '"', '"""', "\0", "\N{GREEK SMALL LETTER ALPHA}", "1e400", "-0x8")
        ]
        for kind, known in BUILTIN.items():  # what is loaded by name is loaded now: imports execute code, reading must not
            for name in known:
                lookup(kind, name)
        for seed in self.seeds:
            Words._quietly(self.read, seed.decode())
        if not Words.watched:
            Words.watched = True
            sys.addaudithook(_watch)

    @staticmethod
    def _quietly(read, text):
        try:
            read(text)
        except Words.refusals:
            pass

    def damaged(self, random):
        return _with_tokens(random, mutate(random, *self.pick(random)), self.tokens)

    def decode(self, damaged):
        text = damaged.decode("utf-8", "surrogateescape")
        path = FOLDER / "made-up.toml"
        if self.name == "experiment":
            path.write_bytes(damaged)
        _seen.clear()
        try:
            found = self.read(text)
        finally:
            assert not _seen, f"reading {text[:80]!r} led to {_seen}"
            assert not hasattr(builtins, "gradwire_was_here")
        return repr(found).encode("utf-8", "surrogateescape"), 10_000

    @staticmethod
    def _spec(text):
        return gw.codec(text)

    @staticmethod
    def _set(text):
        made = {"run": {"epochs": 1}, "data": {}, "codec": {}}
        settings.override(made, {}, [], text)
        return made

    @staticmethod
    def _experiment(_):
        path = FOLDER / "made-up.toml"
        return [run.run_id for run in config.load(path).runs()] if path.is_file() else None


class Checkpoints(Target):
    """Array files, most of them with the checksum and the size that belong to what was damaged."""

    refusals = gw.DataError

    def __init__(self, spec):
        self.name, self.path = spec, FOLDER / "made-up.ckpt"
        rng = np.random.default_rng(5)
        kept = gw.ErrorFeedback(50)
        kept.update(gw.Gradient([1.0, 2.0], 50, [2, 40]), gw.Gradient([], 50, []))
        every = {dtype: np.zeros((2, 3), dtype) for dtype in arrayfile.DTYPES}
        contents = (
            {"params": rng.normal(size=99).astype(np.float32), "optimizer/step": 3},
            kept.state(),
            every,
            {},
            {"spec": "natural", "x": 1.5},
        )
        self.seeds = []
        for content in contents:
            arrayfile.write(self.path, content)
            self.seeds.append(self.path.read_bytes())

    def damaged(self, random):
        data, other = self.pick(random)
        if random.random() < 0.5:
            length = struct.unpack_from("<I", data, 12)[0]
            header = _forged_header(random, json.loads(data[32 : 32 + length]))
            header = mutate(random, header, other[32:]) if random.random() < 0.2 else header
            data = (
                data[:12]
                + struct.pack("<I", len(header))
                + data[16:32]
                + header.ljust(-(-(32 + len(header)) // 64) * 64 - 32, b"\0")
                + data[-(-(32 + length) // 64) * 64 :]
            )
        else:
            data = mutate(random, data, other)
        if random.random() < 0.9 and len(data) >= 32:
            data = data[:16] + struct.pack("<Q", len(data)) + data[24:]
            data = data[:24] + struct.pack("<Q", xxhash.xxh3_64_intdigest(data[:24] + data[32:])) + data[32:]
        return data

    def decode(self, damaged):
        self.path.write_bytes(damaged)
        found = arrayfile.read(self.path)
        assert sum(array.nbytes for array in found.values() if isinstance(array, np.ndarray)) <= len(damaged)
        return repr(found).encode("utf-8", "surrogatepass"), len(damaged)


_ODD = (0, 1, -1, 2**31, 2**63, 2**64, 10**15, 10**30, True, None, 1.0, "", "<f4", "|O", [], {}, [0, 2**62], [10**15], [1] * 40)


def _forged_header(random, header):
    """The header with some of its fields made up."""
    for _ in range(random.choice((0, 1, 1, 2))):
        entries = header["arrays"]
        if entries and random.random() < 0.8 and isinstance(entry := random.choice(entries), dict) and entry:
            entry[random.choice(("name", "dtype", "shape", "offset", "length"))] = random.choice((*_ODD, *arrayfile.DTYPES))
        elif random.random() < 0.5:
            header["values"][random.choice(("params", "a"))] = random.choice(_ODD)
        else:
            entries.append(random.choice((*entries, None, {})))
    return json.dumps(header).encode()


class Archives(Target):
    """.npz files of gradients, most of them with damaged arrays in a sound archive."""

    refusals = gw.DataError

    def __init__(self, spec):
        self.name, self.path = spec, FOLDER / "made-up.npz"
        pairs = {"values": np.float32([1, 2, 3]), "keys": np.uint32([1, 5, 6]), "dim": np.array(9), "offsets": np.array([0, 1, 3])}
        contents = (
            pairs,
            {"a": np.ones(5), "b": np.ones((2, 2), np.float16)},
            {"values": np.ones(2), "keys": np.arange(2), "dim": np.int64(4)},
        )
        save = {"stored": np.savez, "deflated": np.savez_compressed}[spec]
        self.method = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}[spec]
        self.seeds = []
        for content in contents:
            packed = io.BytesIO()
            save(packed, **content)
            self.seeds.append(packed.getvalue())

    def damaged(self, random):
        data, other = self.pick(random)
        if random.random() < 0.3:
            return mutate(random, data, other)
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(packed, "w", self.method) as made:
            for name in archive.namelist():
                member = archive.read(name)
                if random.random() < 0.5:
                    member = member.replace(
                        b"(3,)", random.choice((b"(10000000000000000,)", b"(-1,)", b"(0, 9)", b"(3.5,)", b"()", b"(2,)"))
                    )
                if random.random() < 0.3:
                    member = member.replace(b"<f4", random.choice((b"|O", b"<f8", b"<c8", b"|S9", b"<U4", b"|V0")))
                if random.random() < 0.4:
                    member = mutate(random, member, data)
                made.writestr(name, member)
        return packed.getvalue()

    def decode(self, damaged):
        self.path.write_bytes(damaged)
        found = gradients.load_gradients(self.path)
        return b"".join(item.gradient.values.tobytes() for item in found), sum(item.gradient.nnz for item in found)


class Caches(Target):
    """A prepared data set with one damaged file, its size in meta.json made right; what is accepted is trained on and evaluated, or, of
    Tables, all of it taken."""

    refusals = gw.DataError

    def __init__(self, spec):
        self.name, self.folder = spec, FOLDER / "cache"
        self.folder.mkdir(exist_ok=True)
        self.model = lookup("models", "logistic")()
        rng = np.random.default_rng(6)
        self.files = {}
        for split in cache.SPLITS:
            for name, (dtype, array) in (self._table if spec in ("images", "text") else self._csr)(rng).items():
                file = self.folder / f"{split}_{name}.npy"
                cache.write_array(file, dtype, len(array), [array])
                self.files[file.name] = file.read_bytes()
        about = {
            "images": {"n_features": 12, "task": "images", "width": 12, "overlap": 0, "classes": 10},
            "text": {"n_features": 256, "task": "text", "width": 12, "overlap": 1},
        }
        cache.write_meta(self.folder, about.get(spec, {"n_features": 50, "task": "classification"}))
        self.meta = json.loads((self.folder / "meta.json").read_text())
        self.seeds = [*self.files.values()]

    def _csr(self, rng):
        lengths = rng.integers(0, 6, 20)
        rows = [np.sort(rng.choice(50, n, replace=False)) for n in lengths]
        values = {"values": (np.float32, rng.normal(size=lengths.sum()))} if self.name == "values" else {}
        return values | {
            "indptr": (np.int64, np.cumsum([0, *lengths])),
            "indices": (np.uint32, np.concatenate(rows)),
            "labels": (np.float32, np.sign(rng.normal(size=20))),
        }

    def _table(self, rng):
        labels = {"labels": (np.uint8, rng.integers(0, 10, 20))} if self.name == "images" else {}
        return labels | {"inputs": (np.uint8, rng.integers(0, 256, 20 * 12 + (self.name == "text")))}

    def damaged(self, random):
        if random.random() < 0.25:
            meta = json.loads(json.dumps(self.meta))
            for _ in range(random.choice((1, 2))):
                meta[random.choice((*meta, "files"))] = random.choice(
                    (*_ODD, {"../x": 1}, {"train_labels.npy": "a"}, {"a\0b": 1}, 49, 2**32)
                )
            text = json.dumps(meta).encode()
            return mutate(random, text, b"{}") if random.random() < 0.3 else text, "meta.json"
        name = random.choice(sorted(self.files))
        data = self.files[name]
        if random.random() < 0.5:  # only the contents: a header that is wrong is refused early
            return data[:128] + mutate(random, data[128:], b"").ljust(len(data) - 128, b"\0")[: len(data) - 128], name
        for old, new in ((b"(20,)", b"(10000000000000000,)"), (b"<f4", b"|O "), (b"(21,)", b"(21,1)"), (b"False", b"True ")):
            data = data.replace(old, new) if random.random() < 0.2 else data
        return mutate(random, data, random.choice(self.seeds)), name

    def decode(self, damaged):
        data, name = damaged
        for file, whole in self.files.items():
            (self.folder / file).write_bytes(data if file == name else whole)
        meta = self.meta | {"files": self.meta["files"] | ({name: len(data)} if name != "meta.json" else {})}
        (self.folder / "meta.json").write_bytes(data if name == "meta.json" else json.dumps(meta).encode())
        found = cache.read(self.folder)
        if isinstance(found.train, Table):
            return b"".join(split.take(np.arange(split.n_rows)).tobytes() for split in (found.train, found.test)), 10_000
        params = np.zeros(min(found.n_features, 10**6), np.float32)
        results = []
        for split in (found.train, found.test):
            gradient, loss = self.model.gradient(params, split, np.arange(split.n_rows))
            results += [gradient.values, np.float64(loss), self.model.evaluate(params, split, 0, split.n_rows)[1]]
        return b"".join(np.nan_to_num(result).tobytes() for result in results), 10_000


class RunFiles(Target):
    """HDF5: libhdf5 reads the bytes, and it is not ours; what it raises must become a DataError."""

    refusals = gw.DataError

    def __init__(self, spec):
        self.name, self.read, seeds = spec, {"runs": recorder.load_run, "gradients": gradients.load_gradients}[spec], []
        self.path = FOLDER / ("made-up.h5" if spec == "runs" else "made-up.hdf5")
        import kill_appends

        target = {"runs": kill_appends.Runs, "gradients": kill_appends.Gradients}[spec](FOLDER, 2)
        target.create()
        for number in range(1, 4):
            target.append(number - (spec == "runs"))
        seeds.append(target.path.read_bytes())
        self.seeds = seeds

    def damaged(self, random):
        return mutate(random, *self.pick(random))

    def decode(self, damaged):
        self.path.write_bytes(damaged)
        found = self.read(self.path)
        if self.name == "runs":
            return repr(sorted(found.epochs)).encode(), sum(column.size for column in found.epochs.values())
        return b"".join(item.gradient.values.tobytes() for item in found), sum(item.gradient.nnz for item in found)


FAMILIES = {
    "libsvm": (Text, lambda: ["small", "kdd", "all"]),
    "spec": (Words, lambda: ["spec", "set", "experiment"]),
    "checkpoint": (Checkpoints, lambda: ["array file"]),
    "npz": (Archives, lambda: ["stored", "deflated"]),
    "cache": (Caches, lambda: ["ones", "values", "images", "text"]),
}
FOREIGN = {"hdf5": (RunFiles, lambda: ["runs", "gradients"])}
"""Only when asked for: a crash of libhdf5 is no fault of ours."""
