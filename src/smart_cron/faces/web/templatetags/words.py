"""Words and figures in pages, as the commands say them. Loaded in every template."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from django import template
from django.forms import BoundField
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString

from smart_cron.core.alert_words import told as told_words
from smart_cron.faces.cli.text import rate
from smart_cron.faces.cli.text import size as size_words
from smart_cron.faces.cli.text import span as span_words
from smart_cron.faces.web.charts import Chart
from smart_cron.faces.web.script_words import WORDS
from smart_cron.faces.web.task_key import task_address

register = template.Library()


@register.filter
def span(seconds: float | None) -> str:
    """Return a span such as `2 min 3 s`; nothing for None."""
    return "" if seconds is None else span_words(seconds)


@register.filter
def size(count: int | None) -> str:
    """Return bytes such as `1.2 MB`; nothing for None."""
    return "" if count is None else size_words(count)


@register.filter
def told(text: object, limit: int = 500) -> str:
    """Return words of a task or a stranger on one line: no mark that acts upon the eye, no password."""
    return told_words(text, limit) if text else ""


@register.filter
def plainly(word: str) -> str:
    """Return a name of ours such as `disk_space` as words: `Disk space`."""
    return word.replace("_", " ").capitalize()


@register.filter
def figure(value: float | None) -> str:
    """Return a number of a chart's table, at most two digits behind the point; a dash for None."""
    return "–" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


@register.filter
def control(field: BoundField) -> SafeString:
    """Return a field's input, dressed as the style sheet wants it and told what describes it."""
    kind = {"checkbox": "form-check-input", "select": "form-select"}.get(field.widget_type, "form-control")
    attributes: dict[str, str | bool] = {"class": kind}
    if field.errors:
        attributes["class"] = f"{kind} is-invalid"
    if field.help_text:
        attributes["aria-describedby"] = f"{field.auto_id}_help"
    return field.as_widget(attrs=attributes)


@register.filter
def instant(at: datetime | None, style: str = "") -> SafeString | str:
    """Return an instant as an element that the browser shows in its own zone; UTC stands in the title.

    *style*: empty for date and time, `short` for weekday and minute, `clock` for the minute, `relative` for
    `3 min ago`, `countdown` for what is left, `elapsed` for how long.
    """
    if at is None:
        return ""
    # Figures of our own: to look for what has to be escaped in them takes several times as long.
    written, shown = at.isoformat().replace("+00:00", "Z"), f"{at.isoformat(' ', 'seconds')[:19]} UTC"
    style = escape(style or "local")
    return SafeString(f'<time datetime="{written}" title="{shown}" data-time="{style}">{shown}</time>')


@register.filter
def rows(chart: Chart) -> SafeString:
    """Return the rows of a chart's table. There may be hundreds: a template would take several times as long."""
    return SafeString("".join(f'<tr><th scope="row">{_head(head)}</th>{_cells(row)}</tr>' for head, row in chart.rows))


def _head(head: object) -> str:
    return instant(head) if isinstance(head, datetime) else escape(str(head))


def _cells(values: Sequence[float | None]) -> str:
    return "".join(f'<td class="text-end">{figure(value)}</td>' for value in values)


@register.simple_tag(takes_context=True)
def icon(context: dict[str, object], name: str, label: str = "") -> SafeString:
    """Return a picture from the sprite; one without a label is decoration."""
    said = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="icon" {}><use href="{}vendor/icons.svg#{}"></use></svg>', said, context.get("static", ""), name
    )


@register.simple_tag
def script_words() -> SafeString:
    """Return the words of scripts as data; the content policy lets no page hold a script."""
    return json_script(WORDS, "words")


@register.simple_tag
def task_url(name: str, page: str = "task") -> str:
    """Return the address of a task's page, whatever its name."""
    return task_address(name, page)


@register.filter
def percent(share: float | None) -> str:
    """Return a share in percent, a dash for None. 99.96 % is not 100 %."""
    return "–" if share is None else rate(round(share * 10_000), 10_000)
