"""Finding: what one check of `gradwire doctor` has found, and how findings are told. A check is a generator of findings."""

import textwrap
from dataclasses import dataclass

from ..errors import GradwireError

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
    except GradwireError as error:
        found.append(problem(check, str(error), "runs would end with the same words"))
    except Exception as error:  # whatever is wrong with the machine may show itself anywhere
        found.append(problem(check, f"this check failed: {type(error).__name__}: {error}", "please report it, with this output"))
    return found


def worst(findings):
    """The exit status: 1 if something is a problem, else 0."""
    return int(any(finding.status == PROBLEM for finding in findings))


def lines(findings):
    """The findings as aligned lines of at most WIDTH columns, the worst last."""
    name = max((len(finding.check) for finding in findings), default=0) + 2
    said = []
    for finding in sorted(findings, key=lambda one: STATUSES.index(one.status)):
        blank = " " * (9 + name)
        said += _wrapped(finding.found, f"{finding.status:<9}{finding.check:<{name}}", blank)
        said += _wrapped(finding.advice, f"{blank}→ ", f"{blank}  ")
    return "\n".join(said)


def text(findings, before=()):
    """Their lines, and one that counts them and those that were said before."""
    said = [f"{len(_of(OK, (*before, *findings)))} ok"]
    for status in (WARNING, PROBLEM):
        names = _of(status, (*before, *findings))
        said.append(f"{len(names) or 'no'} {status}{'s' * (len(names) != 1)}" + (f" ({', '.join(dict.fromkeys(names))})" if names else ""))
    return f"{lines(findings)}\n\n{', '.join(said)}"


def _of(status, findings):
    return [finding.check for finding in findings if finding.status == status]


def _wrapped(words, first, others):
    return textwrap.wrap(words, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False)
