"""The core room: what Smart Cron decides, as pure functions over frozen values.

Here stand the words of the product (`task`, `run`, `errors`), the ports through which the rooms above reach the
rooms below (`ports`), and every decision that can be made without looking anywhere: which instants are slots
(`schedule`), what becomes of them (`planning`), who may start next (`admission`), what an end means (`outcome`),
whether to try again (`retry`), whether a definition may be saved at all (`validation`).

Nothing here reads a clock, a file, an environment variable or a database, and nothing logs: `now`, jitter and zone
are handed in. That is what makes "every slot has exactly one outcome" something a test can try to break a few
thousand times a second. The room imports the standard library and `cronsim` only, and no other room.
"""
