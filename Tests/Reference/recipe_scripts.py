#!/usr/bin/env python3
"""Tries the recipe's scripts on stages that do nothing: they are stopped, killed and fail, and their page is written.

Needs Python alone; some seconds. deploy/recipe.sh --smoke tries all that the scripts run.
"""

import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy/recipe"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))

import curves  # noqa: E402
import words  # noqa: E402


def eventually(holds):
    for _ in range(3000):
        if holds():
            return True
        time.sleep(0.02)
    return False


class Stages(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def words(self, name, kind, command):
        return [str(SCRIPTS / "stage.py"), str(self.out), name, kind, "--title", "a stage", "--ranks", "2", "--", *command]

    def stage(self, name, kind, *command):
        return subprocess.run(self.words(name, kind, command), capture_output=True, text=True)

    def record(self, name):
        return json.loads((self.out / "stages" / f"{name}.json").read_text())

    def test_a_stage_is_done_once(self):
        count = self.out / "count"
        command = ["sh", "-c", f"echo x >> {count}; echo '{{\"step\": 1, \"loss\": 2.5, \"tokens\": 7}}'"]
        for _ in range(2):
            self.assertEqual(self.stage("base", "train", *command).returncode, 0)
        self.assertEqual(count.read_text(), "x\n")
        record = self.record("base")
        self.assertEqual((record["steps"], record["tokens"], record["curves"]["loss"]), (1, 7, [[1, 2.5]]))
        other = self.stage("base", "train", "sh", "-c", "true")
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("another command", other.stderr)

    def test_the_time_of_a_killed_attempt_counts(self):
        line = '{"step": 1, "loss": 3, "tokens": 5, "drawn_tokens": 4, "max_log_ratio": 0.0}'
        again = line.replace('"step": 1', '"step": 2')
        command = ["sh", "-c", f"if [ -e {self.out}/go ]; then echo '{again}'; else echo '{line}'; sleep 60; fi"]
        child = subprocess.Popen(self.words("grpo", "train", command), stdout=subprocess.DEVNULL, start_new_session=True)
        part, log = (self.out / f"stages/grpo.{end}" for end in ("part", "log"))
        # The time is written down while it passes.
        self.assertTrue(eventually(lambda: log.exists() and log.read_text()))
        self.assertTrue(eventually(lambda: json.loads(part.read_text())["seconds"] > 1))
        child.kill()
        child.wait()
        (self.out / "go").touch()
        before = json.loads(part.read_text())["seconds"]
        self.assertEqual(self.stage("grpo", "train", *command).returncode, 0)
        record = self.record("grpo")
        self.assertGreater(record["seconds"], before)
        self.assertEqual((record["attempts"], record["steps"], record["tokens"]), (2, 2, 8))
        self.assertFalse(part.exists())

    def test_a_closed_terminal_stops_what_runs(self):
        command = ["sh", "-c", "trap 'echo saved >&2; exit 0' USR1; echo '{}'; while :; do sleep 0.05; done"]
        child = subprocess.Popen(
            self.words("sft", "train", command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        log, errors = (self.out / f"stages/sft.{end}" for end in ("log", "err"))
        self.assertTrue(eventually(lambda: log.exists() and log.read_text()))
        os.kill(child.pid, signal.SIGHUP)
        self.assertEqual(child.wait(), 130)
        self.assertEqual(errors.read_text(), "saved\n")
        self.assertFalse((self.out / "stages/sft.json").exists())

    def test_what_fails_is_told_and_not_done(self):
        failed = self.stage("base", "train", "sh", "-c", "echo no room >&2; exit 3")
        self.assertEqual(failed.returncode, 3)
        self.assertIn("no room", failed.stderr)
        absent = self.stage("base", "train", "/no/such/program")
        self.assertEqual(absent.returncode, 1)
        self.assertIn("cannot run /no/such/program", absent.stderr)
        self.assertNotIn("Traceback", absent.stderr)
        self.assertFalse((self.out / "stages/base.json").exists())

    def test_a_record_that_is_none_is_named_or_written_anew(self):
        (self.out / "stages").mkdir()
        done, part = (self.out / f"stages/base.{end}" for end in ("json", "part"))
        for text in ("[]", "5", "{}", '{"command": 5, "seconds": 1}', '{"command": [5], "seconds": 1}',
                     '{"command": ["true"], "seconds": "1"}'):
            done.write_text(text)
            run = self.stage("base", "train", "true")
            self.assertEqual(run.returncode, 1)
            self.assertIn("base.json is no record of a stage; remove it", run.stderr)
            self.assertNotIn("Traceback", run.stderr)
            # Of a stage that is not done nothing but its time is known.
            done.unlink()
            part.write_text(text)
            self.assertEqual(self.stage("base", "train", "true").returncode, 0)
            self.assertEqual(self.record("base")["attempts"], 1)
            done.unlink()

    def test_a_log_that_cannot_be_written_ends_the_stage_and_what_it_runs(self):
        (self.out / "stages").mkdir()
        (self.out / "stages/base.part").write_text(
            json.dumps(dict(command=["sh", "-c", "echo '{}'; exec sleep 61.25"], seconds=1)))
        (self.out / "stages/base.log").symlink_to("/dev/full")
        full = self.stage("base", "train", "sh", "-c", "echo '{}'; exec sleep 61.25")
        self.assertIn("No space left", full.stderr)
        self.assertNotIn("Traceback", full.stderr)
        found = subprocess.run(["pgrep", "-f", "^sleep 61.25$"], capture_output=True, text=True)
        self.assertEqual(found.stdout, "")


class Readiness(unittest.TestCase):
    def ready(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "eval-base.json"
            if text is not None:
                path.write_text(text if isinstance(text, str) else json.dumps(text))
            command = [str(SCRIPTS / "ready.py"), str(path), "sums-forced", "capitals-taught", "elements-taught"]
            return subprocess.run(command, capture_output=True, text=True)

    @staticmethod
    def measured(*accuracies):
        names = ("sums-forced", "capitals-taught", "elements-taught", "other")
        return dict(tasks=[dict(task=name, accuracy=accuracy) for name, accuracy in zip(names, accuracies)])

    def test_a_base_is_ready_where_it_knows_enough(self):
        for accuracies, status in (
                ((0.93, 0.9, 1, 0), 0), ((1, 1.0, 0.9, None), 0), ((0.929, 1, 1), 3), ((1, 1, 0.89), 3), ((0, 0, 0), 3)):
            run = self.ready(self.measured(*accuracies))
            self.assertEqual((run.returncode, run.stderr), (status, ""))

    def test_what_cannot_be_read_is_no_unready_base(self):
        for text, reason in (
                (None, "No such file"), ("", "it is no JSON"), ("{", "it is no JSON"), ("[" * 100_000, "it is no JSON"),
                ([], "not what a stage"), (dict(tasks=None), "not what a stage"), (dict(tasks=[1]), "not what a stage"),
                (dict(tasks=[dict(task=[], accuracy=1)]), "not what a stage"),
                (dict(tasks=[]), "share of sums-forced and capitals-taught and elements-taught was right"),
                (self.measured(1, None, 1), "share of capitals-taught was right"),
                (self.measured(1, 1, True), "share of elements-taught was right"),
                (self.measured("0.99", 1, 1), "share of sums-forced was right"),
                (self.measured(1, float("nan"), 2), "share of capitals-taught and elements-taught was right")):
            run = self.ready(text)
            self.assertEqual(run.returncode, 1, text)
            self.assertIn(reason, run.stderr)
            self.assertIn("eval-base.json", run.stderr)
            self.assertNotIn("Traceback", run.stderr)


class Page(unittest.TestCase):
    def page(self, *stages):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            for part in ("stages", "data", "evals"):
                (out / part).mkdir()
            (out / "data/made.json").write_text(json.dumps(dict(name="sums", seed=1, long_share=0.1)))
            (out / "evals/grpo.html").touch()
            for stage in stages:
                text = stage if isinstance(stage, str) else json.dumps(stage)
                name = "broken" if isinstance(stage, str) else stage["stage"]
                (out / f"stages/{name}.json").write_text(text)
            run = subprocess.run([str(SCRIPTS / "page.py"), str(out)], capture_output=True, text=True)
            page = out / "recipe.html"
            return run, page.read_text() if page.exists() else ""

    @staticmethod
    def stage(name, kind, **more):
        return dict(dict(
            stage=name, kind=kind, title="t", command=["martinet", "--pattern", "<think>[^<]*"], seconds=60.0, finished=1.0,
            attempts=1, ranks=2, nodes=1), **more)

    def measured(self, name, accuracy):
        def task(task):
            right = None if accuracy is None else round(1000 * accuracy)
            return dict(task=task, n=1000 if right is not None else 0, right=right or 0, wrong=1000 - (right or 0), no_answer=0,
                        accuracy=accuracy, interval=None if accuracy is None else [accuracy - 0.01, accuracy + 0.01], tokens=9000)
        hostile = "</code><script>alert(1)</script>\u202e\0"
        said = dict(task="sums", prompt=hostile, answer=hostile, target=["1"], outcome="right")
        return self.stage(f"eval-{name}", "eval", tasks=[task("sums"), task("sums-sampled")], transcripts=[said])

    def test_numbers_are_of_what_reinforcement_began_with(self):
        policy = self.stage("grpo", "train", attempts=3, largest_log_ratio=0.0, curves=dict(
            accuracy=[[i, 0.02 + 0.96 / (1 + 9 * math.exp(-0.4 * i))] for i in range(1, 61)]))
        run, page = self.page(
            self.stage("base", "train"), self.measured("base", 0.06), self.stage("base-more", "train"),
            self.measured("base-more", 0.08), policy, self.measured("grpo", 0.97))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("8.0 % → 97.0 %", page)
        self.assertNotIn("6.0 % → 97.0 %", page)
        for text in ("3 attempts", "R1: 147 K H800 hours, $294 K", 'href="evals/grpo.html"', "odds × 1.", "node-hours"):
            self.assertIn(text, page)
        # A command can be copied as it stands.
        self.assertIn("martinet --pattern &#x27;&lt;think&gt;[^&lt;]*&#x27;", page)
        for text in ("<script>alert", "\u202e", "\0"):
            self.assertNotIn(text, page)

    def test_what_nobody_could_be_asked_is_left_out(self):
        run, page = self.page(self.stage("base", "train"), self.measured("base", None), self.measured("grpo", 0.5))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("50.0 %", page)

    def test_a_stage_that_is_none_is_named(self):
        whole = self.stage("x", "train")
        wrong = [json.dumps(dict(whole, **{key: value})) for key, value in (
            ("seconds", "1"), ("seconds", float("nan")), ("finished", float("inf")), ("finished", -1), ("command", "x"), ("kind", 3))]
        for text in ("{", "[]", "5", '{"stage": "x"}', *wrong):
            run, _ = self.page(self.stage("base", "train"), text)
            self.assertEqual(run.returncode, 1)
            self.assertIn("stages/broken.json", run.stderr)
            self.assertNotIn("Traceback", run.stderr)


class Numbers(unittest.TestCase):
    def test_theory_follows_a_rise_whatever_comes_after_it(self):
        for slope in (0.08, 0.45, 0.8):
            points = []
            for i in range(1, 121):
                thinking = 1 / (1 + math.exp(2.2 - slope * (i - 1)))
                points.append([i, 0.03 + 0.92 * thinking + 0.03 * math.sin(9 * i) * thinking])
            line, factor = curves.growth(points, 0.1)
            self.assertLess(abs(math.log(factor) / slope - 1), 0.25, f"{slope}: {factor}")
            self.assertLess(sum(abs(a[1] - b[1]) for a, b in zip(points, line)) / 120, 0.04)
        self.assertIsNone(curves.growth([[i, 0.5] for i in range(50)], 0.1))
        self.assertIsNone(curves.growth([], 0.1))

    def test_prompts_of_a_claim_are_one_trial(self):
        low, high = words.made_up(dict(n=153, wrong=0, clusters=51))
        self.assertEqual(low, 0)
        self.assertAlmostEqual(high, 0.0700466, places=6)
        self.assertIsNone(words.made_up(dict(n=0, wrong=0)))


if __name__ == "__main__":
    unittest.main()
