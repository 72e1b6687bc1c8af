from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("smart_cron_people", "0002_once_keys")]

    operations = [
        migrations.AddField(
            model_name="user", name="session_epoch", field=models.IntegerField(db_default=0, default=0)
        ),
    ]
