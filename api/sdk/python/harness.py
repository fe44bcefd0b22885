"""What the Python suites share: the list of cases, the clients, a proxy that
refuses and loses requests, and the last line that the driver counts."""

import http.client
import http.server
import os
import sys
import threading
import time
import traceback
import urllib.parse

BASE_URL = os.environ["UNDERSTUDY_BASE_URL"]
ROOT = BASE_URL.removesuffix("/v1")
KEYS_BASE_URL = os.environ["UNDERSTUDY_KEYS_BASE_URL"]
API_KEY = os.environ["UNDERSTUDY_API_KEY"]
WEBHOOK_SECRET = os.environ["UNDERSTUDY_WEBHOOK_SECRET"]

# The models that the driver configures: one that answers after 300 ms, one that
# never answers, and one whose backend cannot be reached. Every other name is
# the built-in model, which answers at once.
DELAYED, SLOW, BROKEN = "delayed", "slow", "broken"

_cases = []


def case(*variants):
    """Registers a case, once for each variant: what makes the client it is
    called with. Without variants it is called without a client."""

    def register(run):
        for variant in variants or [None]:
            name = run.__name__ + (f"[{variant.__name__}]" if variant else "")
            _cases.append((name, (lambda v=variant: run(v())) if variant else run))
        return run

    return register


def main():
    """Runs every case, or those whose names contain the first argument."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = 0
    for name, run in _cases:
        if wanted not in name:
            continue
        start = time.monotonic()
        try:
            run()
        except Exception:
            failed += 1
            print(f"FAIL {name}\n{traceback.format_exc()}")
        else:
            passed += 1
            print(f"ok   {name} {time.monotonic() - start:.2f}s")
    print(f"passed={passed} failed={failed}", flush=True)
    sys.exit(1 if failed else 0)


def equal(got, want):
    if got != want:
        raise AssertionError(f"got  {got!r}\nwant {want!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def raises(kind, call, *args, **kwargs):
    """Calls, and returns the exception of exactly this kind that it raises."""
    try:
        result = call(*args, **kwargs)
    except kind as error:
        equal(type(error), kind)
        return error
    raise AssertionError(f"{kind.__name__} was not raised; got {result!r}")


class Proxy:
    """A loopback proxy in front of the server. It notes each request, and
    answers the next ones itself for as long as there are faults:

    a status answers with it and does not pass the request on;
    "lose" passes the request on and answers 500, the server's answer is lost.
    """

    def __init__(self, *faults):
        self.faults = list(faults)
        self.requests = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def count(self, method, ending):
        return sum(1 for m, path, _ in self.requests if m == method and path.split("?")[0].endswith(ending))

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        self.requests.append((request.command, request.path, dict(request.headers)))
        fault = self.faults.pop(0) if self.faults else None
        status, headers, content = fault, [("content-type", "application/json")], b'{"error":{"message":"a fault of the proxy"}}'
        if not isinstance(fault, int):
            status, headers, content = self.forward(request, body)
        if fault == "lose":
            status, content = 500, b""
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                request.send_header(name, value)
        if fault:
            request.send_header("retry-after-ms", "1")
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def forward(self, request, body):
        address = urllib.parse.urlsplit(ROOT)
        upstream = http.client.HTTPConnection(address.hostname, address.port)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "connection")}
        upstream.request(request.command, request.path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        return answer.status, answer.getheaders(), content
