import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import smart_cron.store.fields


class Migration(migrations.Migration):
    dependencies = [("smart_cron_people", "0003_session_epoch")]

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("identity_hash", smart_cron.store.fields.Varchar(max_length=64, unique=True)),
                ("issuer", smart_cron.store.fields.Varchar(max_length=255)),
                ("subject", smart_cron.store.fields.Varchar(max_length=255)),
                ("created_at", smart_cron.store.fields.Instant(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "smart_cron_identities"},
        ),
    ]
