"""A page of the wiki."""

from django.db import models


class Page(models.Model):
    """Its name is its address."""

    name = models.SlugField(unique=True)
    text = models.TextField()
    changed_by = models.CharField(max_length=64)
