"""The Lua scripts: each in a file of its own, with one typed callable in :mod:`.calls`."""

from kato_tasks.scripts.runner import Call, Runner, Script, open_redis

__all__ = ["Call", "Runner", "Script", "open_redis"]
