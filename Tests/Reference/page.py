#!/usr/bin/env python3
"""Shows the server's page to a real browser and plays its server: page.py PROGRAM [--screenshots FOLDER]

Takes the page as `PROGRAM serve` sends it, with its headers, and answers what it asks: hostile Markdown, refusals of
long messages. Checks what the browser made of it. Needs Chromium (Debian: chromium) and nothing else; CHROMIUM names
another.
"""

import argparse
import base64
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
import urllib.request

HOSTILE = r"""# Title with **bold** and `code`
Some *italics*, __strong__, ~~gone~~, ***both***, snake_case_name, 2 * 3 * 4, a\*b, **un*closed, `un`` closed`.
Links: [site](https://example.org/a_(b) "title"), <https://example.org/x>, https://example.org/path?q=1_2_3. And [mail](mailto:a@example.org).
Bad: [x](javascript:window.pwned=1) [y](data:text/html,<script>window.pwned=2</script>) [z](JaVaScRiPt:window.pwned=3) [v](vbscript:x)
[w]( java	script:window.pwned=4) [rel](/v1/models) [file](file:///etc/passwd) [b](blob:https://example.org/x) ![img](https://evil.example/p.png)
<script>window.pwned=5</script><img src=x onerror="window.pwned=6"><svg onload=window.pwned=7><iframe src="javascript:window.pwned=8"></iframe>
[<img src=x onerror=window.pwned=9>](https://example.org/"onmouseover="window.pwned=10) <a href="javascript:window.pwned=11">click</a>

| Left | Right | *Mid* |
|:-----|------:|:-----:|
| `a|b` | 1 | <b>x</b> |
| c \| d | 22 | [l](https://example.org/t) | extra |
| <img src=x onerror=window.pwned=12> | 3

1. one
2. two
   - inner *a*
   - inner b
     1. deep
3. three

   a paragraph of three
- [ ] open
- [x] done

> quoted **bold**
> > deeper
> - item

---

```html
<script>window.pwned=13</script> & **not bold**
```

~~~
tilde
~~~

Last line with trailing fence:
```
open fence <b>
"""

# Each should cost no more than a moment.
COSTLY = {
    "brackets": "[" * 60_000, "links": "[a](" * 20_000, "stars": "*a **b " * 12_000, "under": "_a" * 30_000, "ticks": "".join("`" * (i % 300) + "a" for i in range(600)),
    "quotes": ">" * 50_000, "lists": "\n".join(" " * i + "- a" for i in range(400)), "table": "|a" * 2000 + "\n" + "|-" * 2000 + ("\n" + "|b" * 2000) * 3,
    "blanks": "- a\n" + "\n" * 60_000 + "b", "spaces": "a" + " " * 100_000 + "b", "hashes": "# " + "#" * 50_000 + " x", "closers": "*a" * 10_000 + "b*" * 10_000,
    "urls": "https://a" + "(" * 1500 + ")" * 1500 + " ", "rules": "- " * 40_000 + "x", "escapes": "\\*" * 40_000,
}


class Browser:
    """Chromium without a window, spoken to over its two pipes."""

    def __init__(self, profile, options=()):
        name = os.environ.get("CHROMIUM") or next((n for n in ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome") if shutil.which(n)), None)
        if name is None:
            sys.exit("page.py: there is no chromium; install it, or name one in CHROMIUM")
        to_read, self.commands = os.pipe()
        self.answers, to_write = os.pipe()
        # The browser expects them as 3 and 4.
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}",
                     "--window-size=1280,1000", "--disable-dev-shm-usage", "--no-first-run", *options]
        shell = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, name, *arguments], pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read), os.close(to_write)
        self.number, self.rest, self.session = 0, b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.complaints = []

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = os.read(self.answers, 1 << 16)
                if not piece:
                    raise RuntimeError("the browser ended")
                self.rest += piece
            line, _, self.rest = self.rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"])[:400])
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, expression, seconds=300):
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise RuntimeError(f"never true: {expression}; the log says {self.evaluate('document.getElementById(`log`).innerText')!r}")
            time.sleep(0.05)

    def say(self, text):
        self.evaluate(f"document.getElementById('input').value = {json.dumps(text)}; document.getElementById('composer').requestSubmit()")
        self.wait("!document.getElementById('send').hidden")

    def shoot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def end(self):
        self.process.kill()
        self.process.wait()


# The server is on this machine, whatever proxy there is.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    page, headers = b"", {}
    asked, foreign = [], []
    replies = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, kind="application/json", headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/":
            self.send(200, self.server.page, "text/html; charset=utf-8", self.server.headers.items())
        elif self.path == "/v1/models":
            self.send(200, {"object": "list", "data": [{"id": "demo", "object": "model"}]})
        elif self.path.startswith("/cluster"):
            self.send(200, self.server.cluster)
        else:
            self.server.foreign.append(self.path)
            self.send(404, {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        words = sum(len(message["content"]) for message in body["messages"])
        if words > 3000:
            self.send(400, {"error": {"message": "the prompt has 9 tokens, but this server's cache holds 8; --kv-cache-tokens", "code": "context_length_exceeded"}})
            return
        text = self.server.replies.pop(0) if self.server.replies else "fine"
        pieces = [text[i:i + 7] for i in range(0, len(text), 7)] if len(text) < 5000 else [text]
        chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        self.send(200, stream.encode(), "text/event-stream")


def fetch_page(program):
    """The page, its headers and the cluster's state, as the program serves them."""
    with subprocess.Popen([program, "serve", "--port", "0", "--kv-cache-tokens", "64"], stderr=subprocess.PIPE, text=True) as served:
        address = None
        for line in served.stderr:
            address = address or (re.search(r"http://\S+", line) or [None])[0]
            if "ready" in line:
                break
        if address is None:
            sys.exit("page.py: the program does not serve")
        threading.Thread(target=served.stderr.read, daemon=True).start()
        with urllib.request.urlopen(address) as answer:
            page, headers = answer.read(), {"Content-Security-Policy": answer.headers["Content-Security-Policy"]}
        with urllib.request.urlopen(address + "/cluster") as answer:
            cluster = json.load(answer)
        try:
            urllib.request.urlopen(urllib.request.Request(
                address + "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "word " * 200}]}).encode(),
                {"Content-Type": "application/json"}))
            refusal = ""
        except urllib.error.HTTPError as error:
            refusal = json.load(error)["error"]["message"]
        served.terminate()
        return page, headers, cluster, refusal


failures = []


def check(name, is_so, found=""):
    print(f"{'ok  ' if is_so else 'FAIL'} {name}{'' if is_so else f': {found}'}")
    if not is_so:
        failures.append(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--screenshots", metavar="FOLDER")
    options = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.page, server.headers, server.cluster, refusal = fetch_page(options.program)
    check("a refusal names the option that would help", "--kv-cache-tokens" in refusal, refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            run(browser, server, options.screenshots)
        finally:
            browser.end()
    sys.exit(1 if failures else 0)


def run(browser, server, screenshots):
    def count(selector):
        return browser.evaluate(f"document.querySelectorAll({json.dumps('#log .answer:last-of-type .text ' + selector)}).length")

    def texts(selector):
        return browser.evaluate(f"[...document.querySelectorAll({json.dumps('#log .answer:last-of-type .text ' + selector)})].map((e) => e.textContent)")

    browser.call("Page.navigate", url=f"http://127.0.0.1:{server.server_address[1]}/")
    browser.wait("document.readyState === 'complete' && document.getElementById('model').textContent === 'demo'")
    facts = browser.evaluate("document.getElementById('facts').textContent")
    check("the context shown is the one requests are held to", "up to 64 tokens of context" in facts, facts)

    server.replies.append(HOSTILE)
    browser.say("show me")
    browser.wait("document.querySelector('#log .answer .foot').textContent.includes('token')")
    check("nothing a model wrote runs", browser.evaluate("window.pwned === undefined"), browser.evaluate("String(window.pwned)"))
    bad = browser.evaluate("[...document.querySelectorAll('#log :is(script, img, svg, iframe, object, embed, style, link, form, b)')].map((e) => e.outerHTML)")
    check("nothing a model wrote is an element of its own", bad == [], bad)
    attributes = browser.evaluate("[...document.querySelectorAll('#log *')].flatMap((e) => [...e.attributes].map((a) => a.name)).filter((n) => n.startsWith('on') || n === 'style' || n === 'src')")
    check("no element has a handler, a style or a source", attributes == [], attributes)
    links = browser.evaluate("[...document.querySelectorAll('#log a')].map((a) => [a.href, a.rel, a.target])")
    check("links lead to the web or to mail only", links and all(re.match(r"https://example\.org/|mailto:|https://evil\.example/p\.png$", link[0]) for link in links), links)
    check("links tell nobody where they were", all("noopener" in link[1] and "noreferrer" in link[1] and link[2] == "_blank" for link in links), links)
    check("good links are links", {"https://example.org/a_(b)", "https://example.org/x", "https://example.org/path?q=1_2_3", "mailto:a@example.org"} <= {link[0] for link in links}, links)
    check("nothing was fetched because a model wrote it", server.foreign == [], server.foreign)
    check("a table has its rows and columns", count("table tr") == 4 and count("tbody td") == 9, texts("td"))
    check("cells are as they were written", texts("tbody td")[:6] == ["a|b", "1", "<b>x</b>", "c | d", "22", "l"], texts("tbody td"))
    check("columns are set as told", browser.evaluate("document.querySelector('#log td:nth-child(2)').className") == "right", texts("td"))
    check("lists nest", count("> ol > li") == 3 and count("> ol ul > li") == 2 and count("> ol ul ol > li") == 1, texts("li"))
    check("tasks have boxes", texts("li.task") == ["☐ open", "☑ done"], texts("li.task"))
    check("quotes nest", count("> blockquote") == 1 and count("blockquote blockquote") == 1 and count("blockquote li") == 1, texts("blockquote"))
    check("headings, rules and code", count("h3") == 1 and count("hr") == 1 and count("pre") == 3, texts("pre"))
    check("code is as it was written", texts("pre")[0] == "<script>window.pwned=13</script> & **not bold**", texts("pre"))
    check("emphasis", texts("> p em")[:1] == ["italics"] and "strong" in texts("strong") and texts("del") == ["gone"] and "both" in texts("em strong, strong em"), [texts("em"), texts("strong")])
    check("what is no emphasis stays", "snake_case_name, 2 * 3 * 4, a*b, *unclosed, un`` closed." in texts("> p")[0], texts("> p")[0])
    if screenshots:
        os.makedirs(screenshots, exist_ok=True)
        browser.evaluate("document.getElementById('log').scrollTop = 0")
        browser.shoot(f"{screenshots}/markdown-top.png")
        browser.evaluate("document.getElementById('log').scrollTop = 1e6")
        browser.shoot(f"{screenshots}/markdown-end.png")
    browser.evaluate("document.getElementById('clear').click()")

    for name, text in COSTLY.items():
        server.replies.append(text)
        start = time.monotonic()
        browser.say("x")
        browser.wait("document.querySelector('#log .answer:last-of-type .foot').textContent.includes('token')")
        taken = time.monotonic() - start
        check(f"{len(text)} bytes of {name} are shown in {taken:.1f} s", taken < 120)
        browser.evaluate("document.getElementById('clear').click()")

    # A message that is too long leaves the conversation.
    browser.say("first")
    browser.say("long " * 700)
    check("a long message is refused with words", "kv-cache-tokens" in browser.evaluate("document.querySelector('#log .error').textContent"))
    check("it is marked", browser.evaluate("document.querySelectorAll('#log .mine.unsent').length") == 1)
    if screenshots:
        browser.evaluate("document.getElementById('log').scrollTop = 1e6")
        browser.shoot(f"{screenshots}/refused.png")
    browser.say("second")
    sent = [message["content"] for message in server.asked[-1]["messages"]]
    check("the next message goes without it", sent == ["first", "fine", "second"], sent)
    browser.evaluate("[...document.querySelectorAll('#log .answer button')].find((b) => b.textContent === 'Change it').click()")
    check("it can be changed", browser.evaluate("document.getElementById('input').value.startsWith('long long')"))
    browser.evaluate("document.getElementById('input').value = ''; document.getElementById('clear').click()")
    browser.say("y " * 1300)
    browser.say("z " * 400)
    browser.evaluate("[...document.querySelectorAll('#log .answer button')].find((b) => b.textContent.startsWith('Try again without')).click()")
    browser.wait("!document.getElementById('send').hidden && document.querySelectorAll('#log .unsent').length === 0")
    check("earlier turns can be left out", len(server.asked[-1]["messages"]) == 1, server.asked[-1])

    # What the server says of itself is shown in sentences, each with one end.
    for reason in ("Rank 1 was killed.", "Rank 1 was killed"):
        server.cluster = {**server.cluster, "state": {"name": "failed", "reason": reason}}
        shown = "Rank 1 was killed. It will not come back by itself."
        try:
            browser.wait(f"document.getElementById('notice-text').textContent === {json.dumps(shown)}", seconds=30)
            found = shown
        except RuntimeError:
            found = browser.evaluate("document.getElementById('notice-text').textContent")
        check(f"{reason!r} is a sentence", found == shown, found)
    serious = [one for one in browser.complaints if "exceptionThrown" in one or "Content Security Policy" in one or "TypeError" in one]
    check("the browser has nothing to complain of", serious == [], serious)


if __name__ == "__main__":
    main()
