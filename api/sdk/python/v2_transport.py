"""What lies between the SDK and the server: retries, polls, keys, headers."""

import uuid

import openai
from harness import DELAYED, Proxy, case, contains, equal, raises
from v2_clients import assistant, hosted, thread, with_keys
from weather import ASK, WEATHER, outputs


@case()
def refused_requests_are_sent_again():
    with Proxy(500, 429) as proxy:
        client = hosted(proxy.base_url)
        owner = client.beta.threads.create(messages=[{"role": "user", "content": "once"}])
        equal([m.content[0].text.value for m in client.beta.threads.messages.list(owner.id)], ["once"])
        equal(proxy.count("POST", "/threads"), 3)
        proxy.faults = [503, 500]
        helper = assistant(client)
        proxy.faults = [429, 500]
        run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
        equal(run.status, "completed")
        equal([r.id for r in client.beta.threads.runs.list(owner.id)], [run.id])
        proxy.faults = [500]
        uploaded = client.files.create(file=("a.txt", b"abc"), purpose="assistants")
        equal(client.files.content(uploaded.id).read(), b"abc")
        once = client.with_options(max_retries=0)
        proxy.faults = [429]
        raises(openai.RateLimitError, once.beta.assistants.list)
        proxy.faults = [500]
        raises(openai.InternalServerError, once.beta.assistants.list)


@case()
def idempotency_key_makes_one_message_of_two_requests():
    with Proxy() as proxy:
        client = hosted(proxy.base_url)
        owner = client.beta.threads.create()
        key = {"Idempotency-Key": str(uuid.uuid4())}
        proxy.faults = ["lose"]
        created = client.beta.threads.messages.create(owner.id, role="user", content="once", extra_headers=key)
        equal(proxy.count("POST", "/messages"), 2)
        equal([m.id for m in client.beta.threads.messages.list(owner.id)], [created.id])
        again = client.beta.threads.messages.create(owner.id, role="user", content="once", extra_headers=key)
        equal(again, created)
        raises(
            openai.BadRequestError,
            client.beta.threads.messages.create,
            owner.id,
            role="user",
            content="something else",
            extra_headers=key,
        )


@case()
def poll_helpers_ask_once():
    """A poll is held until the run waits or is over: no second one is needed."""
    with Proxy() as proxy:
        client = hosted(proxy.base_url)
        helper, owner = assistant(client, model=DELAYED, tools=[WEATHER]), thread(client, ASK)
        run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
        equal((run.status, proxy.count("GET", run.id)), ("requires_action", 1))
        done = client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=owner.id, tool_outputs=outputs(run)
        )
        equal((done.status, proxy.count("GET", run.id)), ("completed", 2))


@case()
def answers_have_the_headers():
    client = hosted()
    raw = client.beta.threads.with_raw_response.create(extra_headers={"OpenAI-Organization": "org-x"})
    equal(raw.headers["content-type"], "application/json")
    equal(raw.headers["openai-version"], "2020-10-01")
    contains(raw.headers["x-request-id"], "req_")
    equal(raw.headers["openai-processing-ms"].isdigit(), True)
    equal(raw.parse()._request_id, raw.headers["x-request-id"])
    run = client.beta.threads.runs.with_raw_response.create(
        raw.parse().id, assistant_id=assistant(client).id, extra_headers={"X-Stainless-Poll-Helper": "true"}
    )
    polled = client.beta.threads.runs.with_raw_response.retrieve(
        run.parse().id, thread_id=raw.parse().id, extra_headers={"X-Stainless-Poll-Helper": "true"}
    )
    equal(polled.headers["openai-poll-after-ms"].isdigit(), True)


@case()
def keys_are_checked():
    equal(with_keys().beta.threads.create().object, "thread")
    error = raises(openai.AuthenticationError, with_keys("sk-wrong").beta.threads.create)
    equal((error.status_code, error.code), (401, "invalid_api_key"))
    contains(error.message, "Incorrect API key provided")
