"""Tickets: a list of what is to be done, kept in SQLite."""

import os
import sqlite3

from flask import Flask, abort, g, jsonify, request
from tubepost import publish  # event

app = Flask(__name__)


def database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(os.environ.get("TICKETS", "tickets.sqlite"))
        g.database.row_factory = sqlite3.Row
        g.database.execute(
            "create table if not exists ticket ("
            "id integer primary key, title text not null, open integer not null default 1)"
        )
    return g.database


@app.teardown_appcontext
def close_database(_error):
    if "database" in g:
        g.database.close()


@app.get("/tickets")
def tickets():
    rows = database().execute("select id, title from ticket where open order by id")
    return jsonify([dict(row) for row in rows])


@app.post("/tickets")
def new_ticket():
    title = (request.json.get("title") or "").strip()
    if not title:
        abort(400, "a ticket has a title")
    with database() as transaction:
        number = transaction.execute("insert into ticket (title) values (?)", [title]).lastrowid
    publish("ticket.new", {"id": number, "title": title})  # event
    return jsonify(id=number), 201


@app.post("/tickets/<int:number>/close")
def close_ticket(number):
    with database() as transaction:
        change = "update ticket set open = 0 where id = ? and open"
        if not transaction.execute(change, [number]).rowcount:
            abort(404, "no such open ticket")
    publish("ticket.closed", {"id": number})  # event
    return "", 204
