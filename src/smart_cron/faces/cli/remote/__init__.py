"""`smart-cron --server URL`: the same commands, asked of a dashboard elsewhere over its API.

A house whose store speaks HTTP in place of SQL. What only the machine itself can do is refused in words.
"""
