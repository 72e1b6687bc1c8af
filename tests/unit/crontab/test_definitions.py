from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from smart_cron.core.validation import check_definition
from smart_cron.services.crontab import CrontabReading, ImportedTask, read_crontab, to_definitions

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def read(text: str, *, system: bool = False, user: str | None = "ann") -> CrontabReading:
    return read_crontab(text.encode(), system=system, source="/etc/cron.d/t", user=user, is_user=lambda _name: True)


def one(text: str) -> ImportedTask:
    (task,) = to_definitions(read(text))
    return task


def test_a_line_becomes_a_disabled_task_that_runs_as_its_user_for_up_to_a_day() -> None:
    definition = one("PATH=/opt/bin\n5 4 * * * /srv/shop/stock-sync.sh -q%in\n").definition

    assert (definition.name, definition.shell_command) == ("stock-sync", "/srv/shop/stock-sync.sh -q")
    assert (definition.schedule, definition.stdin_text) == ("5 4 * * *", "in\n")
    assert (definition.run_as, definition.enabled) == ("ann", False)
    assert definition.timeout.total_seconds() == 86_400
    assert definition.environment == {"PATH": "/opt/bin"}
    assert check_definition(definition, now=NOON) == []


def test_the_user_of_a_system_line_is_the_one_to_run_as() -> None:
    (task,) = to_definitions(read("@daily www-data true\n", system=True, user=None))

    assert task.definition.run_as == "www-data"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("php /srv/shop/sync.php -q", "sync"),
        ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "run-parts-cron-daily"),
        ("test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/e2fsprogs/e2scrub_all_cron", "e2scrub_all_cron"),
        ("[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "sessionclean"),
        ("if [ -d /x ]; then /usr/bin/tidy; fi", "tidy"),
        ("cd /srv && nice -n 10 ./backup.sh > /dev/null 2>&1", "backup"),
        ("$HOME/bin/daily.job >> $HOME/tmp/out", "daily"),
        ('sh "$EXAMPLES/backup.sh"', "backup"),
        ("$COMMAND", "cron-job"),
        ("/opt/größe/länge", "l-nge"),
        ("()", "cron-job"),
    ],
)
def test_a_task_is_named_after_what_its_command_is_about(command: str, name: str) -> None:
    assert one(f"@daily {command}\n").definition.name == name


def test_names_are_unique_among_themselves_and_what_is_taken() -> None:
    tasks = to_definitions(read("@daily a.sh\n@hourly a.sh\n@weekly a.sh\n"), taken={"a", "a-3"})

    assert [task.definition.name for task in tasks] == ["a-2", "a-4", "a-5"]


def test_a_name_with_a_number_fits_too() -> None:
    long = "x" * 150
    tasks = to_definitions(read(f"@daily {long}\n@hourly {long}\n"))

    assert [len(task.definition.name) for task in tasks] == [100, 100]
    assert tasks[0].definition.name != tasks[1].definition.name


def test_a_second_import_knows_its_lines_wherever_they_stand_now() -> None:
    first = to_definitions(read("@daily a\n@daily a\n@hourly b\n"))
    known = {str(task.definition.origin): f"renamed-{place}" for place, task in enumerate(first)}

    second = to_definitions(read("# more\n@hourly b\n\n@daily a\n@daily a\n@weekly new\n"), known=known)

    assert [task.is_new for task in second] == [False, False, False, True]
    assert [task.definition.name for task in second][:3] == ["renamed-2", "renamed-0", "renamed-1"]


def test_origins_differ_between_files_and_users() -> None:
    origins = {
        to_definitions(read_crontab(b"@daily a\n", system=False, source=source, user=user))[0].definition.origin
        for source in ("one", "x" * 400)
        for user in ("ann", "bob")
    }

    assert len(origins) == 4
    assert max(len(str(origin)) for origin in origins) <= 255


def test_what_a_reboot_job_starts_is_meant_to_stay() -> None:
    assert one("@reboot daemon\n").definition.keep_processes
    assert not one("@daily daemon\n").definition.keep_processes


def test_another_shell_gets_the_command_whole() -> None:
    command = one("SHELL=/bin/bash\n@daily [[ -n 'x' ]] && echo y\n").definition.shell_command

    assert command == """exec /bin/bash -c '[[ -n '"'"'x'"'"' ]] && echo y'"""


def test_home_is_where_cron_would_start_the_job() -> None:
    assert one("HOME=/srv/shop\n@daily ./sync\n").definition.working_directory == "/srv/shop"
    assert one("@daily ./sync\n").definition.working_directory is None


@pytest.mark.parametrize(
    ("mail_to", "address", "alerts", "remarks"),
    [
        ("", None, True, 0),
        ('MAILTO=""', None, False, 0),
        ("MAILTO=ops@example.org", "ops@example.org", True, 0),
        ("MAILTO=root", "root@localhost", True, 0),
        ("MAILTO=a@example.org, b@example.org", "a@example.org", True, 1),
        ("MAILTO=<x>", None, True, 1),
    ],
)
def test_mailto_becomes_the_address_of_alerts(mail_to: str, address: str | None, alerts: bool, remarks: int) -> None:
    task = one(f"{mail_to}\n@daily true\n")

    assert (task.definition.alert_email, task.definition.alert_on_failure) == (address, alerts)
    assert len(task.remarks) == remarks
    assert check_definition(task.definition, now=NOON) == []


def test_a_description_is_one_printable_line_that_fits() -> None:
    description = one(f"@daily echo \x1b[31m {'x' * 600}\n").definition.description

    assert len(description) == 500
    assert description.isprintable()


def test_ten_thousand_lines_alike_are_named_without_counting_each_time_from_one() -> None:
    class Counted(set[str]):
        asked = 0

        def __contains__(self, name: object) -> bool:
            Counted.asked += 1
            return super().__contains__(name)

    text = "".join(f"{n % 60} * * * * echo {n}\n" for n in range(500))
    from smart_cron.services.crontab import definitions

    numbers: Counter[str] = Counter()
    used = Counted()
    for task in to_definitions(read(text)):
        used.add(definitions._free_name("echo", used, numbers))
        assert task.is_new

    assert len(used) == 500
    assert Counted.asked < 1100
