"""``KATO_TASKS_*`` variables, and the settings that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kato_tasks.settings import PREFIX, Settings

_OF_ONE_PROCESS: Final = f"{PREFIX}READY_FILE"


def set_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are settings which a whole stack shares.

    What says where the run file is, and what one worker alone may use, is left out.

    Args:
        environment: Variables by name, in any case, as settings are read.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields} - {_OF_ONE_PROCESS}
    upper = {name.upper(): value for name, value in environment.items()}
    return {name: value for name, value in upper.items() if name in known}


def as_overrides(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables as :meth:`Settings.load` takes them; those that are no settings fall out."""
    return {
        name.removeprefix(PREFIX).lower(): value for name, value in set_variables(variables).items()
    }


def settings_from(variables: Mapping[str, str]) -> Settings:
    """Return the settings that these variables say, whatever this process's own ones are.

    Raises:
        InvalidInput: A value is out of its range; the sentence names the setting.
    """
    # What is given wins over the environment, so every field is given.
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
    }
    return Settings.load(**{**defaults, **as_overrides(variables)})
