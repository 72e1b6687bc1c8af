"""What Django knows this room as; the label is part of the migrations' identity and never changes."""

from __future__ import annotations

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "smart_cron.store.people"
    label = "smart_cron_people"
    default_auto_field = "django.db.models.BigAutoField"
