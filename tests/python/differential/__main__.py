"""python -m differential --rabbitmq HOST:PORT --tubepost HOST:PORT --differences FILE"""

import argparse
import importlib
import pkgutil
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

from differential import scripts
from differential.comparison import Verdict, listed
from differential.script import SCRIPTS, Stage
from differential.transcript import Transcript

# Scripts that run side by side: most of their time is waiting.
AT_ONCE = 6


def perform(function, broker, address, number):
    """Runs a script against one broker."""
    transcript = Transcript(broker)
    host, port = address.rsplit(":", 1)
    stage = Stage(transcript, host, int(port), number)
    try:
        function(stage)
    except Exception:  # pylint: disable=broad-except
        transcript.write("script", f"{broker}: {traceback.format_exc()}")
    finally:
        stage.clear_up()
    return transcript


def perform_both(options, number, function):
    """Runs a script against both brokers, at the same time."""
    brokers = [("rabbitmq", options.rabbitmq), ("tubepost", options.tubepost)]
    with ThreadPoolExecutor(2) as pool:
        pair = [pool.submit(perform, function, *broker, number) for broker in brokers]
    return function.__name__, [future.result() for future in pair]


def show(transcript):
    """Prints all that a broker answered."""
    for lane, lines in transcript.lanes.items():
        print(lane, *lines, sep="\n    ")
    for block in transcript.blocks:
        print(block.name, *block.lines, sep="\n    ")


def main():
    """Compares, and says what differs without being listed, and what is listed without need."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rabbitmq", required=True, metavar="HOST:PORT")
    parser.add_argument("--tubepost", required=True, metavar="HOST:PORT")
    parser.add_argument("--differences", required=True, metavar="FILE", help="what may differ")
    parser.add_argument("--only", default="", help="part of the names of scripts to run")
    parser.add_argument("--show", action="store_true", help="print what Tubepost answered")
    options = parser.parse_args()
    for module in pkgutil.iter_modules(scripts.__path__):
        importlib.import_module(f"differential.scripts.{module.name}")
    verdict = Verdict(listed(options.differences))
    chosen = [(number, function) for number, function in enumerate(SCRIPTS, 1)
              if options.only in function.__name__]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for title, pair in pool.map(lambda one: perform_both(options, *one), chosen):
            if options.show:
                show(pair[1])
            if verdict.add(title, *pair):
                print(f"ok   {title}", flush=True)
    unshown = [] if options.only else verdict.unshown()
    for name in unshown:
        print(f"FAIL {name} is listed as a difference, and no script shows it")
    print(f"scripts: {len(chosen) - len(verdict.wrong)} held, {len(verdict.wrong)} failed; "
          f"{verdict.replies} replies compared, {len(verdict.shown)} differences shown")
    sys.exit(1 if verdict.wrong or unshown or not chosen else 0)


if __name__ == "__main__":
    main()
