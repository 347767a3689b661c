"""What stands between clients and a server, or comes by itself: ab, nginx as a proxy, a page of another site in a browser.

    python benchmarks/serving/fronts.py .build/release/martinet [part of a check's name]

Needs Debian's apache2-utils, nginx and chromium; AB, NGINX and CHROMIUM name others. What is not there is said and left
out. The model is the demonstration model, and every request is sent to this machine.
"""
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from client import Server

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "Tests", "Reference"))
LONG = {"prompt": "In the beginning", "n": 64, "max_tokens": 480, "ignore_eos": True, "stream": True}
SHORT = {"prompt": "In the beginning", "max_tokens": 8, "ignore_eos": True, "temperature": 0}


class Missing(Exception):
    pass


def tool(variable, *names):
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise Missing(f"no {names[0]}; {variable} names one")
    return found


def eventually(holds, what, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.02)


def metric(server, name):
    text = server.get("/metrics")[1].decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def ab_runs(server, folder):
    """HTTP/1.0, with connections that are kept and others, short answers and streams."""
    program = tool("AB", "ab")
    for name, body in [("short", SHORT), ("stream", {**SHORT, "stream": True})]:
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump(body, file)
    base = f"http://127.0.0.1:{server.port}"
    for path, kind, is_kept, count in [
            ("/health", None, False, 400), ("/health", None, True, 400), ("/v1/models", None, True, 100),
            ("/nothing", None, True, 50), ("/v1/completions", "short", False, 40), ("/v1/completions", "short", True, 40),
            ("/v1/completions", "stream", False, 40), ("/v1/completions", "stream", True, 40)]:
        command = [program, "-q", "-l", "-s", "20", "-n", str(count), "-c", "8"] + (["-k"] if is_kept else [])
        if kind:
            command += ["-T", "application/json", "-p", os.path.join(folder, kind + ".json")]
        told = subprocess.run([*command, base + path], capture_output=True, text=True, timeout=120)
        numbers = dict(re.findall(r"^(Complete|Failed|Non-2xx|Keep-Alive) (?:requests|responses): +(\d+)", told.stdout, re.M))
        case = f"{path} {kind} {'kept' if is_kept else 'closed'}: {numbers} {told.stderr}"
        assert told.returncode == 0 and int(numbers["Complete"]) == count and numbers["Failed"] == "0", case
        assert ("Non-2xx" in numbers) == (path == "/nothing"), case
        # A stream ends with its connection, as HTTP/1.0 knows no other end.
        assert int(numbers.get("Keep-Alive", 0)) == (count if is_kept and kind != "stream" else 0), case
    eventually(lambda: metric(server, "martinet_open_connections") == 1, "connections stay open")


class Proxy:
    """nginx before a server, with these lines in its location."""

    def __init__(self, server, folder, lines):
        program = tool("NGINX", "nginx", "/usr/sbin/nginx")
        self.folder = tempfile.mkdtemp(dir=folder)
        socket = self.free_port()
        places = "\n".join(
            f"  {kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(f"""daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log error;
events {{ worker_connections 64; }}
http {{
{places}
  access_log off;
  upstream martinet {{ server 127.0.0.1:{server.port}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{socket};
    location / {{
      proxy_pass http://martinet;
      {lines}
    }}
  }}
}}
""")
        self.process = subprocess.Popen([program, "-p", self.folder, "-c", path], stderr=subprocess.DEVNULL)
        self.port = socket
        eventually(self.answers, "nginx does not answer: " + self.log())

    @staticmethod
    def free_port():
        import socket
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]

    def log(self):
        path = os.path.join(self.folder, "error.log")
        return open(path).read() if os.path.exists(path) else ""

    def answers(self):
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def open(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        return connection, connection.getresponse()

    def ask(self, *request, **named):
        connection, answer = self.open(*request, **named)
        data = answer.read()
        connection.close()
        return answer.status, data

    def end(self):
        self.process.terminate()
        self.process.wait()


MODERN = 'proxy_http_version 1.1; proxy_set_header Connection "";'
OWN_HOST = "proxy_set_header Host $http_host;"
PROXIES = {
    "as documented": f"proxy_http_version 1.1; {OWN_HOST} proxy_set_header X-Forwarded-For $remote_addr; proxy_read_timeout 300s;",
    "as it comes, in HTTP/1.0": OWN_HOST,
    "connections kept": MODERN + OWN_HOST,
    "no buffering": MODERN + OWN_HOST + "proxy_buffering off;",
    "bodies as they come": MODERN + OWN_HOST + "proxy_request_buffering off;",
}


def nginx(server, folder):
    """Whole answers, streams that come as they are made, clients that leave, connections that are used again."""
    alone = json.loads(server.post("/v1/completions", SHORT)[1])["choices"][0]["text"]
    for name, lines in PROXIES.items():
        proxy = Proxy(server, folder, lines)
        try:
            front(server, proxy, alone)
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}; nginx says {proxy.log()!r}") from error
        finally:
            proxy.end()
        assert "upstream" not in proxy.log(), f"{name}: {proxy.log()}"
        if "Connection" in lines:
            assert proxy.opened <= 4, f"{name}: {proxy.opened} connections for one client's requests"


def front(server, proxy, alone):
    status, data = proxy.ask("POST", "/v1/completions", SHORT)
    assert status == 200 and json.loads(data)["choices"][0]["text"] == alone, data
    before = metric(server, "martinet_connections_total")
    for size in [1, 100, 10_000, 100_000]:
        status, data = proxy.ask("POST", "/tokenize", {"prompt": "a " * size})
        assert status == 200 and json.loads(data)["count"] >= size, (status, data[:300])
        assert proxy.ask("GET", "/nothing")[0] == 404
    assert proxy.ask("POST", "/v1/completions", {**SHORT, "temperature": 9})[0] == 400
    # Those of this script's own looks are new each time, too.
    proxy.opened = metric(server, "martinet_connections_total") - before - 1
    assert proxy.ask("GET", "/v1/models", headers={"Host": "evil.example"})[0] == 403
    assert proxy.ask("GET", "/v1/models", headers={"Host": "chat.example.org"})[0] == 200
    connection, answer = proxy.open("POST", "/v1/completions", LONG)
    first = answer.readline()
    assert answer.status == 200 and first.startswith(b"data: "), first
    assert metric(server, "martinet_sequences_in_flight") > 0, "the first piece came with the last"
    answer.close(), connection.close()
    eventually(lambda: metric(server, "martinet_sequences_in_flight") == 0, "the client has gone, and its sequence has not")
    connection, answer = proxy.open("POST", "/v1/completions", {**SHORT, "stream": True})
    lines = answer.read().split(b"\n\n")
    assert lines[-2] == b"data: [DONE]", lines[-3:]
    text = "".join(json.loads(line[6:])["choices"][0]["text"] for line in lines[:-2])
    assert text == alone, text
    connection.close()


FOREIGN_PAGE = """<!doctype html><meta charset=utf-8><title>foreign</title><script>
const tries = {};
async function attempt(name, body) { try { tries[name] = await body(); } catch (error) { tries[name] = "refused: " + error.name; } }
const body = JSON.stringify({prompt: "In the beginning", max_tokens: 4, ignore_eos: true});
async function run(base) {
  const read = async (answer) => `${answer.status} ${answer.type} ${(await answer.text()).slice(0, 40)}`;
  await attempt("get", async () => read(await fetch(base + "/v1/models")));
  await attempt("get without reading", async () => read(await fetch(base + "/v1/models", {mode: "no-cors"})));
  await attempt("json", async () => read(await fetch(base + "/v1/completions", {method: "POST", body,
    headers: {"Content-Type": "application/json"}})));
  await attempt("plain text", async () => read(await fetch(base + "/v1/completions", {method: "POST", body, mode: "no-cors"})));
  await attempt("beacon", async () => String(navigator.sendBeacon(base + "/v1/completions", body)));
  await attempt("socket", () => new Promise((done, fail) => { const one = new WebSocket(base.replace("http", "ws") + "/v1/completions");
    one.onopen = () => done("open"); one.onerror = () => fail(new Error()); }));
  await attempt("event source", () => new Promise((done, fail) => { const one = new EventSource(base + "/v1/models");
    one.onopen = () => done("open"); one.onerror = () => { one.close(); fail(new Error()); }; }));
  await attempt("form", () => new Promise((done) => { const frame = document.createElement("iframe"); frame.name = "f";
    frame.onload = () => done("loaded"); document.body.append(frame);
    const form = document.createElement("form"); form.target = "f"; form.method = "post"; form.enctype = "text/plain";
    form.action = base + "/v1/completions"; const input = document.createElement("input");
    input.name = '{"prompt": "In the beginning", "max_tokens": 4, "a": "'; input.value = '"}'; form.append(input);
    document.body.append(form); form.submit(); setTimeout(() => done("nothing loaded"), 3000); }));
  await attempt("script", () => new Promise((done, fail) => { const one = document.createElement("script");
    one.src = base + "/v1/models"; one.onload = () => done("loaded"); one.onerror = () => fail(new Error()); document.body.append(one); }));
  return tries;
}
</script><body></body>"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = FOREIGN_PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


PAGES = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)


def browser(server, folder):
    """A page of another origin: of another port, of another name, and of a name that was made to lead here."""
    tool("CHROMIUM", "chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
    from page import Browser

    window = Browser(os.path.join(folder, "profile"), ["--host-resolver-rules=MAP *.example 127.0.0.1"])
    own, foreign = server.port, PAGES.server_address[1]

    def visit(page, base):
        window.call("Page.navigate", url=page)
        window.wait("document.readyState === 'complete' && typeof run === 'function'")
        return window.evaluate(f"run({json.dumps(base)})")

    try:
        served = metric(server, "martinet_generated_tokens_total")
        for page, base in [
                (f"http://127.0.0.1:{foreign}/", f"http://127.0.0.1:{own}"), (f"http://localhost:{foreign}/", f"http://127.0.0.1:{own}"),
                (f"http://evil.example:{foreign}/", f"http://127.0.0.1:{own}"), (f"http://evil.example:{foreign}/", f"http://evil.example:{own}")]:
            refused = metric(server, "martinet_requests_refused_total")
            tries = visit(page, base)
            told = f"from {page} to {base}: {tries}"
            for name in ("get", "json", "socket", "event source", "script"):
                assert tries[name].startswith("refused"), told
            assert all("demo" not in answer and "200" not in answer for answer in tries.values()), told
            assert metric(server, "martinet_requests_refused_total") >= refused + 4, told
        assert metric(server, "martinet_generated_tokens_total") == served, "a foreign page had the server compute"
        # A name that was made to lead here, as the page's own origin.
        window.call("Page.navigate", url=f"http://evil.example:{own}/")
        window.wait("document.readyState === 'complete'")
        shown = window.evaluate("document.documentElement.innerText")
        assert "host_not_allowed" in shown, shown
        # A page that is allowed may do all of it; a link to the chat page leads there.
        tries = visit(f"http://friend.example:{foreign}/", f"http://127.0.0.1:{own}")
        assert tries["get"].startswith("200 cors") and tries["json"].startswith("200 cors"), tries
        window.call("Page.navigate", url=f"http://127.0.0.1:{own}/")
        window.wait("document.getElementById('model') && document.getElementById('model').textContent !== ''")
    finally:
        window.end()


CHECKS = [ab_runs, nginx, browser]


def main():
    threading.Thread(target=PAGES.serve_forever, daemon=True).start()
    program, wanted = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for check in CHECKS:
            if wanted not in check.__name__:
                continue
            options = ["--allowed-host", "chat.example.org", "--trust-forwarded-for"]
            if check is browser:
                options = ["--allowed-origin", f"http://friend.example:{PAGES.server_address[1]}"]
            server = Server(program, options, log=os.path.join(folder, "serve.log"))
            try:
                check(server, folder)
                print(f"{check.__name__}: passed", flush=True)
            except Missing as error:
                print(f"{check.__name__}: left out: {error}", flush=True)
            except Exception as error:
                failed += 1
                print(f"{check.__name__}: FAILED: {type(error).__name__}: {str(error)[:2500]}", flush=True)
            finally:
                server.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
