"""What this machine's apt can fetch: the Contents lists of its Debian release, which say what package has which file, and a package's .deb.

apt fetches and verifies both (its sources, mirrors, proxies and keys are used) into a folder of ours, so neither root nor apt's own
lists are touched. Its command-line programs are run; no library of its is used.
"""

import os
import shutil
import subprocess

from ..errors import DataError

_PRIVATE = """
Dir::State "{folder}/state/";
Dir::State::lists "{folder}/state/lists/";
Dir::Cache "{folder}/cache/";
#clear APT::Update;
#clear Acquire::IndexTargets;
"""
_PACKAGES = """
Acquire::IndexTargets::deb::Packages {{
    MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
    flatMetaKey "Packages";
    ShortDescription "Packages";
    Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
    Optional "false";
}};
"""
_CONTENTS = """
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
    configuration = _private(folder, _CONTENTS)
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


def fetch_package(folder, package):
    """Path of the .deb of `package` in `folder`, an existing one, which apt fills. DataError, with apt's reason, if it cannot be had."""
    if shutil.which("apt-get") is None:
        raise DataError("apt-get is not here")
    configuration = _private(folder, _PACKAGES)
    failures = _apt(configuration, "update").stderr.splitlines()
    failures += _apt(configuration, "download", package).stderr.splitlines()
    found = sorted(folder.glob("*.deb"))
    if not found:
        reasons = [line for line in failures if line.startswith("E:")]
        raise DataError(f"apt-get download {package}: {reasons[0] if reasons else 'no file came'}")
    return found[0]


def _private(folder, targets):
    """Path of the configuration by which apt keeps everything in `folder` and knows only these index targets."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    configuration = folder / "apt.conf"
    configuration.write_text((_PRIVATE + targets).format(folder=folder))
    return configuration


def _apt(configuration, *arguments):
    """The finished process. A source that fails is no reason to stop as long as what is wanted is there."""
    command = ["apt-get", "-q", "-c", str(configuration), *arguments]
    env = os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=configuration.parent, env=env)


__all__ = ["fetch_contents", "fetch_package"]
