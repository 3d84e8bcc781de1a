"""How findings are told: aligned, the worst last, never wider than WIDTH; and a check that fails is a finding."""

from gradwire import ConfigError
from gradwire.doctor import finding
from gradwire.doctor.finding import Finding, attempt, lines, ok, problem, text, warning, worst


def test_the_worst_comes_last_with_its_advice_and_all_are_counted():
    found = [problem("disk", "full", "make room"), ok("MPI", "there"), warning("threads", "eight", "say one")]
    assert text(found, before=[ok("first", "said before"), problem("second", "said before", "do")]).splitlines() == [
        "ok       MPI      there",
        "warning  threads  eight",
        "                  → say one",
        "problem  disk     full",
        "                  → make room",
        "",
        "2 ok, 1 warning (threads), 2 problems (second, disk)",
    ]
    assert text([ok("MPI", "there")]).endswith("\n\n1 ok, no warnings, no problems")


def test_long_texts_are_wrapped_below_their_column():
    told = lines([warning("name", "word " * 60, "advice " * 60)]).splitlines()
    assert max(map(len, told)) <= finding.WIDTH
    assert told[1].startswith(" " * 15 + "word") and told[-1].startswith(" " * 17 + "advice")


def test_the_status_is_that_of_the_worst():
    assert worst([]) == worst([ok("a", "b"), warning("a", "b", "c")]) == 0
    assert worst([problem("a", "b", "c"), ok("a", "b")]) == 1


def test_a_failing_check_keeps_what_it_had_found():
    def check(error):
        yield ok("a", "first")
        raise error

    first, second = attempt("a", check, ZeroDivisionError("oops"))
    assert first == Finding("a", "ok", "first")
    assert (second.status, second.found) == ("problem", "this check failed: ZeroDivisionError: oops")
    assert attempt("a", check, ConfigError("wrong"))[1].found == "wrong"
