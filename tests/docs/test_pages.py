"""Every code block of the documentation is executed, and what is shown as output comes out."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import propq_async
from propq_async import hooks, ledger, opentelemetry, pricelist, prometheus, redis, testing
from propq_async._client.units import Units
from tests.helpers.pages import DOCS, README, ROOT, Reader, blocks

# Blocks in these languages need more than a reader types, and are run by the tests named here.
ELSEWHERE = {
    "how-to/redis.md": dict.fromkeys(
        ("bash", "python", "text"),
        "tests/redis/test_docs.py::test_the_store_from_python_with_the_rights_that_are_named",
    ),
    "how-to/many-machines.md": {
        "bash": "tests/docs/test_many_machines.py::test_the_ledger_is_set_up_as_the_guide_says"
    },
    # Sentry does not take back what it has put in the place of others' functions.
    "how-to/error-trackers.md": {
        "python": "tests/docs/test_how_to.py::test_sentry_watches_a_client_that_is_made_after_it"
    },
    "how-to/keeping-the-secret.md": dict.fromkeys(
        ("console", "ini", "python", "text", "yaml"),
        "tests/docs/test_keeping_the_secret.py::test_no_block_of_the_page_is_forgotten",
    ),
    "how-to/ledger.md": {
        "bash": "tests/cli/test_ledger.py::test_the_commands_in_the_documentation_work"
    },
    "tutorials/service.md": {
        "bash": "tests/docs/test_tutorials.py::test_the_service_runs_as_the_page_says"
    },
    "tutorials/emulator.md": {
        "bash": "tests/docs/test_readme.py::test_a_price_list_is_tried_on_the_emulator"
    },
    "reference/emulator.md": {
        "bash": "tests/docs/test_emulator.py::test_the_emulator_runs_from_the_command_line"
    },
}
MODULES = (
    propq_async, hooks, ledger, opentelemetry, pricelist, prometheus, redis, testing,
)  # fmt: skip
PAGES = sorted(DOCS.rglob("*.md"))


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_every_block_of_the_page_works(page: Path, reader: Reader) -> None:
    reader.follow(page, but=ELSEWHERE.get(name(page), {}))


@pytest.mark.parametrize("where", [test for tests in ELSEWHERE.values() for test in tests.values()])
def test_what_is_run_elsewhere_is_run(where: str) -> None:
    path, _, function = where.partition("::")
    assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_a_table_of_contents() -> None:
    named = set()
    for index in (DOCS / "index.md", DOCS / "how-to" / "index.md"):
        text = index.read_text(encoding="utf-8")
        for tree in re.findall(r"```{toctree}\n(.*?)```", text, re.DOTALL):
            entries = [line for line in tree.splitlines() if line and line[0] != ":"]
            named |= {(index.parent / entry).relative_to(DOCS).as_posix() for entry in entries}
    pages = [page for page in DOCS.rglob("*") if page.suffix in (".md", ".rst")]
    found = {page.relative_to(DOCS).with_suffix("").as_posix() for page in pages}
    assert found - {"index"} == named


def test_the_front_page_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto\w+:: (.*)$", page, re.MULTILINE)
    wanted = {f"propq_async.{name}" for name in propq_async.__all__ if name != "__version__"}
    for module in MODULES[1:]:
        own = set(module.__all__) - set(propq_async.__all__)
        wanted |= {f"{module.__name__}.{name}" for name in own}
    # Nobody makes one, but everybody calls its methods.
    wanted |= {f"{Units.__module__}.Units.{name}" for name in vars(Units) if name[0] != "_"}
    assert sorted(named) == sorted(wanted)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_what_a_class_has_of_a_private_one_is_in_the_reference(module: ModuleType) -> None:
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    for one in (getattr(module, name) for name in module.__all__):
        private = [base for base in getattr(one, "__mro__", ()) if "._" in base.__module__]
        hidden = [base for base in private if base.__name__ not in module.__all__]
        if any(name[0] != "_" for base in hidden for name in vars(base)):
            directive = f".. autoclass:: {module.__name__}.{one.__name__}\n   :inherited-members:\n"
            assert directive in page
