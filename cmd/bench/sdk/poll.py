"""Alternates a direct call of the model with create_and_poll, and prints how
long each took, in milliseconds. Arguments: base URL of the server, base URL of
the model, assistant, rounds."""

import json
import sys
import time
import warnings

import openai

warnings.simplefilter("ignore")  # the Assistants API is deprecated
server_url, model_url, assistant, rounds = sys.argv[1:5]
server = openai.OpenAI(base_url=server_url, api_key="none")
model = openai.OpenAI(base_url=model_url, api_key="none")
thread = server.beta.threads.create()
message = {"role": "user", "content": "How are you today?"}


def timed(work):
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def direct():
    model.chat.completions.create(model="m", messages=[message])


def poll():
    run = server.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant, additional_messages=[message])
    if run.status != "completed":
        raise RuntimeError(f"the run is {run.status}: {run.last_error}")


taken = [{"direct": timed(direct), "poll": timed(poll)} for _ in range(int(rounds) + 1)]
print(json.dumps(taken[1:]))  # the first round makes the connections
