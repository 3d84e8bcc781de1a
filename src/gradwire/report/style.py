"""How a codec looks in every figure: one colour, marker and line for each, the same everywhere.

Baselines are black and grey. The colours are Okabe and Ito's, told apart with every common colour vision; markers and labels
say the same once more. A codec without a fixed look takes one by its name's checksum, or the next free one.
"""

import re
import zlib
from dataclasses import dataclass

RC = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "gradwire",
    "path.simplify": False,
}


@dataclass(frozen=True)
class Look:
    """matplotlib's colour, marker and line style."""

    color: str
    marker: str
    line: str = "-"


_CODEC = re.compile(r"[^(, ]*")
"""The codec's name at the beginning of a label; of a composition, all parts up to the first argument."""

BASELINES = {
    "none": Look("#000000", "o"),
    "adam-sparse": Look("#000000", "x", "--"),
    "fp16": Look("#6e6e6e", "s"),
    "bf16": Look("#a6a6a6", "D", "--"),
}
_CODECS = {
    "zipml": Look("#E69F00", "v"),
    "fastsgd": Look("#D55E00", "^"),
    "sketchml": Look("#0072B2", "P"),
    "natural": Look("#009E73", "*"),
}
_FREE = tuple(
    Look(color, marker, line)
    for line, markers in (("-", "<>dhX"), (":", "8pHsD"), ("-.", "o^v<>"))
    for color, marker in zip(("#CC79A7", "#56B4E9", "#8C564B", "#B3A100", "#5E3C99"), markers)
)


def looks(labels):
    """Look of each label, all different while at most 15 labels have no fixed one. "natural, ranks=2" counts as natural, once."""
    fixed = BASELINES | _CODECS
    chosen, taken = {}, set()
    for label in labels:
        look = fixed.get(_CODEC.match(label).group())
        if look is None or look in taken:
            start = zlib.crc32(label.encode()) % len(_FREE)
            order = [*_FREE[start:], *_FREE[:start]]
            look = next((look for look in order if look not in taken), order[0])
        taken.add(look)
        chosen[label] = look
    return chosen
