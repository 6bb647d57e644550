"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    folders = re.findall(r"`(tests/[\w/]+(?:\.py)?)/?`", page.read_text())
    assert [name for name in folders if not (ROOT / name).exists()] == []
    cases = re.findall(r"`(?:tests/protocol/)?(test_case_\w+)\*`", page.read_text())
    assert [name for name in cases if not list((ROOT / "tests/protocol").glob(f"{name}*"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_that_a_page_links_to_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_setting_that_a_page_names_is_one() -> None:
    """With its prefix, wherever it stands."""
    source = (ROOT / "kato_tasks" / "settings.py").read_text()
    named = set(re.findall(r"KATO_TASKS_([A-Z_]*[A-Z])\b", " ".join(p.read_text() for p in PAGES)))
    outside = {name for name in named if name.startswith("TEST_")} | {"PORT"}
    assert [name for name in sorted(named - outside) if f"    {name.lower()}:" not in source] == []
