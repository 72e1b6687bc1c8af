"""The command line: one file a command or a close family of them, found and imported only when used.

`smart-cron --version` answers within 0.2 s because nothing here imports Django, pydantic or rich at the top;
commands do so inside, and `lazy` imports a command's file when that command is called. A command returns its exit
code (None is 0) or raises: `errors` is the one place that turns errors into sentences and exit codes. Reading
commands have `--json`, changing ones `--dry-run`. What comes from rows or tasks is made harmless by `text.printable`
before a terminal sees it; raw bytes are printed by `run logs` and `task run --wait` alone, whose purpose they are.
"""
