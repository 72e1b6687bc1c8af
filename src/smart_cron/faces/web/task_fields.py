"""Every field of a task's form: what it is called, what it does in a sentence, how it is typed, and who may set it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from smart_cron.core.people import Person, Role
from smart_cron.core.task import OnMissed, OnOverlap, Sandbox, TaskDefinition
from smart_cron.core.task_rights import ADMINS_ALONE
from smart_cron.faces.web import entry
from smart_cron.faces.web.entry import Kind

Words = str | Promise
LIMIT = "limits."


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `name` is the attribute of the definition, or `limits.` and that of its limits.

    `runs`: what runs, or as whom, hangs on it, so that a change asks for a fresh login. `choices` are words and what
    they mean.
    """

    name: str
    label: Words
    help: Words
    kind: Kind
    runs: bool = False
    choices: Sequence[tuple[str, Words]] = ()
    known: str = ""

    @property
    def key(self) -> str:
        """The name in the form."""
        return self.name.replace(".", "-")

    @property
    def by_admin(self) -> bool:
        """Whether admins alone may set it."""
        return self.name in ADMINS_ALONE

    def value_of(self, definition: TaskDefinition) -> Any:
        """Return the field's value."""
        holder = definition.limits if self.name.startswith(LIMIT) else definition
        return getattr(holder, self.name.removeprefix(LIMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Fields that belong together; one that `opens` is unfolded from the beginning."""

    key: str
    title: Words
    says: Words
    fields: Sequence[Field]
    opens: bool = False


def _f(name: str, kind: Kind, label: Words, says: Words, **more: Any) -> Field:
    return Field(name=name, kind=kind, label=label, help=says, **more)


SECTIONS = (
    Section(
        key="what",
        title=_("What"),
        says=_("What is run. Exactly one of script and shell command."),
        opens=True,
        fields=(
            _f("name", entry.LINE, _("Name"), _("Letters, digits, '_' and '-'. The history goes by it.")),
            _f("description", entry.LINE, _("Description"), _("What the task does, for whoever meets it at night.")),
            _f(
                "script",
                entry.TEXT,
                _("Script"),
                _("Absolute path of a file in the script directories that nobody else can write."),
                runs=True,
            ),
            _f(
                "arguments",
                entry.ARGUMENTS,
                _("Arguments"),
                _("One a line, handed to the script as they are: no shell reads them. Or a JSON list."),
                runs=True,
            ),
            _f(
                "shell_command",
                entry.AREA,
                _("Shell command"),
                _("Run as 'sh -c' in place of a script. Only admins may set it."),
                runs=True,
            ),
            _f(
                "stdin_text",
                entry.AREA,
                _("Standard input"),
                _("Text that the task reads, if any. Only admins may set it."),
                runs=True,
            ),
        ),
    ),
    Section(
        key="when",
        title=_("When"),
        says=_("The schedule, and what becomes of slots that could not start in time."),
        opens=True,
        fields=(
            _f("schedule", entry.LINE, _("Schedule"), _("Five cron fields such as 0 2 * * *, or @daily, @reboot.")),
            _f(
                "time_zone",
                entry.TEXT,
                _("Time zone"),
                _("Of the schedule; empty for the configured one."),
                known="zones",
            ),
            _f("enabled", entry.FLAG, _("Enabled"), _("Whether its slots run.")),
            _f(
                "on_missed",
                entry.choice_kind(OnMissed),
                _("When slots were missed"),
                _("What becomes of slots that nobody was there to start."),
                choices=(
                    ("latest", _("Make up for the newest")),
                    ("all", _("Make up for each, the oldest first")),
                    ("skip", _("Make up for none")),
                    ("hold", _("Hold them until a person decides")),
                ),
            ),
            _f(
                "start_deadline",
                entry.OPTIONAL_SPAN,
                _("At most so late"),
                _("A slot that is later than this does not start any more. Empty for any time."),
            ),
            _f("priority", entry.NUMBER, _("Priority"), _("1 is started first, 10 last, where places are short.")),
        ),
    ),
    Section(
        key="long",
        title=_("How long"),
        says=_("How long a run may take, and what happens to a slot that comes meanwhile."),
        fields=(
            _f("timeout", entry.SPAN, _("Timeout"), _("Longest run, such as 300, 90s, 5m or 2h; then it is ended.")),
            _f(
                "kill_grace",
                entry.SPAN,
                _("Grace"),
                _("Time that it has to end by itself, between SIGTERM and SIGKILL."),
            ),
            _f(
                "on_overlap",
                entry.choice_kind(OnOverlap),
                _("When it still runs"),
                _("What a slot does while the task runs."),
                choices=(
                    ("skip", _("Skip the slot")),
                    ("queue", _("Let one slot wait")),
                    ("replace", _("End the running one")),
                    ("allow", _("Run side by side")),
                ),
            ),
        ),
    ),
    Section(
        key="failing",
        title=_("When it fails"),
        says=_("What counts as success, and how often a slot is tried again."),
        fields=(
            _f(
                "success_exit_codes",
                entry.CODES,
                _("Success is exit code"),
                _("One or more with commas between; usually 0."),
            ),
            _f("max_retries", entry.NUMBER, _("Retries"), _("How often a failed slot is tried again, 0 to 127.")),
            _f(
                "retry_delay",
                entry.SPAN,
                _("Wait before a retry"),
                _("Before the first one; it doubles each time, up to an hour."),
            ),
            _f(
                "retry_lost",
                entry.FLAG,
                _("Retry lost runs"),
                _("Also try again where nobody saw the end: it may have been done already."),
            ),
        ),
    ),
    Section(
        key="limits",
        title=_("Limits"),
        says=_("What one run may use. Empty is without a limit."),
        fields=(
            _f("limits.memory_mb", entry.OPTIONAL_NUMBER, _("Memory, MB"), _("Of the whole process tree.")),
            _f("limits.cpu_seconds", entry.OPTIONAL_NUMBER, _("CPU seconds"), _("Of each process.")),
            _f("limits.open_files", entry.OPTIONAL_NUMBER, _("Open files"), _("Of each process.")),
            _f(
                "limits.processes",
                entry.OPTIONAL_NUMBER,
                _("Processes"),
                _("Kept only where the task runner has a cgroup of its own."),
            ),
            _f(
                "limits.output_bytes",
                entry.NUMBER,
                _("Output kept, bytes"),
                _("Of each stream; the middle of longer ones is left out and counted."),
            ),
            _f("limits.nice", entry.NUMBER, _("Nice"), _("-20 to 19; below 0 only root can.")),
            _f("merge_output", entry.FLAG, _("Merge output"), _("One pipe for both streams: exact order.")),
            _f(
                "sandbox",
                entry.choice_kind(Sandbox),
                _("Sandbox"),
                _("How far the task is walled off from the machine."),
                choices=(("standard", _("Standard")), ("strict", _("Strict: breaks sudo and setgid mailers"))),
            ),
            _f("sandbox_network", entry.FLAG, _("Network"), _("Without it only in the strict sandbox.")),
            _f(
                "keep_processes",
                entry.FLAG,
                _("Let processes live on"),
                _("What a run leaves behind is else ended with it."),
            ),
        ),
    ),
    Section(
        key="where",
        title=_("Where"),
        says=_("On which nodes, as which user, in which surroundings."),
        fields=(
            _f(
                "group",
                entry.TEXT,
                _("Group"),
                _("Tasks of a group share its limit, and people are let near by groups."),
                known="groups",
            ),
            _f("node_tag", entry.TEXT, _("Node tag"), _("Run only on nodes with this tag."), known="tags"),
            _f(
                "run_as",
                entry.TEXT,
                _("Run as"),
                _("A user of this machine; empty for the master's. Only admins may set it."),
                runs=True,
            ),
            _f("working_directory", entry.TEXT, _("Directory"), _("Where it starts; empty for the user's home.")),
            _f("umask", entry.TEXT, _("umask"), _("Octal mask of new files' modes; empty for 022.")),
            _f(
                "environment",
                entry.ENVIRONMENT,
                _("Environment"),
                _("NAME=VALUE, one a line. A secret shown as *** stays as it is. Only admins may set it."),
                runs=True,
            ),
        ),
    ),
    Section(
        key="alerts",
        title=_("Alerts"),
        says=_("Who hears of it when it fails, or is not as usual."),
        fields=(
            _f("alert_on_failure", entry.FLAG, _("Alerts"), _("Raise alerts when it fails.")),
            _f(
                "failure_threshold",
                entry.NUMBER,
                _("Critical after"),
                _("Failed slots in a row until the alert is critical."),
            ),
            _f("alert_email", entry.TEXT, _("Mail to"), _("One address; empty for the configured one.")),
            _f(
                "alert_slack_webhook",
                entry.SECRET,
                _("Slack webhook"),
                _("An https address, kept secret: empty leaves it as it is, none takes it away."),
            ),
            _f(
                "ping_url",
                entry.SECRET,
                _("Ping address"),
                _("Hears of each start and end (a dead-man's switch); kept secret as above."),
            ),
            _f(
                "anomaly_tolerance",
                entry.DECIMAL,
                _("Anomaly tolerance"),
                _("How many times the usual deviation a success may differ from its past; 0 tells none."),
            ),
        ),
    ),
)


def fields_for(person: Person) -> Iterator[Field]:
    """Yield the fields that somebody may set."""
    is_admin = person.may(Role.ADMIN)
    return (field for section in SECTIONS for field in section.fields if is_admin or not field.by_admin)


def every_field() -> Iterator[Field]:
    """Yield all fields."""
    return (field for section in SECTIONS for field in section.fields)
