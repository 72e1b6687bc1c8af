"""The services room: what people and other systems ask for beside running tasks, such as importing a crontab.

It sees tasks and runs through `core.ports` only, never imports Django, and each sub-folder is one service.
"""
