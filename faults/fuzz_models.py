"""Damaged and hostile model files: each is read as a valid model or refused in one line."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from fuzz import feed, mutate, report
from table import Row, main

from digitcli.errors import ModelError
from digitcli.evaluation.describe import describe, outline
from digitcli.model import plainpickle
from digitcli.model.input import INPUT_FEATURES
from digitcli.model.modelfile import load_model, pack_network
from digitcli.model.network import Network
from digitcli.training.checkpoint import Checkpoint

IMAGES = np.random.default_rng(1).integers(0, 256, (3, 28, 28), dtype=np.uint8)
CANARY = "digitcli-was-here"


def content(seed: int = 0, members: int = 1, dtype: str = "float32") -> dict[str, Any]:
    """Return what a small model file holds, metadata as `train` writes it."""
    rng = np.random.default_rng(seed)
    epochs = range(1, 9)
    history = {
        "epoch": list(epochs), "training_loss": [1 / epoch for epoch in epochs],
        "validation_loss": [None] * 8, "learning_rate": [0.1] * 8,
    }  # fmt: skip
    return {
        "format": "digitcli-model",
        "version": 1,
        "members": [pack_network(_network(rng, seed % 2), dtype=dtype) for _ in range(members)],
        "metadata": {
            "made_by": "digitcli", "seed": seed, "interrupted": False, "temperature": 1.25,
            "data": {"name": "digits", "training_images": 1293, "sha256": "0" * 64},
            "hyperparameters": {"hidden_layer_sizes": [6], "augmentation": {"rotation": 15.0}},
            "history": history,
        },
    }  # fmt: skip


def _network(rng: np.random.Generator, kind: int) -> Network:
    features = ("directions", "pixels")[kind]
    sizes = (INPUT_FEATURES[features].inputs, 6, 10)
    return Network(
        tuple(rng.normal(0, 0.1, shape).astype(np.float32) for shape in pairwise(sizes)),
        tuple(rng.normal(0, 0.1, units).astype(np.float32) for units in sizes[1:]),
        features,
    )


def checkpoint(seed: int = 0) -> dict[str, Any]:
    """Return what a small checkpoint holds."""
    model = content(seed)
    return {
        "format": "digitcli-checkpoint", "version": 1,
        "settings": {"hidden_layer_sizes": [6], "seed": 0, "data": "0" * 64},
        "epoch": 8, "best_epoch": 7, "best_loss": 0.5,
        "history": [{"epoch": epoch, "validation_loss": 1 / epoch} for epoch in range(1, 9)],
        "network": model["members"][0], "best": content(seed + 2)["members"][0],
    }  # fmt: skip


def dump(item: object, protocol: int = 4) -> bytes:
    file = io.BytesIO()
    joblib.dump(item, file, protocol=protocol)
    return file.getvalue()


def read_model(path: Path) -> None:
    """Load a model as every command does, and use all of it."""
    model = load_model(path)
    for network in model.members:
        assert network.layer_sizes[0] == INPUT_FEATURES[network.input_features].inputs
        assert network.layer_sizes[-1] == 10
        assert all(np.isfinite(array).all() for array in (*network.weights, *network.biases))
    description = describe(model, path)
    for _depth, name, value in outline(description.rows()):
        assert type(name) is type(value) is str
    description.curves()
    probabilities = model.predict_proba(IMAGES[: 1 + (model.parameter_count < 10**6)])
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)


def read_checkpoint(path: Path) -> None:
    """Load a checkpoint as ``train --resume`` does."""
    settings = {"hidden_layer_sizes": [6], "seed": 0, "data": "0" * 64}
    state = Checkpoint(path, settings, interval=0).load()
    assert state is not None
    inputs = INPUT_FEATURES[state.network.input_features].inputs
    assert state.network.layer_sizes == state.best.layer_sizes == (inputs, 6, 10)


def structure(data: bytes) -> list[int]:
    """Return where the instructions of a pickle start."""
    return [at for _op, _argument, at in pickletools.genops(data) if at is not None]


def mutated(originals: list[bytes], count: int, rng: random.Random) -> Iterator[bytes]:
    """Yield damaged copies of whole files."""
    places = [structure(data) for data in originals]
    for _ in range(count):
        which = rng.randrange(len(originals))
        yield mutate(originals[which], places[which], rng, originals)


def truncated(original: bytes) -> Iterator[bytes]:
    """Yield the file cut at every instruction, and after each of the first bytes."""
    for end in sorted({*range(200), *structure(original)}):
        yield original[:end]


# --- pickles that would do something -----------------------------------------------------------


class Calls:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


class State:
    """Pickles to a new object and a state that is put into it."""

    def __getstate__(self) -> dict[str, str]:
        return {CANARY: CANARY}


def calls() -> list[object]:
    """Return objects that leave a mark when `pickle` or `joblib` reads them."""
    mark = f"open({CANARY!r}, 'w')"
    return [
        Calls(open, CANARY, "w"),
        Calls(os.system, f"touch {CANARY}"),
        Calls(os.mkdir, CANARY),
        Calls(subprocess.Popen, ["touch", CANARY]),
        Calls(eval, mark),
        Calls(exec, mark),
        Calls(__import__, "antigravity"),
        Calls(getattr, str, "join"),
        Calls(np.frombuffer, b"1234"),
        Calls(bytearray, 10**9),
        Calls(bytes, 10**9),
        Calls(list, range(10**8)),
        State(),
        complex(1, 2),
        frozenset({1}),
        {1, 2},
        range(10),
        slice(1),
        type,
        np.float64(1),
        np.arange(4),
        np.array([Calls(os.mkdir, CANARY)], dtype=object),
        bytearray(b"x"),
    ]


def planted(rng: random.Random, count: int) -> Iterator[bytes]:
    """Yield model files in which such an object stands somewhere in the tree."""
    poisons = calls()
    for _ in range(count):
        tree = content(rng.randrange(3))
        at: Any = tree
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = rng.choice(keys)
            if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.3:
                at[key] = rng.choice(poisons)
                break
            at = at[key]
        protocol = rng.randrange(6)
        yield pickle.dumps(tree, protocol) if rng.random() < 0.5 else dump(tree, protocol)


def instruction(rng: random.Random) -> bytes:
    """Return one random pickle instruction, with arguments that may be right."""
    number = rng.choice((0, 1, 2, 3, 8, 40, 255))
    text = rng.choice((b"os", b"system", b"builtins", b"eval", b"posix", b"nt", CANARY.encode()))
    line = text + b"\n"
    match rng.randrange(12):
        case 0:
            names = (b"os\nsystem\n", b"builtins\neval\n", b"builtins\nexec\n", b"\n\n", b"x\ny\n")
            return rng.choice((b"c", b"i")) + rng.choice(names)  # GLOBAL, INST
        case 1:  # REDUCE, BUILD, NEWOBJ, NEWOBJ_EX, STACK_GLOBAL, OBJ, BINPERSID
            return rng.choice((b"R", b"b", b"\x81", b"\x92", b"\x93", b"o", b"Q"))
        case 2:  # EXT1, EXT2, EXT4
            return rng.choice((b"\x82\1", b"\x83\1\0", b"\x84" + struct.pack("<i", number)))
        case 3:  # PERSID, STRING, UNICODE, INT, LONG, FLOAT, GET, PUT of protocol 0
            return rng.choice((b"P", b"S'x'\n", b"V", b"I", b"L", b"F", b"g", b"p")) + line
        case 4:  # MARK, POP, POP_MARK, DUP
            return rng.choice((b"(", b"(", b"0", b"1", b"2"))
        case 5:  # TUPLE…, LIST, DICT, APPEND…, SETITEM…, ADDITEMS, FROZENSET, EMPTY_SET
            return bytes([rng.choice(b"t\x85\x86\x87ldaesu\x90\x91\x8f")])
        case 6:
            return bytes([rng.choice(b")]}N\x88\x89.")])
        case 7:  # BINGET, BINPUT, LONG_BINGET, LONG_BINPUT, MEMOIZE
            short = bytes([rng.choice(b"hq"), number])
            return rng.choice((short, b"\x94", b"j" + struct.pack("<I", number * 10**6)))
        case 8:
            return b"\x8c" + bytes([len(text)]) + text
        case 9:  # a size that is not there
            huge = rng.choice((2**31 - 1, 2**32 - 1))
            codes = (b"X", b"B", b"T", b"\x8b")
            return rng.choice(codes) + struct.pack("<I", huge)
        case 10:
            codes = (b"\x8e", b"\x8d", b"\x95", b"\x96")
            return rng.choice(codes) + struct.pack(
                "<Q", rng.choice((0, 7, 2**40, 2**63, 2**64 - 1))
            )
        case _:  # NEXT_BUFFER, READONLY_BUFFER, LONG4, PROTO
            return rng.choice((b"\x97", b"\x98", b"\x8b\xff\xff\xff\x7f", b"\x80\x09", b"\x80\x05"))


def programs(original: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    """Yield random pickle programs, alone and put between the instructions of a real file."""
    places = structure(original)
    evil = b"\x8c\2os\x8c\6system\x93\x8c" + bytes([6 + len(CANARY)]) + b"touch " + CANARY.encode()
    for _ in range(count):
        body = b"".join(instruction(rng) for _ in range(rng.randint(1, 12)))
        if rng.random() < 0.2:
            body += evil + b"\x85R"
        if rng.random() < 0.5:
            yield b"\x80\4" + body + b"."
        else:
            at = rng.choice(places)
            yield original[:at] + body + original[at:]


# --- runs of floats, which are read at once ----------------------------------------------------

LENGTHS = (1, 2, 3, 8, 9, 10, 998, 999, 1000, 1001, 1002, 1999, 2000, 2001, 3500)


def read_like_pickle(path: Path) -> None:
    """Read any plain pickle: refused, or what `pickle` reads."""
    data = path.read_bytes()
    try:
        tree = plainpickle.loads(data)
    except plainpickle.PlainPickleError as error:
        raise ModelError(str(error)) from None
    try:
        other = pickle.loads(data)  # it is known now to name nothing
    except pickle.UnpicklingError:  # of frames, which are not needed here
        return
    assert _text(tree) == _text(other), "read otherwise than by pickle"


def _text(tree: object) -> str:
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{key!r}: {_text(value)}' for key, value in tree.items())}}}"
    if isinstance(tree, list | tuple):
        return f"{type(tree).__name__}({', '.join(map(_text, tree))})"
    return repr(bytes(tree) if isinstance(tree, memoryview) else tree)


def g_number(rng: random.Random) -> object:
    """Return a number that is made of, or stands beside, bytes like the one that starts a float."""
    match rng.randrange(8):
        case 0:
            return struct.unpack(">d", b"G" * 8)[0]
        case 1:
            return struct.unpack(">d", bytes(rng.choices(b"G.K\0", k=8)))[0]
        case 2:
            return rng.choice((0x47, 0x4747, 0x47474747, 0x47 << 80))
        case 3:
            return "G" * rng.choice((1, 8, 9, 10, 300))
        case 4:
            return b"G" * rng.choice((1, 8, 9, 10, 300))
        case 5:
            return rng.choice((None, True, float("nan"), float("inf"), -0.0))
        case _:
            return rng.random()


def runs(count: int, rng: random.Random) -> Iterator[bytes]:
    """Yield lists of floats: whole, cut anywhere, and damaged."""
    for number in range(count):
        length = rng.choice(LENGTHS)
        if number % 2:
            items: list[object] = [rng.random() for _ in range(length)]
            for _ in range(rng.randrange(4)):
                items[rng.randrange(length)] = g_number(rng)
        else:
            items = [g_number(rng) for _ in range(min(length, 300))]
        whole = pickle.dumps(rng.choice((items, tuple(items), {"a": items})), rng.randint(2, 5))
        start = whole.index(b"G") if b"G" in whole else 0
        match number % 5:
            case 0 | 1:
                yield whole
            case 2:
                yield whole[: rng.randrange(len(whole))]
            case 3:  # cut in the last floats, with and without an end
                yield whole[: -rng.randrange(1, 30)] + rng.choice((b"", b".", b"e.", b"G", b"GG"))
            case _:
                yield mutate(whole, [start, len(whole) - 9], rng, [whole])


# --- files that would grow ---------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1)


def laughs(width: int, depth: int) -> bytes:
    """Return a pickled list of lists of …, which unfolds to width**depth texts."""
    program = b"\x8c\3lolr\xe8\3\0\0"
    for level in range(1000, 1000 + depth):
        get, put = b"j" + struct.pack("<I", level), b"r" + struct.pack("<I", level + 1)
        program = b"](" + program + get * (width - 1) + b"e" + put
    return program


def growing() -> Iterator[bytes]:
    """Yield files that would take much more memory or time than their size suggests."""
    small = dump(content())

    def with_version(program: bytes) -> bytes:
        return b"\x80\4}(\x8c\6format\x8c\x0edigitcli-model\x8c\7version" + program + b"u."

    def replaced(key: bytes, program: bytes) -> bytes:
        """Put `program` where the value of `key` was a short text or number."""
        at = small.index(key) + len(key) + 1  # behind MEMOIZE
        ends = [end for end in structure(small) if end > at]
        return small[:at] + program + small[ends[0] :]

    yield replaced(b"\x8c\x06format", b"N")  # the function above hits what it should
    for program in (nested(100), nested(10**5), nested(3 * 10**6), laughs(10, 30), laughs(100, 20)):
        yield with_version(program)
        yield b"\x80\4" + program + b"."
        for key in (b"version", b"input_features", b"seed", b"temperature", b"interrupted"):
            yield replaced(b"\x8c" + bytes([len(key)]) + key, program)
    for code in (b"]", b"}", b"(", b")", b"N", b"]\x94", b"K\1", b"\x8c\1x", b"}\x94", b"\x85"):
        for size in (10**6, 130_000_000):
            yield b"\x80\4" + (b")" if code == b"\x85" else b"") + code * (size // len(code)) + b"."
    run = b"G?\xf0\0\0\0\0\0\0"  # many floats in what is read as one step
    for size in (60_000, 210_000, 600_000, 14_000_000):
        yield with_version(run * size)
        yield replaced(b"\x8c\x04seed", b"(" + run * size + b"t")
        yield b"\x80\4](" + run * size + b"e."
        yield b"\x80\4](" + (run + b"N") * (size // 2) + b"e."
    yield b"\x80\4](" + run * 14_000_000
    for char in ("a", "ü", "中", "😀"):  # a text may take four times its bytes
        text = (char * 130_000_000)[: 130_000_000 // len(char.encode())].encode()
        yield b"\x80\4X" + struct.pack("<I", len(text)) + text + b"."
    yield b"\x80\4" + b"(" * 10**6 + b"t" * 10**6 + b"."
    yield b"\x80\4](" + b"h\0" * 10**6 + b"e."
    yield b"\x80\4]\x94h\0a."
    yield b"\x80\4}\x94\x8c\1xh\0s."
    yield from aliased()
    yield from large()
    tree = content()
    tree["metadata"]["keys"] = {f"{number}" * 20: number for number in range(10**5)}
    yield dump(tree)
    tree["metadata"] = {"history": {"training_loss": [0.1 * i for i in range(210_000)]}}
    yield dump(tree)
    tree["metadata"] = {"text": "\x1b]0;evil\7\n" * 10**5}
    yield dump(tree)


def aliased() -> Iterator[bytes]:
    """Yield files in which one large array stands for many."""
    side = 4096
    for code, item in (("<f2", 2), ("<f4", 4)):
        data = bytes(side * side * item)
        first, last = bytes(784 * side * item), bytes(side * 10 * item)
        square = {"dtype": code, "shape": [side, side], "data": data}
        bias = {"dtype": code, "shape": [side], "data": bytes(side * item)}
        ends = [{"dtype": code, "shape": [784, side], "data": first}]
        tail = [{"dtype": code, "shape": [side, 10], "data": last}]
        network = {
            "input_features": "pixels",
            "weights": ends + [square] * 14 + tail,
            "biases": [bias] * 15 + [{"dtype": code, "shape": [10], "data": bytes(10 * item)}],
        }
        tree = content()
        for members in (1, 64):
            tree["members"] = [network] * members
            yield dump(tree)


def large() -> Iterator[bytes]:
    """Yield honest files of the largest sizes, and one too large."""
    for side, code in ((2048, "<f4"), (5000, "<f4"), (7800, "<f2"), (9500, "<f2")):
        item = int(code[-1])

        def array(*shape: int, code: str = code, item: int = item) -> dict[str, Any]:
            size = int(np.prod(shape)) * item
            return {"dtype": code, "shape": list(shape), "data": bytes(size)}

        tree = content()
        tree["members"] = [{
            "input_features": "pixels",
            "weights": [array(784, side), array(side, side), array(side, 10)],
            "biases": [array(side), array(side), array(10)],
        }]  # fmt: skip
        yield dump(tree)


def warm_up(path: Path) -> None:
    """Import everything that reading needs."""
    for reader, tree in ((read_model, content()), (read_checkpoint, checkpoint())):
        path.write_bytes(dump(tree))
        reader(path)
    for wrong in (b"", dump([1])):
        path.write_bytes(wrong)
        for reader in (read_model, read_checkpoint):
            try:
                reader(path)
            except Exception as error:
                str(error)


def rows(count: int, seed: int, *, with_large: bool = True) -> Iterator[Row]:
    """Do everything with about `count` inputs."""
    rng = random.Random(seed)
    originals = [
        dump(content()), dump(content(1, members=3)), dump(content(2, dtype="float16")),
        dump(content(3), protocol=2), dump(content(4), protocol=5), dump(checkpoint()),
    ]  # fmt: skip
    name = "model.joblib"

    def fed(fault: str, inputs: Iterator[bytes], read: Callable[[Path], None] = read_model) -> Row:
        return feed(fault, inputs, read, name=name, warm_up=warm_up)

    def grown(fault: str, kind: str) -> Row:
        alone = (__file__, "--read", kind)
        return feed(fault, growing(), READERS[kind], name=name, warm_up=warm_up, alone=alone)

    yield fed("model file: flips, cuts, splices", mutated(originals, count // 2, rng))
    yield fed("model file: cut at each instruction", truncated(originals[0]))
    yield fed("model file: objects that would run code planted", planted(rng, count // 8))
    yield fed("model file: random pickle programs", programs(originals[0], 3 * count // 8, rng))
    yield fed("model file: runs of floats", runs(count // 8, rng), read_like_pickle)
    checkpoints = [originals[-1], dump(checkpoint(5)), originals[0]]
    yield fed(
        "checkpoint: flips, cuts, splices", mutated(checkpoints, count // 8, rng), read_checkpoint
    )
    if with_large:
        yield grown("model file: nests, aliases and sizes that would grow", "model")
        yield grown("checkpoint: nests, aliases and sizes that would grow", "checkpoint")


READERS = {"model": read_model, "checkpoint": read_checkpoint}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        report(READERS[sys.argv[2]], Path(sys.argv[3]), warm_up)
    else:
        sys.exit(main(__doc__, rows, count=20_000))
