"""What leaves this machine in a report has no secret in it, however it is spelled."""

from __future__ import annotations

import pytest

from smart_cron.services.diagnosis.scrub import Scrubber, secrets_of_url


@pytest.mark.parametrize(
    "text",
    [
        "plain s3cr/t=x here",
        "s3cr%2Ft%3Dx",
        "czNjci90PXg=",
        "mysql://u:anything@host/db",
        "Authorization: Bearer abcdefgh12345",
        "--password hunter22",
        '"api_key": "hunter22"',
        "DB_PASSWORD=hunter22",
        "https://hooks.slack.com/services/T0000/B0000/canarycanary",
        "canarycanary",
    ],
)
def test_no_spelling_of_a_secret_survives(text: str) -> None:
    scrubber = Scrubber(["s3cr/t=x", *secrets_of_url("https://hooks.slack.com/services/T0000/B0000/canarycanary")])

    shown = scrubber.clean(text)

    assert "***" in shown
    assert not [word for word in ("s3cr", "czNj", "anything", "abcdefgh", "hunter22", "canary") if word in shown]


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("full", "Task completed successfully", "Task completed successfully"),
        ("full", "MODE=full, mode 'full'", "MODE=***, mode '***'"),
        ("s3cr/t=", "at s3cr/t= and xs3cr/t=", "at *** and xs3cr/t="),
        ("eightlet", "xeightletx", "x***x"),
    ],
)
def test_a_short_secret_is_taken_out_where_it_stands_alone(secret: str, text: str, shown: str) -> None:
    assert Scrubber([secret]).clean(text) == shown


def test_what_is_no_secret_stays() -> None:
    text = "run 5 of 'backup' failed: Exit code 3, see /srv/jobs/backup.sh at 12:00"

    assert Scrubber(["x", ""]).clean(text) == text
