"""Changes that a hostile or broken program makes to a valid file, chosen by a random generator."""

import copy
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

# Names and texts that make trouble where they are printed, stored or opened.
TEXTS = (
    "", "..", "../../../etc/passwd", "/etc/passwd", "a\0b.jpg", "\x1b[2J\x1b[31mred",
    "[bold]x[/bold]", "[/]", "<script>alert(1)</script>", "=cmd()|' /C calc'!A0", "+1", "@x",
    "\ud800", "\u202egpj.exe", "http://[", "file:///dev/zero", "9" * 5000, "x" * 5000,
    "a%03d.png", "nan", "-inf", "1e999", "\u0663", "null", "{", "\n\r\t", "NaN", "true",
    "`x`|y", "con", "C:\\x\\..\\y_000001.jpg",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 2**31, 2**63, -(2**63), 10**18, 10**30, 10**400, 1e308, -1e308, 1.5, 1e-320,
    float("nan"), float("inf"), float("-inf"), True,
)  # fmt: skip


def deep(depth: int, kind: str = "[") -> Any:
    """A value that is nested that deeply."""
    value: Any = []
    for _ in range(depth):
        value = [value] if kind == "[" else {"data": value}
    return value


def junk(random: Random) -> Any:
    """Any JSON value that does not belong there."""
    return random.choice(
        (
            lambda: random.choice(TEXTS), lambda: random.choice(NUMBERS), lambda: None,
            lambda: [], dict, lambda: [None], lambda: [[]], lambda: [{}] * 20,
            lambda: {random.choice(TEXTS): random.choice(NUMBERS)},
            lambda: deep(random.choice((3, 50, 200)), random.choice("[{")),
            lambda: [random.choice(NUMBERS) for _ in range(random.randrange(60))],
        )
    )()  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every position in a document, but for the document itself."""
    if at:
        yield at
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:30])
    for key, inner in items:
        yield from places(inner, (*at, key))


def changed_json(data: bytes, random: Random) -> bytes:
    """The document with values replaced, removed, repeated, renamed, or keys given twice."""
    document = json.loads(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        every = list(places(document))
        if not every:
            return json.dumps(junk(random)).encode()
        path = random.choice(every)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        change = random.randrange(6)
        if change == 0:
            del parent[path[-1]]
        elif change == 1 and isinstance(parent, list):
            parent[:] = parent + [copy.deepcopy(parent[path[-1]])] * random.choice((1, 3, 40))
        elif change == 2 and isinstance(parent, dict):
            parent[random.choice(TEXTS)] = parent.pop(path[-1])
        else:
            parent[path[-1]] = junk(random)
    text = json.dumps(document)
    if random.randrange(8) == 0:  # a key twice
        text = re.sub(r'("[^"\\]{1,20}": )', r"\1null, \1", text, count=random.choice((1, 5)))
    if random.randrange(30) == 0:
        text = "[" * 100_000 + text
    return text.encode("utf-8", "surrogatepass")


def changed_text(data: bytes, random: Random) -> bytes:
    """Text with words replaced by others, lines dropped, doubled or exchanged."""
    lines = data.decode("utf-8", "replace").split("\n")
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(lines))
        change = random.randrange(5)
        if change == 0:
            del lines[at]
        elif change == 1:
            lines[at:at] = [lines[at]] * random.choice((1, 5, 200))
        elif change == 2:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            words = re.split(r"([\s,;=\"<>]+)", lines[at])
            place = random.randrange(len(words))
            words[place] = str(random.choice((*TEXTS, *NUMBERS, "" * 3)))[:6000]
            lines[at] = "".join(words)
        if not lines:
            return b""
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def changed_bytes(data: bytes, random: Random) -> bytes:
    """Bytes flipped, cut off, cut out, repeated, or numbers made huge."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 20))):
        if not content:
            break
        at = random.randrange(len(content))
        change = random.randrange(7)
        if change <= 1:
            content[at] ^= 1 << random.randrange(8)
        elif change == 2:
            content[at] = random.randrange(256)
        elif change == 3:
            width = random.choice((1, 2, 4, 8))
            content[at : at + width] = random.choice((b"\xff", b"\x7f", b"\0")) * width
        elif change == 4 and random.randrange(3) == 0:
            del content[at:]
        elif change == 5:
            del content[at : at + random.choice((1, 4, 100))]
        else:
            piece = content[at : at + random.choice((1, 8, 300))]
            where = random.randrange(len(content))
            content[where:where] = piece
    return bytes(content)


def mutated(data: bytes, random: Random) -> bytes:
    """A changed copy of the content of a file, by what it is."""
    start = data.lstrip()[:1]
    choice = random.randrange(10)
    if start in (b"{", b"[") and choice < 7:
        return changed_json(data, random)
    if b"\0" not in data and choice < 8:
        return changed_text(data, random)
    return changed_bytes(data, random)
