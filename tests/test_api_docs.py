"""Everything public is documented, and what the documentation shows is so."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import digitcli

ROOT = Path(__file__).resolve().parent.parent


def public() -> Iterator[tuple[str, Any]]:
    """Yield each public class, method, property and function with its name."""
    for name in digitcli.__all__:
        thing = getattr(digitcli, name)
        yield name, thing
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                yield f"{name}.{member}", value


def test_everything_public_has_a_docstring() -> None:
    assert [name for name, thing in public() if not inspect.getdoc(thing)] == []


@pytest.mark.parametrize("name", [name for name in digitcli.__all__ if name[0].islower()])
def test_each_parameter_of_a_public_function_is_documented(name: str) -> None:
    function = getattr(digitcli, name)
    _, found, section = inspect.getdoc(function).partition("Parameters\n----------\n")
    assert found, f"{name} has no section of parameters"
    lines = section.partition("\n\n")[0].splitlines()
    heads = [line.partition(" : ")[0] for line in lines if not line.startswith(" ")]
    documented = [each for head in heads for each in head.split(", ")]
    assert documented == list(inspect.signature(function).parameters)


@pytest.mark.skipif(not (ROOT / "examples").is_dir(), reason="the examples are not there")
def test_the_examples_are_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for name, thing in [("digitcli", digitcli), *public()]:
        for test in finder.find(thing, name, globs={name: thing}):
            runner.run(test)
    assert runner.tries >= 7
    assert runner.failures == 0


@pytest.mark.skipif(importlib.util.find_spec("pdoc") is None, reason="needs digitcli[docs]")
def test_the_page_has_everything_public(tmp_path: Path) -> None:
    tool = ROOT / "tools" / "api_page.py"
    made = subprocess.run([sys.executable, tool, tmp_path], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    page = (tmp_path / "digitcli.html").read_text()
    assert [name for name in digitcli.__all__ if f'<section id="{name}">' not in page] == []
