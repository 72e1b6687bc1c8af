"""How allauth and axes behave here: nobody signs up by themselves, and what fails is told and written down."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Users are made by an admin or at the console."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody makes an account for themselves."""
        del request
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the peer, or whom a trusted proxy named: the server has judged that already (SECURITY 11)."""
        return client_address(request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send none: who must know of a login reads the audit log."""


def client_address(request: HttpRequest) -> str:
    """Return the client's address as the server knows it, never by a header of the client's own."""
    return str(request.META.get("REMOTE_ADDR", ""))


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """Return the page that says when to try again."""
    del response, credentials
    answer = render(request, "account/locked.html", status=429)
    answer["Retry-After"] = "900"
    return answer
