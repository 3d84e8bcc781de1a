"""The architecture, read from the source: imports go one way, and MPI, HDF5 and matplotlib each have one place.

Modules are parsed, not imported. A component is a module or package directly below gradwire.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "gradwire"
FILES = {str(path.relative_to(SRC)): ast.parse(path.read_text(), str(path)) for path in sorted(SRC.rglob("*.py"))}

# A component imports from lines above its own, or from itself. "__init__" is what `import gradwire` offers.
LAYERS = """
    errors _ext bounds regular
    gradient step stopwatch configured npy blocks
    message
    spec
    codecs
    collectives data optimizers
    models
    settings schema
    config
    logs environment local_sgd cautions tally interruption arrayfile
    journal launch
    recorder checkpoint
    gradients
    __init__
    training slurm report testing torch
    bench
    network
    listing
    watchdog alike
    doctor
    commands
    cli
    __main__
"""
LEVEL = {name: level for level, line in enumerate(LAYERS.split("\n")) for name in line.split()}

# The registry's purpose is to import, when asked, what stands above it; `gradwire.load_run` opens files when it is called.
IMPORTS_UPWARDS_INSIDE_FUNCTIONS = {"spec.py", "__init__.py"}

MPI_ANYWHERE = ("collectives/", "training.py", "bench/", "network/")
MPI_INSIDE_FUNCTIONS = ("commands/", "interruption.py", "torch/launching.py")
PLACES = {"mpi4py": MPI_ANYWHERE, "h5py": ("recorder.py",), "matplotlib": ("report/",)}
UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def in_functions(tree):
    """Ids of all nodes inside a function."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
    return {id(node) for function in functions for node in ast.walk(function)}


def imported(file, tree):
    """(absolute module name, line, whether inside a function) of every import; `from . import a` gives both the package and a."""
    inside = in_functions(tree)
    package = ["gradwire", *Path(file).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            found = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno, id(node) in inside) for name in found)


def module_of(name):
    """The file in src/gradwire that a dotted name is found in, None for names from elsewhere."""
    parts = name.split(".")
    if parts[0] != "gradwire":
        return None
    for end in range(len(parts), 0, -1):
        for file in ("/".join(parts[1:end]) + ".py", "/".join([*parts[1:end], "__init__.py"])):
            if file in FILES:
                return file
    return "_ext/__init__.py"


def component(file):
    return file.partition("/")[0].removesuffix(".py")


def own_imports(file, tree):
    """(imported file, line, inside a function), of gradwire's own modules; compiled ones count as _ext."""
    for name, line, inside in imported(file, tree):
        target = "_ext/__init__.py" if name.startswith("gradwire._ext") else module_of(name)
        if target and target != file:
            yield target, line, inside


def upward(files):
    """ "file:line imports file" for every import of a component that is not below its own."""
    problems = []
    for file, tree in files.items():
        for target, line, inside in own_imports(file, tree):
            here, there = component(file), component(target)
            if here == there or (inside and file in IMPORTS_UPWARDS_INSIDE_FUNCTIONS):
                continue
            if LEVEL[there] >= LEVEL[here]:
                problems.append(f"{file}:{line} imports {target}")
    return problems


def misplaced(files):
    """ "file:line imports library" for every import of mpi4py, h5py or matplotlib outside its place."""
    problems = []
    for file, tree in files.items():
        for name, line, inside in imported(file, tree):
            library = name.partition(".")[0]
            allowed = PLACES.get(library, ("",))
            if library == "mpi4py" and inside:
                allowed += MPI_INSIDE_FUNCTIONS
            if not file.startswith(allowed):
                problems.append(f"{file}:{line} imports {library}")
    return problems


def forbidden(files):
    """ "file:line what" for print outside cli.py, assert outside the conformance suite, bare except, unpickling, shells, unpacking of
    whole archives, and addresses that are not https."""
    problems = []
    for file, tree in files.items():
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
            found = {
                "print": called == "print" and file != "cli.py",
                "eval or exec": called in ("eval", "exec"),
                "assert": isinstance(node, ast.Assert) and not file.startswith("testing/"),  # there, assertions are the product
                "bare except": isinstance(node, ast.ExceptHandler) and node.type is None,
                "allow_pickle": isinstance(node, ast.keyword)
                and node.arg == "allow_pickle"
                and getattr(node.value, "value", True) is not False,
                "shell": isinstance(node, ast.keyword) and node.arg == "shell",
                "os.system": isinstance(node, ast.Attribute) and node.attr in ("system", "popen") and getattr(node.value, "id", "") == "os",
                "extract": isinstance(node, ast.Attribute) and node.attr in ("extract", "extractall", "unpack_archive"),
                "http": isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("http://", "ftp://")),
                "compile or __import__": called in ("compile", "__import__"),
            }
            problems += [
                f"{file}:{node.lineno if hasattr(node, 'lineno') else node.value.lineno} {what}" for what, there in found.items() if there
            ]
        problems += [f"{file}:{line} {name}" for name, line, _ in imported(file, tree) if name.partition(".")[0] in UNSAFE]
    return problems


def test_every_component_has_its_layer():
    assert {component(file) for file in FILES} - set(LEVEL) == set()


def test_imports_go_one_way():
    assert upward(FILES) == []


def test_modules_do_not_import_each_other():
    """No cycle among the imports that run when a module is loaded, packages' own modules included."""
    graph = {file: {target for target, _, inside in own_imports(file, tree) if not inside} for file, tree in FILES.items()}
    # `from . import name` in a module of a package refers to a sibling, not to the package's __init__.
    graph = {file: {t for t in targets if t not in package_inits(file)} for file, targets in graph.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def package_inits(file):
    return {"/".join([*parent.parts, "__init__.py"]) for parent in Path(file).parents}


def test_mpi_hdf5_and_matplotlib_have_one_place_each():
    assert misplaced(FILES) == []


def test_no_print_assert_bare_except_pickle_or_shell():
    assert forbidden(FILES) == []


def test_every_module_says_what_it_is():
    assert [file for file, tree in FILES.items() if tree.body and not ast.get_docstring(tree)] == []


@pytest.mark.parametrize(
    ("check", "file", "code"),
    [
        (upward, "gradient.py", "from .message import Message"),
        (upward, "codecs/none.py", "from ..collectives.base import Ledger"),
        (upward, "codecs/none.py", "def f():\n    from gradwire.training import train"),
        (upward, "collectives/base.py", "import gradwire"),
        (upward, "message.py", "from . import codec"),
        (misplaced, "codecs/none.py", "from mpi4py import MPI"),
        (misplaced, "commands/run.py", "import mpi4py"),
        (misplaced, "cli.py", "def f():\n    from mpi4py import MPI"),
        (misplaced, "report/load.py", "import h5py"),
        (misplaced, "commands/redraw.py", "def f():\n    import matplotlib.pyplot"),
        (upward, "commands/run.py", "from ..cli import main"),
        (forbidden, "commands/run.py", "print(1)"),
        (forbidden, "step.py", "print(1)"),
        (forbidden, "step.py", "assert 1"),
        (forbidden, "step.py", "try:\n    1\nexcept:\n    2"),
        (forbidden, "step.py", "from pickle import loads"),
        (forbidden, "step.py", "eval('1')"),
        (forbidden, "step.py", "f(allow_pickle=x)"),
        (forbidden, "step.py", "run('ls', shell=True)"),
        (forbidden, "step.py", "os.system('ls')"),
        (forbidden, "step.py", "archive.extractall(folder)"),
        (forbidden, "step.py", "fetch('http://example.org/x')"),
        (forbidden, "step.py", "__import__(name)"),
    ],
)
def test_a_breach_is_found(check, file, code):
    assert len(check({file: ast.parse(code)})) == 1


@pytest.mark.parametrize(
    ("check", "file", "code"),
    [
        (upward, "codecs/keys/raw.py", "from ..base import KeyCoder\nfrom ...errors import CorruptMessage\nfrom ..._ext import sparse"),
        (upward, "spec.py", "def f():\n    from .codecs.base import Codec"),
        (misplaced, "commands/run.py", "def f():\n    from mpi4py import MPI"),
        (misplaced, "report/figure.py", "import matplotlib"),
        (forbidden, "cli.py", "print(1)"),
        (forbidden, "step.py", "f(allow_pickle=False)"),
    ],
)
def test_what_is_allowed_is_not_a_breach(check, file, code):
    assert check({file: ast.parse(code)}) == []
