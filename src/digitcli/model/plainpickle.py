"""Read a pickle that holds nothing but plain builtins.

`joblib.dump` writes such objects as an ordinary pickle. A pickle is a program for a small stack
machine; this one knows only the instructions that build ``dict``, ``list``, ``tuple``, ``str``,
``bytes``, ``int``, ``float``, ``bool`` and ``None``. There is no instruction to look up a name, so
there is nothing that a file could call, and a size is believed only where the bytes are there.
Neither can a small file make much of itself: instructions and texts are limited, and so is the
tree that the object unfolds to where one thing stands in many places.

The instructions are described in CPython's ``Lib/pickletools.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

MAX_INSTRUCTIONS: Final = 500_000
MAX_ITEMS: Final = 200_000
MAX_DEPTH: Final = 24
MAX_TEXT: Final = 16 * 1024 * 1024
"""Most bytes of text in the file, and most characters in the tree."""

_MARK: Final = object()
_NUMBERS: Final = {int, float, bool, type(None)}

Plain = dict[str, Any] | list[Any] | tuple[Any, ...] | str | bytes | memoryview | int | float | None


class PlainPickleError(ValueError):
    """The bytes are not a pickle of plain builtins."""


def loads(data: bytes | memoryview) -> Plain:
    """Build the object that the pickle in `data` describes.

    Byte strings are returned as views into `data`, so that arrays need no copy.

    Parameters
    ----------
    data : bytes-like
        The whole pickle, protocols 2 to 5.

    Raises
    ------
    PlainPickleError
        When `data` is cut short, damaged, or asks for anything but plain builtins; when its object
        is too large or too deep; and when the same bytes stand in it so often that they are more
        than `data`.
    """
    if data[:1] not in (b"\x80", b""):  # the first instruction of protocol 2 and later
        raise PlainPickleError("it is a file of another kind")
    try:
        result = _run(memoryview(data))
    except PlainPickleError:
        raise
    except (IndexError, struct.error):
        raise PlainPickleError("it is cut short") from None
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError):
        raise PlainPickleError("it is damaged") from None
    _check_size(result, len(data))
    return result


def parts(tree: Plain) -> Iterator[tuple[Plain, int]]:
    """Yield all that is in a tree of plain builtins and how deep it is there, but no numbers.

    What stands in several places comes several times, which can be without end: stop after so many.
    """
    waiting = [(tree, 0)]
    while waiting:
        item, depth = waiting.pop()
        yield item, depth
        if isinstance(item, dict | list | tuple):
            inside = item.values() if isinstance(item, dict) else item
            if not _NUMBERS.issuperset(map(type, inside)):
                waiting.extend((value, depth + 1) for value in inside)


def _check_size(tree: Plain, most_bytes: int) -> None:
    """Refuse a tree that is endless, deep, or larger than its file warrants."""
    items, text, raw = MAX_ITEMS, MAX_TEXT, most_bytes
    for item, depth in parts(tree):
        if isinstance(item, dict | list | tuple):
            items -= len(item)
            text -= sum(map(len, item)) if isinstance(item, dict) else 0
        elif isinstance(item, str):
            text -= len(item)
        elif isinstance(item, memoryview):
            raw -= len(item)
        elif item is _MARK:  # it was taken for a value
            raise PlainPickleError("it is damaged")
        if min(items, text, raw) < 0 or depth > MAX_DEPTH:
            raise PlainPickleError("it holds too much")


def _run(data: memoryview) -> Plain:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    position = text = floats = 0

    def take(count: int) -> memoryview:
        nonlocal position
        if count > len(data) - position:
            raise PlainPickleError("it is cut short")
        position += count
        return data[position - count : position]

    def take_text(count: int) -> str:
        nonlocal text
        text += count
        if text > MAX_TEXT:
            raise PlainPickleError("it holds too much")
        return str(take(count), "utf-8", "surrogatepass")

    def number(form: str) -> Any:
        return struct.unpack(form, take(struct.calcsize(form)))[0]

    def pop_to_mark() -> list[Any]:
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] is _MARK:
                items = stack[at + 1 :]
                del stack[at:]
                return items
        raise PlainPickleError("it is damaged")

    for _ in range(MAX_INSTRUCTIONS):
        code = data[position]
        position += 1
        if code == 0x47:  # BINFLOAT: many at once, as a training's history is of these
            count = _run_length(data, position - 1)
            floats += count
            if floats > MAX_ITEMS:
                break
            stack.extend(struct.unpack_from(">" + "dx" * (count - 1) + "d", data, position))
            position += 9 * count - 1
            continue
        match code:
            case 0x80:  # PROTO
                if not 2 <= take(1)[0] <= 5:
                    raise PlainPickleError("its pickle protocol is not known")
            case 0x95:  # FRAME
                take(8)
            case 0x2E:  # STOP
                (result,) = stack
                if result is _MARK:
                    raise PlainPickleError("it is damaged")
                return result  # type: ignore[no-any-return]
            case 0x28:  # MARK
                stack.append(_MARK)
            case 0x4E:  # NONE
                stack.append(None)
            case 0x88:  # NEWTRUE
                stack.append(True)
            case 0x89:  # NEWFALSE
                stack.append(False)
            case 0x4B:  # BININT1
                stack.append(take(1)[0])
            case 0x4D:  # BININT2
                stack.append(number("<H"))
            case 0x4A:  # BININT
                stack.append(number("<i"))
            case 0x8A:  # LONG1
                stack.append(int.from_bytes(take(take(1)[0]), "little", signed=True))
            case 0x8C:  # SHORT_BINUNICODE
                stack.append(take_text(take(1)[0]))
            case 0x58:  # BINUNICODE
                stack.append(take_text(number("<I")))
            case 0x43:  # SHORT_BINBYTES
                stack.append(take(take(1)[0]))
            case 0x42:  # BINBYTES
                stack.append(take(number("<I")))
            case 0x8E:  # BINBYTES8
                stack.append(take(number("<Q")))
            case 0x7D:  # EMPTY_DICT
                stack.append({})
            case 0x5D:  # EMPTY_LIST
                stack.append([])
            case 0x29:  # EMPTY_TUPLE
                stack.append(())
            case 0x85:  # TUPLE1
                stack[-1:] = [(stack[-1],)]
            case 0x86:  # TUPLE2
                stack[-2:] = [(stack[-2], stack[-1])]
            case 0x87:  # TUPLE3
                stack[-3:] = [(stack[-3], stack[-2], stack[-1])]
            case 0x74:  # TUPLE
                stack.append(tuple(pop_to_mark()))
            case 0x61:  # APPEND
                item = stack.pop()
                _list(stack[-1]).append(item)
            case 0x65:  # APPENDS
                items = pop_to_mark()
                _list(stack[-1]).extend(items)
            case 0x73:  # SETITEM
                value, key = stack.pop(), stack.pop()
                _dict(stack[-1])[_key(key)] = value
            case 0x75:  # SETITEMS
                items = pop_to_mark()
                target = _dict(stack[-1])
                for key, value in zip(items[::2], items[1::2], strict=True):
                    target[_key(key)] = value
            case 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
            case 0x71:  # BINPUT
                memo[take(1)[0]] = stack[-1]
            case 0x72:  # LONG_BINPUT
                memo[number("<I")] = stack[-1]
            case 0x68:  # BINGET
                stack.append(memo[take(1)[0]])
            case 0x6A:  # LONG_BINGET
                stack.append(memo[number("<I")])
            case _:
                raise PlainPickleError("it holds more than plain data, such as code")
    raise PlainPickleError("it holds too much")


def _run_length(data: memoryview, start: int) -> int:
    """Count the BINFLOAT instructions that follow one another from `start`, up to a thousand."""
    count = 0
    for most in (16, 1000):  # few first, so that many short runs do not take long
        codes = bytes(data[start : start + 9 * most : 9])
        count = len(codes) - len(codes.lstrip(b"G"))
        if count < most:
            break
    return count


def _list(item: Any) -> list[Any]:
    if type(item) is not list:
        raise PlainPickleError("it is damaged")
    return item


def _dict(item: Any) -> dict[str, Any]:
    if type(item) is not dict:
        raise PlainPickleError("it is damaged")
    return item


def _key(item: Any) -> str:
    if type(item) is not str:
        raise PlainPickleError("a key in it is not a text")
    return item
