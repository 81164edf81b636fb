"""Read rows and tables from Python: what `digitcli.read_rows` and `read_table` open."""

from __future__ import annotations

from digitcli.blas import one_blas_thread
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.page import read_page
from digitcli.reading.pattern import Form, Pattern, parse_forms
from digitcli.reading.row import Row
from digitcli.reading.table import Table
from digitcli.reading.table import read_tables as _read_tables
from digitcli.seeing.decode import AnyImage, name_of


def read_rows(
    source: AnyImage,
    model: Model | None = None,
    *,
    polarity: Polarity | str = Polarity.AUTO,
    pattern: str | Pattern | None = None,
) -> list[Row]:
    """Read every row of handwritten digits in an image.

    Parameters
    ----------
    source : str, Path, binary file object, bytes, ndarray of uint8 or Pillow image
        As `digitcli.read_digit` takes it; one page of a file, the first unless its path says which.
    model : Model, optional
        What `digitcli.load_model` returns; by default the model that ships inside the package.
    polarity : {"auto", "dark-on-light", "light-on-dark"}
        Whether the ink is darker or brighter than the paper; found out by default.
    pattern : str, optional
        What each row looks like: ``d`` for any digit, a digit for itself, brackets for a choice,
        such as ``"20dd"`` or ``"[0-3]d"``; ``-``, ``.`` and a space for signs, and ``?`` after what
        may be left out, as in ``"-?d?d.d"``. Rows that cannot be read so are left out.

    Returns
    -------
    list of Row
        From the top down. Each has its ``text()`` (``text(signs=True)`` with minus, decimal point
        and spaces between numbers), its ``confidence`` and its ``digits`` from left to right, and
        each of these a ``digit``, its ``confidence``, the ``probabilities`` of 0 … 9 and a ``box``:
        left, top, right and bottom in pixels of the image, held upright.

    Raises
    ------
    ImageError
        If the source cannot be read as an image, or holds no ink or no row with the pattern.
    UsageError
        If the text is no pattern.

    Examples
    --------
    >>> [row.text() for row in read_rows("examples/rows/number.png", pattern="20dd")]
    ['2026']
    """
    forms = None
    if isinstance(pattern, str):
        forms = parse_forms(pattern)
    elif pattern is not None:
        forms = (Form(pattern, ("",) * len(pattern)),)
    with one_blas_thread():
        page = read_page(
            source,
            model or load_model(),
            name=name_of(source),
            polarity=Polarity(polarity),
            forms=forms,
        )
    return page.rows


def read_tables(
    source: AnyImage,
    model: Model | None = None,
    *,
    polarity: Polarity | str = Polarity.AUTO,
) -> list[Table]:
    """Read every table of numbers in an image.

    Parameters
    ----------
    source, model, polarity
        As `digitcli.read_rows` takes them.

    Returns
    -------
    list of Table
        In reading order. Each has its ``texts()``, a list of rows of texts, and its ``cells``, each
        with a ``row``, a ``column``, a ``text``, its ``confidence`` and a ``box`` in pixels of the
        image, held upright.

    Raises
    ------
    ImageError
        If the source cannot be read as an image, or no table is seen in it.
    """
    with one_blas_thread():
        return _read_tables(
            source, model or load_model(), name=name_of(source), polarity=Polarity(polarity)
        )


def read_table(
    source: AnyImage,
    model: Model | None = None,
    *,
    polarity: Polarity | str = Polarity.AUTO,
) -> Table:
    """Read the table of numbers in an image, the first if there are several.

    Parameters
    ----------
    source, model, polarity
        As `digitcli.read_rows` takes them.

    Raises
    ------
    ImageError
        As `digitcli.read_tables` does.

    Examples
    --------
    >>> table = read_table("examples/tables/scores.jpg")
    >>> table.texts()[1]
    ['1', '12', '7', '19']

    With pandas: ``pandas.DataFrame(table.texts())``.
    """
    return read_tables(source, model, polarity=polarity)[0]
