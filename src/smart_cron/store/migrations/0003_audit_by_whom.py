from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("smart_cron", "0002_public_interface"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["actor", "id"], name="smart_cron_audit_actor"),
        ),
    ]
