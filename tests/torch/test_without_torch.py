"""Without PyTorch: gradwire works, gradwire.torch says what is missing."""

import subprocess
import sys

MISSING = "import sys; sys.modules['torch'] = None; "


def python(code):
    return subprocess.run([sys.executable, "-c", MISSING + code], capture_output=True, text=True, timeout=120, check=False)


def test_gradwire_torch_says_how_to_get_it():
    done = python("import gradwire.torch")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == 'ImportError: gradwire.torch needs PyTorch: pip install "gradwire[torch]"'


def test_gradwire_does_not_import_it():
    done = python("import gradwire, gradwire.cli, gradwire.training")
    assert (done.returncode, done.stderr) == (0, "")
