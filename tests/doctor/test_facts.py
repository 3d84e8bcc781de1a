"""Facts of this process, and of made-up kernels."""

import json
import mmap
import os

import pytest

from gradwire.doctor import facts


def test_facts_can_travel_and_are_true():
    found = facts.collect()
    assert json.loads(json.dumps(found)) == found
    assert found["host"] == os.uname().nodename and set(found["cores"]) == os.sched_getaffinity(0)
    assert found["threads"] >= 1 and found["nofile"] > 0


def group(root, path, **files):
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("membership", "groups", "expected"),
    [
        ("0::/job/step", {"job/step": {"cpu__max": "max 100000"}}, None),
        ("0::/job/step", {"job/step": {"cpu__max": "300000 100000"}, "job": {"cpu__max": "150000 100000"}}, 1.5),
        ("0::/", {"": {"cpu__max": "50000 100000"}}, 0.5),
        ("3:cpu,cpuacct:/box", {"cpu/box": {"cpu__cfs_quota_us": "200000", "cpu__cfs_period_us": "100000"}}, 2.0),
        ("3:cpu:/box", {"cpu/box": {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}}, None),
        ("4:memory:/box", {"memory/box": {"cpu__cfs_quota_us": "1", "cpu__cfs_period_us": "100000"}}, None),
        ("0::/job", {"unified/job": {"cpu__max": "100000 100000"}}, 1.0),
        ("0::/job", {"job": {"cpu__max": "nonsense"}}, None),
    ],
)
def test_cpu_quota(tmp_path, membership, groups, expected):
    for path, files in groups.items():
        group(tmp_path / "cgroup", path, **files)
    (tmp_path / "self").write_text(f"{membership}\n1:name=systemd:/\n")
    assert facts.cpu_quota(tmp_path / "cgroup", tmp_path / "self") == expected
    assert facts.cpu_quota(tmp_path / "cgroup", tmp_path / "none") is None


def test_governors(tmp_path):
    for core, name in enumerate(("powersave", "performance", "schedutil")):
        group(tmp_path, f"cpu{core}/cpufreq", scaling_governor=f"{name}\n")
    assert facts.governors({0, 1, 7}, tmp_path) == ["performance", "powersave"]


def test_adapters(tmp_path):
    group(tmp_path, "infiniband/mlx5_0")
    group(tmp_path, "cxi/cxi0")
    assert facts.adapters(tmp_path) == ["infiniband mlx5_0", "cxi cxi0"]


def test_shared_memory_that_nobody_has(monkeypatch, tmp_path):
    monkeypatch.setattr(facts, "SHM", tmp_path)
    assert facts.stale_segments() == [0, 0]
    (tmp_path / "mpich_shm_1").write_bytes(bytes(8192))
    (tmp_path / "sm_segment.a").write_bytes(bytes(4096))
    (tmp_path / "other").write_bytes(bytes(4096))
    assert facts.stale_segments() == [2, 12288]
    assert facts.shm_bytes()[1] > 0
    monkeypatch.setattr(facts, "SHM", tmp_path / "none")
    assert facts.shm_bytes() is None


def test_segments_that_are_mapped_are_in_use(monkeypatch):
    path = facts.SHM / f"mpich_shm_test_{os.getpid()}"
    with open(path, "w+b") as file:
        file.truncate(4096)
        try:
            with mmap.mmap(file.fileno(), 4096):
                monkeypatch.setattr(facts, "SEGMENTS", (path.name,))
                assert facts.stale_segments()[0] == 0
            assert facts.stale_segments()[0] == 1
        finally:
            path.unlink()


def test_settings_of_transports(monkeypatch):
    monkeypatch.setenv("UCX_TLS", "tcp,self")
    monkeypatch.setenv("MPIR_CVAR_NOLOCAL", "1")
    assert {"UCX_TLS": "tcp,self", "MPIR_CVAR_NOLOCAL": "1"}.items() <= facts.collect()["settings"].items()
