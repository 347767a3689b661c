"""A server under test, and the simplest of clients. Python's own library only."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time


class Server:
    """`martinet serve` with these options; `launcher` goes before it, `job` behind `--`."""

    def __init__(self, program, options, launcher=(), job=(), log="serve.log"):
        command = [*launcher, program, "serve", "--port", "0", *options, *(["--supervise", "--", *job] if job else [])]
        self.log = log
        self.file = open(log, "w")
        self.process = subprocess.Popen(command, stderr=self.file, stdout=self.file)
        self.port = None
        while self.port is None:
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended: {open(log).read()}")
            found = re.search(r"https?://[^ ]*:(\d+) ", open(log).read())
            self.port = int(found.group(1)) if found else time.sleep(0.05)
        while self.get("/ready")[0] != 200:
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended: {open(log).read()}")
            time.sleep(0.05)

    def request(self, method, path, body=None, timeout=600):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        return connection, connection.getresponse()

    def get(self, path):
        connection, response = self.request("GET", path)
        result = response.status, response.read()
        connection.close()
        return result

    def post(self, path, body):
        connection, response = self.request("POST", path, body)
        result = response.status, response.read()
        connection.close()
        return result

    def stream(self, body, leave_after=None):
        """Text, times of its pieces, and usage; stops listening after some pieces if told so."""
        start = time.monotonic()
        connection, response = self.request("POST", "/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}})
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:300]}")
        text, times, usage = "", [], None
        for line in response:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                break
            frame = json.loads(line[6:])
            if "error" in frame:
                raise RuntimeError(frame["error"]["message"])
            usage = frame.get("usage") or usage
            if frame["choices"]:
                text += frame["choices"][0]["text"]
                times.append(time.monotonic() - start)
            if leave_after is not None and len(times) >= leave_after:
                break
        connection.close()
        return text, times, usage

    def ranks(self):
        """Process ids of the ranks below this process, by rank."""
        children, found = {}, {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                parent = int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(name))
            except (OSError, IndexError):
                pass
        todo = [self.process.pid]
        while todo:
            for pid in children.get(todo.pop(), []):
                todo.append(pid)
                try:
                    environment = open(f"/proc/{pid}/environ", "rb").read()
                except OSError:
                    continue
                rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)
                if rank:
                    found[int(rank.group(1))] = pid
        return found

    def memory(self):
        """MiB resident, of the server's processes together."""
        total = 0
        for pid in {self.process.pid, *self.ranks().values()}:
            try:
                total += int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
            except (OSError, AttributeError):
                pass
        return total / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)


def raw(port, data, seconds=2):
    """Sends bytes as they are and returns what comes back within some seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        try:
            return connection.recv(65536)
        except (TimeoutError, OSError):
            return b""
