"""Dead-man's switches: silence of jobs that run elsewhere, and our own signs of life for a watcher elsewhere.

Nothing here speaks HTTP or SQL itself: calls go through `services.notify`, where the guard bounds them.
"""
