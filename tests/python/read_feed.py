"""Reads a feed as a feed reader does, by feedparser, and prints what it found as JSON.

read_feed.py ADDRESS [etag TAG | modified DATE]
"""

import json
import sys

import feedparser

address, *known = sys.argv[1:]
feed = feedparser.parse(address, **dict(zip(known[::2], known[1::2])))
print(json.dumps({
    "status": feed.get("status"),
    "version": feed.get("version") or None,
    # What is no XML, or has no character set.
    "wrong": str(feed.bozo_exception) if feed.bozo else None,
    "etag": feed.get("etag"),
    "modified": feed.get("modified"),
    "entries": [
        {
            "title": entry.get("title"),
            "link": entry.get("link"),
            "content": entry.get("summary") or [part.value for part in entry.get("content", [])],
        }
        for entry in feed.entries
    ],
}))
