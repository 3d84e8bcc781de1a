"""Steps against ranks, worked out by hand."""

import numpy as np

from gradwire.report import scaling
from gradwire.report.load import collect
from gradwire.report.measures import measure


def rows_of(make_run, stored, tmp_path, ranks):
    runs = []
    for seed, size in enumerate(ranks):
        run = make_run("natural", epochs=3, ranks=size, seed=seed)
        run.epochs["steps"] = np.full((3, size), 30 // size)
        run.epochs["epoch_time_s"] = np.full((3, size), 1.2) + np.arange(size)
        run.epochs["sent_bytes"] = np.full((3, size), 3000 // size)
        run.epochs["received_bytes"] = np.full((3, size), 0) + 9000 * (np.arange(size) == 0)
        runs.append(run)
    stored(runs, tmp_path)
    return [measure(group) for group in collect(tmp_path, "quickstart").groups]


def test_a_step_of_the_slowest_and_busiest_rank(make_run, stored, tmp_path):
    wall, cpu, carried = scaling.blocks(rows_of(make_run, stored, tmp_path, (2, 3)))
    assert wall.titles == ("codec, collective", "P = 2", "P = 3")
    # 15 steps in 2.2 s, 10 steps in 3.2 s
    assert wall.rows == (("natural, gather_bcast", "147", "320"),)
    # the root: (1,500 + 9,000) / 15 and (1,000 + 9,000) / 10 bytes a step
    assert carried.caption.endswith("B") and carried.rows == (("natural, gather_bcast", "700", "1,000"),)
    assert 0 < float(cpu.rows[0][1]) < 147


def test_one_number_of_ranks_is_no_scaling(make_run, stored, tmp_path):
    assert scaling.blocks(rows_of(make_run, stored, tmp_path, (2,))) == []


def test_the_collective_follows_a_codec_with_several_parameters(make_run, stored, tmp_path):
    spec = "rice+quantile(center=mean, exact_tail=0.01)"
    stored([make_run(spec, ranks=ranks, seed=ranks, config={"codec": {"error_feedback": True}}) for ranks in (2, 3)], tmp_path)
    wall, *_ = scaling.blocks([measure(group) for group in collect(tmp_path, "quickstart").groups])
    assert [row[0] for row in wall.rows] == [f"{spec} +EF, gather_bcast"]
