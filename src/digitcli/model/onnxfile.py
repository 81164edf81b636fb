"""A model as an ONNX graph: from 28×28 pixels to the ten probabilities, for other programs.

The graph holds the first look of every network of a model with all that the network sees, such as
the directions of edges. The second look at doubtful digits is left out: it would make every digit
cost as much as a doubtful one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import DigitcliError
from digitcli.model import directions, input

Pixels = Literal["uint8", "float32"]
Number = float | np.floating

_OPSET: Final = 17
_IR_VERSION: Final = 8
"""Old enough for the runtimes of 2022, in browsers and on phones too."""

_SIDE: Final = 28


class Layers(Protocol):
    """What a graph needs of a network."""

    @property
    def weights(self) -> Sequence[NDArray[np.floating]]:
        """Shape (inputs, outputs) each."""

    @property
    def biases(self) -> Sequence[NDArray[np.floating]]:
        """Shape (outputs,) each."""

    @property
    def input_features(self) -> str:
        """A key of `digitcli.model.input.INPUT_FEATURES`."""


def to_onnx(networks: Sequence[Layers], pixels: Pixels = "uint8") -> bytes:
    """Return the content of an ONNX file; see `digitcli.model.network.Model.to_onnx`."""
    try:
        from onnx import TensorProto, checker, helper
    except ImportError:
        raise DigitcliError(
            "exporting needs the package onnx; install it with pip install 'digitcli[onnx]'"
        ) from None

    kind = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}[pixels]
    graph = _Graph()
    image = "image"
    if pixels == "uint8":
        image = graph.add("Mul", graph.cast(image), graph.number(1 / 255))
    answers = [_network(graph, network, image) for network in networks]
    graph.add("Mean", *answers, output="probabilities")
    content = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "digitcli",
            [helper.make_tensor_value_info("image", kind, ["n", _SIDE, _SIDE])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
            graph.constants,
        ),
        producer_name="digitcli",
        doc_string="The probabilities of the digits 0 to 9 in images of ink, bright on black, "
        "in the form of MNIST. Without the second look of digitcli.",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    checker.check_model(content)
    serialized: bytes = content.SerializeToString()
    return serialized


class _Graph:
    """The nodes and constants of a graph that grows; values go by the names that are returned."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, array: Any) -> str:
        """Add an array, which keeps its type."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, value: Number) -> str:
        """Add a number of single precision."""
        return self.constant(np.float32(value))

    def indices(self, *values: int) -> str:
        """Add whole numbers: axes, shapes, places."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, kind: str = "FLOAT") -> str:
        """Convert to another type."""
        from onnx import TensorProto

        return self.add("Cast", value, to=getattr(TensorProto, kind))

    def reshape(self, value: str, *shape: int) -> str:
        """Give a value a shape, of which one length may be -1."""
        return self.add("Reshape", value, self.indices(*shape))

    def clip(self, value: str, low: Number, high: Number) -> str:
        """Bring numbers into a range."""
        return self.add("Clip", value, self.number(low), self.number(high))


def _network(graph: _Graph, network: Layers, image: str) -> str:
    """Add a network that sees images, shape (n, 28, 28), from 0 to 1; (n, 10) probabilities."""
    value = _FEATURES[network.input_features](graph, image)
    for layer, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        if layer:
            value = graph.add("Relu", value)
        value = graph.add("Gemm", value, _weights(graph, weights), graph.constant(bias))
    return graph.add("Softmax", value, axis=1)


def _weights(graph: _Graph, weights: NDArray[np.floating]) -> str:
    """Add weights in half precision, if that is what they have, and make them single again."""
    with np.errstate(over="ignore"):
        half = weights.astype(np.float16)
    if np.array_equal(half.astype(np.float32), weights):
        return graph.cast(graph.constant(half))
    return graph.constant(weights)


# What a network sees, step by step as `digitcli.model.input` computes it --------------------------


def _pixels(graph: _Graph, image: str) -> str:
    return graph.reshape(image, -1, input.PIXELS)


def _directions(graph: _Graph, image: str) -> str:
    padded = graph.add("Pad", image, graph.indices(0, 1, 1, 0, 1, 1))
    zero, one = graph.number(0), graph.number(1)
    lengths, ahead = [], []
    for axis in (2, 1):
        slope = _sobel(graph, padded, along=axis, across=3 - axis)
        slope = graph.reshape(slope, -1, 1, _SIDE, _SIDE)
        lengths.append(graph.add("Abs", slope))
        ahead.append(graph.cast(graph.add("Greater", slope, zero)))
    (across, down), (right, below) = lengths, ahead
    diagonal = graph.add("Min", across, down)
    across, down = graph.add("Sub", across, diagonal), graph.add("Sub", down, diagonal)
    diagonal = graph.add("Mul", diagonal, graph.number(np.sqrt(2)))
    to_right = graph.add("Mul", diagonal, right)
    to_left = graph.add("Sub", diagonal, to_right)
    planes = []
    for plane, chosen in ((across, right), (down, below), (to_right, below), (to_left, below)):
        planes.append(graph.add("Mul", plane, chosen))
        planes.append(graph.add("Mul", plane, graph.add("Sub", one, chosen)))
    cells = directions.cells()
    means = graph.add("MatMul", graph.constant(cells.T), graph.add("Concat", *planes, axis=1))
    means = graph.add("MatMul", means, graph.constant(cells))
    roots = graph.add("Mul", graph.add("Sqrt", means), graph.number(directions.GAIN))
    return graph.reshape(roots, -1, directions.COUNT)


def _sobel(graph: _Graph, padded: str, *, along: int, across: int) -> str:
    """Return the slope along an axis of images (n, 30, 30), smoothed across it: (n, 28, 28).

    The sums are those of `directions`, in their order: what is 0 there must not be a rounding error
    here, of which the square root would be seen.
    """

    def moved(value: str, axis: int, by: int) -> str:
        bounds = graph.indices(by), graph.indices(by + _SIDE)
        return graph.add("Slice", value, *bounds, graph.indices(axis))

    middle = graph.add("Mul", graph.number(2), moved(padded, across, 1))
    smooth = graph.add(
        "Add", graph.add("Add", moved(padded, across, 0), middle), moved(padded, across, 2)
    )
    slope = graph.add("Sub", moved(smooth, along, 2), moved(smooth, along, 0))
    return graph.add("Mul", slope, graph.number(1 / 4))


def _upright(graph: _Graph, image: str) -> str:
    """Do what `input.deslant` does, shape (n, 28, 28)."""
    columns = graph.constant(input.AXIS)
    of_rows, column_moments = (
        _sum(graph, image, 2),
        _sum(graph, graph.add("Mul", image, columns), 2),
    )
    rows = graph.constant(input.AXIS[:, None])
    mass = graph.add("Max", _sum(graph, of_rows, 1), graph.number(input.LEAST))
    row_centre = graph.add("Div", _sum(graph, graph.add("Mul", of_rows, rows), 1), mass)
    column_centre = graph.add("Div", _sum(graph, column_moments, 1), mass)
    lever = graph.add("Sub", rows, row_centre)
    weight = graph.add("Mul", of_rows, lever)
    variance = _sum(graph, graph.add("Mul", weight, lever), 1)
    offset = graph.add("Sub", column_moments, graph.add("Mul", column_centre, of_rows))
    covariance = _sum(graph, graph.add("Mul", offset, lever), 1)
    least = graph.add("Max", variance, graph.number(input.LEAST))
    slant = graph.clip(graph.add("Div", covariance, least), -1, 1)
    return _moved(graph, image, graph.add("Add", columns, graph.add("Mul", slant, lever)))


def _widened(graph: _Graph, image: str) -> str:
    """Do what `input.width` does, shape (n, 28, 28)."""
    columns = graph.constant(input.AXIS)
    of_columns = _sum(graph, image, 1)
    mass = graph.add("Max", _sum(graph, of_columns, 2), graph.number(input.LEAST))
    centre = graph.add("Div", _sum(graph, graph.add("Mul", of_columns, columns), 2), mass)
    away = graph.add("Sub", columns, centre)
    squares = graph.add("Mul", of_columns, graph.add("Mul", away, away))
    variance = graph.add("Div", _sum(graph, squares, 2), mass)
    deviation = graph.add("Sqrt", graph.add("Max", variance, graph.number(input.LEAST)))
    stretch = graph.clip(graph.add("Div", graph.number(input.WIDTH), deviation), *input.STRETCH)
    source = graph.add("Add", centre, graph.add("Div", away, stretch))
    every_row = graph.constant(np.zeros((_SIDE, 1), np.float32))
    return _moved(graph, image, graph.add("Add", source, every_row))


def _moved(graph: _Graph, image: str, source: str) -> str:
    """Read each row at the columns `source`, (n, 28, 28), by linear interpolation."""
    source = graph.clip(source, -1, _SIDE)
    left = graph.add("Floor", source)
    share = graph.add("Sub", source, left)
    padded = graph.add("Pad", image, graph.indices(0, 0, 1, 0, 0, 2))
    place = graph.add("Add", graph.cast(left, "INT64"), graph.indices(1))
    beside = graph.add("Add", place, graph.indices(1))
    here, there = (graph.add("GatherElements", padded, at, axis=2) for at in (place, beside))
    rest = graph.add("Sub", graph.number(1), share)
    return graph.add("Add", graph.add("Mul", here, rest), graph.add("Mul", there, share))


def _sum(graph: _Graph, value: str, axis: int) -> str:
    """Sum along an axis, which stays, with length 1."""
    return graph.add("ReduceSum", value, graph.indices(axis))


_FEATURES: Final[dict[str, Callable[[_Graph, str], str]]] = {
    "pixels": _pixels,
    "deslant": lambda graph, image: _pixels(graph, _upright(graph, image)),
    "width": lambda graph, image: _pixels(graph, _widened(graph, image)),
    "directions": _directions,
    "deslant-directions": lambda graph, image: _directions(graph, _upright(graph, image)),
    "width-directions": lambda graph, image: _directions(graph, _widened(graph, image)),
}
