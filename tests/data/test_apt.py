"""The lists and packages that apt gives, from an apt-get of our own that behaves as asked."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from gradwire.data.apt import fetch_contents, fetch_package
from gradwire.errors import DataError

SCRIPT = """#!/bin/sh
# -q -c FILE ACTION …: `update` makes the files of $LISTS below Dir::State::lists, `indextargets` prints them
lists=$(sed -n 's/^Dir::State::lists "\\(.*\\)\\/";$/\\1/p' "$3")
[ -d "$lists/partial" ] || { echo "E: no $lists/partial" >&2; exit 100; }
case $4 in
update) for target in $LISTS; do [ "$GONE" ] || cp "$SOURCE" "$lists/${target##*,}"; done; [ -z "$SAYS" ] || echo "$SAYS" >&2; exit "${CODE:-0}" ;;
download) echo "$5" > asked; [ -z "$SAYS" ] || echo "$SAYS" >&2; [ "$GONE" ] || cp "$SOURCE" "${5}_1_all.deb" ;;
indextargets) for target in $LISTS; do echo "${target%,*}" | tr , '\\t' | tr '\\n' '\\t'; echo "$lists/${target##*,}"; done ;;
esac
"""
RELEASE = ["Debian,stable,trixie,main,amd64,amd64.gz", "Debian,stable,trixie,main,all,all.gz"]
REMEDY = r"apt-get update must work on this machine.*contents = \"FOLDER\".*GRADWIRE_CACHE"


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """apt(targets, …): puts the script on PATH; returns the folder to fetch into."""

    def apt(targets, **says):
        programs, folder = tmp_path / "bin", tmp_path / "work"
        programs.mkdir()
        folder.mkdir()
        (programs / "apt-get").write_text(SCRIPT)
        (programs / "apt-get").chmod(0o755)
        source = tmp_path / "source.gz"
        source.write_bytes(gzip.compress(b"bin/sh shells/dash\n"))
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        for name, value in {"LISTS": " ".join(targets), "SOURCE": str(source), **says}.items():
            monkeypatch.setenv(name, value)
        return folder

    return apt


def test_the_lists_of_the_release_come_in_order(apt):
    folder = apt([*RELEASE, "Debian,stable-updates,trixie-updates,main,all,updates.gz"])
    release, paths = fetch_contents(folder)
    assert release == "trixie"
    assert [Path(path).name for path in paths] == ["all.gz", "amd64.gz"]
    assert gzip.decompress(Path(paths[0]).read_bytes()) == b"bin/sh shells/dash\n"


def test_what_is_not_the_release_is_left_out(apt):
    others = ["Debian,stable,trixie,contrib,all,contrib.gz", "Docker,stable,trixie,main,amd64,docker.gz"]
    assert len(fetch_contents(apt([*others, *RELEASE]))[1]) == 2


def test_a_failing_source_does_not_matter_while_the_lists_are_there(apt):
    assert fetch_contents(apt(RELEASE, CODE="100", SAYS="E: another source failed"))[0] == "trixie"


@pytest.mark.parametrize(
    ("targets", "says", "message"),
    [
        (RELEASE, {"GONE": "1", "CODE": "100", "SAYS": "E: Could not resolve host"}, r"apt gave none \(E: Could not resolve host\)"),
        (RELEASE, {"GONE": "1"}, r"apt gave none \(it knows Debian stable main\)"),
        (["Ubuntu,noble,noble,main,amd64,a.gz"], {}, r"apt gave none \(it knows Ubuntu noble main\)"),
        ([], {}, r"apt gave none \(it knows no sources\)"),
        ([*RELEASE, "Debian,oldstable,bookworm,main,all,b.gz"], {}, "apt gave those of bookworm and trixie"),
    ],
)
def test_without_lists_of_one_release_the_error_says_what_helps(apt, targets, says, message):
    with pytest.raises(DataError, match=f"{message}: {REMEDY}"):
        fetch_contents(apt(targets, **says))


def test_without_apt_the_error_says_what_helps(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=f"debian-contents needs apt-get, which is not here: {REMEDY}"):
        fetch_contents(tmp_path)


def test_a_package_is_downloaded_into_the_folder(apt, tmp_path):
    folder = apt([])
    assert fetch_package(folder, "made-up") == folder / "made-up_1_all.deb"
    assert (folder / "asked").read_text() == "made-up\n"
    assert (folder / "made-up_1_all.deb").read_bytes() == (tmp_path / "source.gz").read_bytes()


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("W: a warning\nE: Unable to locate package made-up", "apt-get download made-up: E: Unable to locate package made-up"),
        ("", "apt-get download made-up: no file came"),
    ],
)
def test_a_package_that_does_not_come_has_a_reason(apt, says, message):
    with pytest.raises(DataError, match=message):
        fetch_package(apt([], GONE="1", SAYS=says), "made-up")


def test_without_apt_there_is_no_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="apt-get is not here"):
        fetch_package(tmp_path, "made-up")


@pytest.mark.parametrize("targets", ["_CONTENTS", "_PACKAGES"])
def test_a_real_apt_understands_the_configuration(tmp_path, targets):
    """Without any source there is nothing to fetch and nothing to fail."""
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("no apt-get here")
    from gradwire.data import apt

    configuration = apt._private(
        tmp_path, getattr(apt, targets) + 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n'
    )
    dump = subprocess.run(["apt-config", "-c", configuration, "dump"], capture_output=True, text=True, check=True).stdout
    assert f'Dir::State::lists "{tmp_path}/state/lists/";' in dump
    key = {
        "_CONTENTS": 'Gradwire-Contents::MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";',
        "_PACKAGES": 'Packages::MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";',
    }
    assert key[targets] in dump
    done = apt._apt(configuration, "update")
    assert (done.returncode, done.stderr) == (0, "")
