"""The race within minutes: three small shapes, all contestants in turn, as many rounds as fit; started by race.sh --quick."""

import copy
import datetime
import json
import os
import shlex
import statistics
import time

import race
import table
from contestants import BATCHES, FORMATS, Failed

# (shape, weights, group), the most telling first: a round that does not fit ends before the last of them.
CELLS = [
    ("deepseek-v3-quick", "q8", "single"), ("qwen3-moe-quick", "q4", "single"), ("mixtral-quick", "q4", "single"),
    ("deepseek-v3-quick", "q8", "batched"), ("qwen3-moe-quick", "q4", "batched"), ("mixtral-quick", "q4", "batched"),
    ("qwen3-moe-quick", "bf16", "single"), ("mixtral-quick", "bf16", "single"),
    ("deepseek-v3-quick", "q8", "context"), ("qwen3-moe-quick", "q4", "context"), ("mixtral-quick", "q4", "context"),
    ("qwen3-moe-quick", "bf16", "batched"), ("mixtral-quick", "bf16", "batched"),
]
MEASURES = {
    "single": ["prefill", "decode 1"], "batched": ["decode %d" % batch for batch in BATCHES],
    "context": ["prefill 8k", "decode 8k"],
}


def prepared(options, log):
    """{shape: Race} with checkpoint, GGUF files, quantised copies, and the peers' flags in `choice`."""
    races = {}
    for shape in dict.fromkeys(cell[0] for cell in CELLS):
        mine = copy.copy(options)
        mine.checkpoint, mine.repetitions, mine.tokens = shape, 1, 32
        mine.weights = list(dict.fromkeys(cell[1] for cell in CELLS if cell[0] == shape))
        contest = races[shape] = race.Race(mine, log)
        contest.convert()
        if not options.same_file:
            for weights in mine.weights:
                contest.ours.prepare(weights, contest.folder)
        path = os.path.join(contest.folder, "scout.json")
        contest.choice = {}
        if os.path.exists(path):
            with open(path) as file:
                contest.choice = json.load(file)
        if options.scout:
            for _, weights, group in [cell for cell in CELLS if cell[0] == shape]:
                for peer in contest.peers:
                    choice = chosen(contest, peer, weights, group)
                    if choice:
                        contest.choice[key(peer, weights, group)] = choice
            with open(path, "w") as file:
                json.dump(contest.choice, file, indent=1)
    return races


def key(peer, weights, group):
    return "%s %s %s" % (peer.name, weights, group)


def chosen(contest, peer, weights, group):
    """The format and flags with the greatest product of speeds over the group's measures, or None if all failed."""
    before = len(contest.scouted)
    contest.scout(peer, weights, group)
    products = {}
    for found in contest.scouted[before:]:
        name = found["format"], found["flags"]
        products[name] = products.get(name, 1) * found["tokens_per_second"]
    if not products:
        return None
    kind, flags = max(products, key=products.get)
    return [kind, shlex.split(flags)]


def choice(contest, peer, weights, group):
    """What was scouted, or the first of the formats with the peer's first flags."""
    if key(peer, weights, group) in contest.choice:
        return contest.choice[key(peer, weights, group)]
    single, batched = peer.flags[0]
    return [FORMATS[weights][0], single if group == "single" else batched]


def turn(contest, weights, group, number):
    """One round of a cell: the first peer, Martinet, the second peer; in the other order every second time."""
    before = contest.ours.probes()
    theirs, ours = {}, None
    order = list(contest.peers)
    if number % 2:
        order.reverse()
    for place, peer in enumerate(order):
        kind, flags = choice(contest, peer, weights, group)
        try:
            results = contest.group(peer, kind, flags, group)
            theirs[peer.name] = {"format": kind, "flags": shlex.join(flags), "results": results}
        except Failed as failure:
            contest.fail("%s %s %s %s" % (contest.options.checkpoint, peer.name, weights, group), failure)
        if place == 0:
            model = contest.models[kind] if contest.options.same_file else None
            tokens = contest.options.tokens // (1 if group == "single" else 2)
            ours = contest.ours.measure(MEASURES[group], weights, tokens, 1, model=model)
    return {"theirs": theirs, "ours": ours, "probes": [before, contest.ours.probes()]}


def rounds(races, minutes):
    """{cell: rounds}, as many as fit."""
    end = time.monotonic() + 60 * minutes
    found, lasted = {cell: [] for cell in CELLS}, {}
    for number in range(99):
        for cell in CELLS:
            if number and cell not in lasted:
                continue  # it failed, or there was no time for it in the first round
            # Of a cell that has not run yet: as long as the longest one, at least a minute.
            expected = lasted.get(cell, max([60, *lasted.values()]))
            if time.monotonic() + expected > end:
                continue
            start = time.monotonic()
            try:
                found[cell].append(turn(races[cell[0]], cell[1], cell[2], number))
                lasted[cell] = time.monotonic() - start
                race.tell("round %d: %s, %.0f s" % (number + 1, " ".join(cell), lasted[cell]))
            except Failed as failure:
                races[cell[0]].fail(" ".join(cell), failure)
        if not lasted or time.monotonic() + min(lasted.values()) > end:
            return found
    return found


def row(shape, weights, measure, turns, name):
    """Medians of one measure beside one peer, or None without a round of both."""
    both = [(each["ours"][measure]["tokens_per_second"], each["theirs"][name]["results"][measure]["tokens_per_second"], each)
            for each in turns if name in each["theirs"] and measure in each["theirs"][name]["results"]]
    if not both:
        return None
    ratios = [ours / theirs for ours, theirs, _ in both]
    last = both[-1][2]["theirs"][name]
    return {
        "shape": shape, "weights": weights, "measure": measure, "peer": name, "format": last["format"], "flags": last["flags"],
        "ours": statistics.median(each[0] for each in both), "theirs": statistics.median(each[1] for each in both),
        "ratio": statistics.median(ratios), "ratios": ratios,
        "same_prompt": bool(last["results"][measure].get("same_prompt")),
        "probes": {key: max(probe[key] for _, _, each in both for probe in each["probes"])
                   for key in both[0][2]["probes"][0]},
    }


def vendor():
    with open("/proc/cpuinfo") as file:
        text = file.read()
    model = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "unknown")
    return "AMD" if "AuthenticAMD" in text else "Intel" if "GenuineIntel" in text else "other", model


def main(options):
    with open(os.path.join(options.work, "race.log"), "a") as log:
        races = prepared(options, log)
        if "none" in options.measures:
            return 0
        for contest in races.values():
            for cell in CELLS:
                for peer in contest.peers if contest is races[cell[0]] and not options.scout else []:
                    if key(peer, cell[1], cell[2]) not in contest.choice:
                        race.tell("%s: flags not scouted, the first are taken" % key(peer, cell[1], cell[2]))
        found = rounds(races, options.minutes)
    rows = [row(shape, weights, measure, turns, peer.name)
            for (shape, weights, group), turns in found.items() for measure in MEASURES[group] for peer in races[shape].peers]
    rows = [each for each in rows if each]
    missing = [" ".join(cell) for cell in CELLS if not found[cell]]
    first = next(iter(races.values()))
    name, model = vendor()
    report = {
        "vendor": name, "machine": "%s, %d threads" % (model, options.threads),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "source": "race.sh --quick, up to %d rounds" % max((len(turns) for turns in found.values()), default=0),
        "versions": {each.name: each.version() for each in [first.ours, *first.peers]}, "rows": rows, "missing": missing,
        "failures": [failure for contest in races.values() for failure in contest.failures],
    }
    path = os.path.join(options.work, "quick-%s.json" % datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    if not options.no_record and rows and name != "other":
        path = os.path.join(table.RESULTS, name.lower() + ".json")
    with open(path, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    if path.startswith(table.RESULTS):
        table.fill()
    print(table.render([report]))
    race.tell("%s%s" % (path, "; not measured: " + ", ".join(missing) if missing else ""))
    return 0 if rows else 1
