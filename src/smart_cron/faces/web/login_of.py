"""Who is logged in by these cookies, for what Django's middleware does not pass: streams."""

from __future__ import annotations

import time
from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare

from smart_cron.config import Config
from smart_cron.core.people import Person
from smart_cron.faces.web.second_factors import lacks_second_factor
from smart_cron.faces.web.sessions import is_over
from smart_cron.store.people.models import User


def login_of(cookies: Mapping[str, str], config: Config) -> Person | None:
    """Return the person, or None. The same is asked as for a page: the session, its age, the user, the password."""
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    session = SessionStore(key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS or is_over(
        session, config, time.time()
    ):
        return None
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None or not constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return None if lacks_second_factor(user, config, session) else user.person
