"""What a request may ask for: known fields of the right kind, each once. All else is refused in words (SECURITY 5).

A view that reads by these is wrapped in `answering`, which makes their refusals pages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _

from smart_cron.core.errors import SmartCronError, UnknownTaskError
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.guard import is_partial
from smart_cron.faces.web.rendering import render

_Word = TypeVar("_Word", bound=StrEnum)
_View = Callable[..., HttpResponse]
LONGEST_TEXT = 200
ALWAYS = frozenset({"csrfmiddlewaretoken"})


class WrongRequestError(SmartCronError):
    """Fields that nobody knows, or of the wrong kind: 400."""


class NotThereError(SmartCronError):
    """What is not there, or is no business of whoever asks: 404 both."""


def answering(view: _View) -> _View:
    """Make pages of a view's refusals."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (NotThereError, UnknownTaskError):
            return not_found(request)
        except WrongRequestError as refused:
            template = "_refused.html" if is_partial(request) else "error.html"
            return render(request, template, 400, words=str(refused), status=400)

    return answered


def require_known(asked: QueryDict, names: Collection[str], *, several: Collection[str] = ()) -> None:
    """Raise WrongRequestError for fields that are not among these, or that come twice (but for *several*)."""
    known = ALWAYS | set(names) | set(several)
    unknown = sorted(name for name in asked if name not in known)
    if unknown:
        raise WrongRequestError(_("There is no field %(name)s here.") % {"name": repr(unknown[0][:50])})
    doubled = [name for name in asked if name not in several and len(asked.getlist(name)) > 1]
    if doubled:
        raise WrongRequestError(_("The field %(name)s came more than once.") % {"name": repr(doubled[0])})


def text(asked: QueryDict, name: str, *, longest: int = LONGEST_TEXT) -> str:
    """Return a text without the blanks around it; empty where it was not given."""
    value = (asked.get(name) or "").strip()
    if len(value) > longest or "\0" in value:
        raise WrongRequestError(
            _("The field %(name)s takes up to %(longest)d characters.") % {"name": repr(name), "longest": longest}
        )
    return value


def choice(asked: QueryDict, name: str, words: type[_Word]) -> _Word | None:
    """Return one of these words, None where nothing was given."""
    value = asked.get(name) or ""
    if not value:
        return None
    try:
        return words(value)
    except ValueError:
        raise WrongRequestError(
            _("The field %(name)s is one of %(words)s.") % {"name": repr(name), "words": ", ".join(words)}
        ) from None


def number(asked: QueryDict, name: str, *, least: int, most: int) -> int | None:
    """Return a whole number, None where nothing was given."""
    value = asked.get(name) or ""
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 16 and least <= int(value) <= most):
        raise WrongRequestError(
            _("The field %(name)s is a number from %(least)d to %(most)d.")
            % {"name": repr(name), "least": least, "most": most}
        )
    return int(value)
