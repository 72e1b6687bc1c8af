"""What messages say, and that nothing in them is more than text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from smart_cron.core.alert import Alert, AlertType, Cause, Severity
from smart_cron.core.alert_text import compose
from smart_cron.core.harmless import one_line
from smart_cron.core.message import Message, MessageKind, RunFacts
from smart_cron.core.ping import cause_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FAILED = Alert(
    id=12,
    cause=Cause(alert_type=AlertType.TASK_FAILURE, task_id=3),
    severity=Severity.ERROR,
    message="Task nightly failed: Exit code 3: no such table",
    task_name="nightly",
    execution_id=77,
    details={},
    occurrences=1,
    created_at=NOON - timedelta(hours=2),
    last_occurred_at=NOON,
)
RUN = RunFacts(
    task_name="nightly",
    execution_id=77,
    run_id="0b2f",
    status="failed",
    scheduled_for=NOON - timedelta(minutes=10),
    started_at=NOON - timedelta(minutes=9),
    completed_at=NOON - timedelta(minutes=8),
    attempt=2,
    exit_code=3,
    duration=60.0,
    node="web-1",
    error_message="Exit code 3: no such table",
    description="Imports the night's orders",
    last_lines=("opening", "no such table"),
    last_success_at=NOON - timedelta(days=1),
    changes=("its schedule: '0 1 * * *' became '0 2 * * *'",),
)
LINK = "https://cron.example.org/alerts/12"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31mred\x1b[0m\x1b]8;;http://evil\x07\u202e\r\n'\"&"


def composed(
    *alerts: Alert, kind: MessageKind = MessageKind.ALERT, facts: RunFacts | None = None, link: str = LINK
) -> Message:
    return compose(kind, alerts, facts, link=link, installation="web-1", now=NOON)


def test_what_the_database_has_not_taken_yet_names_no_command_with_its_number() -> None:
    nameless = replace(FAILED, id=0)

    assert "smart-cron alert" not in composed(nameless).text
    assert "smart-cron alert" not in composed(nameless, nameless).text


def test_the_weekly_digest_names_what_was_warned_of_most_often() -> None:
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="weekly_digest", node="web-1")
    warnings = ["2 × run 1 left 2 processes", "1 × \x1b[31mclock"]
    week = replace(FAILED, cause=cause, task_name=None, execution_id=None, details={"warnings": warnings})

    text = composed(week).text

    assert "What was warned of most often" in text
    assert "2 × run 1 left 2 processes\n" in text
    assert "\x1b" not in text


class Tags(HTMLParser):
    """The tags and attributes of a document, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_failure_says_what_a_person_needs_at_night() -> None:
    message = composed(FAILED, facts=RUN)

    assert message.subject == "[web-1] Task nightly failed: Exit code 3: no such table"
    assert message.severity is Severity.ERROR
    expected = """\
Task nightly failed: Exit code 3: no such table

Severity      error
Task          nightly
What it does  Imports the night's orders
Slot          2026-11-24 11:50:00Z
Attempt       2
Started       2026-11-24 11:51:00Z, ran 1 min
Node          web-1
Status        failed
Exit code     3
Error         Exit code 3: no such table
Since         2026-11-24 10:00:00Z (2 h ago)
Last success  2026-11-23 12:00:00Z

What changed since it last worked:
- its schedule: '0 1 * * *' became '0 2 * * *'

Last lines of its output:
| opening
| no such table

See https://cron.example.org/alerts/12
In a terminal: smart-cron alert show 12
In a terminal: smart-cron run show 77
No more reminders: smart-cron alert ack 12

--
Smart Cron on web-1, 2026-11-24 12:00:00Z
"""
    assert message.text.replace("-- \n", "--\n") == expected


def test_html_says_the_same_as_the_text() -> None:
    message = composed(FAILED, facts=RUN)

    words = Tags(message.html).words
    for said in ("Exit code 3: no such table", "2026-11-24 11:50:00Z", "Imports the night's orders", "opening"):
        assert said in words
    assert f'href="{LINK}"' in message.html


def test_without_a_dashboard_there_is_no_link() -> None:
    message = composed(FAILED, link="")

    assert "http" not in message.text
    assert "<a " not in message.html


@pytest.mark.parametrize("link", ["javascript:alert(1)", 'https://x/"onclick="x', "https://x/ y", "data:text/html,x"])
def test_a_link_that_is_none_is_left_out_or_escaped(link: str) -> None:
    document = Tags(composed(FAILED, link=link).html)

    assert "onclick" not in document.attributes
    assert "javascript" not in composed(FAILED, link=link).html


def test_how_often_and_since_when() -> None:
    message = composed(replace(FAILED, occurrences=4))

    assert "How often  4 times, the last at 2026-11-24 12:00:00Z" in message.text


def test_something_critical_says_so_in_its_subject() -> None:
    assert composed(replace(FAILED, severity=Severity.CRITICAL)).subject.startswith("[web-1] CRITICAL: Task nightly")


def test_a_reminder_says_how_long_it_stands_open() -> None:
    message = composed(FAILED, kind=MessageKind.REMINDER)

    assert message.subject.startswith("[web-1] Reminder: Still open after 2 h: Task nightly failed")


def test_a_recovery_says_what_is_over() -> None:
    over = replace(FAILED, resolved=True, resolved_at=NOON, resolved_by="recovered")
    message = composed(over, kind=MessageKind.RECOVERY)

    assert message.subject == "[web-1] Recovered: Task nightly works again"
    assert "It lasted 2 h. It had been: Task nightly failed: Exit code 3" in message.text
    assert "Over since  2026-11-24 12:00:00Z" in message.text


def test_a_finding_that_is_over_names_itself() -> None:
    cause = Cause(alert_type=AlertType.DISK_SPACE, node="web-1")
    told = {"message": "/var is 91 % full. Make room.", "details": {"remedy": "Make room."}}
    over = replace(FAILED, cause=cause, task_name=None, resolved=True, resolved_at=NOON, **told)  # type: ignore[arg-type]

    message = composed(over, kind=MessageKind.RECOVERY)

    assert message.subject == "[web-1] Recovered: disk_space is well again"
    assert "It lasted 2 h. It had been: /var is 91 % full.\n" in message.text
    assert "Make room" not in message.text + message.html


def test_a_recovery_shows_the_failed_run_as_the_last_failure() -> None:
    over = replace(FAILED, resolved=True, resolved_at=NOON, resolved_by="recovered")
    message = composed(over, kind=MessageKind.RECOVERY, facts=RUN)

    head, _, failure = message.text.partition("The last failure:\n")
    assert "Exit code     3" in failure
    assert "Status" not in head
    assert "alert ack" not in message.text
    assert "The last failure" in message.html


def test_several_that_are_over_are_named() -> None:
    jobs = [replace(LATE, id=number, cause=cause_of(name), resolved=True) for number, name in enumerate(("quick", "x"))]
    message = composed(*jobs, kind=MessageKind.RECOVERY)

    assert message.subject == "[web-1] Over: ping:quick, ping:x"
    assert "It lasted 2 h. It had been: The job 'quick'" in message.text


LATE = replace(
    FAILED,
    cause=cause_of("quick"),
    task_name=None,
    execution_id=None,
    message="The job 'quick', which reports by ping, is late: a report was due 1 min 9 s ago. Does it run?",
    details={"check": "quick", "state": "late", "last_words": "copying\nno space at http://me:hunter2@nas/x"},
)


def test_a_job_elsewhere_is_named_in_the_subject_and_its_last_words_are_shown() -> None:
    message = composed(LATE)

    assert message.subject == "[web-1] Job quick is late"
    assert "is late: a report was due 1 min 9 s ago." in message.text
    assert "Last words of the job:\n| copying\n| no space at http://me:***@nas/x\n" in message.text
    assert "In a terminal: smart-cron ping show quick" in message.text
    assert "Last words of the job" in message.html
    reminder = composed(LATE, kind=MessageKind.REMINDER)
    assert reminder.subject == "[web-1] Reminder: Still open after 2 h: Job quick is late"
    failed = replace(LATE, details={"state": "failed", "exit_code": 3})
    assert composed(failed).subject == "[web-1] Job quick failed with exit code 3"


def test_what_looks_like_a_password_is_hidden_wherever_a_task_said_it() -> None:
    said = 'TOKEN=abc123 mysql://root:hunter2@db/x --password=\'a b\' {"secret": "s3"}'
    alert = replace(FAILED, message=f"Task nightly failed: {said}")
    message = composed(alert, facts=replace(RUN, error_message=said, last_lines=(said,)))

    everything = message.subject + message.text + message.html + json.dumps(dict(message.facts))
    assert not any(secret in everything for secret in ("abc123", "hunter2", "a b", "s3"))
    assert "TOKEN=*** mysql://root:***@db/x" in message.text


def test_what_has_just_begun_has_no_age() -> None:
    message = composed(replace(FAILED, created_at=NOON - timedelta(milliseconds=88)))

    assert "Since     2026-11-24 11:59:59Z\n" in message.text


def test_causes_are_counted_in_a_digest_and_not_each_alert() -> None:
    flood = [replace(each, message=f"Task {each.task_name} failed: Exit code 7: no server") for each in many(50)]
    message = composed(*flood, LATE, kind=MessageKind.DIGEST)

    assert "- error: 50 tasks failed\n  Exit code 7: no server (task1, task2, task3 and 47 more)\n" in message.text
    assert "- error: ping:quick\n" in message.text
    assert "How often" not in message.text


def many(count: int, **changes: object) -> list[Alert]:
    cause = Cause(alert_type=AlertType.TASK_FAILURE)
    return [
        replace(
            FAILED,
            id=number,
            cause=replace(cause, task_id=number),
            task_name=f"task{number}",
            message=f"Task task{number} failed: Exit code 1: disk full",
            **changes,  # type: ignore[arg-type]
        )
        for number in range(1, count + 1)
    ]


def test_many_failures_with_one_reason_are_one_message() -> None:
    message = composed(*many(37))

    assert message.subject == "[web-1] 37 tasks failed: Exit code 1: disk full"
    assert "- error: task20" in message.text
    assert "task21" not in message.text
    assert "- and 17 more" in message.text
    assert message.facts["count"] == 37


def test_the_gravest_are_named_first() -> None:
    grave = replace(many(40)[39], severity=Severity.CRITICAL)
    message = composed(*many(39), grave)

    assert message.severity is Severity.CRITICAL
    assert message.text.index("critical: task40") < message.text.index("error: task1")
    assert "Severity  1 critical, 39 error" in message.text


def test_failures_with_several_reasons_name_their_tasks() -> None:
    first, *rest = many(5)
    message = composed(replace(first, message="Task task1 failed: Exit code 9"), *rest)

    assert message.subject == "[web-1] 5 tasks failed: task1, task2, task3 and 2 more"


def test_a_digest_counts() -> None:
    message = composed(*many(3), replace(FAILED, severity=Severity.CRITICAL), kind=MessageKind.DIGEST)

    assert message.subject == "[web-1] CRITICAL: Digest: 4 alerts, 1 of them critical"
    assert composed(kind=MessageKind.DIGEST).subject == "[web-1] Nothing to report"


def test_a_test_message_says_that_it_is_one() -> None:
    message = composed(kind=MessageKind.TEST)

    assert message.subject == "[web-1] Test message"
    assert "asked for by a person" in message.text


def hostile(text: str) -> Message:
    alert = replace(FAILED, message=text, task_name=text, note=text, cause=replace(FAILED.cause, node=text))
    run = replace(
        RUN,
        description=text,
        error_message=text,
        node=text,
        status=text,
        run_id=text,
        last_lines=(text,) * 100,
        changes=(text,) * 100,
    )
    return composed(alert, facts=run, link=text)


def test_hostile_text_is_text_in_html() -> None:
    document = Tags(hostile(HOSTILE).html)

    ours = {
        "html",
        "head",
        "meta",
        "title",
        "body",
        "table",
        "tr",
        "td",
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "pre",
        "code",
        "br",
    }
    assert document.tags <= ours
    assert not any(name.startswith("on") or name in ("src", "href") for name in document.attributes)
    assert "<script>alert(1)</script>" in document.words


def test_escapes_and_marks_that_turn_text_round_are_gone_or_seen() -> None:
    message = hostile(HOSTILE)

    everything = message.subject + message.text + message.html + json.dumps(dict(message.facts), ensure_ascii=False)
    assert not any(mark in everything for mark in "\x1b\x07\u202e\r")
    assert "\\u202e" in message.text
    assert "evil" not in message.text, "an address hidden behind words"
    assert "\n" not in message.subject


@pytest.mark.parametrize(
    "piece",
    [
        "\x1b[38;5;196m",
        "\x1b[31mx\x1b[0m",
        "\x1b]8;;",
        "\x1b",
        "<b>&amp;\"'",
        "👩‍👩‍👧‍👦",
        "\u202e",
        "\x00",
        "a",
        "\n",
        "\r",
        "\ud800",
        "é̀̂",
    ],
)
def test_a_megabyte_of_anything_stays_below_100_kb(piece: str) -> None:
    message = hostile(piece * (1_000_000 // len(piece)))

    facts = json.dumps(dict(message.facts), ensure_ascii=False).encode("utf-8", "surrogatepass")
    whole = (message.subject + message.text + message.html).encode()
    assert len(whole) + len(facts) <= 100_000
    assert len(message.subject) <= 150


@pytest.mark.parametrize("kind", [kind for kind in MessageKind if kind is not MessageKind.PING])
def test_ten_thousand_alerts_stay_below_100_kb(kind: MessageKind) -> None:
    alert = replace(FAILED, message="<&>👩" * 1000, task_name="t" * 100)
    message = composed(*[replace(alert, id=number) for number in range(10_000)], kind=kind)

    facts = json.dumps(dict(message.facts), ensure_ascii=False).encode()
    assert len((message.subject + message.text + message.html).encode()) + len(facts) <= 100_000


def test_emoji_and_scripts_are_left_whole() -> None:
    assert one_line("👩‍👩‍👧‍👦 ok – naïve", 100) == "👩‍👩‍👧‍👦 ok – naïve"


def test_what_a_progress_bar_wrote_over_is_gone() -> None:
    message = composed(FAILED, facts=replace(RUN, last_lines=("10 %\r50 %\r100 %", "done\r")))

    assert "| 100 %\n| done\n" in message.text


def test_facts_can_be_written_as_json_and_say_what_happened() -> None:
    facts = json.loads(json.dumps(dict(composed(FAILED, facts=RUN).facts)))

    assert facts["alerts"][0]["task_name"] == "nightly"
    assert facts["alerts"][0]["alert_type"] == "task_failure"
    assert facts["run"]["exit_code"] == 3
    assert facts["run"]["scheduled_for"] == "2026-11-24 11:50:00Z"
    assert facts["link"] == LINK
