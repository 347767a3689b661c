#!/usr/bin/env python3
"""Says whether a base is ready for what comes: ready.py STAGE.json FORCED TAUGHT…

It is where, forced to think, it is right in 93 % of the task FORCED at least, and in 90 % of each other task. Status 0:
it is; 3: it is not; anything else: that is not known.
"""

import json
import sys

UNREADY = 3


def is_share(value):
    """Not null, where nobody could be asked, nor true, which is 1 to Python."""
    return type(value) in (int, float) and 0 <= value <= 1


def accuracies(path, tasks):
    """What `eval` found of each of these tasks."""
    try:
        with open(path, encoding="utf-8") as file:
            measured = json.load(file)["tasks"]
        found = {task["task"]: task["accuracy"] for task in measured}
        absent = [task for task in tasks if not is_share(found.get(task))]
        if not absent:
            return found
        why = f"it does not tell what share of {' and '.join(absent)} was right"
    except OSError as error:
        why = error.strerror
    except (ValueError, RecursionError):
        why = "it is no JSON"
    except (KeyError, TypeError):
        why = "it is not what a stage of `martinet eval` leaves"
    sys.exit(f"recipe: {path}: {why}; remove it, and run the same command again to measure again")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n", 1)[0])
    path, forced, taught = sys.argv[1], sys.argv[2], sys.argv[3:]
    right = accuracies(path, [forced, *taught])
    return 0 if right[forced] >= 0.93 and all(right[task] >= 0.9 for task in taught) else UNREADY


if __name__ == "__main__":
    sys.exit(main())
