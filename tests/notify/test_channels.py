"""Channels as the settings name them: what there is, what is wrong with it, and that no secret is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.notify.sinks import Mailbox, mail_server, web_sink

from smart_cron.config import Config, load_config
from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.errors import ConfigError
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.services.notify.tested import FILE, TestResult, last_tests, remember
from smart_cron.wiring import open_house, prepare
from smart_cron.wiring.channels import channel_problems, channels_of, mail_server_of, message_of
from smart_cron.wiring.courier import send_alert_mail

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CANARY = "canary-7c1f"


def settings(tmp_path: Path, text: str = "", **environ: str) -> Config:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    path = home / "smart-cron.toml"
    path.write_text(text)
    path.chmod(0o640)
    return load_config({"SMART_CRON_HOME": str(home), **environ})


def test_three_channels_are_there_without_a_table(tmp_path: Path) -> None:
    entries = channels_of(settings(tmp_path))

    assert [(entry.name, entry.kind, entry.settings) for entry in entries.values()] == [
        ("email", "email", None),
        ("slack", "slack", None),
        ("ping", "ping", None),
    ]
    assert not list(channel_problems(settings(tmp_path)))


def test_a_channel_of_the_settings_sends_to_its_own_address(tmp_path: Path, message: Message) -> None:
    with mail_server(Mailbox()) as box:
        table = '[channels.ops]\nkind = "email"\naddress = "ops@example.org"\n'
        text = f'[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n{table}'
        channels_of(settings(tmp_path, text))["ops"].open().send(message, target="")

    assert box.envelopes[0][1] == ["ops@example.org"]


def test_the_channel_email_sends_to_whom_a_message_names_or_else_to_alert_email(
    tmp_path: Path, message: Message
) -> None:
    with mail_server(Mailbox()) as box:
        text = f'alert_email = "all@example.org"\n[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n'
        channel = channels_of(settings(tmp_path, text))["email"].open()
        channel.send(message, target="task@example.org")
        channel.send(message, target="")

    assert [envelope[1] for envelope in box.envelopes] == [["task@example.org"], ["all@example.org"]]


def test_a_webhook_of_the_settings_is_bounded_by_them(tmp_path: Path, message: Message) -> None:
    with web_sink() as (state, requests):
        table = f'[channels.hook]\nkind = "webhook"\nurl = "http://127.0.0.1:{state.port}/{CANARY}"\nsecret = "s"\n'
        inside = settings(tmp_path, 'webhook_allowed_networks = ["127.0.0.0/8"]\n' + table)
        assert channels_of(inside)["hook"].open().send(message, target="") == "HTTP 200 OK"
        outside = channels_of(settings(tmp_path, table))["hook"]
        with pytest.raises(DeliveryError) as caught:
            outside.open().send(message, target="")

    assert len(requests) == 1
    assert "x-smart-cron-signature" in requests[0].headers
    assert not caught.value.permanent, "what a setting mends is tried again"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[channels.a]\nkind = "email"\n', "channels.a.address: set one mail address"),
        ('[channels.a]\nkind = "email"\naddress = "a@b.org, c@d.org"\n', "channels.a.address: set one mail address"),
        ('[channels.a]\nkind = "webhook"\n', "channels.a.url: set the address to post to"),
        ('[channels.a]\nkind = "slack"\nurl = "https://evil.example/x"\n', "add evil.example to webhook_allowed_hosts"),
        (
            '[channels.a]\nkind = "slack"\nurl = "http://hooks.slack.com/x"\n',
            "plain http is refused; use https, or put",
        ),
        ('[channels.a]\nkind = "slack"\nurl = "http://evil.example/x"\n', "use https and add evil.example to webhook"),
        ('[channels.a]\nkind = "webhook"\nurl = "ftp://evil.example/x"\n', "write https://, or http:// for what is in"),
        ('ping_url = "https://127.0.0.1/x"\n', "put its network into webhook_allowed_networks, such as 10.1.0.0/16"),
        (
            'webhook_allowed_hosts = ["127.0.0.1"]\n[channels.a]\nkind = "webhook"\nurl = "https://127.0.0.1/x"\n',
            "an address that is not public; put its network into webhook_allowed_networks",
        ),
        (
            f'[channels.a]\nkind = "apprise"\nurl = "tgram://123456789:{"a" * 35}/1/"\n',
            "channels.a.url: api.telegram.org is not allowed by webhook_allowed_hosts; add api.telegram.org to",
        ),
        ('[channels.a]\nkind = "slack"\nurl = "https://u:p@hooks.slack.com/x"\n', "an address with a login in it"),
        ('[channels.a]\nkind = "apprise"\n', "channels.a.url: set an apprise address"),
        ('[channels.email]\nkind = "slack"\n', "channels.email: this name is taken"),
        ('alert_email = "ops"\n', "alert_email: set one mail address"),
        ('webhook_allowed_networks = ["10.0.0.0/99"]\n', "webhook_allowed_networks: '10.0.0.0/99' is no network"),
        ('webhook_allowed_hosts = ["https://x.org/"]\n', "webhook_allowed_hosts: 'https://x.org/' is no host"),
        ('webhook_allowed_hosts = ["*"]\n', "webhook_allowed_hosts: '*' is no host"),
        ('webhook_allowed_hosts = ["x.org:0"]\n', "webhook_allowed_hosts: 'x.org:0' is no host"),
        ('webhook_allowed_hosts = ["x.org:22:23"]\n', "webhook_allowed_hosts: 'x.org:22:23' is no host"),
        (
            'ping_url = "https://hooks.slack.com:8443/x"\n',
            "port 8443 of hooks.slack.com is not allowed by webhook_allowed_hosts; add hooks.slack.com:8443 to",
        ),
        ('[alerts]\ndashboard_url = "cron.example.org"\n', "alerts.dashboard_url: write the dashboard's address"),
        ('ping_url = "https://hc.example/x"\n', "ping_url: hc.example is not allowed by webhook_allowed_hosts"),
        ('[smtp]\nuser = "u"\nhost = "mail.example.org"\n', "smtp.user: a login is not sent in the clear"),
        ('alert_email = "a@b.org"\n[smtp]\nsender = "Cron <a@b.org>"\n', "smtp.sender: set one mail address"),
    ],
)
def test_each_fault_is_told_with_its_key_and_its_remedy(tmp_path: Path, text: str, problem: str) -> None:
    problems = list(channel_problems(settings(tmp_path, text)))

    assert len(problems) == 1
    assert problem in problems[0]


def test_a_host_may_be_named_with_a_port(tmp_path: Path) -> None:
    text = 'webhook_allowed_hosts = ["hooks.example.org:8443"]\nping_url = "https://hooks.example.org:8443/x"\n'
    assert not list(channel_problems(settings(tmp_path, text)))


def test_an_apprise_service_whose_host_is_allowed_or_not_known_is_no_fault(tmp_path: Path) -> None:
    for hosts, url in (("api.telegram.org", f"tgram://123456789:{'a' * 35}/1/"), ("x.org", "mailto://u:p@gmail.com")):
        table = f'webhook_allowed_hosts = ["{hosts}"]\n[channels.a]\nkind = "apprise"\nurl = "{url}"\n'
        assert not list(channel_problems(settings(tmp_path, table)))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('kind = "pigeon"', "channels.a.kind: "),
        ('kind = "email"\nalert_types = ["fire"]', "'fire' is no type of alert; there are task_failure"),
        ('kind = "email"\nquiet_hours = "22-6"', "write two times of day such as 22:00-06:00"),
        ('kind = "email"\ndigest_at = "25:00"', "write a time of day such as 08:00"),
        (f'kind = "webhook"\nsecret = ["{CANARY}"]', "channels.a.secret: "),
        (f'kind = "webhook"\nurl = ["{CANARY}"]', "channels.a.url: "),
        (f'url = "{CANARY}"', "channels.a.kind: "),
    ],
)
def test_what_is_no_setting_at_all_is_refused_and_shows_no_secret(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, f"[channels.a]\n{line}\n")

    assert problem in str(caught.value)
    assert CANARY not in str(caught.value)


def test_no_secret_is_shown_by_settings_and_channels(tmp_path: Path) -> None:
    text = (
        f'ping_url = "https://hc.example/{CANARY}"\n[smtp]\nuser = "u"\npassword = "{CANARY}"\nsecurity = "tls"\n'
        f'[channels.a]\nkind = "webhook"\nurl = "https://x.example/{CANARY}"\nsecret = "{CANARY}"\n'
        f'[channels.b]\nkind = "apprise"\nurl = "tgram://{CANARY}/1"\n'
    )
    config = settings(tmp_path, text)

    shown = [
        repr(config),
        str(config),
        json.dumps(config.shown()),
        repr(channels_of(config)),
        repr(mail_server_of(config)),
    ]
    shown += [repr(entry.open()) for entry in channels_of(config).values()]
    shown += list(channel_problems(config))
    assert not [text for text in shown if CANARY in text]


def test_messages_carry_the_name_and_the_link_that_are_set(tmp_path: Path) -> None:
    text = '[alerts]\ninstallation = "Cron of Auckland"\ndashboard_url = "https://cron.example.org/"\n'

    message = message_of(settings(tmp_path, text), MessageKind.TEST, (), now=NOON)

    assert message.subject == "[Cron of Auckland] Test message"
    assert "See https://cron.example.org/alerts\n" in message.text


@pytest.mark.slow
def test_an_alert_is_mailed_on_demand(tmp_path: Path) -> None:
    with mail_server(Mailbox()) as box:
        config = settings(tmp_path, f'[smtp]\nhost = "127.0.0.1"\nport = {box.port}\n')
        prepare(config)
        house = open_house(config)
        try:
            cause = Cause(alert_type=AlertType.DISK_SPACE, node="web-1")
            alarm = Alarm(cause=cause, severity=Severity.CRITICAL, message="/var is 91 % full")
            numbers = house.store.alerts.raise_alarms([alarm])
            sent = send_alert_mail(house, "ops@example.org", numbers)
            nothing = send_alert_mail(house, "ops@example.org", [])
            box.rcpt = "550 no such user"
            refused = send_alert_mail(house, "ops@example.org", numbers)
        finally:
            house.close()

    assert (sent, nothing, refused) == (True, False, False)
    assert "CRITICAL: /var is 91 % full" in box.mail()["Subject"]


# --- how the last tests went -----------------------------------------------------------------------------------------


def test_the_last_result_of_each_channel_is_kept(tmp_path: Path) -> None:
    failed = TestResult(tested_at=NOON, ok=False, words="no such user")
    taken = TestResult(tested_at=NOON, ok=True, words="250 OK")

    remember(tmp_path, "email", failed)
    remember(tmp_path, "ops", failed)
    remember(tmp_path, "email", taken)

    assert last_tests(tmp_path) == {"email": taken, "ops": failed}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"email": 3}', '{"email": {"tested_at": "noon"}}'])
def test_a_torn_file_of_results_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)

    assert last_tests(tmp_path) == {}
