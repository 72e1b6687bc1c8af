"""Who was told of an alert, as the outbox remembers it on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conformance.scene import Scene
from tests.conformance.test_outbox import OPS, letters, post, taken

from smart_cron.core.delivery import Address, DeliveryStatus
from smart_cron.core.message import MessageKind
from smart_cron.store.gateway import Store

pytestmark = pytest.mark.slow
ONCALL = Address("oncall")


def test_only_letters_about_this_very_alert_are_found_oldest_first(scene: Scene) -> None:
    store: Store = scene.store
    since = store.database.now() - timedelta(minutes=1)
    post(store, 3, 12)
    letter = taken(store)
    store.outbox.close(letter.letter_id, DeliveryStatus.SENT, words="250 ok")
    post(store, 12, kind=MessageKind.REMINDER, to=ONCALL)
    post(store, 1, 2, 112, 120)
    assert len(letters(store)) == 3

    found = store.outbox.letters_about(12, since=since)

    assert [(each.address, each.kind, each.status) for each in found] == [
        (OPS, MessageKind.ALERT, DeliveryStatus.SENT),
        (ONCALL, MessageKind.REMINDER, DeliveryStatus.PENDING),
    ]
    assert all(each.at >= since for each in found)
    assert store.outbox.letters_about(12, since=since + timedelta(hours=1)) == []


def test_what_the_server_said_of_a_letter_that_it_did_not_take_is_found_with_it(scene: Scene) -> None:
    store: Store = scene.store
    since = store.database.now() - timedelta(minutes=1)
    post(store, 12)
    store.outbox.put_back(taken(store).letter_id, after=timedelta(), words="451 later")
    post(store, 12, to=ONCALL)
    store.outbox.close(taken(store, "oncall").letter_id, DeliveryStatus.FAILED, words="550 no such user")

    found = store.outbox.letters_about(12, since=since)

    assert [each.last_error for each in found] == ["451 later", "550 no such user"]
    backlog = store.health_facts.undelivered(waiting_for=timedelta(hours=1), failed_within=timedelta(hours=24))
    assert backlog.refusal == "oncall: 550 no such user"


def test_who_acknowledged_an_alert_is_read_from_the_audit_log(scene: Scene) -> None:
    store: Store = scene.store
    alerts = store.alerts
    assert alerts.seen_by(7) is None
    store.session.execute(
        "INSERT INTO smart_cron_alerts (alert_type, severity, message) VALUES ('memory', 'error', 'x')"
    )
    (alert,) = alerts.alerts()

    alerts.acknowledge(alert.id, user_id=None, actor="cli:kim")

    assert alerts.seen_by(alert.id) == "cli:kim"
