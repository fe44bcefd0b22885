"""Runs by streaming: the SDK's accumulators and event handlers, and the exact
order of events."""

import asyncio
import collections
import itertools

import openai
from harness import BROKEN, SLOW, case, contains, equal
from v2_clients import assistant, asynchronous, azure, hosted, thread
from weather import ASK, ASK_BOTH, POPULATION, WEATHER, outputs

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
CALLS = TEXT[:5] + ["thread.run.step.delta", "thread.run.requires_action"]
OUTPUTS = ["thread.run.step.completed"] + TEXT[1:]


class Recorder(openai.AssistantEventHandler):
    """Counts the callbacks and keeps the names of the events; a row of deltas
    counts as one."""

    def __init__(self):
        super().__init__()
        self.count = collections.Counter()
        self.names = []
        self.text = ""
        self.arguments = {}

    def on_event(self, event):
        self.names.append(event.event)

    def order(self):
        return [name for name, _ in itertools.groupby(self.names)]

    def on_text_delta(self, delta, snapshot):
        self.text += delta.value or ""
        equal(snapshot.value, self.text)

    def on_tool_call_delta(self, delta, snapshot):
        self.arguments[delta.index] = self.arguments.get(delta.index, "") + (delta.function.arguments or "")
        contains(snapshot.function.arguments, self.arguments[delta.index])

    def on_exception(self, exception):
        raise exception


def _counted(name):
    def callback(self, *_):
        self.count[name] += 1

    return callback


for _name in (
    "end message_created message_done text_created text_done run_step_created run_step_done tool_call_created tool_call_done timeout"
).split():
    setattr(Recorder, f"on_{_name}", _counted(_name))


def one_message():
    return {"end": 1, "message_created": 1, "message_done": 1, "text_created": 1, "text_done": 1, "run_step_created": 1, "run_step_done": 1}


@case(hosted, azure)
def stream_an_answer(client):
    text = "Hello there, how are you today, and what do you do?"
    owner, helper, handler = thread(client, text), assistant(client), Recorder()
    with client.beta.threads.runs.stream(thread_id=owner.id, assistant_id=helper.id, event_handler=handler) as stream:
        stream.until_done()
    equal(handler.order(), TEXT)
    equal(dict(handler.count), one_message())
    equal(handler.text, text)
    equal(handler.names.count("thread.message.delta") >= 2, True)

    run, [message], [step] = stream.get_final_run(), stream.get_final_messages(), stream.get_final_run_steps()
    equal(client.beta.threads.runs.retrieve(run.id, thread_id=owner.id), run)
    equal(client.beta.threads.messages.retrieve(message.id, thread_id=owner.id), message)
    stored = client.beta.threads.runs.steps.retrieve(step.id, run_id=run.id, thread_id=owner.id)
    equal((stored.id, stored.step_details), (step.id, step.step_details))
    equal((run.status, message.status, stored.status), ("completed", "completed", "completed"))
    equal(message.content[0].text.value, text)


@case(hosted, azure)
def stream_through_function_calls(client):
    helper, handler = assistant(client, tools=[WEATHER, POPULATION]), Recorder()
    opened = client.beta.threads.create_and_run_stream(
        assistant_id=helper.id, thread={"messages": [{"role": "user", "content": ASK_BOTH}]}, event_handler=handler
    )
    with opened as stream:
        stream.until_done()
    equal(handler.order(), ["thread.created"] + CALLS)
    equal(dict(handler.count), {"end": 1, "run_step_created": 1, "tool_call_created": 2, "tool_call_done": 2})
    run, [step] = stream.get_final_run(), stream.get_final_run_steps()
    calls = run.required_action.submit_tool_outputs.tool_calls
    equal([(c.id, c.function.name, c.function.arguments) for c in calls], accumulated(step))

    again = Recorder()
    opened = client.beta.threads.runs.submit_tool_outputs_stream(
        thread_id=run.thread_id, run_id=run.id, tool_outputs=outputs(run), event_handler=again
    )
    with opened as stream:
        stream.until_done()
    equal(again.order(), OUTPUTS)
    equal(dict(again.count), {**one_message(), "run_step_done": 2})
    contains(again.text, 'weather answered "weather: 21"')
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
    equal([s.type for s in steps], ["tool_calls", "message_creation"])
    contains([s.id for s in stream.get_final_run_steps()], steps[1].id)
    equal(stream.get_final_run().usage, client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id).usage)


def accumulated(step):
    return [(c.id, c.function.name, c.function.arguments) for c in step.step_details.tool_calls]


@case(hosted)
def stream_without_a_handler(client):
    owner, helper = thread(client, "Say it."), assistant(client)
    with client.beta.threads.runs.stream(thread_id=owner.id, assistant_id=helper.id) as stream:
        equal("".join(stream.text_deltas), "Say it.")
    events = list(client.beta.threads.runs.create(owner.id, assistant_id=helper.id, stream=True))
    equal([name for name, _ in itertools.groupby(event.event for event in events)], TEXT)
    first, *rest = [e.data.delta.content[0] for e in events if e.event == "thread.message.delta"]
    equal((first.index, first.type, first.text.annotations), (0, "text", []))
    equal([(d.index, d.type, d.text.annotations) for d in rest], [(0, "text", None)] * len(rest))
    created, queued = events[0].data, events[1].data
    equal((created, created.status), (queued, "queued"))


@case(hosted)
def stream_one_call_once(client):
    """The id and the name of a call are sent once, and each delta has an index
    and a type: clients that add deltas up would double them, or lose them."""
    owner, helper = thread(client, ASK), assistant(client, tools=[WEATHER])
    events = list(client.beta.threads.runs.create(owner.id, assistant_id=helper.id, stream=True))
    deltas = [e.data.delta.step_details.tool_calls for e in events if e.event == "thread.run.step.delta"]
    first, *rest = [call for calls in deltas for call in calls]
    equal((first.index, first.type, first.function.name), (0, "function", "weather"))
    equal((first.id[:5], first.function.arguments, first.function.output), ("call_", "", None))
    equal({(c.index, c.type, c.id, c.function.name) for c in rest}, {(0, "function", None, None)})
    [started] = [e.data for e in events if e.event == "thread.run.step.created"]
    equal((started.status, started.step_details.tool_calls), ("in_progress", []))


@case(hosted)
def stream_of_an_incomplete_run(client):
    owner, helper, handler = thread(client, "one two three four five six seven eight nine ten"), assistant(client), Recorder()
    opened = client.beta.threads.runs.stream(
        thread_id=owner.id, assistant_id=helper.id, max_completion_tokens=3, event_handler=handler
    )
    with opened as stream:
        stream.until_done()
    equal(handler.order(), TEXT[:8] + ["thread.message.incomplete", "thread.run.step.completed", "thread.run.incomplete"])
    equal(dict(handler.count), one_message())
    equal((stream.get_final_run().status, stream.get_final_messages()[0].status), ("incomplete", "incomplete"))


@case(hosted)
def stream_of_a_failed_run(client):
    owner, helper = thread(client), assistant(client, model=BROKEN)
    events = list(client.beta.threads.runs.create(owner.id, assistant_id=helper.id, stream=True))
    equal([e.event for e in events], TEXT[:3] + ["thread.run.failed"])
    equal(events[-1].data.last_error.code, "server_error")


@case(hosted)
def stream_of_a_cancelled_run(client):
    owner, helper = thread(client), assistant(client, model=SLOW)
    names = []
    for event in client.beta.threads.runs.create(owner.id, assistant_id=helper.id, stream=True):
        names.append(event.event)
        if event.event == "thread.run.in_progress":
            client.beta.threads.runs.cancel(event.data.id, thread_id=owner.id)
    equal(names, TEXT[:3] + ["thread.run.cancelling", "thread.run.cancelled"])


@case(hosted)
def run_goes_on_without_its_reader(client):
    owner, helper = thread(client, "Go on."), assistant(client)
    with client.beta.threads.runs.stream(thread_id=owner.id, assistant_id=helper.id) as stream:
        run_id = next(iter(stream)).data.id
    equal(client.beta.threads.runs.poll(run_id=run_id, thread_id=owner.id).status, "completed")


@case()
def asynchronous_client():
    class Handler(openai.AsyncAssistantEventHandler):
        def __init__(self):
            super().__init__()
            self.text, self.done = "", []

        async def on_text_delta(self, delta, snapshot):
            self.text += delta.value

        async def on_tool_call_done(self, tool_call):
            self.done.append(tool_call.function.name)

    async def run():
        async with asynchronous() as client:
            helper = await client.beta.assistants.create(model="gpt-4o", instructions="Help.", tools=[WEATHER])
            owner = await client.beta.threads.create(messages=[{"role": "user", "content": ASK}])
            handler = Handler()
            async with client.beta.threads.runs.stream(
                thread_id=owner.id, assistant_id=helper.id, event_handler=handler
            ) as stream:
                await stream.until_done()
                waiting = await stream.get_final_run()
            equal(handler.done, ["weather"])
            handler = Handler()
            async with client.beta.threads.runs.submit_tool_outputs_stream(
                thread_id=owner.id, run_id=waiting.id, tool_outputs=outputs(waiting), event_handler=handler
            ) as stream:
                await stream.until_done()
            contains(handler.text, "weather: 21")
            again = await client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id, tool_choice="none")
            equal(again.status, "completed")
            listed = [m.role async for m in client.beta.threads.messages.list(owner.id, limit=1, order="asc")]
            equal(listed, ["user", "assistant", "assistant"])

    asyncio.run(run())
