"""`smart-cron why`: what became of a slot, or will, and by which decisions."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from smart_cron.core.moments import Moment
from smart_cron.faces.cli.documents import print_json, print_json_line
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.instants import read_moment
from smart_cron.faces.cli.ledger import read_interval
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from smart_cron.core.why_facts import Answer
    from smart_cron.services.why import Inquiry, Subject
    from smart_cron.wiring import House

# Wide enough for a sentence, narrow enough to be read.
WIDEST = 100


@click.command()
@click.argument("name", metavar="TASK")
@click.option("--at", metavar="TIME", help="The slot at this time, past or to come [default: the last and the next].")
@click.option("--since", metavar="TIME", help="Everything from this time on.")
@click.option("--until", metavar="TIME", help="Everything before this time [default: now].")
@json_option
@pass_session
def why(session: Session, /, *, name: str, at: str | None, since: str | None, until: str | None, as_json: bool) -> None:
    """Say why a slot ran, did not run, or is none, and by which decisions.

    With --since what happened, a sentence for each slot, stretch of slots and change of the task; --json then prints
    one object a line.

    TIME is 2026-11-23, '2026-11-23 02:30', either with Z or +01:00, or now, -2h, -7d; without a zone it is in the
    configured one.
    """
    if at is not None and (since is not None or until is not None):
        raise click.UsageError("--at asks about one slot, --since and --until about an interval: give one of the two.")
    if until is not None and since is None:
        raise click.UsageError("--until needs --since, for example --since -1d.")
    from smart_cron.core.zones import zone

    with session.house() as house:
        place = zone(house.config.time_zone)
        if house.is_remote:
            _tell_from_afar(house, name, place, at=at, since=since, until=until, as_json=as_json)
        elif since is not None:
            _tell_story(house, name, since, until, place, as_json=as_json)
        elif at is not None:
            _tell_slot(house, name, _moment(at, house.clock.now(), place), place, as_json=as_json)
        else:
            _tell_last_and_next(house, name, place, as_json=as_json)


def _tell_from_afar(
    house: House,
    name: str,
    place: ZoneInfo,
    *,
    at: str | None,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    from smart_cron.faces.cli.remote.answers import story, why_slot
    from smart_cron.faces.cli.remote.house import api_of

    now = house.clock.now()
    if since is not None:
        interval = read_interval(since, until or "now", now=now + timedelta(microseconds=1), place=place)
        assert interval.since is not None
        assert interval.until is not None
        _tell_events(story(api_of(house), name, since=interval.since, until=interval.until), place, as_json=as_json)
        return
    asked: dict[str, Any] = {}
    if at is not None:
        moment = _moment(at, now, place)
        asked = {"at": moment.at, "width_seconds": max(1, int(moment.width.total_seconds()))}
    found = why_slot(api_of(house), name, **asked)
    if as_json:
        print_json([document for _, document in found])
    elif found:
        _tell([answer for answer, _ in found], place, as_json=False)
    else:
        click.echo(f"{printable(name)} has had no slot yet, and has none to come.")


def _moment(text: str, now: datetime, place: ZoneInfo) -> Moment:
    moment = read_moment(text, option="--at", now=now, place=place)
    if moment.remark:
        note(moment.remark)
    return moment


def _tell_slot(house: House, name: str, moment: Moment, place: ZoneInfo, *, as_json: bool) -> None:
    inquiry, subjects = _inquire(house, name, place)
    _tell([inquiry.of_slot(subjects, moment.at, width=moment.width)], place, as_json=as_json)


def _tell_last_and_next(house: House, name: str, place: ZoneInfo, *, as_json: bool) -> None:
    inquiry, subjects = _inquire(house, name, place)
    answers = inquiry.last_and_next(subjects[0])
    if answers or as_json:
        _tell(answers, place, as_json=as_json)
    else:
        click.echo(f"{printable(subjects[0].task.name)} has had no slot yet, and has none to come.")


def _tell_story(house: House, name: str, since: str, until: str | None, place: ZoneInfo, *, as_json: bool) -> None:
    now = house.clock.now()
    interval = read_interval(since, until or "now", now=now + timedelta(microseconds=1), place=place)
    assert interval.since is not None
    assert interval.until is not None
    inquiry, subjects = _inquire(house, name, place)
    events = (
        {"task": subject.task.name, **event.document}
        for subject in reversed(subjects)
        for event in inquiry.story(subject, since=interval.since, until=interval.until)
    )
    _tell_events(events, place, as_json=as_json)


def _tell_events(events: Iterable[Mapping[str, Any]], place: ZoneInfo, *, as_json: bool) -> None:
    empty = True
    for event in events:
        empty = False
        if as_json:
            print_json_line(event)
        else:
            click.echo(_wrapped(event["sentence"], hanging=2))
    if empty and not as_json:
        click.echo(f"Nothing is on record of that time, and no slot lies in it (times in {place.key}).")


def _inquire(house: House, name: str, place: ZoneInfo) -> tuple[Inquiry, Sequence[Subject]]:
    """Return whom to ask, and the tasks that have or had this name, the one that exists first."""
    from smart_cron.services.ledger import tasks_named
    from smart_cron.wiring.inquiring import inquiry_at

    store = house.store
    inquiry = inquiry_at(store, house.config, now=house.clock.now(), place=place)
    return inquiry, [
        inquiry.subject(
            task,
            definition=store.tasks.get(task.name).definition if task.exists else None,
            default_zone=house.config.time_zone,
        )
        for task in tasks_named(store.ledger.tasks(), name)
    ]


def _tell(answers: Sequence[Answer], place: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        print_json([answer.document for answer in answers])
        return
    for place_in_line, answer in enumerate(answers):
        if place_in_line:
            click.echo()
        click.echo(_wrapped(answer.sentence))
        width = max((len(step.decision) for step in answer.steps), default=0)
        for step in answer.steps:
            head = click.style(step.decision.capitalize().ljust(width), bold=True)
            click.echo(f"  {head}  {_wrapped(step.says, hanging=width + 4, begun=width + 4)}")
    click.echo(click.style(f"(times in {place.key})", dim=True))


def _wrapped(text: str, *, hanging: int = 0, begun: int = 0) -> str:
    """Return a sentence in lines as wide as the terminal; in a pipe on one line."""
    import shutil
    import sys

    text = printable(text)
    if not sys.stdout.isatty():
        return text
    width = min(shutil.get_terminal_size().columns, WIDEST)
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=" " * begun,
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join(lines)[begun:]
