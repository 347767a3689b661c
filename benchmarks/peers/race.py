"""Races Martinet against llama.cpp and ik_llama.cpp on one checkpoint; started by race.sh, see README.md."""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import statistics
import sys

from contestants import BATCHES, FORMATS, Failed, Martinet, Peer, RemoteServers, remote, run

SHAPES = ["deepseek-v3-small", "qwen3-moe-small", "mixtral-small"]
HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(
        prog="race.sh", description="Race Martinet against llama.cpp and, optionally, ik_llama.cpp on one checkpoint.")
    parser.add_argument("--checkpoint", help="a published folder, or the name of a shape: " + ", ".join(SHAPES))
    parser.add_argument("--llama", required=True, metavar="BUILD", help="build directory of llama.cpp")
    parser.add_argument("--ik", metavar="BUILD", help="build directory of ik_llama.cpp")
    parser.add_argument("--martinet", required=True, metavar="PROGRAM", help="our program (default: built from this tree)")
    parser.add_argument("--weights", default="q8,q4,bf16", help="of q8, q4, bf16")
    parser.add_argument("--measures", default="single,batched,remote", help="of single, batched, context (8192 tokens), remote; none: only convert")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3, help="alternations of each pair")
    parser.add_argument("--repetitions", type=int, default=3, help="within one run of a program")
    parser.add_argument("--tokens", type=int, default=64, help="tokens decoded for each sequence at batch 1; half of it at others")
    parser.add_argument("--llama-flags", action="append", default=[], help="further flags of llama-bench to try")
    parser.add_argument("--ik-flags", action="append", default=[], help="further flags of ik's llama-bench to try")
    parser.add_argument("--same-file", action="store_true", help="read the peer's GGUF file too, instead of the checkpoint")
    parser.add_argument("--gguf", action="append", default=[], metavar="FILE", help="race on this file as it is, prefill and decode at batch 1; may be given several times; with --quick in less than five minutes")
    parser.add_argument("--pre-tokenizer", default="gpt-2", help="its name in llama.cpp; \"\" to let the converter find it")
    parser.add_argument("--quick", action="store_true", help="three small shapes, round after round as long as --minutes last")
    parser.add_argument("--scout", action="store_true", help="with --quick: try all flags of the peers first, beyond the minutes")
    parser.add_argument("--minutes", type=float, default=12, help="of --quick, preparing not counted")
    parser.add_argument("--no-record", action="store_true", help="with --quick: leave results/ and the table in README.md alone")
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--converter-python", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.gguf:
        if options.checkpoint is not None:
            parser.error("give --checkpoint or --gguf, one of them")
    elif (options.checkpoint is None) != options.quick:
        parser.error("give --checkpoint or --quick, one of them")
    options.weights = options.weights.split(",")
    options.measures = options.measures.split(",")
    for given, known in ((options.weights, FORMATS), (options.measures, ("single", "batched", "context", "remote", "none"))):
        for name in given:
            if name not in known:
                parser.error("%s is not one of %s" % (name, ", ".join(known)))
    return options


def tell(text):
    print(text, file=sys.stderr, flush=True)


class Race:
    def __init__(self, options, log):
        self.options, self.log = options, log
        self.checkpoint = self.find_checkpoint()
        with open(os.path.join(self.checkpoint, "config.json")) as file:
            self.config = json.load(file)
        is_latent = "kv_lora_rank" in self.config
        self.ours = Martinet(os.path.realpath(options.martinet), self.checkpoint, options.threads, log)
        self.peers = [Peer("llama.cpp", options.llama, options.threads, log, is_latent, options.llama_flags)]
        if options.ik:
            self.peers.append(Peer("ik_llama.cpp", options.ik, options.threads, log, is_latent, options.ik_flags))
        self.models, self.scouted, self.results, self.failures = {}, [], [], []

    def find_checkpoint(self):
        given = self.options.checkpoint
        shape = os.path.join(HERE, "shapes", given + ".json")
        if given not in SHAPES and not os.path.exists(shape):
            self.folder = os.path.join(self.options.work, os.path.basename(os.path.realpath(given)))
            os.makedirs(self.folder, exist_ok=True)
            return os.path.realpath(given)
        self.folder = os.path.join(self.options.work, given)
        os.makedirs(self.folder, exist_ok=True)
        checkpoint = os.path.join(self.folder, "checkpoint")
        if not os.path.exists(os.path.join(checkpoint, "config.json")):
            tell("making %s" % checkpoint)
            shutil.rmtree(checkpoint, ignore_errors=True)
            run([self.options.martinet, "bench", "make-checkpoint", "--shape", given if given in SHAPES else shape, checkpoint], self.log)
        return checkpoint

    def convert(self):
        """The checkpoint by llama.cpp's own converter, and from that each format by its own quantiser."""
        llama = self.peers[0]
        kinds = [kind for weights in self.options.weights for kind in FORMATS[weights]]
        self.models = {kind: os.path.join(self.folder, kind + ".gguf") for kind in kinds}
        if all(os.path.exists(path) for path in self.models.values()):
            return
        whole = os.path.join(self.folder, "BF16.gguf")
        if not os.path.exists(whole):
            tell("converting to %s" % whole)
            arguments = [self.checkpoint, "--outtype", "bf16", "--outfile", whole + ".part"]
            if self.options.pre_tokenizer:
                command = [os.path.join(HERE, "convert.py"), llama.source, self.options.pre_tokenizer]
            else:
                command = [os.path.join(llama.source, "convert_hf_to_gguf.py")]
            run([self.options.converter_python, *command, *arguments], self.log, timeout=7200)
            os.rename(whole + ".part", whole)
        for kind, path in self.models.items():
            if not os.path.exists(path):
                tell("quantising to %s" % path)
                run([llama.program("llama-quantize"), whole, path + ".part", kind, str(self.options.threads)], self.log, 7200)
                os.rename(path + ".part", path)
        if "BF16" not in kinds:
            os.remove(whole)

    def group(self, peer, kind, flags, group, quick=False):
        """One run of a peer's program: {measure: result}."""
        tokens = self.options.tokens // (2 if quick else 1)
        if group == "single":
            return peer.single(self.models[kind], flags, tokens, 1 if quick else self.options.repetitions)
        if group == "context":
            return peer.context(self.models[kind], flags, max(tokens // 2, 1))
        return peer.batched(self.models[kind], flags, max(tokens // 2, 1), BATCHES)

    def scout(self, peer, weights, group):
        """The best of all formats and flags for each measure: {measure: (format, flags)}."""
        best = {}
        for kind, flags in peer.variants(weights, group):
            try:
                results = self.group(peer, kind, flags, group, quick=True)
            except Failed as failure:
                self.fail("%s %s %s" % (peer.name, kind, shlex.join(flags)), failure)
                continue
            for measure, result in results.items():
                speed = result["tokens_per_second"]
                tell("  %-12s %-6s %-34s %-9s %8.1f tokens/s" % (peer.name, kind, shlex.join(flags), measure, speed))
                self.scouted.append(dict(
                    result, peer=peer.name, weights=weights, format=kind, flags=shlex.join(flags), measure=measure))
                if measure not in best or speed > best[measure][0]:
                    best[measure] = (speed, kind, flags)
        return {measure: found[1:] for measure, found in best.items()}

    def fail(self, what, failure):
        tell("  %s: %s" % (what, failure))
        self.failures.append({"what": what, "failure": str(failure)})

    def race(self, peer, weights, group):
        best = self.scout(peer, weights, group)
        for kind, flags in sorted(set((kind, tuple(flags)) for kind, flags in best.values())):
            measures = [measure for measure in best if best[measure] == (kind, list(flags))]
            rounds = []
            for _ in range(self.options.rounds):
                before = self.ours.probes()
                theirs = self.group(peer, kind, list(flags), group)
                ours = self.ours.measure(
                    measures, weights, self.options.tokens // (1 if group == "single" else 2),
                    self.options.repetitions if group == "single" else 1,
                    any(theirs[measure].get("same_prompt", False) for measure in measures),
                    model=self.models[kind] if self.options.same_file else None)
                rounds.append({"before": before, "theirs": theirs, "ours": ours, "after": self.ours.probes()})
            for measure in measures:
                self.add(peer.name, weights, kind, shlex.join(flags), measure, rounds)

    def race_remote(self, weights):
        """Two ranks of one thread against two rpc-servers of one thread."""
        peer = self.peers[0]
        for kind in FORMATS[weights][:1]:
            for measure in ("decode 1", "decode 16"):
                tokens = self.options.tokens // (1 if measure == "decode 1" else 2)
                rounds = []
                for _ in range(self.options.rounds):
                    before = self.ours.probes()
                    with RemoteServers(peer) as servers:
                        theirs = remote(peer, servers, self.models[kind], measure, tokens, self.options.repetitions)
                    ours = self.ours.measure(
                        [measure], weights, tokens, self.options.repetitions, ranks=2, threads=1,
                        model=self.models[kind] if self.options.same_file else None)
                    rounds.append(
                        {"before": before, "theirs": {measure: theirs}, "ours": ours, "after": self.ours.probes()})
                self.add("llama.cpp, 2 rpc-servers × 1 thread", weights, kind, "", measure, rounds)

    def add(self, peer, weights, kind, flags, measure, rounds):
        pairs = [(each["ours"][measure], each["theirs"][measure]) for each in rounds]
        ratios = [ours["tokens_per_second"] / theirs["tokens_per_second"] for ours, theirs in pairs]
        shares = [ours["share_of_read_bandwidth"] for ours, _ in pairs if ours["share_of_read_bandwidth"]]
        result = {
            "peer": peer, "weights": weights, "format": kind, "flags": flags, "measure": measure,
            "ours": statistics.median(ours["tokens_per_second"] for ours, _ in pairs),
            "theirs": statistics.median(theirs["tokens_per_second"] for _, theirs in pairs),
            "ratio": statistics.median(ratios), "ratios": ratios,
            "share_of_read_bandwidth": statistics.median(shares) if shares else None,
            "same_prompt": any(theirs.get("same_prompt") for _, theirs in pairs),
            "our_command": pairs[-1][0]["command"], "their_command": pairs[-1][1]["command"],
            "probes": [[each["before"], each["after"]] for each in rounds],
        }
        self.results.append(result)
        tell("%s %s against %s %s: %.2f ×" % (weights, measure, peer, kind, result["ratio"]))

    def go(self):
        self.convert()
        for weights in self.options.weights:
            try:
                if not self.options.same_file:
                    self.ours.prepare(weights, self.folder)
                for group in ("single", "batched", "context"):
                    for peer in self.peers if group in self.options.measures else []:
                        tell("%s, %s, %s" % (weights, group, peer.name))
                        try:
                            self.race(peer, weights, group)
                        except Failed as failure:
                            self.fail("%s %s %s" % (weights, group, peer.name), failure)
                if "remote" in self.options.measures and weights != "bf16":
                    self.race_remote(weights)
            except Failed as failure:
                self.fail(weights, failure)

    def report(self):
        with open("/proc/cpuinfo") as file:
            cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
        return {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "cpu": cpu,
            "threads": self.options.threads, "rounds": self.options.rounds, "command": shlex.join(sys.argv),
            "checkpoint": self.options.checkpoint, "architecture": self.config.get("model_type"),
            "versions": {each.name: each.version() for each in [self.ours, *self.peers]},
            "results": self.results, "scouted": self.scouted, "failures": self.failures,
        }


def markdown(report):
    """The table, and all that is needed to hold it against another."""
    lines = [
        "### %s (%s), %s, %d threads, %s" % tuple(report[k] for k in ("checkpoint", "architecture", "cpu", "threads", "date")),
        "", "| weights | measure | against | its flags | theirs | ours | ratio (each round) | of read bandwidth | probes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in report["results"]:
        share = each["share_of_read_bandwidth"]
        ranges = {}
        for pair in each["probes"]:
            for probes in pair:
                for key, value in probes.items():
                    ranges.setdefault(key, []).append(value)
        probes = "; ".join("%s %.0f–%.0f" % (key, min(values), max(values)) for key, values in ranges.items())
        lines.append("| %s | %s%s | %s %s | `%s` | %.1f | %.1f | **%.2f** (%s) | %s | %s |" % (
            each["weights"], each["measure"], ", same prompt" if each["same_prompt"] else "", each["peer"], each["format"],
            each["flags"], each["theirs"], each["ours"], each["ratio"], ", ".join("%.2f" % r for r in each["ratios"]),
            "%.0f %%" % (100 * share) if share else "", probes))
    lines += ["", "Tokens a second, medians of %d rounds; probes in 10⁹ a second, lowest and highest. Versions:" % report["rounds"], ""]
    lines += ["- %s: %s" % item for item in report["versions"].items()]
    commands = [each[key] for each in report["results"] for key in ("their_command", "our_command")]
    lines += ["", "```", *dict.fromkeys([report["command"], *commands]), "```"]
    lines += ["", *("Failed: %s: %s" % (each["what"], each["failure"]) for each in report["failures"])]
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    os.makedirs(options.work, exist_ok=True)
    if options.gguf:
        import onefile  # here, because it builds on this file
        return onefile.main(options)
    if options.quick:
        import quick  # here, because it builds on this file
        return quick.main(options)
    with open(os.path.join(options.work, "race.log"), "a") as log:
        race = Race(options, log)
        try:
            race.go()
        except KeyboardInterrupt:
            tell("interrupted; what was measured so far:")
        report = race.report()
    if "none" in options.measures and not race.results:
        return 1 if race.failures else 0
    stem = os.path.join(race.folder, "results-" + datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    with open(stem + ".json", "w") as file:
        json.dump(report, file, indent=1)
    with open(stem + ".md", "w") as file:
        file.write(markdown(report))
    print(markdown(report))
    tell("%s.json, %s.md" % (stem, stem))
    return 1 if race.failures and not race.results else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        tell("race: %s" % failure)
        sys.exit(1)
