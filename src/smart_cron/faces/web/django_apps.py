"""The applications and the login of what listens, as Django, allauth and axes want to be told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from smart_cron.config import Config

HERE = Path(__file__).parent
APPS = (
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "smart_cron.store.people.apps.PeopleConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "ninja",
)
# The outermost first. What only passes tables of ours through (pings, metrics) has none of these.
MIDDLEWARE = [
    "smart_cron.faces.web.failing.FailingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "smart_cron.faces.web.sessions.SessionAgeMiddleware",
    "smart_cron.faces.web.known_browsers.KnownBrowserMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "smart_cron.faces.web.guard.GuardMiddleware",
    "axes.middleware.AxesMiddleware",
]
HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
# Absolute; how long somebody may do nothing is `sessions.IDLE`.
LONGEST_SESSION = timedelta(days=14)
# What Django's own check of a deployment finds, and why it is meant.
SILENCED = (
    ("security.W002", "the gate sets X-Frame-Options, and the content policy frame-ancestors, on every answer"),
    ("security.W008", "the server speaks no TLS; redirecting to it is the proxy's task"),
    ("security.W005", "other names below ours are other people's: strict transport is not demanded of them"),
    ("security.W021", "likewise: whether a name is on the browsers' list is its owner's decision"),
)
FRESH_LOGIN = timedelta(minutes=10)


def application_settings(config: Config, *, is_secure: bool) -> dict[str, Any]:
    """Return the settings; *is_secure* where browsers reach us through TLS, as behind a proxy."""
    return {
        "MIDDLEWARE": MIDDLEWARE,
        "TEMPLATES": [_templates()],
        "STATIC_URL": "static/",
        "LANGUAGE_CODE": "en",
        "USE_I18N": True,
        "LOCALE_PATHS": [HERE / "locale"],
        **_login(config),
        **_cookies(config, is_secure=is_secure),
        **_content_policy(),
        **_lockout(config),
    }


def _templates() -> dict[str, Any]:
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "smart_cron.faces.web.rendering.everywhere",
                "smart_cron.faces.web.sections.sections",
            ],
            "builtins": ["django.templatetags.i18n", "smart_cron.faces.web.templatetags.words"],
            "libraries": {"words": "smart_cron.faces.web.templatetags.words"},
        },
    }


def _login(config: Config) -> dict[str, Any]:
    return {
        "AUTH_USER_MODEL": "smart_cron_people.User",
        "AUTHENTICATION_BACKENDS": [
            "axes.backends.AxesStandaloneBackend",
            "smart_cron.faces.web.backends.Passwords",
        ],
        "PASSWORD_HASHERS": HASHERS,
        "AUTH_PASSWORD_VALIDATORS": [
            {
                "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
                "OPTIONS": {"min_length": config.web.shortest_password},
            },
            {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
            {
                "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
                "OPTIONS": {"user_attributes": ("username", "email")},
            },
        ],
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "home",
        "ACCOUNT_LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_ADAPTER": "smart_cron.faces.web.accounts.AccountAdapter",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_PRESERVE_USERNAME_CASING": True,
        "ACCOUNT_SESSION_REMEMBER": True,
        "ACCOUNT_LOGOUT_ON_GET": False,
        "ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE": False,
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": int(FRESH_LOGIN.total_seconds()),
        "ACCOUNT_REAUTHENTICATION_REQUIRED": True,
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": "username",
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": "email",
        # allauth's forget at each restart, and lock a name out for everybody; `limits` and axes do neither.
        "ACCOUNT_RATE_LIMITS": False,
        "MFA_ADAPTER": "allauth.mfa.adapter.DefaultMFAAdapter",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_TOTP_ISSUER": "Smart Cron",
        # A code lasts as long as it is shown: 30 s.
        "MFA_TOTP_TOLERANCE": 0,
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_FORMS": {
            "authenticate": "smart_cron.faces.web.second_factors.AuthenticateForm",
            "reauthenticate": "smart_cron.faces.web.second_factors.ReauthenticateForm",
            "activate_totp": "smart_cron.faces.web.second_factors.ActivateForm",
            "add_webauthn": "smart_cron.faces.web.passkey_forms.AddForm",
            "authenticate_webauthn": "smart_cron.faces.web.passkey_forms.AuthenticateForm",
            "login_webauthn": "smart_cron.faces.web.passkey_forms.LoginForm",
            "reauthenticate_webauthn": "smart_cron.faces.web.passkey_forms.ReauthenticateForm",
        },
        "USERSESSIONS_TRACK_ACTIVITY": False,
        "SESSION_COOKIE_AGE": int(LONGEST_SESSION.total_seconds()),
    }


def _cookies(config: Config, *, is_secure: bool) -> dict[str, Any]:
    """A `__Host-` cookie belongs to the root alone; below a prefix the path and `__Secure-` bind it."""
    path = f"{config.web.path_prefix}/"
    beginning = ("__Host-" if path == "/" else "__Secure-") if is_secure else ""
    return {
        "SESSION_COOKIE_NAME": f"{beginning}smart_cron_session",
        "SESSION_COOKIE_PATH": path,
        "SESSION_COOKIE_SECURE": is_secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_NAME": f"{beginning}smart_cron_csrf",
        "CSRF_COOKIE_PATH": path,
        "CSRF_COOKIE_SECURE": is_secure,
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Strict",
        "CSRF_FAILURE_VIEW": "smart_cron.faces.web.answers.csrf_failure",
        "CSRF_TRUSTED_ORIGINS": [f"https://{host}" for host in config.web.allowed_hosts],
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        "SECURE_REFERRER_POLICY": "same-origin",
        "SECURE_HSTS_SECONDS": 31_536_000 if is_secure else 0,
        "SECURE_PROXY_SSL_HEADER": None,
        "X_FRAME_OPTIONS": "DENY",
        "SILENCED_SYSTEM_CHECKS": [name for name, _ in SILENCED],
        "FORCE_SCRIPT_NAME": config.web.path_prefix or None,
    }


def _content_policy() -> dict[str, Any]:
    return {
        "CONTENT_SECURITY_POLICY": {
            "DIRECTIVES": {
                "default-src": [NONE],
                "script-src": [SELF],
                "style-src": [SELF],
                # Tabler's own style sheet holds small pictures as data.
                "img-src": [SELF, "data:"],
                "font-src": [SELF],
                "connect-src": [SELF],
                "manifest-src": [SELF],
                "form-action": [SELF],
                "base-uri": [NONE],
                "object-src": [NONE],
                "frame-ancestors": [NONE],
            }
        }
    }


def _lockout(config: Config) -> dict[str, Any]:
    """By name and address together: a stranger elsewhere locks nobody out. `accounts` bounds a name as a whole."""
    return {
        "AXES_FAILURE_LIMIT": config.web.failures_until_locked,
        "AXES_COOLOFF_TIME": timedelta(minutes=config.web.locked_minutes),
        "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
        "AXES_RESET_ON_SUCCESS": True,
        "AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT": False,
        "AXES_ENABLE_ACCESS_FAILURE_LOG": False,
        "AXES_DISABLE_ACCESS_LOG": True,
        # The form has `login`, allauth's credentials `username`: axes itself would find neither in the other.
        "AXES_USERNAME_CALLABLE": "smart_cron.faces.web.accounts.tried_name",
        "AXES_CLIENT_IP_CALLABLE": "smart_cron.faces.web.accounts.client_network",
        "AXES_LOCKOUT_CALLABLE": "smart_cron.faces.web.accounts.locked_out",
        "AXES_VERBOSE": False,
    }
