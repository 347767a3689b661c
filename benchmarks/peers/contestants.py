"""How each contestant is called, and what its output says."""

import json
import os
import re
import shlex
import socket
import subprocess
import time

# Sizes of the tests: the same for everyone.
PREFILL = 512
BATCHES = [4, 16, 32]
BATCH_PROMPT = 16
FORMATS = {"q8": ["Q8_0"], "q4": ["Q4_0", "Q4_K_M"], "bf16": ["BF16"]}


class Failed(Exception):
    pass


def run(command, log, timeout=1800):
    """The standard output of a command that must succeed; everything goes to the log too."""
    log.write("\n$ %s\n" % shlex.join(command))
    log.flush()
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed("no end within %d s: %s" % (timeout, shlex.join(command)))
    log.write(done.stdout + "\n" + done.stderr[-4000:] + "\n[status %d]\n" % done.returncode)
    log.flush()
    if done.returncode != 0:
        tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise Failed("status %d of %s: %s" % (done.returncode, shlex.join(command), tail))
    return done.stdout, done.stderr


def warm(path):
    """Reads a file into the page cache: peers map theirs, and would wait for the disk page by page in the midst of decoding."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def cached(build, name):
    """A value of a build's CMakeCache.txt."""
    with open(os.path.join(build, "CMakeCache.txt")) as cache:
        found = re.search(r"^%s:[A-Z]+=(.*)$" % name, cache.read(), re.M)
    return found.group(1) if found else None


class Martinet:
    name = "martinet"

    def __init__(self, binary, checkpoint, threads, log):
        self.binary, self.checkpoint, self.threads, self.log = binary, checkpoint, threads, log
        self.folders = {}
        text = self.help("bench", "generate")
        self.has_weights, self.has_same_prompt = "--weights" in text, "--same-prompt" in text
        self.has_probes_only = "--probes-only" in self.help("bench", "kernels")
        # An unknown command gets the help of the program itself.
        self.quantizes = "USAGE: martinet quantize" in self.help("quantize")

    def help(self, *command):
        return subprocess.run(
            [self.binary, *command, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    def version(self):
        version = run([self.binary, "--version"], self.log)[0].strip()
        place = os.path.dirname(os.path.realpath(self.binary))
        head = subprocess.run(
            ["git", "-C", place, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True)
        return "%s (%s)" % (version, head.stdout.strip()) if head.returncode == 0 else version

    def prepare(self, weights, work):
        """Quantises once what is quantised, so that a run only loads."""
        if weights == "bf16" or not self.quantizes:
            return
        folder = os.path.join(work, "martinet-" + weights)
        if not os.path.exists(os.path.join(folder, "config.json")):
            run([self.binary, "quantize", self.checkpoint, folder, "--weights", weights], self.log)
        self.folders[weights] = folder

    def command(self, weights, cases, repetitions, ranks=1, threads=None, same_prompt=False, model=None):
        """Cases are (prompt length, output length, batch). `model`: a GGUF file, held as it is stored."""
        command = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
        command += [self.binary, "bench", "generate", "--model", model or self.folders.get(weights, self.checkpoint)]
        if model is None and weights not in self.folders:
            if self.has_weights:
                command += ["--weights", weights]
            elif weights != "bf16":
                raise Failed("%s has no --weights" % self.binary)
        command += ["--threads", str(threads or self.threads), "--repetitions", str(repetitions), "--json"]
        for name, values in zip(("--prompt-length", "--output-length", "--batch"), zip(*cases)):
            command += [name, ",".join(map(str, values))]
        return command + (["--same-prompt"] if same_prompt else [])

    def measure(self, measures, weights, tokens, repetitions, same_prompt=False, ranks=1, threads=None, model=None):
        """Tokens a second of each measure, and what else the program says; the model is loaded once."""
        cases = []
        for measure in measures:
            if measure == "prefill":
                cases.append((PREFILL, 1, 1))
            elif measure == "decode 1":
                cases.append((1, tokens + 1, 1))
            else:
                cases.append((BATCH_PROMPT, tokens + 1, int(measure.split()[1])))
        command = self.command(weights, cases, repetitions, ranks, threads, same_prompt, model)
        answer = json.loads(run(command, self.log)[0])
        results = {}
        for measure, case in zip(measures, answer.get("cases", [answer])):
            results[measure] = {
                "tokens_per_second": case["prefill" if measure == "prefill" else "decode"]["tokens_per_second"],
                "command": shlex.join(command),
                "share_of_read_bandwidth": None if measure == "prefill" else case["decode_share_of_read_bandwidth"],
            }
        return results

    def probes(self):
        """The machine's limits in units of 10^9 a second, by name."""
        command = [self.binary, "bench", "kernels", "--json", "--threads", str(self.threads)]
        command += ["--probes-only"] if self.has_probes_only else ["--batch", "1"]
        answer = json.loads(run(command, self.log)[0])
        return {
            key: value / 1e9 for key, value in answer.get("before", answer).items()
            if isinstance(value, (int, float)) and value > 1e8 and not key.endswith("_after")
        }


class Peer:
    """llama.cpp or ik_llama.cpp: two bench programs of a build, and the flags to try."""

    def __init__(self, name, build, threads, log, is_latent, extra):
        self.name, self.build, self.threads, self.log = name, build, threads, log
        self.source = cached(build, "CMAKE_HOME_DIRECTORY")
        self.is_ik = name.startswith("ik")
        latent = ["-mla", "3"] if is_latent else []
        # (flags of llama-bench, flags of llama-batched-bench)
        if self.is_ik:
            self.flags = [
                (["-fa", "1", "-fmoe", "1", *latent, "-rtr", str(repack)], ["-fa", "on", *latent] + ["-rtr"] * repack)
                for repack in (0, 1)
            ]
        else:
            self.flags = [
                (["-fa", fa, "--repack", str(repack)], ["-fa", "on" if fa == "1" else "off"] + ["--no-repack"] * (1 - repack))
                for fa in ("1", "0") for repack in (1, 0)
            ]
        self.flags += [(shlex.split(flags), None) for flags in extra]

    def program(self, name):
        for candidate in [name] + ([name[5:]] if name.startswith("ggml-") else []):
            path = os.path.join(self.build, "bin", candidate)
            if os.path.exists(path):
                return path
        raise Failed("%s has no bin/%s; build that target" % (self.build, name))

    def version(self):
        out, error = run([self.program("llama-batched-bench"), "--version"], self.log)
        text = " ".join((out + error).split("built with")[0].split())
        marker = os.path.join(self.source, "REVISION")
        if os.path.exists(marker):
            with open(marker) as file:
                text += ", revision " + file.read().strip()[:12]
        return "%s; CMAKE_BUILD_TYPE=%s GGML_NATIVE=%s, %s" % (
            text, cached(self.build, "CMAKE_BUILD_TYPE"), cached(self.build, "GGML_NATIVE"),
            cached(self.build, "CMAKE_CXX_COMPILER"))

    def variants(self, weights, group):
        """(format, flags) to try; weights that are not quantised have nothing to repack."""
        seen = []
        for kind in FORMATS[weights]:
            for single, batched in self.flags:
                flags = single if group == "single" else batched
                if flags is None or (weights == "bf16" and not self.is_ik and ("0" in flags[3:] or "--no-repack" in flags)):
                    continue
                if (kind, flags) not in seen:
                    seen.append((kind, flags))
        return seen

    def single(self, model, flags, tokens, repetitions):
        """Prefill and decode at batch 1: {measure: result}."""
        warm(model)
        command = [self.program("llama-bench"), "-m", model, "-p", str(PREFILL), "-n", str(tokens), "-r", str(repetitions)]
        command += ["-t", str(self.threads), "-o", "json", *flags]
        out = run(command, self.log)[0]
        rows = json.loads(out[out.index("["):out.rindex("]") + 1])
        return {
            "prefill" if row["n_prompt"] else "decode 1":
                {"tokens_per_second": row["avg_ts"], "command": shlex.join(command)} for row in rows
        }

    def batched_command(self, model, flags, tokens, batches, threads):
        context = max(batches) * (BATCH_PROMPT + tokens)
        command = [self.program("llama-batched-bench"), "-m", model, "-c", str((context + 255) // 256 * 256)]
        command += ["-b", "2048", "-ub", "512", "-npp", str(BATCH_PROMPT), "-ntg", str(tokens)]
        return command + ["-npl", ",".join(map(str, batches)), "-t", str(threads), *flags]

    def batched(self, model, flags, tokens, batches):
        """Decode at several batches: {measure: result}."""
        warm(model)
        command = self.batched_command(model, flags, tokens, batches, self.threads)
        out, error = run(command, self.log)
        results = {}
        for row in re.findall(r"^\|\s*\d+ \|.*$", out + "\n" + error, re.M):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            results["decode " + cells[2]] = {"tokens_per_second": float(cells[7]), "command": shlex.join(command)}
        if not results:
            raise Failed("no table in the output of " + shlex.join(command))
        # ik_llama.cpp as published feeds token 0 to all sequences: they all visit the same experts.
        same = self.is_ik and "tokens = random" not in out + error
        return {measure: dict(result, same_prompt=same) for measure, result in results.items()}


class RemoteServers:
    """Two of llama.cpp's rpc-servers with one thread each, while the block runs."""

    def __init__(self, peer):
        self.peer, self.processes, self.ports = peer, [], []

    def __enter__(self):
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [self.peer.program("ggml-rpc-server"), "-t", "1", "-H", "127.0.0.1", "-p", str(port)]
            self.processes.append(subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self.peer.log, stderr=self.peer.log))
            self.ports.append(port)
        for port in self.ports:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                self.__exit__()
                raise Failed("an rpc-server does not answer on port %d" % port)
        return ",".join("127.0.0.1:%d" % port for port in self.ports)

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def remote(peer, servers, model, measure, tokens, repetitions):
    """llama.cpp with all layers on the servers."""
    where = ["--rpc", servers, "-ngl", "99"]
    if measure == "decode 1":
        command = [peer.program("llama-bench"), "-m", model, "-p", "0", "-n", str(tokens), "-r", str(repetitions)]
        command += ["-t", "1", "-o", "json", *where]
        out = run(command, peer.log)[0]
        rows = json.loads(out[out.index("["):out.rindex("]") + 1])
        return {"tokens_per_second": rows[0]["avg_ts"], "command": shlex.join(command)}
    batch = int(measure.split()[1])
    command = peer.batched_command(model, where, tokens, [batch], 1)
    out, error = run(command, peer.log)
    row = re.findall(r"^\|\s*\d+ \|.*$", out + "\n" + error, re.M)[0]
    return {
        "tokens_per_second": float(row.strip("|").split("|")[7]), "command": shlex.join(command),
    }
