"""Fields for new passwords, and faults told on the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from smart_cron.core.errors import InvalidInputError

NEW_PASSWORD = forms.PasswordInput(attrs={"autocomplete": "new-password"})


def require_same(form: forms.Form, first: str, second: str) -> dict[str, Any]:
    """Return what was entered; two passwords that differ are a fault on the second."""
    given = form.cleaned_data
    if first in given and second in given and given[first] != given[second]:
        form.add_error(second, _("The two passwords differ."))
    return given


def fault_on(form: forms.Form, field: str | None, fault: InvalidInputError) -> None:
    """Tell on this field of the form what is wrong."""
    for problem in fault.problems:
        sentence = problem[:1].upper() + problem[1:]
        form.add_error(field, sentence if sentence.endswith(".") else f"{sentence}.")
