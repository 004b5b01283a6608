"""What the panel calls the rows. Nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0003_lists")]
    operations = [
        migrations.AlterModelOptions(
            "delivery", {"managed": False, "verbose_name_plural": "deliveries"}
        ),
        migrations.AlterModelOptions(
            "fanoutdue",
            {
                "managed": False,
                "verbose_name": "event to fan out",
                "verbose_name_plural": "events to fan out",
            },
        ),
        migrations.AlterModelOptions(
            "heldback",
            {
                "managed": False,
                "verbose_name": "event held back",
                "verbose_name_plural": "events held back",
            },
        ),
    ]
