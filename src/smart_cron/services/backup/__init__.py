"""Backups: files in one folder, each proven by a restore, kept as long as they are wanted, and brought back safely.

`folder` is what lies on disk, `bounded` reads a file that may be hostile, `keeper` takes, proves, lists and prunes,
`restoring` brings one back.
"""
