"""The race on GGUF files as they are: all contestants read the same bytes; started by race.sh --gguf FILE."""

import datetime
import json
import os
import shlex
import statistics
import time

import race
from contestants import Failed, Martinet, Peer, warm

MEASURES = ["prefill", "decode 1"]
# Of a quick race, all files together; preparing is a reading of each file.
QUICK_MINUTES = 4.5


def is_latent(path):
    """Whether a file speaks of latent attention, for which ik_llama.cpp wants a flag."""
    with open(path, "rb") as file:
        return b".attention.kv_lora_rank" in file.read(1 << 16)


class Contest:
    """One file and who reads it."""

    def __init__(self, path, options, log):
        self.path, self.options = os.path.realpath(path), options
        with open(self.path, "rb") as file:
            if file.read(4) != b"GGUF":
                raise Failed("%s is no GGUF file" % path)
        latent = is_latent(self.path)
        self.ours = Martinet(os.path.realpath(options.martinet), self.path, options.threads, log)
        self.peers = [Peer("llama.cpp", options.llama, options.threads, log, latent, options.llama_flags)]
        if options.ik:
            self.peers.append(Peer("ik_llama.cpp", options.ik, options.threads, log, latent, options.ik_flags))
        self.choice, self.turns, self.failures, self.lasted = {}, [], [], 0

    def scout(self):
        """Each peer's flags with the greatest product of both speeds; with --quick the first that work."""
        for peer in self.peers:
            best = 0
            for flags, _ in peer.flags:
                try:
                    found = peer.single(self.path, flags, 8, 1)
                except Failed as failure:
                    self.fail("%s %s" % (peer.name, shlex.join(flags)), failure)
                    continue
                product = statistics.geometric_mean(found[measure]["tokens_per_second"] for measure in MEASURES)
                race.tell("  %-12s %-34s %8.1f tokens/s" % (peer.name, shlex.join(flags), product))
                if product > best:
                    best, self.choice[peer.name] = product, flags
                if self.options.quick:
                    break
            if not best:
                raise Failed("%s does not run %s" % (peer.name, self.path))

    def fail(self, what, failure):
        race.tell("  %s: %s" % (what, failure))
        self.failures.append({"what": what, "failure": str(failure)})

    def turn(self):
        """One round: the first peer, Martinet, the second peer; in the other order every second time."""
        start = time.monotonic()
        tokens = self.options.tokens // (2 if self.options.quick else 1)
        repetitions = 1 if self.options.quick else self.options.repetitions
        before, theirs, ours = self.ours.probes(), {}, None
        order = list(reversed(self.peers)) if len(self.turns) % 2 else list(self.peers)
        for peer in order:
            theirs[peer.name] = peer.single(self.path, self.choice[peer.name], tokens, repetitions)
            if ours is None:
                warm(self.path)
                ours = self.ours.measure(MEASURES, None, tokens, repetitions, model=self.path)
        self.turns.append({"ours": ours, "theirs": theirs, "probes": [before, self.ours.probes()]})
        self.lasted = time.monotonic() - start

    def rows(self):
        """Medians beside each peer, and the ratio of each round."""
        for peer in self.peers if self.turns else []:
            for measure in MEASURES:
                pairs = [
                    (turn["ours"][measure], turn["theirs"][peer.name][measure]) for turn in self.turns]
                ratios = [ours["tokens_per_second"] / theirs["tokens_per_second"] for ours, theirs in pairs]
                yield {
                    "file": os.path.basename(self.path), "bytes": os.path.getsize(self.path), "measure": measure,
                    "peer": peer.name, "flags": shlex.join(self.choice[peer.name]), "ratios": ratios,
                    "ours": statistics.median(ours["tokens_per_second"] for ours, _ in pairs),
                    "theirs": statistics.median(theirs["tokens_per_second"] for _, theirs in pairs),
                    "ratio": statistics.median(ratios), "commands": [pairs[-1][0]["command"], pairs[-1][1]["command"]],
                    "probes": [turn["probes"] for turn in self.turns],
                }


def run_rounds(contests, options):
    """As many rounds of every file as were asked for, or as fit into the minutes; one at least."""
    end = time.monotonic() + 60 * QUICK_MINUTES
    for number in range(99 if options.quick else options.rounds):
        for contest in contests:
            if options.quick and number and time.monotonic() + 1.1 * contest.lasted > end:
                continue
            contest.turn()
            race.tell("round %d: %s, %.0f s" % (number + 1, os.path.basename(contest.path), contest.lasted))
        if options.quick and time.monotonic() + 1.1 * min(contest.lasted for contest in contests) > end:
            return


def markdown(report):
    lines = [
        "### GGUF files, %s threads, %s" % (report["threads"], report["date"]), "",
        "| file | measure | against | its flags | theirs | ours | ratio (each round) |", "|---|---|---|---|---|---|---|"]
    for row in report["rows"]:
        lines.append("| %s | %s | %s | `%s` | %.1f | %.1f | **%.2f** (%s) |" % (
            row["file"], row["measure"], row["peer"], row["flags"], row["theirs"], row["ours"], row["ratio"],
            ", ".join("%.2f" % ratio for ratio in row["ratios"])))
    lines += ["", "Tokens a second, medians; the prompt has 512 tokens. Versions:", ""]
    return "\n".join(lines + ["- %s: %s" % item for item in report["versions"].items()])


def main(options):
    with open(os.path.join(options.work, "race.log"), "a") as log:
        contests = [Contest(path, options, log) for path in options.gguf]
        for contest in contests:
            race.tell("%s: flags" % os.path.basename(contest.path))
            contest.scout()
        try:
            run_rounds(contests, options)
        except KeyboardInterrupt:
            race.tell("interrupted; what was measured so far:")
        first = contests[0]
        report = {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "threads": options.threads, "rows": [row for contest in contests for row in contest.rows()],
            "versions": {each.name: each.version() for each in [first.ours, *first.peers]},
            "failures": [failure for contest in contests for failure in contest.failures],
        }
    path = os.path.join(options.work, "gguf-%s.json" % datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    with open(path, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    print(markdown(report))
    race.tell(path)
    return 0 if report["rows"] else 1
