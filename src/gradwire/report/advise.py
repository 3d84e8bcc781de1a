"""What `gradwire advise` prints, writes and draws: a table, one sentence, and step time against bandwidth, for each job.

Made from the Advice of network/breakeven.py, which this module does not import. Numbers of the network are predictions.
"""

import csv
import io
import math
from pathlib import Path

import numpy as np

from .advise_figure import KINDS, draw, rate
from .figure import save
from .layout import MISSING, Block, as_markdown, as_text, byte_unit, significant
from .whole import write_text

_LIMITS = (
    "Predicted: the network's time, from α and β, and all that follows from it; nothing else uses the network. "
    "Measured, on {measured}: bytes, and the times of encoding, decoding and the rest. {accuracy}"
)


def summarise(advices, results):
    """Write tables and a figure; returns the text for the terminal."""
    names = {advice.name for advice in advices}
    name = names.pop() if len(names) == 1 else "advise"
    written = []
    for folder in ("tables", "figures"):
        (Path(results) / folder).mkdir(parents=True, exist_ok=True)
    stem = Path(results) / "tables" / name
    for kind, content in (("md", _page(advices, name)), ("csv", as_csv(advices))):
        written.append(stem.with_name(f"{name}.{kind}"))
        write_text(written[-1], content)
    written += save(draw(advices), Path(results) / "figures" / name)
    said = [_text(advice, as_text, "\n".join) for advice in advices]
    return "\n\n".join([*said, "\n".join(f"wrote {path}" for path in written)])


def window(span):
    """ "below 4.2 Gbit/s", "always", "never", "above …" or "… to …"."""
    if span is None:
        return "never"
    low, high = span
    if math.isinf(high):
        return f"above {rate(low)}" if low > 0 else "always"
    return f"{rate(low)} to {rate(high)}" if low > 0 else f"below {rate(high)}"


def verdict(advice, option, kind):
    """Where the option beats all baselines of a kind, in words; a dash without one."""
    if not any(each.baseline == kind for each in advice.options if each is not option):
        return MISSING
    return "even" if advice.even(option, kind) else window(advice.beats(option, kind))


def headline(advice):
    """The job and the network."""
    network = f"{advice.ranks} ranks, {advice.collective}, {rate(advice.rate_bps)}, {advice.link.alpha * 1e6:.3g} µs a message"
    return f"{advice.title}. Predicted for {network}."


def as_csv(advices):
    """One line for each option: seconds, bytes, bits per second; empty where there is nothing."""
    out, writer = io.StringIO(), None
    for advice in advices:
        for option in advice.options:
            cells = {"job": advice.title, "collective": advice.collective, "ranks": advice.ranks, "rate_bps": advice.rate_bps}
            known = {name: value for name, value in vars(option).items() if name != "cost"} | {"link_bytes": option.cost.link_bytes}
            cells |= {"alpha_s": advice.link.alpha, **known, "step_s": option.step_s(advice.rate_bps)}
            cells["speedup"], cells["speedup_over"] = _speedup(advice, option), _baseline(advice)
            for kind in KINDS:
                low, high = advice.beats(option, kind) or (math.nan, math.nan)
                cells |= {f"beats_{kind}_above_bps": low, f"beats_{kind}_below_bps": high}
            writer = writer or csv.DictWriter(out, list(cells), lineterminator="\n")
            if not out.tell():
                writer.writeheader()
            writer.writerow({name: _cell(value) for name, value in cells.items()})
    return out.getvalue()


def comparisons(found, crossings=(), notes=()):
    """Tables of model.Comparison, measured and predicted epochs, and of crossings.Crossing, with the median errors; then the notes.

    Where there are several jobs, both tables say which.
    """
    several = len({each.title for each in found}) > 1
    rows = []
    for each in sorted(found, key=lambda one: (one.title, one.ranks, one.rate_bps, one.label)):
        where = rate(each.rate_bps) if each.rate_bps > 0 else "unknown"
        times = (f"{each.measured_s:.3f}", f"{each.predicted_s:.3f}", f"{each.error:+.1%}")
        rows.append((*[each.title] * several, each.label, each.collective, str(each.ranks), where, each.source, *times))
    titles = (*["job"] * several, "codec", "collective", "ranks", "rate", "from run", "measured\ns/epoch", "predicted\ns/epoch", "error")
    errors = np.abs([each.error for each in found])
    line = f"Median error {np.median(errors):.1%}, largest {errors.max():.1%}, {len(found)} runs that were not fitted."
    text = f"{as_text(Block('Predicted from the other runs', titles, tuple(rows)))}\n{line}"
    text = "\n".join((text, *notes))
    return f"{text}\n\n{_crossings(crossings, several)}" if crossings else text


def _crossings(found, several):
    rows = []
    for each in sorted(found, key=lambda one: (one.title, one.ranks, one.baseline, one.spec)):
        there = not math.isnan(each.predicted_bps)
        said = (rate(each.predicted_bps), f"{each.error:+.1%}") if there else ("none there", MISSING)
        rows.append((*[each.title] * several, each.spec, each.baseline, each.collective, str(each.ranks), rate(each.measured_bps), *said))
    titles = (*["job"] * several, "codec", "as fast as", "collective", "ranks", "measured\nat", "predicted\nat", "error")
    errors = [abs(each.error) for each in found if not math.isnan(each.error)]
    line = f"\nMedian error of the break-evens {np.median(errors):.1%}, largest {max(errors):.1%}." if errors else ""
    return as_text(Block("Break-even bandwidths, between the rates of the runs", titles, tuple(rows))) + line


def recommendation(advice):
    """One sentence: what to take, why, and what speaks against it."""
    best = advice.choice
    step = best.step_s(advice.rate_bps)
    gains = [
        f"{advice.option(name).step_s(advice.rate_bps) / step:.2f}× as fast as {name}"
        for name in (advice.uncompressed, advice.sixteen)
        if name and name != best.label
    ]
    what = f"At {rate(advice.rate_bps)} take {best.label}: {significant(1e3 * step)} ms a step is predicted"
    passed = _passed_over(advice, best)
    if best.baseline:
        return f"{what}, and no {'other ' if passed else ''}codec is predicted to be more than {advice.margin:.0%} faster{passed}."
    where = verdict(advice, best, "16-bit")
    where = f"; it beats 16 bits {where}" if where not in (MISSING, "even") else ""
    return f"{what}, {' and '.join(gains) or 'with no baseline to compare'}{where}{_accuracy(advice, best)}{passed}."


def _accuracy(advice, best):
    loss = advice.option(advice.uncompressed).test_loss if advice.uncompressed else math.nan
    if not math.isnan(loss) and not math.isnan(best.test_loss):
        return f"; its test loss was {best.test_loss:.4f}, that of {advice.uncompressed} {loss:.4f}"
    return f"; its accuracy in training is unknown (vNMSE {significant(best.vnmse, 2)})"


def _passed_over(advice, best):
    """Faster options whose loss was worse."""
    faster = [
        option.label for option in advice.options if advice.worse(option) and option.step_s(advice.rate_bps) < best.step_s(advice.rate_bps)
    ]
    return f"; {', '.join(faster)} would be{'' if best.baseline else ' faster'}, but at a worse test loss" if faster else ""


def _page(advices, name):
    pages = [_text(advice, as_markdown, lambda lines: "\n".join(f"- {line}" for line in lines)) for advice in advices]
    return "\n\n".join([f"# {name}", *pages, f"![Step time against bandwidth](../figures/{name}.png)"]) + "\n"


def _text(advice, table, listed):
    return "\n\n".join([headline(advice), table(_block(advice)), recommendation(advice), listed(_notes(advice))])


def _notes(advice):
    known = any(not math.isnan(option.test_loss) for option in advice.options)
    accuracy = "Losses are the runs', at the ranks recorded." if known else "Accuracy: unknown but for vNMSE, of one gradient."
    return [
        "step: compute, encode, network, decode and update on the critical path. Fastest first. even: the same but for noise.",
        "faster than …: at which bandwidth of the line the codec beats every baseline of that kind.",
        _LIMITS.format(measured=advice.measured, accuracy=accuracy),
        *advice.notes,
    ]


def _block(advice):
    unit, size = byte_unit(sorted(option.up for option in advice.options)[len(advice.options) // 2])
    known = any(not math.isnan(option.test_loss) for option in advice.options)
    rows = []
    for option in advice.options:
        step = option.step_s(advice.rate_bps)
        label = option.label
        times = [significant(1e3 * each) for each in (option.encode_s, option.decode_s, step)]
        speedup = _speedup(advice, option)
        faster = MISSING if math.isnan(speedup) else f"{speedup:.2f}×"
        verdicts = [verdict(advice, option, kind) for kind in KINDS]
        sizes = (significant(option.up / size), significant(option.down / size))
        loss = (f"{option.test_loss:.4f}",) if known else ()
        rows.append((label, *sizes, *times, faster, *verdicts, significant(option.vnmse, 2), *loss))
    titles = ("codec", f"up\n{unit}", f"down\n{unit}", "encode\nms", "decode\nms", "step\nms", f"vs {_baseline(advice) or 'none'}")
    titles += ("faster than\nuncompressed", "faster than\n16 bits", "vNMSE", *(("test\nloss",) if known else ()))
    return Block("Bytes of a message, times of a step, and where it pays", titles, tuple(rows))


def _baseline(advice):
    return advice.uncompressed or advice.sixteen


def _speedup(advice, option):
    """Over the fastest uncompressed option at the rate of the advice, else over the fastest 16-bit one."""
    if not _baseline(advice):
        return math.nan
    return advice.option(_baseline(advice)).step_s(advice.rate_bps) / option.step_s(advice.rate_bps)


def _cell(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
