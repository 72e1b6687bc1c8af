"""What Django knows this room as; the label is part of the migrations' identity and never changes."""

from __future__ import annotations

from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "smart_cron.store"
    label = "smart_cron"
    default_auto_field = "django.db.models.BigAutoField"
