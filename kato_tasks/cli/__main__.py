"""``python -m kato_tasks.cli``: the same as ``kato-tasks``."""

from kato_tasks.cli import main

if __name__ == "__main__":
    main(prog_name="kato-tasks")
