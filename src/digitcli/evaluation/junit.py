"""Tell a continuous integration server, in JUnit's XML, which bars an evaluation reached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from digitcli.evaluation.evaluate import Check, Evaluation
from digitcli.files import atomic_write
from digitcli.paths import printable


def write_junit(
    evaluation: Evaluation, checks: Sequence[Check], path: str | os.PathLike[str]
) -> None:
    """Write one test case for each check, and one with an error for each unreadable picture."""
    name = f"{evaluation.model} on {evaluation.data.name}"
    suite = Xml.Element(
        "testsuite",
        name=printable(name),
        tests=str(len(checks) + len(evaluation.unreadable)),
        failures=str(sum(not check.passed for check in checks)),
        errors=str(len(evaluation.unreadable)),
    )
    for check in checks:
        case = Xml.SubElement(suite, "testcase", classname="digitcli.evaluate", name=check.name)
        if not check.passed:
            Xml.SubElement(case, "failure", message=check.told)
    for picture in evaluation.unreadable:
        case = Xml.SubElement(
            suite, "testcase", classname="digitcli.evaluate", name=printable(picture.path)
        )
        Xml.SubElement(case, "error", message=printable(picture.error))
    with atomic_write(path) as file:
        Xml.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
