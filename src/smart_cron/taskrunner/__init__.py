"""The task runner: starts tasks, watches each with a supervisor of its own, and outlives whoever asked for it.

This room knows no database and imports the standard library and itself only, not even the core: every supervisor is
a fork of the runner, so each module loaded here is paid for once per running task, in memory and in the floor of
the peak memory that the kernel reports for it. For the same reason supervisors stay away from `typing`,
`dataclasses`, `logging`, `subprocess` and `asyncio`.

Three kinds of processes meet here. The *client* (`client`) lives in the master. The *runner* (`daemon`, `runner`) is
one per node: a single loop that hands orders to a pool of supervisors and passes on what they tell. A *supervisor*
(`supervisor`, `run`) is sequential code that holds one run at a time and is the subreaper of its whole tree. Only
supervisors hold the pipes of a task, so that neither the master nor the runner can harm one by dying.

What is true of a run stands in its run file (`runfile`): it is the at-most-once, the liveness and the result in one.
"""
