"""Passkeys as strangers send them: allauth's forms, and one refusal for all that is none.

allauth hands what came to a library that takes it apart and raises whatever comes of that, of which allauth catches a
part: a missing `rawId`, a number that is infinite or bytes that hold no CBOR would be faults of ours in the log.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm as _AddForm
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm as _AuthenticateForm
from allauth.mfa.webauthn.forms import LoginWebAuthnForm as _LoginForm
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm as _ReauthenticateForm
from django import forms

# Of something that is no passkey. None of them is the database's, which is no answer to whoever sent it.
_NO_PASSKEY = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, struct.error)
# A passkey has about five objects and lists; thousands, one within the other, are more than Python can read.
_MOST_PARTS = 100


class _Decoder(json.JSONDecoder):
    """Says of what cannot be read that it is no JSON, and nothing else."""

    def decode(self, s: str, *args: Any) -> Any:
        if s.count("{") + s.count("[") > _MOST_PARTS:
            raise json.JSONDecodeError("It has too many parts", "", 0)
        try:
            return super().decode(s, *args)
        except ValueError as error:
            # A number of thousands of digits is a plain ValueError.
            raise json.JSONDecodeError(str(error), "", 0) from None


def _field() -> forms.JSONField:
    return forms.JSONField(required=True, widget=forms.HiddenInput, decoder=_Decoder)


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what comes of something that is no passkey into the words for a wrong one."""
    try:
        yield
    except _NO_PASSKEY:
        raise get_adapter().validation_error("incorrect_code") from None


class AddForm(_AddForm):  # type: ignore[misc]
    """Adds one."""

    credential = _field()

    def clean(self) -> dict[str, Any]:
        """Refuse what is none."""
        with _refusing():
            found: dict[str, Any] = super().clean()
        return found


class AuthenticateForm(_AuthenticateForm):  # type: ignore[misc]
    """Takes one as the second factor."""

    credential = _field()

    def clean_credential(self) -> Authenticator:
        """Refuse what is none."""
        with _refusing():
            return super().clean_credential()


class LoginForm(_LoginForm):  # type: ignore[misc]
    """Logs in with nothing else."""

    credential = _field()

    def clean_credential(self) -> Authenticator:
        """Refuse what is none."""
        with _refusing():
            return super().clean_credential()


class ReauthenticateForm(_ReauthenticateForm):  # type: ignore[misc]
    """Shows again that it is they."""

    credential = _field()

    def clean_credential(self) -> Authenticator:
        """Refuse what is none."""
        with _refusing():
            return super().clean_credential()
