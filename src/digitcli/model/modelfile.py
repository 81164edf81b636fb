"""Model files: `joblib.dump` of plain builtins, read back without trusting a byte of them."""

from __future__ import annotations

import mmap
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ModelError
from digitcli.files import atomic_write
from digitcli.model import plainpickle
from digitcli.model.halves import widen
from digitcli.model.input import INPUT_FEATURES
from digitcli.model.network import Model, Network

FORMAT: Final = "digitcli-model"
VERSION: Final = 1
NAME: Final = "shipped"
"""What the model inside the package is called where a model file is asked for."""
SHIPPED: Final = Path(__file__).with_name("default.joblib")

MAX_FILE_BYTES: Final = 128 * 1024 * 1024
MAX_MEMBERS: Final = 64
MAX_LAYERS: Final = 16
MAX_UNITS: Final = 16_384
_DTYPES: Final[dict[str, np.dtype[np.floating]]] = {"<f2": np.dtype("<f2"), "<f4": np.dtype("<f4")}


def save_model(model: Model, path: str | os.PathLike[str], *, dtype: str = "float32") -> None:
    """Write `model` as one ``.joblib`` file.

    Equal models give equal files. `dtype` is ``"float32"``, or ``"float16"`` for half the size.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "members": [pack_network(member, dtype=dtype) for member in model.members],
        "metadata": model.metadata,
    }
    write_plain(content, path)


def write_plain(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write plain builtins with `joblib.dump`; equal content gives equal files."""
    import joblib

    with atomic_write(path) as file:
        joblib.dump(_canonical(content, {}), file, protocol=4)


def pack_network(network: Network, *, dtype: str = "float32") -> dict[str, Any]:
    """Return `network` as plain builtins."""
    code = {"float32": "<f4", "float16": "<f2"}[dtype]
    member: dict[str, Any] = {
        "input_features": network.input_features,
        "weights": [_pack(weight, code) for weight in network.stored],
        "biases": [_pack(bias, code) for bias in network.biases],
    }
    if network.of_digits is not None:
        member["of_digits"] = _pack(network.of_digits, code)
    return member


def is_shipped(path: str | os.PathLike[str] | None) -> bool:
    """Return whether the model inside the package is meant; a file called so has a folder."""
    return path is None or os.fspath(path).lower() == NAME


def load_model(path: str | os.PathLike[str] | None = None) -> Model:
    """Read a model file, or the model that ships inside the package.

    Needs neither scikit-learn nor joblib. A hostile file can at worst raise the error below: no
    code in it is run, and each size, shape and number is checked before it is used.

    Parameters
    ----------
    path : str or path, optional
        The file; None or ``"shipped"`` for the model inside the package.

    Raises
    ------
    ModelError
        When the file is missing, damaged, or not a model of this version.
    """
    if is_shipped(path):
        path = None
    name = "the shipped model" if path is None else os.fspath(path)
    try:
        return _shipped() if path is None else _model(read_plain(Path(path)), name)
    except FileNotFoundError:
        raise ModelError(
            f"{name} does not exist; check the path, or make a model with 'digitcli train'"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelError(f"{name} cannot be read: {reason}") from None
    except ValueError as error:
        raise ModelError(
            f"{name} is not a digitcli model: {error}; make one with 'digitcli train'"
        ) from None


@cache
def _shipped() -> Model:
    """Return the model inside the package, which nothing changes, read once."""
    return _model(plainpickle.loads(_map(SHIPPED)), "shipped")


def read_plain(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> plainpickle.Plain:
    """Read plain builtins that `write_plain` wrote.

    Raises
    ------
    OSError, ValueError
        When the file cannot be read, or is too large or not such a file.
    """
    return plainpickle.loads(_read(path, max_bytes))


def _read(path: Path, max_bytes: int) -> bytes:
    # Opening must not wait for the writer of a FIFO.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > max_bytes:
            raise ValueError(f"it is larger than {max_bytes >> 20} MiB")
        return file.read(max_bytes)


def _map(path: Path) -> memoryview:
    """Let the system read a file where it is needed.

    Only for the file inside the package, which nobody cuts short: that would end the process.
    """
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _model(content: object, name: str) -> Model:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it does not say that it is one")
    if content.get("version") != VERSION:
        raise ValueError(f"its format version is {content.get('version')!r:.20}, not {VERSION}")
    members = content.get("members")
    if not isinstance(members, list) or not 1 <= len(members) <= MAX_MEMBERS:
        raise ValueError(f"it does not hold 1 to {MAX_MEMBERS} networks")
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        raise ValueError("its metadata is missing")
    if any(isinstance(item, memoryview) for item, _ in plainpickle.parts(metadata)):
        raise ValueError("its metadata holds raw bytes")
    return Model(tuple(unpack_network(member) for member in members), metadata, name)


def unpack_network(member: object) -> Network:
    """Return the network that `pack_network` packed, every size, shape and number checked.

    Raises
    ------
    ValueError
        When it is not one.
    """
    if not isinstance(member, dict):
        raise ValueError("a network is damaged")
    features = member.get("input_features")
    if not isinstance(features, str) or features not in INPUT_FEATURES:
        raise ValueError(f"input features {features!r:.40} are not known")
    weights = _unpack_all(member.get("weights"), ndim=2)
    biases = _unpack_all(member.get("biases"), ndim=1)
    inputs = INPUT_FEATURES[features].inputs
    sizes = [inputs, *(weight.shape[1] for weight in weights)]
    if len(weights) != len(biases) or sizes[-1] != 10:
        raise ValueError(f"its layers do not lead from {inputs} inputs to 10 digits")
    for units_in, units_out, weight, bias in zip(sizes, sizes[1:], weights, biases, strict=False):
        if weight.shape != (units_in, units_out) or bias.shape != (units_out,):
            raise ValueError(f"layer shapes do not chain ({weight.shape} after {units_in} units)")
    of_digits = None
    if (packed := member.get("of_digits")) is not None:
        of_digits = widen(_unpack(packed, 1))
        if len(weights) < 2 or of_digits.shape != (sizes[-2] + 1,):
            raise ValueError(f"its output of what is a digit has shape {of_digits.shape}")
    return Network(weights, tuple(map(widen, biases)), features, of_digits)


def _pack(array: NDArray[np.floating], code: str) -> dict[str, Any]:
    return {"dtype": code, "shape": list(array.shape), "data": array.astype(code).tobytes()}


def _unpack_all(arrays: object, *, ndim: int) -> tuple[NDArray[np.floating], ...]:
    if not isinstance(arrays, list) or not 1 <= len(arrays) <= MAX_LAYERS:
        raise ValueError(f"it does not hold 1 to {MAX_LAYERS} layers")
    return tuple(_unpack(array, ndim) for array in arrays)


_MAX_KEPT: Final = 1 << 24
"""Arrays are views of a file of so many bytes; a larger one is copied, to be freed as a whole."""


def _unpack(array: object, ndim: int) -> NDArray[np.floating]:
    if not isinstance(array, dict):
        raise ValueError("an array is damaged")
    code, shape, data = array.get("dtype"), array.get("shape"), array.get("data")
    if not isinstance(code, str) or (dtype := _DTYPES.get(code)) is None:
        raise ValueError(f"array type {code!r:.20} is not one of {', '.join(_DTYPES)}")
    if (
        not isinstance(shape, list)
        or len(shape) != ndim
        or not all(type(side) is int and 1 <= side <= MAX_UNITS for side in shape)
    ):
        raise ValueError(f"array shape {shape!r:.40} is not possible")
    if not isinstance(data, memoryview):
        raise ValueError("an array has no bytes")
    count = shape[0] * (shape[1] if ndim == 2 else 1)
    if data.nbytes != count * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} has {data.nbytes} bytes")
    values = np.frombuffer(data, dtype).reshape(shape)
    if memoryview(data.obj).nbytes > _MAX_KEPT:
        values = values.copy()
    values = np.require(values, requirements=["ALIGNED"])
    if not _all_finite(values):
        raise ValueError("a weight is not a finite number")
    return values


def _all_finite(values: NDArray[np.floating]) -> bool:
    """Tell by the bits, without an array of answers: infinite is less than NaN, finite less still.

    That is so among the numbers of either sign, of which the negative ones are larger unsigned.
    """
    signed, unsigned = (np.dtype(values.dtype.str.replace("f", kind)) for kind in "iu")
    infinity = np.array([np.inf, -np.inf], values.dtype)
    return bool(
        values.view(signed).max() < infinity.view(signed)[0]
        and values.view(unsigned).max() < infinity.view(unsigned)[1]
    )


def _canonical(item: Any, texts: dict[str, str]) -> Any:
    """Copy plain data so that equal texts are one object, as a pickle shows which are."""
    if isinstance(item, dict):
        return {texts.setdefault(key, key): _canonical(value, texts) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [_canonical(value, texts) for value in item]
    if isinstance(item, str):
        return texts.setdefault(item, item)
    if item is None or type(item) in (bool, int, float, bytes):
        return item
    raise TypeError(f"a model file holds plain builtins only, not {type(item).__name__}")
