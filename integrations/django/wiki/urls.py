"""A page has one address."""

from django.urls import path

from wiki.views import page

urlpatterns = [path("pages/<slug:name>", page)]
