"""The table of pages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Page",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.SlugField(unique=True)),
                ("text", models.TextField()),
                ("changed_by", models.CharField(max_length=64)),
            ],
        ),
    ]
