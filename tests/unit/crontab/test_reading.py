"""The rules of crontab(5), and what Debian 12's cron was seen to do with the same lines."""

from __future__ import annotations

import pytest

from smart_cron.services.crontab import CrontabLine, CrontabReading, LineKind, read_crontab


def read(text: str | bytes, *, system: bool = False, user: str | None = "ann") -> CrontabReading:
    data = text.encode() if isinstance(text, str) else text
    return read_crontab(data, system=system, source="test", user=user, is_user=lambda name: name in {"root", "ann"})


def only(text: str | bytes, *, system: bool = False) -> CrontabLine:
    (line,) = read(text, system=system).lines
    return line


def test_reads_a_job_of_a_user() -> None:
    line = only("*/5  1-3\t* jan mon-fri   /usr/bin/report --all  # daily\n")

    assert (line.kind, line.number, line.schedule, line.user) == (LineKind.JOB, 1, "*/5 1-3 * jan mon-fri", "ann")
    assert line.command == "/usr/bin/report --all  # daily"
    assert line.stdin_text is None


def test_reads_the_user_of_a_system_job() -> None:
    line = only("17 *\t* * *\troot\tcd / && run-parts\t/etc/cron.hourly\n", system=True)

    assert (line.schedule, line.user, line.command) == ("17 * * * *", "root", "cd / && run-parts\t/etc/cron.hourly")


def test_comments_and_blank_lines_are_kept_as_such() -> None:
    kinds = [line.kind for line in read("# one\n\n \t \n  # two\n").lines]

    assert kinds == [LineKind.COMMENT, LineKind.BLANK, LineKind.BLANK, LineKind.COMMENT]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ('\t  A = " lead and trail "   ', " lead and trail "),
        ("A=plain value  ", "plain value"),
        ('A=a "b" c', 'a "b" c'),
        ("A = it's", "it's"),
        ("A=#notcomment", "#notcomment"),
        ('A="a=b"', "a=b"),
        (r"A=a\%b", r"a\%b"),
        ('A=""', ""),
        ("'A'=x", "x"),
        ("A=$PATH:/x", "$PATH:/x"),
    ],
)
def test_settings_read_as_cron_reads_them(setting: str, value: str) -> None:
    assert read(f"{setting}\n@daily true\n").jobs[0].environment == {"A": value}


@pytest.mark.parametrize("line", ["A='unterminated", 'A="x" trailing', "  A='a'b", "A x=1", '"A=B"=c'])
def test_what_is_neither_setting_nor_job_is_a_fault(line: str) -> None:
    assert only(line + "\n").kind is LineKind.INVALID


@pytest.mark.parametrize("line", ["'C D'=x", "1A=x", "=x", "LOGNAME=eve", "LD_PRELOAD=/x.so", "SMART_CRON_HOME=/x"])
def test_a_setting_that_no_command_can_have_is_left_out_and_said(line: str) -> None:
    setting, job = read(f"{line}\n@daily true\n").lines

    assert setting.kind is LineKind.ENVIRONMENT
    assert setting.remarks
    assert job.environment == {}


def test_an_unquoted_empty_setting_is_taken_with_a_remark() -> None:
    setting, job = read("MAILTO=\n@daily true\n").lines

    assert setting.remarks
    assert job.mail_to == ""


def test_a_setting_holds_below_its_line_only() -> None:
    first, second = read("@daily one\nSHELL=/bin/bash\nPATH=/opt/bin\n@daily two\n").jobs

    assert first.environment == {}
    assert second.environment == {"SHELL": "/bin/bash", "PATH": "/opt/bin"}


def test_cron_tz_gives_the_zone_of_the_jobs_below() -> None:
    first, second, third = read('@daily a\nCRON_TZ=Asia/Tokyo\n@daily b\nCRON_TZ=""\n@daily c\n').jobs

    assert (first.time_zone, second.time_zone, third.time_zone) == (None, "Asia/Tokyo", None)
    assert "CRON_TZ" not in second.environment


def test_jobs_below_an_unknown_zone_are_faults_too_for_they_would_run_at_another_time() -> None:
    reading = read("CRON_TZ=Mars/Base\n@daily b\nCRON_TZ=UTC\n@daily c\n")

    assert [line.number for line in reading.faults] == [1, 2]
    assert "line 1" in reading.faults[1].problem


def test_tz_is_an_ordinary_variable() -> None:
    job = read("TZ=Asia/Tokyo\n@daily b\n").jobs[0]

    assert (job.environment, job.time_zone) == ({"TZ": "Asia/Tokyo"}, None)


@pytest.mark.parametrize(
    ("written", "command", "stdin_text"),
    [
        ("cat > x%line1%line2\\%still%last", "cat > x", "line1\nline2%still\nlast\n"),
        ("date +\\%F", "date +%F", None),
        (r"printf 'a\\b' c\d '1\%2'", r"printf 'a\b' c\d '1%2'", None),
        (r"echo a\\%x", "echo a\\", "x\n"),
        (r"cat%a\\%b\c", "cat", "a\\%b\\c\n"),
        ("cat%a%%b", "cat", "a\n\nb\n"),
        ("cat%", "cat", ""),
        ("cat% ", "cat", " \n"),
        ("cat%a\\", "cat", "a\\\n"),
        (r"cat%a\\\%b%", "cat", "a\\\\%b\n"),
        ("echo end\\", "echo end\\", None),
    ],
)
def test_percent_signs_and_backslashes_mean_what_they_mean_to_cron(
    written: str, command: str, stdin_text: str | None
) -> None:
    line = only(f"@daily {written}\n")

    assert (line.command, line.stdin_text) == (command, stdin_text)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("* * * * true", "no command"),
        ("61 * * * * true", "minute"),
        ("* * * * *", "no command"),
        ("@daily", "no command"),
        ("@daily %input", "no command"),
        ("@rebootx true", "@rebootx"),
        ("0 0 30 2 * true", "never"),
        ("0x 0 * * * true", "0x"),
        ("nonsense", "five time fields"),
    ],
)
def test_a_fault_says_what_is_wrong(line: str, word: str) -> None:
    found = only(line + "\n")

    assert found.kind is LineKind.INVALID
    assert word in found.problem


@pytest.mark.parametrize(
    ("line", "word"),
    [("@daily", "user is missing"), ("@daily /bin/true x", "no user '/bin/true'"), ("@daily root", "no command")],
)
def test_a_system_line_without_a_user_is_a_fault(line: str, word: str) -> None:
    assert word in only(line + "\n", system=True).problem


def test_a_nul_or_bytes_that_are_no_text_are_faults_of_their_line_alone() -> None:
    reading = read(b"@daily a\0b\n@daily \xff\n# \xff comment\n@daily ok\n")

    assert [line.number for line in reading.faults] == [1, 2]
    assert [line.number for line in reading.jobs] == [4]


def test_carriage_returns_are_taken_away_and_said() -> None:
    reading = read("A=1\r\n@daily true\r\n\r\n")

    assert [line.kind for line in reading.lines] == [LineKind.ENVIRONMENT, LineKind.JOB, LineKind.BLANK]
    assert (reading.jobs[0].command, reading.jobs[0].environment) == ("true", {"A": "1"})
    assert "CR" in reading.remarks[0]


def test_a_byte_order_mark_and_a_missing_last_newline_are_said() -> None:
    reading = read(b"\xef\xbb\xbf@daily true")

    assert reading.jobs[0].command == "true"
    assert len(reading.remarks) == 2


def test_an_empty_crontab_has_no_lines() -> None:
    assert read("").lines == ()
    assert [line.kind for line in read("\n").lines] == [LineKind.BLANK]


@pytest.mark.parametrize(("length", "remarks"), [(998, 0), (999, 1)])
def test_a_command_that_debian_refuses_for_its_length_is_taken_and_said(length: int, remarks: int) -> None:
    line = only(f"@daily {'x' * length}\n")

    assert line.kind is LineKind.JOB
    assert len(line.remarks) == remarks


def test_a_nickname_in_capitals_is_taken_and_said() -> None:
    assert only("@Reboot true\n").remarks


@pytest.mark.slow
def test_ten_thousand_lines_are_read_in_one_go() -> None:
    text = "A=1\n" + "*/5 * * * * /usr/bin/true --x 'y' \\% z\n" * 10_000

    assert len(read(text).jobs) == 10_000


def test_reads_the_crontab_of_a_fresh_debian() -> None:
    text = """\
SHELL=/bin/sh
# You can also override PATH, but by default, newer versions inherit it from the environment
#PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
"""
    reading = read(text, system=True, user=None)

    assert [line.schedule for line in reading.jobs] == ["17 * * * *", "25 6 * * *"]
    assert reading.faults == ()
