"""Each promise in docs/reproducibility.md names its test, which exists; no test is left out."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
CONTRACT = (TESTS.parent / "docs" / "reproducibility.md").read_text()
NAME = re.compile(r"`((?:\w+/)?test_\w+\.py)::(test_\w+)`")


def names_in(path):
    """Return the names of the tests in a file."""
    body = ast.parse(path.read_text()).body
    return {n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def test_each_promise_names_a_test_that_is_there():
    """Each row of the tables of promises ends in the name of one test that exists."""
    rows, in_promises = [], False
    for line in CONTRACT.splitlines():
        in_promises = (in_promises or line == "| promise | test |") and line.startswith("|")
        if in_promises and line not in ("| promise | test |", "|---|---|"):
            rows.append(line)
    assert len(rows) > 30
    for row in rows:
        ((file, name),) = NAME.findall(row.split("|")[2])
        assert name in names_in(TESTS / file), row


def test_each_test_of_the_contract_has_its_promise():
    """Each test of the contract is named, and each test that is named exists."""
    named = set(NAME.findall(CONTRACT))
    assert all(name in names_in(TESTS / file) for file, name in named)
    ours = {
        (f"contract/{path.name}", name)
        for path in (TESTS / "contract").glob("test_contract_*.py")
        for name in names_in(path)
    }
    assert len(ours) > 20
    assert ours <= named
