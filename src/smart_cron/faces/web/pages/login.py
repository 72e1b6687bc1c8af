"""Logging in and out, the password, second factors and sessions: allauth's views behind our routes."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from allauth.usersessions import views as usersessions

from smart_cron.core.people import Role
from smart_cron.faces.web.guard import ANYBODY, Route

_VIEWER = Role.VIEWER
ROUTES = (
    Route(path="login", view=account.login, name="account_login", see=ANYBODY, change=ANYBODY),
    Route(path="logout", view=account.logout, name="account_logout", see=None, change=_VIEWER),
    Route(path="account/password", view=account.password_change, name="account_change_password", change=_VIEWER),
    Route(path="account/fresh", view=account.reauthenticate, name="account_reauthenticate", change=_VIEWER),
    Route(path="account/sessions", view=usersessions.list_usersessions, name="usersessions_list", change=_VIEWER),
    Route(path="login/second", view=mfa.authenticate, name="mfa_authenticate", see=ANYBODY, change=ANYBODY),
    Route(path="account/second/fresh", view=mfa.reauthenticate, name="mfa_reauthenticate", change=_VIEWER),
    Route(path="account/second", view=mfa.index, name="mfa_index"),
    Route(path="account/second/totp", view=totp.activate_totp, name="mfa_activate_totp", change=_VIEWER),
    Route(path="account/second/totp/off", view=totp.deactivate_totp, name="mfa_deactivate_totp", change=_VIEWER),
    Route(path="account/second/codes", view=codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    Route(
        path="account/second/codes/new",
        view=codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
        change=_VIEWER,
    ),
    Route(path="account/second/codes/download", view=codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    Route(path="account/passkeys", view=passkeys.list_webauthn, name="mfa_list_webauthn"),
    Route(path="account/passkeys/add", view=passkeys.add_webauthn, name="mfa_add_webauthn", change=_VIEWER),
    Route(path="account/passkeys/<int:pk>/edit", view=passkeys.edit_webauthn, name="mfa_edit_webauthn", change=_VIEWER),
    Route(
        path="account/passkeys/<int:pk>/remove",
        view=passkeys.remove_webauthn,
        name="mfa_remove_webauthn",
        change=_VIEWER,
    ),
    Route(path="login/passkey", view=passkeys.login_webauthn, name="mfa_login_webauthn", see=ANYBODY, change=ANYBODY),
    Route(
        path="account/passkeys/fresh",
        view=passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
        change=_VIEWER,
    ),
)
