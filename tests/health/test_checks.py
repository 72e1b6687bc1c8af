"""Each check by its figures: what it says of a machine that is well, and of one that is not."""

from __future__ import annotations

import base64
import errno
import os
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from smart_cron.config import load_config
from smart_cron.core.errors import DatabaseUnavailableError, SchemaError
from smart_cron.core.health import CheckStatus, Threshold
from smart_cron.core.node import Hold, HoldKind, NodeRecord
from smart_cron.core.ports.health import Backlog, Lateness
from smart_cron.services.health.checks import (
    certificate,
    clock,
    critical_failures,
    database,
    disk_space,
    filesystem,
    holds,
    invalid_tasks,
    memory,
    nodes,
    schema_version,
    start_lateness,
    stuck_tasks,
    task_runner,
    undelivered_alerts,
    unrecorded_results,
)
from smart_cron.services.health.checks.certificate import Watched
from smart_cron.services.health.checks.start_lateness import Canary
from smart_cron.services.health.checks.words import some, span
from smart_cron.wiring.health_of import certificates_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERCENT = Threshold(warning=80, critical=90, unit="%")
SECONDS = Threshold(warning=10, critical=60, unit="s")
PATIENCE = 60.0
DAYS = Threshold(warning=21, critical=7, unit="days", falling=True)
OK, WARNING, CRITICAL = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL


class Away:
    """A database that cannot be reached, or does not fit."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def now(self) -> datetime:
        raise self._error

    check = now


class Fitting:
    def check(self) -> None:
        """Nothing to say."""


def test_a_database_that_is_away_is_critical_and_says_why() -> None:
    away = Away(DatabaseUnavailableError("the database does not answer.", remedy="Start its server."))

    found = database.look(away, PERCENT)  # type: ignore[arg-type]

    assert (found.status, found.message) == (CRITICAL, "the database does not answer.")
    assert found.remedy == "Start its server."
    assert found.measured is None


def test_a_full_disk_is_no_matter_of_owner_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "write_fault", lambda _path: os.strerror(errno.ENOSPC))

    found = filesystem.look({"log": tmp_path, "runs": tmp_path}, list, seconds=PATIENCE)

    assert "is full" in found.message
    assert found.remedy.count("Make room") == 1
    assert "owner" not in found.remedy


def test_looking_makes_no_empty_database(tmp_path: Path) -> None:
    found = database.look(Away(AssertionError()), PERCENT, file=tmp_path / "gone.db")  # type: ignore[arg-type]

    assert found.status is CRITICAL
    assert not (tmp_path / "gone.db").exists()


@pytest.mark.parametrize(("milliseconds", "status"), [(1.0, OK), (85.0, WARNING), (2000.0, CRITICAL)])
def test_a_slow_database_is_told(milliseconds: float, status: CheckStatus) -> None:
    found = database.judge(milliseconds, PERCENT)

    assert found.status is status
    assert bool(found.remedy) is (status is not OK)


def test_tables_of_another_version_are_critical() -> None:
    found = schema_version.look(Away(SchemaError("the tables are older.", remedy="smart-cron db migrate")))  # type: ignore[arg-type]

    assert (found.status, found.remedy) == (CRITICAL, "smart-cron db migrate")


@pytest.mark.parametrize("unit_waits", [False, True])
def test_what_is_there_or_not_is_counted_in_faults(unit_waits: bool) -> None:
    absent = task_runner.judge(None, is_unit=unit_waits)
    fits, misfit = schema_version.look(Fitting()), schema_version.look(Away(SchemaError("older.")))  # type: ignore[arg-type]
    sound = filesystem.look({}, exposed=tuple, seconds=PATIENCE)

    assert [(each.measured, each.threshold, each.unit) for each in (absent, fits, misfit, sound)] == [
        (float(unit_waits), 1.0, "faults"),
        (0.0, 1.0, "faults"),
        (1.0, 1.0, "faults"),
        (0.0, 1.0, "faults"),
    ]


def test_folders_are_tried_and_each_fault_is_named(tmp_path: Path) -> None:
    good = filesystem.look({"log": tmp_path}, list, seconds=PATIENCE)
    bad = filesystem.look(
        {"log": tmp_path / "gone"}, lambda: ["/srv can be written by others: chmod 750 /srv"], seconds=PATIENCE
    )

    assert good.status is OK
    assert bad.status is CRITICAL
    assert f"{tmp_path / 'gone'} is not there" in bad.message
    assert "chmod 750 /srv" in bad.message
    assert os.listdir(tmp_path) == []


def test_the_fullest_disk_speaks_for_all() -> None:
    fills = [
        disk_space.Fill(path=Path("/a"), bytes_percent=10.0, free_bytes=10**9),
        disk_space.Fill(path=Path("/b"), bytes_percent=91.0, free_bytes=10**6),
    ]

    found = disk_space.judge(fills, PERCENT)

    assert (found.status, found.measured, found.threshold) == (CRITICAL, 91.0, 90)
    assert "/b is 91 % full" in found.message
    assert "/a" not in found.message


def test_a_disk_without_room_for_files_is_as_full_as_one_without_bytes() -> None:
    fill = disk_space.Fill(path=Path("/a"), bytes_percent=10.0, free_bytes=10**9, files_percent=85.0)

    found = disk_space.judge([fill], PERCENT)

    assert found.status is WARNING
    assert "of the files" in found.message


def test_each_disk_is_asked_once_and_a_missing_folder_is_left_to_another_check(tmp_path: Path) -> None:
    found = disk_space.look({"log": tmp_path, "runs": tmp_path, "gone": tmp_path / "gone"}, PERCENT, seconds=PATIENCE)

    assert list(found.details) == [str(tmp_path)]


@pytest.mark.parametrize(("used", "status"), [(50, OK), (80, WARNING), (95, CRITICAL)])
def test_memory_is_judged_by_its_share(used: int, status: CheckStatus) -> None:
    taken = memory.Taken(whose="the machine", used_bytes=used * memory.MEGABYTE, total_bytes=100 * memory.MEGABYTE)

    found = memory.judge(taken, PERCENT)

    assert (found.status, found.measured) == (status, float(used))


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_container_s_own_limit_counts_and_its_caches_do_not(tmp_path: Path) -> None:
    write(tmp_path, memory__max="1000\n", memory__current="900\n", memory__stat="anon 1\ninactive_file 400\n")

    taken = memory.container_memory(tmp_path)

    assert taken == memory.Taken(whose="the container", used_bytes=500, total_bytes=1000)


def test_a_container_of_the_older_kind_is_understood(tmp_path: Path) -> None:
    write(tmp_path / "memory", memory__limit_in_bytes="1000\n", memory__usage_in_bytes="900\n")

    taken = memory.container_memory(tmp_path)

    assert taken == memory.Taken(whose="the container", used_bytes=900, total_bytes=1000)


def test_a_container_without_a_limit_is_the_machine(tmp_path: Path) -> None:
    write(tmp_path, memory__max="max\n", memory__current="900\n")

    assert memory.container_memory(tmp_path) is None
    assert memory.look(Threshold(warning=101, critical=101, unit="%"), tmp_path).status is OK


def test_runs_that_go_on_past_their_time_are_critical() -> None:
    assert stuck_tasks.judge([]).status is OK
    found = stuck_tasks.judge(["report", "export"])

    assert found.status is CRITICAL
    assert "2 runs are shown as running long past the timeout: 'report', 'export'." in found.message


def test_tasks_at_their_failure_threshold_are_critical() -> None:
    assert critical_failures.judge([]).status is OK
    found = critical_failures.judge([("report", 7)])

    assert found.status is CRITICAL
    assert found.details == {"report": 7}
    assert "smart-cron task history report" in found.remedy


def test_starts_that_are_held_are_critical_and_say_by_whom_and_what_ends_it() -> None:
    assert holds.judge([]).status is OK
    stopped = Hold(kind=HoldKind.STOPPED, reason="the disk burns", actor="cli:ann", since=NOW)
    by_sql = Hold(kind="mine", reason="x", actor="me", since=None)

    found = holds.judge([stopped])

    assert found.status is CRITICAL
    assert "since 2026-03-01 12:00:00 UTC" in found.message
    assert "by cli:ann): the disk burns." in found.message
    assert found.remedy.endswith("smart-cron stop-all --resume")
    assert holds.judge([by_sql]).status is CRITICAL


def test_tasks_that_cannot_be_planned_are_a_warning_with_their_reason() -> None:
    assert invalid_tasks.judge([]).status is OK
    found = invalid_tasks.judge([("report", "minute 61 is beyond 59.")])

    assert found.status is WARNING
    assert "Of 'report': minute 61 is beyond 59." in found.message


@pytest.mark.parametrize(("canary", "mean", "status"), [(0.2, 0.1, OK), (12.0, 0.1, WARNING), (0.2, 70.0, CRITICAL)])
def test_late_starts_are_told_by_the_canary_or_by_the_other_runs(
    canary: float, mean: float, status: CheckStatus
) -> None:
    found = start_lateness.judge(Canary(seconds=canary), Lateness(runs=5, mean=mean, largest=mean), SECONDS)

    assert found.status is status


@pytest.mark.parametrize(
    ("slot", "started", "began", "late"),
    [
        (0, 12, None, 12.0),  # nobody knows of a master
        (0, 12, -600, 12.0),
        (0, 12, -60, 12.0),
        (0, 12, -59, None),  # the master's first minute
        (0, 12, 0, None),
        (0, 300, 290, None),  # made up for
        (0, 62, 61, None),
        (0, 45, 40, 5.0),  # a crontab's pass begins within the minute
        (0, -1, -600, 0.0),
        (None, 12, -600, None),
    ],
)
def test_what_was_due_before_the_master_could_start_it_is_not_late(
    slot: float | None, started: float, began: float | None, late: float | None
) -> None:
    at = [None if seconds is None else NOW + timedelta(seconds=seconds) for seconds in (slot, started, began)]
    assert at[1] is not None

    canary = start_lateness.canary_of(at[0], at[1], at[2])

    assert (canary.seconds if canary is not None and canary.is_judged else None) == late
    found = start_lateness.judge(canary, Lateness(), SECONDS)
    assert found.measured == (late or 0.0)
    assert ("after its slot" in found.message) is (slot is not None)


def test_without_a_slot_and_without_runs_nothing_is_said_of_lateness() -> None:
    found = start_lateness.judge(None, Lateness(), SECONDS)

    assert found.status is OK
    assert "nothing has started" in found.message


def test_a_task_runner_that_does_not_answer_is_critical() -> None:
    def silent() -> int | None:
        raise OSError("the task runner (process 7) takes connections and does not answer")

    assert task_runner.look(silent, is_unit=False).status is CRITICAL


@pytest.mark.parametrize(
    ("pid", "is_unit", "status"), [(7, False, OK), (None, False, OK), (None, True, CRITICAL), (7, True, OK)]
)
def test_no_task_runner_matters_only_where_the_master_does_not_start_one(
    pid: int | None, is_unit: bool, status: CheckStatus
) -> None:
    assert task_runner.judge(pid, is_unit=is_unit).status is status


class FinalRuns:
    """Rows of which these runs' are final."""

    def __init__(self, final: set[str]) -> None:
        self.final, self.asked = final, 0

    def final_among(self, keys: Sequence[tuple[int, str]]) -> set[str]:
        self.asked += 1
        return {run_id for _, run_id in keys if run_id in self.final}


def results(count: int, *, age: float) -> Iterator[unrecorded_results.Result]:
    for number in range(count):
        at = NOW - timedelta(seconds=age)
        yield unrecorded_results.Result(execution_id=number, run_id=f"run-{number}", completed_at=at)


def test_a_result_whose_row_is_final_is_no_backlog() -> None:
    rows = FinalRuns({"run-0", "run-1"})

    found = unrecorded_results.look(results(3, age=20), rows, SECONDS, now=NOW)  # type: ignore[arg-type]

    assert (found.status, found.measured, found.details) == (WARNING, 20.0, {"results": 1})


def test_no_more_results_are_read_than_a_check_has_time_for() -> None:
    rows = FinalRuns(set())

    found = unrecorded_results.look(results(10**6, age=90), rows, SECONDS, now=NOW)  # type: ignore[arg-type]

    assert found.status is CRITICAL
    assert found.details == {"results": unrecorded_results.LOOKED_AT}


def node(name: str, *, silent_for: float = 0, held: int = 0, forgotten: bool = False) -> NodeRecord:
    return NodeRecord(
        name=name,
        identity=name,
        boot_id="b",
        host="h",
        version="1",
        master_pid=1,
        max_concurrent=1,
        tags=(),
        heartbeats=1,
        heartbeat_at=NOW - timedelta(seconds=silent_for),
        started_at=NOW - timedelta(days=1),
        stopped_at=None,
        forgotten_at=NOW if forgotten else None,
        held=held,
    )


@pytest.mark.parametrize(
    ("records", "tasks", "status", "words"),
    [
        ([node("a"), node("b")], 1, OK, "2 nodes take part"),
        ([], 0, OK, "no task"),
        ([], 1, WARNING, "no master has worked here yet"),
        ([node("a", silent_for=99)], 1, CRITICAL, "no master works any more"),
        ([node("a"), node("b", silent_for=99)], 1, WARNING, "1 node says nothing any more: 'b'."),
        ([node("a"), node("b", silent_for=99, held=2)], 1, CRITICAL, "2 runs of theirs cannot be reached"),
        ([node("a"), node("b", silent_for=99, forgotten=True)], 1, OK, "1 node takes part"),
    ],
)
def test_nodes_that_are_missing_are_told(
    records: list[NodeRecord], tasks: int, status: CheckStatus, words: str
) -> None:
    found = nodes.judge(records, now=NOW, silence=timedelta(seconds=30), tasks=tasks)

    assert found.status is status
    assert words in found.message


@pytest.mark.parametrize(
    ("offset", "step", "status", "words"),
    [
        (0.2, None, OK, "agree"),
        (0.2, 0.3, OK, "agree"),
        (12.0, None, WARNING, "12 s ahead of"),
        (-90.0, None, CRITICAL, "90 s behind"),
        (0.0, -70.0, WARNING, "set back by 70 s since the last look"),
    ],
)
def test_clocks_that_differ_or_jumped_are_told(
    offset: float, step: float | None, status: CheckStatus, words: str
) -> None:
    found = clock.judge(offset, step, SECONDS)

    assert found.status is status
    assert words in found.message


def test_a_step_is_told_within_one_boot_only() -> None:
    before = {"boot_id": "b", "anchor": 1000.0}

    assert clock.step_since(before, boot_id="b", anchor=1007.5) == 7.5
    assert clock.step_since(before, boot_id="c", anchor=1007.5) is None
    assert clock.step_since({}, boot_id="b", anchor=1.0) is None


def test_messages_that_do_not_go_out_are_a_warning() -> None:
    assert undelivered_alerts.judge(Backlog()).status is OK
    found = undelivered_alerts.judge(Backlog(pending=2, oldest=timedelta(minutes=30), failed=1))

    assert (found.status, found.measured) == (WARNING, 3.0)
    assert "2 messages wait to be sent, the oldest for 30 min" in found.message


def test_the_last_refusal_is_named_and_harmless() -> None:
    found = undelivered_alerts.judge(Backlog(failed=1, refusal="email: 550 5.1.1 no such\x1b[31m user.\nBcc: x"))

    assert "the last refusal: email: 550 5.1.1 no such user. Bcc: x." in found.message


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority = trustme.CA()
    blob = authority.issue_cert("example.org", not_after=datetime(2026, 3, 11, tzinfo=UTC)).cert_chain_pems[0]
    path.write_bytes(b"some words before\n" + blob.bytes())
    return path


def test_a_certificate_that_ends_soon_is_told_in_days(pem: Path) -> None:
    found = certificate.look([Watched(file=pem)], DAYS, now=datetime(2026, 3, 1, tzinfo=UTC))

    assert (found.status, found.measured) == (WARNING, 10.0)
    assert "is good for 10 days, until 2026-03-11" in found.message


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), OK),
        (datetime(2026, 3, 10, tzinfo=UTC), CRITICAL),
        (datetime(2026, 4, 1, tzinfo=UTC), CRITICAL),
    ],
)
def test_a_certificate_is_judged_by_the_days_that_are_left(pem: Path, now: datetime, status: CheckStatus) -> None:
    assert certificate.look([Watched(file=pem)], DAYS, now=now).status is status


def test_certificates_beyond_2049_have_years_of_four_digits() -> None:
    blob = trustme.CA().issue_cert("example.org", not_after=datetime(2051, 5, 6, tzinfo=UTC)).cert_chain_pems[0]

    assert certificate.ends_of(blob.bytes()) == [datetime(2051, 5, 6, tzinfo=UTC)]


def test_of_a_bundle_of_authorities_one_that_lasts_is_enough_and_of_a_chain_none_may_end(
    pem: Path, tmp_path: Path
) -> None:
    lasting = trustme.CA().issue_cert("example.org", not_after=datetime(2030, 1, 1, tzinfo=UTC)).cert_chain_pems[0]
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(pem.read_bytes() + lasting.bytes())
    now = datetime(2026, 4, 1, tzinfo=UTC)

    assert certificate.look([Watched(file=bundle, authorities=True)], DAYS, now=now).status is OK
    assert certificate.look([Watched(file=bundle)], DAYS, now=now).status is CRITICAL


@pytest.mark.parametrize(
    "url", ["mariadb://u@db.example.org/x?ssl_ca=/a.pem", "postgresql://u@db.example.org/x?sslrootcert=%2Fa.pem"]
)
def test_the_authorities_of_the_mail_server_and_of_the_database_are_watched(tmp_path: Path, url: str) -> None:
    config = load_config(
        {
            "SMART_CRON_HOME": str(tmp_path),
            "SMART_CRON_DATABASE__URL": url,
            "SMART_CRON_SMTP__CA_FILE": "/m.pem",
            "SMART_CRON_HEALTH__CERTIFICATES": '["/own.pem"]',
        }
    )

    assert certificates_of(config) == [
        Watched(file=Path("/own.pem")),
        Watched(file=Path("/m.pem"), authorities=True),
        Watched(file=Path("/a.pem"), authorities=True),
    ]


def damaged(length: int) -> bytes:
    body = base64.b64encode(random.Random(length).randbytes(length))
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("content", [b"", b"no certificate", damaged(0), damaged(3), damaged(500)])
def test_a_file_that_holds_no_certificate_is_critical_and_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pem"
    path.write_bytes(content)

    found = certificate.look([Watched(file=path)], DAYS, now=NOW)

    assert found.status is CRITICAL
    assert str(path) in found.message


def test_without_a_certificate_all_is_well() -> None:
    assert certificate.look([], DAYS, now=NOW).status is OK


def test_names_are_shown_as_far_as_somebody_reads() -> None:
    assert some(["a", "b"]) == "'a', 'b'"
    assert some([str(number) for number in range(9)]).endswith("'4' and 4 more")


@pytest.mark.parametrize(("seconds", "words"), [(0.25, "0.2 s"), (70, "70 s"), (1800, "30 min"), (10_800, "3 h")])
def test_spans_are_told_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
