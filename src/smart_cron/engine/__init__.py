"""The master: finds what is due, claims it, has it launched, records what became of it.

One loop owns all state. It sees the store through `core.ports` and never imports Django; below it stand the
task runner's client, the log and the pure decisions of `core`. Every turn of the loop is: hear news from the
task runner, then one transaction in which results are recorded, due slots planned and free places claimed, then
launch. While a line stands before full places, these are refilled first, in a transaction of its own, and recording
waits for some more results. So an error of the database costs a turn and never a run: results stay in memory and in
the run files.
"""
