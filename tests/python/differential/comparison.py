"""The verdict on two transcripts, and on the list of what may differ."""

import difflib
import re
from pathlib import Path

# The heading in docs/differences.md below which the differences stand that scripts show.
HEADING = "## Shown by the differential test"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|")


def listed(path):
    """The names of the differences in the table below the heading."""
    text = Path(path).read_text(encoding="utf-8")
    if HEADING not in text:
        raise SystemExit(f"{path} has no heading {HEADING!r}")
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0]
    names = [found.group(1) for found in map(ROW.match, section.splitlines()) if found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"{path} lists twice: {', '.join(sorted(twice))}")
    return set(names)


def unlike(rabbitmq, tubepost):
    """Lines that say where two transcripts differ, outside of the blocks where they may."""
    report = []
    for lane in sorted({*rabbitmq.lanes, *tubepost.lanes}):
        one, other = rabbitmq.lanes.get(lane, []), tubepost.lanes.get(lane, [])
        if one != other:
            report.append(lane)
            lines = difflib.unified_diff(one, other, "RabbitMQ", "Tubepost", lineterm="", n=2)
            report += [f"  {line}" for line in lines]
    return report


def judge_block(rabbitmq, tubepost, names):
    """What is wrong with a block in which the brokers are said to differ."""
    name = rabbitmq.name
    if name not in names:
        return [f"{name} is not listed in the document of differences"]
    if rabbitmq.lines == tubepost.lines:
        return [f"{name} is listed, but the brokers answer the same:",
                *(f"  {line}" for line in rabbitmq.lines)]
    report = []
    for who, block in [("rabbitmq", rabbitmq), ("tubepost", tubepost)]:
        if not any(block.expected[who] in line for line in block.lines):
            report.append(f"{name}: {who} was to answer {block.expected[who]!r}, but answered:")
            report += [f"  {line}" for line in block.lines]
    return report


def judge_additions(rabbitmq, tubepost, names):
    """What is wrong with what only Tubepost is said to add."""
    report = []
    for name in sorted({*rabbitmq, *tubepost}):
        if name not in names:
            report.append(f"{name} is not listed in the document of differences")
        elif rabbitmq.get(name) or not tubepost.get(name):
            report.append(f"{name} is listed as what Tubepost adds, but is found "
                          f"{rabbitmq.get(name, 0)} times in RabbitMQ's replies and "
                          f"{tubepost.get(name, 0)} times in Tubepost's")
    return report


class Verdict:
    """Over all scripts."""

    def __init__(self, names):
        self.names = names
        self.shown = set()
        self.replies = 0
        self.wrong = []

    def add(self, title, rabbitmq, tubepost):
        """One script's transcripts; returns whether they are as they should be."""
        report = unlike(rabbitmq, tubepost)
        for one, other in zip(rabbitmq.blocks, tubepost.blocks, strict=True):
            self.shown.add(one.name)
            report += judge_block(one, other, self.names)
        self.shown.update(tubepost.found)
        report += judge_additions(rabbitmq.found, tubepost.found, self.names)
        self.replies += sum(map(len, tubepost.lanes.values()))
        if report:
            self.wrong.append(title)
            print(f"FAIL {title}")
            print("\n".join(f"     {line}" for line in report), flush=True)
        return not report

    def unshown(self):
        """Differences that are listed and that no script showed."""
        return sorted(self.names - self.shown)
