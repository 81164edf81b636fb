"""digitcli reads handwritten digits with a neural network.

The names below are the public Python API; each is imported when it is first used.

>>> from digitcli import load_model, read_digit
>>> model = load_model()
>>> image = read_digit("examples/digits/photo.jpg")
>>> int(model.predict(image[None])[0])
4
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, whose import Ctrl-C would meet before it is heeded

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Digit",
    "DigitcliError",
    "Model",
    "Row",
    "Table",
    "TableCell",
    "load_dataset",
    "load_model",
    "read_digit",
    "read_rows",
    "read_table",
    "read_tables",
]

_HOMES = {
    "Dataset": "digitcli.data.dataset",
    "Digit": "digitcli.reading.row",
    "DigitcliError": "digitcli.errors",
    "Model": "digitcli.model.network",
    "Row": "digitcli.reading.row",
    "Table": "digitcli.reading.table",
    "TableCell": "digitcli.reading.table",
    "load_dataset": "digitcli.data.sources",
    "load_model": "digitcli.model.modelfile",
    "read_digit": "digitcli.reading.digit",
    "read_rows": "digitcli.reading.public",
    "read_table": "digitcli.reading.public",
    "read_tables": "digitcli.reading.public",
}

if TYPE_CHECKING:
    from typing import Any

    from digitcli.data.dataset import Dataset
    from digitcli.data.sources import load_dataset
    from digitcli.errors import DigitcliError
    from digitcli.model.modelfile import load_model
    from digitcli.model.network import Model
    from digitcli.reading.digit import read_digit
    from digitcli.reading.public import read_rows, read_table, read_tables
    from digitcli.reading.row import Digit, Row
    from digitcli.reading.table import Table, TableCell


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'digitcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
