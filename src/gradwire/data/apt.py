"""The Contents lists of the Debian release that this machine's apt is set up for: which package has which file.

apt fetches and verifies them (its sources, mirrors, proxies and keys are used) into a folder of ours, so neither root nor apt's own
lists are touched. Its command-line programs are run; no library of its is used.
"""

import os
import shutil
import subprocess

from ..errors import DataError

_CONFIGURATION = """
Dir::State "{folder}/state/";
Dir::State::lists "{folder}/state/lists/";
Dir::Cache "{folder}/cache/";
#clear APT::Update;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
Acquire::IndexTargets::deb::Translations::DefaultEnabled "false";
Acquire::IndexTargets::deb::Gradwire-Contents {{
    MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";
    ShortDescription "Contents-$(ARCHITECTURE)";
    Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents";
    KeepCompressed "true";
    KeepCompressedAs "gz";
}};
"""
_FORMAT = "$(ORIGIN)\t$(SUITE)\t$(CODENAME)\t$(COMPONENT)\t$(ARCHITECTURE)\t$(FILENAME)"
_REMEDY = (
    "apt-get update must work on this machine, with a Debian release in its sources; or put Contents-*.gz files of a Debian mirror "
    'into a folder and set contents = "FOLDER", or copy a prepared cache folder (GRADWIRE_CACHE)'
)


def fetch_contents(folder):
    """(release, paths) of the gzip-compressed lists of component main of the Debian release itself, updates left out, in order.

    folder: an existing one, which apt fills. release: its code name. DataError if apt is missing or has no such lists.
    """
    if shutil.which("apt-get") is None:
        raise DataError(f"debian-contents needs apt-get, which is not here: {_REMEDY}")
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    configuration = folder / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    failure = _apt(configuration, "update").stderr.strip()
    lists, others = [], set()
    for line in _apt(configuration, "indextargets", "--format", _FORMAT, "Created-By: Gradwire-Contents").stdout.splitlines():
        origin, suite, codename, component, architecture, path = line.split("\t")
        is_release = "-" not in suite  # not stable-updates, stable-security, stable-backports
        if origin == "Debian" and is_release and component == "main" and os.path.isfile(path):
            lists.append((codename, architecture, path))
        else:
            others.add(f"{origin} {suite} {component}")
    releases = sorted({codename for codename, _, _ in lists})
    if len(releases) != 1:
        why = failure.splitlines()[0] if failure else f"it knows {', '.join(sorted(others)) or 'no sources'}"
        found = f"those of {' and '.join(releases)}" if releases else f"none ({why})"
        raise DataError(f"debian-contents needs the Contents lists of one Debian release, and apt gave {found}: {_REMEDY}")
    return releases[0], [path for _, _, path in sorted(lists)]


def _apt(configuration, *arguments):
    """The finished process. A source that fails is no reason to stop as long as the lists are there."""
    command = ["apt-get", "-q", "-c", str(configuration), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})


__all__ = ["fetch_contents"]
