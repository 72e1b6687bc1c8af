"""The port `HoldStore`, on every database."""

from __future__ import annotations

from tests.conformance.scene import Scene


def test_a_hold_stands_until_it_is_released_and_both_are_audited(scene: Scene) -> None:
    holds = scene.store.holds

    assert holds.hold("stopped", reason="a fire", actor="ann")
    assert not holds.hold("stopped", reason="again", actor="bob")

    (hold,) = holds.holds()
    assert (hold.kind, hold.reason, hold.actor) == ("stopped", "a fire", "ann")
    assert hold.since is not None
    assert holds.release("stopped", actor="cy")
    assert not holds.release("stopped", actor="cy")
    assert holds.holds() == []
    audited = scene.store.session.rows("SELECT actor, action FROM smart_cron_audit_log ORDER BY id")
    assert audited == [("ann", "hold"), ("cy", "release")]
