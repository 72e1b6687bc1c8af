"""`smart-cron doctor` on homes that are broken, as a person calls it: it names the case and what to do."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.fault.disks import SmallDisk, small_disk
from tests.process.cli import DEADLINE_SECONDS, SRC, Console, wait_until

pytestmark = pytest.mark.slow

GIVEN_UP = re.compile(r"could not be looked into within|does not answer within|hangs\.$")
STUCK, FAILURES, NOT_RUNNING, DISK = "Stuck in running", "Repeated failures", "Tasks not running", "Disk space"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "home")
    try:
        console.sure("init")
        yield console
    finally:
        console.close()


@pytest.fixture
def scripts() -> Iterator[Path]:
    """A folder that only its owner can write: a script below /tmp may be anybody's."""
    folder = Path("/opt" if os.access("/opt", os.W_OK) else Path.home()) / f"smart-cron-doctor-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def examined(console: Console, *more: str) -> dict[str, Any]:
    """Return what doctor says. On a machine so busy that it gives up on a disk it is asked again."""
    documents: list[dict[str, Any]] = []

    def is_through() -> bool:
        documents.append(examined_once(console, *more))
        return not any(GIVEN_UP.search(each["sentence"]) for each in documents[-1]["findings"])

    wait_until(is_through, "an answer of every probe")
    return documents[-1]


def examined_once(console: Console, *more: str) -> dict[str, Any]:
    done = console.call("doctor", "--json", *more)
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if document["sound"] else 1)
    return document


def wrongs(document: dict[str, Any], case: str) -> list[dict[str, Any]]:
    return [each for each in document["findings"] if each["verdict"] == "wrong" and each["case"] == case]


def sql(console: Console, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(console.home / "state" / "smart-cron.db")) as database, database:
        return database.execute(statement).fetchall()


def script(folder: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def run_it(console: Console, name: str, times: int = 1) -> None:
    """Run a task by passes, each time to its end."""
    ended = f"SELECT COUNT(*) FROM smart_cron_executions WHERE completed_at IS NOT NULL AND task_name = '{name}'"
    for number in range(1, times + 1):
        console.sure("task", "run", name)
        wait_until(lambda done=number: passed(console) and sql(console, ended) == [(done,)], "the end of the run")  # type: ignore[misc]


def passed(console: Console) -> bool:
    return console.call("master", "--once").returncode == 0


def test_case_1_tasks_do_not_run_without_a_master(console: Console) -> None:
    console.add("nightly", "true")

    document = examined(console)

    (found,) = wrongs(document, NOT_RUNNING)
    assert document["cases"] == [NOT_RUNNING]
    assert "1 task will not run" in found["sentence"]
    assert document["remedies"][0]["remedy"].startswith("Have it started for good: smart-cron service install")


def test_case_1_a_working_master_is_well(console: Console) -> None:
    console.add("nightly", "true")
    console.start_master()

    document = examined(console)

    assert document["cases"] == []
    assert "a master works for this node" in next(
        each["sentence"] for each in document["findings"] if each["subject"] == "master"
    )


def test_case_1_a_hold_and_switched_off_tasks_are_told(console: Console) -> None:
    console.add("nightly", "true", "--disabled")
    console.sure("stop-all", "--yes")

    document = examined(console)

    told = {each["subject"]: each["remedy"] for each in wrongs(document, NOT_RUNNING)}
    assert {"hold", "tasks"} <= set(told), document
    assert told["hold"].endswith("smart-cron stop-all --resume")
    assert told["tasks"].endswith("smart-cron task enable nightly")


def test_case_2_a_mark_that_nobody_stands_behind_is_healed_when_asked(console: Console) -> None:
    console.add("nightly", "true")
    sql(console, "UPDATE smart_cron_tasks_config SET is_running = 1 WHERE task_name = 'nightly'")

    (found,) = wrongs(examined(console), STUCK)
    assert "'nightly' is marked as running" in found["sentence"]

    # Without a terminal and without --yes nothing is changed, and neither by --dry-run.
    refused, tried = console.call("doctor", "--fix"), console.call("doctor", "--fix", "--dry-run")
    assert b"Nothing was changed" in refused.stderr
    assert b"Would make is_running say what really runs." in tried.stderr
    assert sql(console, "SELECT is_running FROM smart_cron_tasks_config WHERE task_name = 'nightly'") == [(1,)]

    healed = console.call("doctor", "--fix", "--yes")

    assert b"Healed the mark of 1 task." in healed.stderr
    assert STUCK.encode() not in healed.stdout
    assert sql(console, "SELECT is_running FROM smart_cron_tasks_config WHERE task_name = 'nightly'") == [(0,)]
    ((actor,),) = sql(console, "SELECT actor FROM smart_cron_audit_log WHERE action = 'heal'")
    assert actor.startswith("cli:")


def test_case_3_a_failing_script_is_told_with_its_words(console: Console, scripts: Path) -> None:
    path = script(scripts, "fails.sh", "#!/bin/sh\necho 'no such customer' >&2\nexit 3\n")
    schedule = ("--schedule", "0 0 1 1 *", "--failure-threshold", "2")
    console.sure("task", "add", "invoices", "--script", str(path), *schedule)
    run_it(console, "invoices", times=2)

    (found,) = wrongs(examined(console), FAILURES)

    assert "'invoices' failed 2 times in a row" in found["sentence"]
    assert "no such customer" in found["sentence"]
    assert found["remedy"] == "invoices: read what it printed: smart-cron run logs 2"


def test_case_3_scripts_that_cannot_start_are_told_before_they_fail(console: Console, scripts: Path) -> None:
    removed = script(scripts, "removed.sh", "#!/bin/sh\n")
    orphan = script(scripts, "orphan.sh", "#!/bin/sh\n")
    open_to_all = script(scripts, "open.sh", "#!/bin/sh\n")
    for path in (removed, orphan, open_to_all):
        console.sure("task", "add", path.stem, "--script", str(path), "--schedule", "0 0 1 1 *")
    removed.unlink()
    orphan.write_text("#!/nowhere/bash\n")
    open_to_all.chmod(0o777)

    told = {each["sentence"].split("'")[1]: each for each in wrongs(examined(console), FAILURES)}

    assert f"the script {removed} does not exist" in told["removed"]["sentence"]
    assert "task edit removed --script" in told["removed"]["remedy"]
    assert "'/nowhere/bash', which is not there" in told["orphan"]["sentence"]
    assert told["orphan"]["remedy"].endswith(f"head -1 {orphan}")
    assert told["open"]["remedy"].endswith(f"chmod go-w {open_to_all}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size="1m") as disk:
        yield disk


def test_case_5_a_full_disk_is_told_with_what_makes_room(console: Console, disk: SmallDisk) -> None:
    settings = console.home / "smart-cron.toml"
    # Keys of the top have to stand before the first table.
    settings.write_text(f'backup_dir = "{disk.folder("backups")}"\n{settings.read_text()}')
    disk.fill()

    document = examined(console)

    (found,) = wrongs(document, DISK)
    assert found["subject"] == "backups"
    assert "No space left on device" in found["sentence"]
    assert document["remedies"][0]["remedy"].startswith(f"Make room there: du -xhd2 {disk.path}")


def test_folders_that_are_missing_or_open_and_dead_sockets_are_mended(console: Console) -> None:
    shutil.rmtree(console.home / "backups")
    (console.home / "log").chmod(0o777)
    database = console.home / "state" / "smart-cron.db"
    database.chmod(0o646)

    mended = console.call("doctor", "--fix", "--yes", "--json")

    assert json.loads(mended.stdout)["sound"], mended.stdout
    assert (console.home / "backups").stat().st_mode & 0o777 == 0o750
    assert (console.home / "log").stat().st_mode & 0o777 == 0o750
    assert database.stat().st_mode & 0o777 == 0o640


def test_a_settings_file_that_others_can_read_hides_nothing_and_is_mended_with_the_rest(console: Console) -> None:
    settings = console.home / "smart-cron.toml"
    settings.chmod(0o644)
    shutil.rmtree(console.home / "backups")
    (console.home / "log").chmod(0o777)

    looked = console.call("doctor").stdout.decode()
    mended = console.call("doctor", "--fix", "--yes", "--json")

    assert f"{settings} can be read or written by every user" in looked
    assert f"{console.home}/backups is not there" in looked
    assert "It takes steps " in looked
    assert json.loads(mended.stdout)["sound"], mended.stdout
    assert settings.stat().st_mode & 0o777 == 0o640
    assert (console.home / "backups").is_dir()


def test_settings_that_others_could_write_are_closed_and_not_obeyed(console: Console) -> None:
    settings, planted = console.home / "smart-cron.toml", console.home / "planted"
    settings.write_text(f'backup_dir = "{planted}"\n')
    settings.chmod(0o666)

    (found,) = examined(console, "--fix", "--yes")["findings"]

    assert found["sentence"] == "others could write in the settings file until now."
    assert settings.stat().st_mode & 0o777 == 0o640
    assert not planted.exists()


def test_a_socket_that_was_made_just_now_is_left_alone(console: Console) -> None:
    path = console.home / "run" / "dead.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(os.fspath(path))

    console.sure("doctor", "--fix", "--yes")

    assert path.exists()


def test_each_fix_is_asked_for_on_a_terminal(console: Console) -> None:
    for name in ("backups", "run"):
        shutil.rmtree(console.home / name)

    said = at_a_terminal(console, "doctor", "--fix", answers=b"n\ny\n")

    assert f"Make the folder {console.home}/backups? [y/N]".encode() in said
    assert not (console.home / "backups").exists()
    assert (console.home / "run").is_dir()


def at_a_terminal(console: Console, *words: str, answers: bytes) -> bytes:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        console.argv(*words), env=console.environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(ours, answers)
        said = b"".join(iter(lambda: read_some(ours), b""))
        process.wait(DEADLINE_SECONDS)
    os.close(ours)
    return said.replace(b"\r\n", b"\n")


def read_some(descriptor: int) -> bytes:
    assert select.select([descriptor], [], [], DEADLINE_SECONDS)[0], "nothing more was said"
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # Linux's way of saying that the other side hung up.


def test_a_mistyped_setting_is_told_with_the_right_one(console: Console) -> None:
    done = subprocess.run(
        console.argv("doctor"),
        env={**console.environment, "SMART_CRON_MAX_CONCURENT": "4"},
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    assert done.returncode == 1
    assert b"Rename it to SMART_CRON_MAX_CONCURRENT" in done.stdout


def test_settings_that_cannot_be_used_are_findings(console: Console) -> None:
    settings = console.home / "smart-cron.toml"
    settings.write_text("max_concurrent = 0\nalert_mail = 'x'\n")

    document = examined(console)

    assert [each["subject"] for each in document["findings"]] == ["settings", "settings"]
    assert document["remedies"][1]["remedy"] == f"Rename alert_mail to alert_email in {settings}"


def test_a_frozen_task_runner_is_told_and_hides_nothing(console: Console) -> None:
    console.add("nightly", "true")
    run_it(console, "nightly")
    (runner,) = [each for each in examined(console)["findings"] if each["subject"] == "task runner"]
    pid = int(runner["sentence"].rpartition(" ")[2].rstrip(")."))
    os.kill(pid, signal.SIGSTOP)
    try:
        document = examined(console)
    finally:
        os.kill(pid, signal.SIGCONT)

    told = {each["subject"]: each for each in document["findings"]}
    assert "takes connections and does not answer" in told["task runner"]["sentence"]
    assert told["database"]["verdict"] == "ok"


def test_options_that_make_no_sense_together_are_refused(console: Console) -> None:
    for words in (("--yes",), ("--dry-run",), ("--report", "x", "--json"), ("--output", "x")):
        assert console.call("doctor", *words).returncode == 2


@pytest.fixture
def home_of_nobody() -> Iterator[Path]:
    """A folder of another user, where that user can go: pytest's own are closed to others."""
    around = Path(tempfile.mkdtemp(prefix="scdr-", dir="/tmp"))
    around.chmod(0o755)
    home = around / "home"
    home.mkdir(mode=0o750)
    shutil.chown(home, "nobody")
    yield home
    shutil.rmtree(around)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; others are one already")
def test_an_ordinary_user_is_told_the_same_of_a_home_of_its_own(home_of_nobody: Path) -> None:
    home = home_of_nobody
    # It may read our sources, which may lie where nobody else can go, and nothing more.
    become = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=+dac_read_search"]
    become += ["--ambient-caps=+dac_read_search"]

    def call(*words: str) -> subprocess.CompletedProcess[bytes]:
        console = Console(home)
        return subprocess.run(
            [*become, *console.argv(*words)],
            env={**console.environment, "PYTHONPATH": str(SRC), "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )

    assert call("init").returncode == 0
    assert call("task", "add", "t", "--command", "true", "--schedule", "@daily").returncode == 0
    shutil.rmtree(home / "backups")
    done = call("doctor", "--fix", "--yes", "--json")

    document = json.loads(done.stdout)
    assert document["cases"] == [NOT_RUNNING], done.stderr
    assert b"Made " in done.stderr
    assert any("run as nobody only" in each["sentence"] for each in document["findings"])
