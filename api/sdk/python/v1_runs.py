"""v1 runs: polled, streamed, with function calls, cancelled, retried."""

import collections
import itertools

import openai
from harness import SLOW, Proxy, case, contains, equal
from v1_clients import assistant, azure, hosted, thread, upload
from weather import ASK, WEATHER, outputs

TEXT = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]


class Recorder(openai.AssistantEventHandler):
    def __init__(self):
        super().__init__()
        self.names, self.count, self.text = [], collections.Counter(), ""

    def on_event(self, event):
        self.names.append(event.event)

    def order(self):
        return [name for name, _ in itertools.groupby(self.names)]

    def on_text_delta(self, delta, snapshot):
        self.text += delta.value or ""
        equal(snapshot.value, self.text)

    def on_text_done(self, text):
        self.count["text_done"] += 1

    def on_message_done(self, message):
        self.count["message_done"] += 1

    def on_tool_call_created(self, tool_call):
        self.count["tool_call_created"] += 1

    def on_tool_call_done(self, tool_call):
        self.count["tool_call_done"] += 1

    def on_exception(self, exception):
        raise exception


@case(hosted, azure)
def poll_to_an_answer(client):
    file = upload(client)
    helper, owner = assistant(client, tools=[{"type": "retrieval"}], file_ids=[file.id]), thread(client, "Hello.")
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
    equal((run.status, run.file_ids, [tool.type for tool in run.tools]), ("completed", [file.id], ["retrieval"]))
    raw = client.beta.threads.runs.with_raw_response.retrieve(run.id, thread_id=owner.id).http_response.json()
    equal(sorted({"file_ids", "tool_resources"} & set(raw)), ["file_ids"])
    [answer, question] = client.beta.threads.messages.list(owner.id).data
    contains(answer.content[0].text.value, "The tool file_search ")  # the built-in model quotes what was found
    equal(answer.file_ids, [])
    message_step, search_step = client.beta.threads.runs.steps.list(run.id, thread_id=owner.id).data
    equal(message_step.step_details.message_creation.message_id, answer.id)
    equal(search_step.step_details.tool_calls[0].type, "retrieval")
    equal([r.id for r in client.beta.threads.runs.list(owner.id)], [run.id])


@case(hosted, azure)
def poll_through_a_function_call(client):
    helper = assistant(client, tools=[WEATHER])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=helper.id, thread={"messages": [{"role": "user", "content": ASK}]}
    )
    equal(run.status, "requires_action")
    done = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run)
    )
    equal(done.status, "completed")
    message_step, call_step = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    equal((message_step.type, call_step.type), ("message_creation", "tool_calls"))
    equal(call_step.step_details.tool_calls[0].function.output, "weather: 21")
    equal(client.beta.threads.runs.steps.retrieve(call_step.id, run_id=run.id, thread_id=run.thread_id), call_step)


@case(hosted, azure)
def stream_an_answer(client):
    helper, owner, handler = assistant(client), thread(client), Recorder()
    opened = client.beta.threads.runs.stream(thread_id=owner.id, assistant_id=helper.id, event_handler=handler)
    with opened as stream:
        stream.until_done()
    equal(handler.order(), TEXT)
    equal(dict(handler.count), {"text_done": 1, "message_done": 1})
    equal(handler.text, "Hello there, how are you today?")
    [message] = stream.get_final_messages()
    equal((message.content[0].text.value, message.file_ids), (handler.text, []))
    equal(stream.get_final_run().status, "completed")


@case(hosted, azure)
def stream_through_a_function_call(client):
    helper, handler = assistant(client, tools=[WEATHER]), Recorder()
    opened = client.beta.threads.create_and_run_stream(
        assistant_id=helper.id, thread={"messages": [{"role": "user", "content": ASK}]}, event_handler=handler
    )
    with opened as stream:
        stream.until_done()
    run, [step] = stream.get_final_run(), stream.get_final_run_steps()
    equal(run.required_action.submit_tool_outputs.tool_calls[0].id, step.step_details.tool_calls[0].id)
    equal(dict(handler.count), {"tool_call_created": 1, "tool_call_done": 1})
    equal(handler.order()[0], "thread.created")
    handler = Recorder()
    opened = client.beta.threads.runs.submit_tool_outputs_stream(
        thread_id=run.thread_id, run_id=run.id, tool_outputs=outputs(run), event_handler=handler
    )
    with opened as stream:
        stream.until_done()
    equal(handler.order(), ["thread.run.step.completed"] + TEXT[1:])
    contains(handler.text, "weather: 21")


@case(hosted)
def cancel_a_busy_run(client):
    owner, helper, names = thread(client), assistant(client, model=SLOW), []
    for event in client.beta.threads.runs.create(owner.id, assistant_id=helper.id, stream=True):
        names.append(event.event)
        if event.event == "thread.run.in_progress":
            client.beta.threads.runs.cancel(event.data.id, thread_id=owner.id)
    equal(names, TEXT[:3] + ["thread.run.cancelling", "thread.run.cancelled"])


@case()
def refused_requests_are_sent_again():
    with Proxy(500, 429) as proxy:
        client = hosted(proxy.base_url)
        owner = thread(client, "once")
        equal(proxy.count("POST", "/threads"), 3)
        equal([m.content[0].text.value for m in client.beta.threads.messages.list(owner.id)], ["once"])
