"""Webhooks: a receiver that has the SDK verify and read what the server sends."""

import http.server
import queue
import threading

import openai
from harness import WEBHOOK_SECRET, case, contains, equal, raises
from v2_clients import assistant, hosted, thread
from weather import ASK, WEATHER, outputs


class Receiver:
    """An endpoint on loopback. take() waits for the next request: its body and its headers."""

    def __init__(self):
        came = self.came = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                came.put((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.header = {"Understudy-Webhook": f"http://127.0.0.1:{self.server.server_port}/runs"}

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def take(self):
        return self.came.get(timeout=60)


def signed():
    return hosted(webhook_secret=WEBHOOK_SECRET)


@case(signed)
def webhooks_of_a_run_are_unwrapped(client):
    with Receiver() as receiver:
        helper, owner = assistant(client, tools=[WEATHER]), thread(client, ASK)
        run = client.beta.threads.runs.create_and_poll(
            thread_id=owner.id, assistant_id=helper.id, extra_headers=receiver.header
        )
        waits = client.webhooks.unwrap(*receiver.take())
        equal((waits.object, waits.type), ("event", "thread.run.requires_action"))
        equal((waits.data.id, waits.to_dict()["data"]["thread_id"]), (run.id, owner.id))
        called = waits.to_dict()["data"]["required_action"]["submit_tool_outputs"]["tool_calls"]
        equal([c["id"] for c in called], [c.id for c in run.required_action.submit_tool_outputs.tool_calls])

        done = client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=owner.id, tool_outputs=outputs(run)
        )
        over = client.webhooks.unwrap(*receiver.take())
        equal((over.type, over.data.id), ("thread.run.completed", run.id))
        equal(over.to_dict()["data"]["usage"]["total_tokens"], done.usage.total_tokens)
        contains(over.id, "evt_")
        equal(receiver.came.empty(), True)


@case(signed)
def forged_webhooks_are_found_out(client):
    with Receiver() as receiver:
        helper, owner = assistant(client), thread(client)
        client.beta.threads.runs.create(owner.id, assistant_id=helper.id, extra_headers=receiver.header)
        body, headers = receiver.take()
        client.webhooks.verify_signature(body, headers)
        forged = openai.InvalidWebhookSignatureError
        raises(forged, client.webhooks.unwrap, body.replace(b"completed", b"cancelled"), headers)
        raises(forged, client.webhooks.unwrap, body, {**headers, "Webhook-Id": "evt_other"})
        raises(forged, client.webhooks.unwrap, body, headers, secret="whsec_" + "QUFB" * 8)


@case(signed)
def hosts_that_are_not_allowed_are_refused(client):
    helper, owner = assistant(client), thread(client)
    for url in ("http://169.254.169.254/latest", "http://localhost:1", "https://example.com"):
        error = raises(
            openai.BadRequestError,
            client.beta.threads.runs.create,
            owner.id,
            assistant_id=helper.id,
            extra_headers={"Understudy-Webhook": url},
        )
        equal((error.param, error.code), ("Understudy-Webhook", "invalid_value"))
    equal(list(client.beta.threads.runs.list(owner.id)), [])
