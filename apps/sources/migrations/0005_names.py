"""What the panel calls the rows. Nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sources", "0004_by_component")]
    operations = [
        migrations.AlterModelOptions(
            "skippedslots",
            {"verbose_name": "skipped slot", "verbose_name_plural": "skipped slots"},
        ),
    ]
