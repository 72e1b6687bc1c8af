"""Every address there is. What is not here is not found."""

from __future__ import annotations

from django.urls import path

from smart_cron.faces.api.application import api_patterns
from smart_cron.faces.web.guard import Route, url_patterns
from smart_cron.faces.web.health import healthz, readyz
from smart_cron.faces.web.metrics import metrics
from smart_cron.faces.web.pages import (
    alert,
    alert_change,
    alerts,
    audit,
    backup_download,
    backups,
    health,
    home,
    login,
    login_oidc,
    logs,
    own_sessions,
    run,
    runs,
    search,
    settings,
    settings_keys,
    settings_users,
    setup,
    task_routes,
    tv,
)
from smart_cron.faces.web.pings import ping

PAGES: tuple[Route, ...] = (
    *home.ROUTES,
    *alerts.ROUTES,
    *alert_change.ROUTES,
    *alert.ROUTES,
    *logs.ROUTES,
    *run.ROUTES,
    *runs.ROUTES,
    *health.ROUTES,
    *audit.ROUTES,
    *backups.ROUTES,
    *backup_download.ROUTES,
    *search.ROUTES,
    *tv.ROUTES,
    *login.ROUTES,
    *login_oidc.ROUTES,
    *own_sessions.ROUTES,
    *settings.ROUTES,
    *settings_users.ROUTES,
    *settings_keys.ROUTES,
    *setup.ROUTES,
    *task_routes.ROUTES,
)

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("ping/<str:key>", ping),
    path("ping/<str:key>/<str:signal>", ping),
    path("api/v1/", api_patterns()),
    *url_patterns(PAGES),
]

handler400 = "smart_cron.faces.web.answers.bad_request"
handler403 = "smart_cron.faces.web.answers.forbidden"
handler404 = "smart_cron.faces.web.answers.not_found"
handler500 = "smart_cron.faces.web.answers.server_error"
