"""Finding: what one check of `gradwire doctor` has found, and how findings are told. A check is a generator of findings."""

import textwrap
from dataclasses import dataclass

OK, WARNING, PROBLEM = STATUSES = ("ok", "warning", "problem")
WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """check: its name. status: one of STATUSES. found: what is there. advice: what to do, "" for nothing."""

    check: str
    status: str
    found: str
    advice: str = ""


def ok(check, found, advice=""):
    return Finding(check, OK, found, advice)


def warning(check, found, advice):
    """Runs work; their times, or something later, may not be what was expected."""
    return Finding(check, WARNING, found, advice)


def problem(check, found, advice):
    """Runs fail, now or as soon as they need this."""
    return Finding(check, PROBLEM, found, advice)


def attempt(check, function, *arguments):
    """[Finding] of a generator; that it failed is a finding too, so that the other checks go on."""
    found = []
    try:
        found.extend(function(*arguments))
    except Exception as error:  # whatever is wrong with the machine may show itself anywhere
        found.append(problem(check, f"this check failed: {type(error).__name__}: {error}", "please report it, with this output"))
    return found


def worst(findings):
    """The exit status: 1 if something is a problem, else 0."""
    return int(any(finding.status == PROBLEM for finding in findings))


def text(findings):
    """The findings as aligned lines of at most WIDTH columns, the worst last, and a line that counts them."""
    name = max((len(finding.check) for finding in findings), default=0) + 2
    lines = []
    for finding in sorted(findings, key=lambda one: STATUSES.index(one.status)):
        blank = " " * (9 + name)
        lines += _wrapped(finding.found, f"{finding.status:<9}{finding.check:<{name}}", blank)
        lines += _wrapped(finding.advice, f"{blank}→ ", f"{blank}  ")
    counts = {status: sum(finding.status == status for finding in findings) for status in STATUSES}
    said = [f"{counts[OK]} ok", *(_counted(counts[status], status) for status in (WARNING, PROBLEM))]
    return "\n".join([*lines, "", ", ".join(said)])


def _counted(number, word):
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _wrapped(words, first, others):
    return textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False)
