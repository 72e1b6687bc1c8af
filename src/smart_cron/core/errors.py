"""The error tree: every error that a person may read says what is wrong, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence


class SmartCronError(Exception):
    """Base of all errors raised on purpose; `remedy` is the sentence that says what to do, or empty."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class InvalidInputError(SmartCronError):
    """One or more faults in what somebody entered, all reported at once."""

    def __init__(self, problems: Sequence[str], *, remedy: str = "") -> None:
        head = f"{len(problems)} problems: " if len(problems) > 1 else ""
        super().__init__(head + "; ".join(problems), remedy=remedy)
        self.problems = tuple(problems)


class InvalidScheduleError(InvalidInputError):
    """A schedule pattern that cannot be read, or that can never fire."""


class InvalidTaskError(InvalidInputError):
    """A task definition that may not be saved or started as it is."""


class ConfigError(InvalidInputError):
    """Settings that cannot be used; all faults come at once."""


class UnknownTaskError(SmartCronError):
    """No task has this name or number."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no task '{name}'.", remedy="'smart-cron task list' shows them all.")
        self.name = name


class TaskGoneError(UnknownTaskError):
    """The task of a run was deleted; another one may have its name by now."""

    def __init__(self, name: str, run: int) -> None:
        super().__init__(name)
        self.message = f"the task '{name}' of run {run} was deleted."


class UnknownRevisionError(SmartCronError):
    """The task has no revision of this number."""

    def __init__(self, task: str, number: int) -> None:
        super().__init__(
            f"task '{task}' has no revision {number}.",
            remedy=f"'smart-cron task history {task} --definition' shows them all.",
        )
        self.task, self.number = task, number


class UnknownRunError(SmartCronError):
    """No execution has this number or run id."""

    def __init__(self, run: str) -> None:
        super().__init__(f"there is no run {run}.", remedy="'smart-cron run list' shows the latest.")
        self.run = run


class UnknownAlertError(SmartCronError):
    """No alert has this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no alert {number}.", remedy="'smart-cron alert list --all' shows the latest.")
        self.number = number


class TaskExistsError(SmartCronError):
    """A task of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a task '{name}' exists already.", remedy=f"Choose another name, or 'smart-cron task edit {name}'."
        )
        self.name = name


class TaskChangedError(SmartCronError):
    """Somebody else saved the task since it was read; `saved` is the number of the revision that stands now."""

    def __init__(self, name: str, *, read: int, saved: int) -> None:
        super().__init__(
            f"task '{name}' was changed meanwhile: revision {saved} stands, and this was made from {read}.",
            remedy="Look at what differs, and save again.",
        )
        self.name, self.read, self.saved = name, read, saved


class TaskBusyError(SmartCronError):
    """The task is running or about to run, and its overlap policy forbids another run beside it."""


class DatabaseError(SmartCronError):
    """Base of what a database can refuse; `transient` says that trying again may help."""

    transient = False


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, does not answer, or lost the connection. Never holds a password."""

    transient = True


class DatabaseConflictError(DatabaseError):
    """A deadlock, a lock wait that ran out or a serialisation failure: run the whole transaction again."""

    transient = True


class SchemaError(DatabaseError):
    """The tables are missing, older or newer than this version, or the server itself is too old."""


class TaskRunnerError(SmartCronError):
    """The task runner of this node cannot be started or reached."""


class NodeNameTakenError(SmartCronError):
    """Another state directory takes part under this name; both identities are shown."""

    def __init__(self, name: str, *, theirs: str, their_host: str, ours: str) -> None:
        super().__init__(
            f"a node '{name}' takes part already: identity {theirs} on host {their_host}; this one is {ours}.",
            remedy="Give this one another node_name; or, where the other is gone for good, "
            f"'smart-cron node forget {name}'.",
        )
        self.name, self.theirs, self.ours = name, theirs, ours


class UnknownNodeError(SmartCronError):
    """No node has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no node '{name}'.", remedy="'smart-cron node list' shows them all.")
        self.name = name


class RestoredDatabaseError(SmartCronError):
    """The database knows less than this node remembers of it: it was restored, or another one was put in its place."""

    def __init__(self, name: str, *, known: int, remembered: int) -> None:
        super().__init__(
            f"the database was restored or exchanged: it knows of {known} heartbeats of node '{name}', which made "
            f"{remembered}.",
            remedy="Nothing is started until 'smart-cron recover' has settled the slots since then.",
        )
        self.name, self.known, self.remembered = name, known, remembered
