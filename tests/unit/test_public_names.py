"""The names that users import."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import kato_tasks

PACKAGES = (
    "kato_tasks",
    "kato_tasks.testing",
    "kato_tasks.sessions",
    "kato_tasks.delivery",
    "kato_tasks.guide",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_importable(package: str) -> None:
    module = import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kato_tasks.nothing  # noqa: B018
    assert dir(kato_tasks) == kato_tasks.__all__


@pytest.mark.parametrize("module", ["kato_tasks", "kato_tasks.errors", "kato_tasks.testing"])
def test_importing_it_does_not_import_celery(module: str) -> None:
    code = f"import sys, {module}; sys.exit('celery' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
