"""The texts that the package marks for translation, and those that a catalogue has.

`python -m tests.helpers.texts` prints entries for those that the Spanish catalogue lacks, to be
added to it and translated, and names those that nothing uses any more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from string import Formatter

import propq_async
from propq_async._cli.commands import spoken_help
from propq_async._cli.help import with_texts
from propq_async._languages import entries_of

PACKAGE = Path(propq_async.__file__).parent
# Words that hold English sentences together, and that are none in Spanish.
ENGLISH = re.compile(
    r"\b(?:the|and|or|of|for|with|without|was|were|is|are|has|have|not|nothing|expected|than|"
    r"this|that|which|column|row|rows|line|units?|sheet|sent|failed|applied|changed|broken|check|"
    r"name it|price list|give|push the|try)\b",
    re.IGNORECASE,
)
# What stays as it is: options with their values, commands, fields, addresses, what the server says.
TYPED = re.compile(
    r"--[\w-]+(?:[= ]\S+)?|`[^`]*`|propq (?:push|setup|plan) .*|\b(?:name|status|price) = |"
    r"https?://\S+|\[list\.fill\]|/\S+|\bNo unit [^.]*|name, status, price|"
    r"\(401 [^)]*\)|propq\.toml|\S+\.failed\.csv|: 404 .* - "
)
# A text, and its plural; `None` where it has none.
Text = tuple[str, str | None]


def marked() -> dict[Text, str]:
    """Return the texts that are marked, each with a module that has it."""
    found = {
        text: path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in _marked_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    return dict.fromkeys(in_the_help(), "_cli/commands") | found


def in_the_help() -> list[Text]:
    """Return the texts of the help, which are docstrings."""
    found: list[Text] = []

    def note(text: str) -> str:
        found.append((text, None))
        return text

    for english in spoken_help.english:
        with_texts(english, note)
    return found


def _marked_in(tree: ast.AST) -> Iterator[Text]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "tr":
                yield _literal(node.args[0]), None
            elif node.func.id == "trn":
                yield _literal(node.args[0]), _literal(node.args[1])


def _literal(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), ast.unparse(node)
    assert isinstance(node.value, str), ast.unparse(node)
    return node.value


def catalogue(name: str = "es") -> str:
    """Return the text of a catalogue."""
    file = resources.files("propq_async").joinpath("locale", f"{name}.po")
    return file.read_text(encoding="utf-8")


def translated(name: str = "es") -> dict[Text, tuple[str, ...]]:
    """Return the texts of a catalogue, each with what it is in its language."""
    return {
        (entry["msgid"], entry.get("msgid_plural")): tuple(
            text for key, text in entry.items() if key.startswith("msgstr")
        )
        for entry in entries_of(catalogue(name))
    }


def spanish_only(text: str) -> None:
    """Fail if a line has English in it."""
    left = [line for line in text.splitlines() if ENGLISH.search(TYPED.sub("", line))]
    assert left == []


def places(text: str) -> set[tuple[str, str, str]]:
    """Return what is filled in: names, how each is formatted, and how it is converted."""
    found = Formatter().parse(text)
    return {(name, spec or "", conversion or "") for _, name, spec, conversion in found if name}


def as_entry(text: Text, module: str) -> str:
    """Return an entry for a text that has no translation yet."""
    one, many = text
    if many is None:
        return f'#: {module}\nmsgid {_quoted(one)}\nmsgstr ""\n'
    plural = f'msgid_plural {_quoted(many)}\nmsgstr[0] ""\nmsgstr[1] ""\n'
    return f"#: {module}\nmsgid {_quoted(one)}\n{plural}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def main() -> None:
    used, known = marked(), translated()
    for text in used.keys() - known.keys():
        print(as_entry(text, used[text]))  # noqa: T201 - what it is for
    for one, _ in known.keys() - used.keys():
        print(f"# unused: {one}")  # noqa: T201 - the same


if __name__ == "__main__":
    main()
