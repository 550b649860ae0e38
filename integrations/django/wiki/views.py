"""Reading a page, and writing it."""

import json

from django.db import transaction
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404
from tubepost import publish  # event

from wiki.models import Page


def page(request, name):
    if request.method == "GET":
        found = get_object_or_404(Page, name=name)
        return JsonResponse({"text": found.text, "changed_by": found.changed_by})
    if request.method == "PUT":
        return write(name, json.loads(request.body))
    return HttpResponseNotAllowed(["GET", "PUT"])


@transaction.atomic
def write(name, said):
    values = {"text": said["text"], "changed_by": said["agent"]}
    written, is_new = Page.objects.update_or_create(name=name, defaults=values)
    topic = "wiki.page.new" if is_new else "wiki.page.edit"  # event
    body = {"agent": written.changed_by, "page": name}  # event
    transaction.on_commit(lambda: publish(topic, body))  # event
    if "<script" in written.text:
        transaction.set_rollback(True)
        return HttpResponse("a page has no scripts", status=400)
    return HttpResponse(status=201 if is_new else 204)
