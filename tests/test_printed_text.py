"""What commands print: text from outside never reaches rich as markup, nor a terminal as codes.

Names of clips and files, paths and messages of errors are anybody's. ``shown`` makes them harmless.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "pipelines"
# Methods of consoles and tables that take text with markup; the second's keywords are no text.
PRINTING = ("print", "add_row", "add_task", "status")
# What gives a number, or text that was made harmless.
HARMLESS = ("shown", "shown_lines", "len", "sum", "duration", "tree")
# Variables of numbers, of our own words, or of renderables that were checked where they are made.
OWN = {
    "commands/backup.py": {"files"},
    "commands/bench.py": {
        *("clips", "frames", "name", "row", "title", "size[0]", "size[1]", "CHAIN_FRAMES"),
        "chain_table(f'{size[0]}x{size[1]}, {CHAIN_FRAMES} frames', times)",
    },
    "commands/chain_table.py": {
        *("stage", "*cells", "*(f'{t.poses_ms:.1f}' for t in columns.values())"),
        "*(f'{t.total_ms:.1f}' for t in columns.values())",
    },
    "commands/doctor.py": {
        *("line", "title", "chain_table(f'A rendered clip, 480x360, {frames} frames', times)"),
    },
    "commands/export_frames.py": {"frames"},
    "commands/formats.py": {
        *("option", "', '.join(others)", "tables(known_formats())", "line"),
        *(f"known.{name}" for name in ("id", "tool", "export", "option", "since")),
    },
    "commands/lineage.py": {"count"},
    "commands/status.py": {
        *("files", "stage.name", "there", "count", "made", "model", "number", "*scores"),
        "*('' if value is None else shown(str(value)) for value in row)",
        "_time(registry.registered_at(number))",
    },
    "commands/ui.py": {"name + ':'"},
    "commands/demo.py": {"name + ':'"},
    "execution/session.py": {"files", "*counts", "rest", "fresh"},
}
RENDERABLE = "table"


def _harmless(node: ast.AST, own: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.JoinedStr):
        return all(_harmless(value, own) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return node.format_spec is not None or _harmless(node.value, own)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        return name in HARMLESS or ast.unparse(node) in own
    if isinstance(node, ast.IfExp | ast.BinOp):
        pair = (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node.left, node.right)
        return all(_harmless(part, own) for part in pair)
    return ast.unparse(node) in {*own, RENDERABLE}


def _findings(path: Path) -> Iterator[str]:
    own = OWN.get(path.relative_to(ROOT).as_posix(), set())
    tree = ast.parse(path.read_text("utf-8"))
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "print" and id(node) not in called:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)} is handed on"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in PRINTING:
            for argument in node.args:
                if not _harmless(argument, own):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(argument)}"


def test_the_check_finds_what_it_looks_for() -> None:
    def harmless(text: str) -> bool:
        return _harmless(ast.parse(text, mode="eval").body, {"count"})

    assert harmless("f'{shown(name)} {seconds:.1f} {count} {len(x)}' if a else 'b'")
    assert not harmless("f'{name}'")
    assert not harmless("name")
    assert not harmless("'a' + path.name")


def test_nothing_is_printed_as_it_came() -> None:
    found = [line for path in sorted(ROOT.rglob("*.py")) for line in _findings(path)]
    assert found == []
