"""docs/faults.md names every test of this folder, and no other."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parent.parent / "docs" / "faults.md"


def test_the_table_and_the_tests_are_one():
    named = set(re.findall(r"`(test_\w+\.py::test_\w+)`", TABLE.read_text()))
    written = {
        f"{path.name}::{node.name}"
        for path in HERE.glob("test_*.py")
        if path != Path(__file__)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert named == written
