"""Runs by polling: answers, function calls, steps, limits, cancelling, failure."""

import openai
from harness import BROKEN, SLOW, case, contains, equal, raises
from v2_clients import INSTRUCTIONS, assistant, azure, hosted, lenient, thread
from weather import ASK, ASK_BOTH, POPULATION, WEATHER, outputs

CONTENT = "step_details.tool_calls[*].file_search.results[*].content"


def texts(client, thread_id, **query):
    return [m.content[0].text.value for m in client.beta.threads.messages.list(thread_id, order="asc", **query)]


@case(hosted, azure)
def poll_to_an_answer(client):
    owner, helper = thread(client, "Hello there."), assistant(client)
    run = client.beta.threads.runs.create_and_poll(
        thread_id=owner.id, assistant_id=helper.id, additional_instructions="Be brief.", metadata={"k": "v"}
    )
    equal((run.status, run.required_action, run.last_error, run.incomplete_details), ("completed", None, None, None))
    equal((run.instructions, run.metadata), (INSTRUCTIONS + "\n\nBe brief.", {"k": "v"}))
    equal(run.created_at <= run.started_at <= run.completed_at, True)
    equal(run.usage.total_tokens, run.usage.prompt_tokens + run.usage.completion_tokens)
    equal(texts(client, owner.id), ["Hello there.", "Hello there."])
    equal(texts(client, owner.id, run_id=run.id), ["Hello there."])

    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=owner.id).data
    [answer] = client.beta.threads.messages.list(owner.id, limit=1).data
    equal((step.type, step.status), ("message_creation", "completed"))
    equal(step.step_details.message_creation.message_id, answer.id)
    equal((answer.role, answer.run_id, answer.assistant_id), ("assistant", run.id, helper.id))
    equal(step.usage.total_tokens, run.usage.total_tokens)
    equal(client.beta.threads.runs.retrieve(run.id, thread_id=owner.id), run)
    updated = client.beta.threads.runs.update(run.id, thread_id=owner.id, metadata={"k": "w"})
    equal(updated, run.model_copy(update={"metadata": {"k": "w"}}))


@case(hosted, azure)
def poll_through_function_calls(client):
    helper, runs = assistant(client, tools=[WEATHER, POPULATION]), client.beta.threads.runs
    run = client.beta.threads.create_and_run_poll(
        assistant_id=helper.id, thread={"messages": [{"role": "user", "content": ASK_BOTH}]}
    )
    equal((run.status, run.required_action.type), ("requires_action", "submit_tool_outputs"))
    calls = run.required_action.submit_tool_outputs.tool_calls
    equal([call.function.name for call in calls], ["weather", "population"])
    contains(calls[0].function.arguments, "Paris")

    [open_step] = runs.steps.list(run.id, thread_id=run.thread_id).data
    equal((open_step.status, open_step.usage), ("in_progress", None))
    equal([call.function.output for call in open_step.step_details.tool_calls], [None, None])

    error = raises(openai.BadRequestError, client.beta.threads.messages.create, run.thread_id, role="user", content="x")
    contains(error.message, f"Can't add messages to {run.thread_id} while a run {run.id} is active.")
    error = raises(openai.BadRequestError, runs.create, run.thread_id, assistant_id=helper.id)
    contains(error.message, f"Thread {run.thread_id} already has an active run {run.id}.")
    one_only = outputs(run)[:1]
    error = raises(openai.BadRequestError, runs.submit_tool_outputs, run.id, thread_id=run.thread_id, tool_outputs=one_only)
    contains(error.message, "Expected tool outputs for call_ids")

    done = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    equal((done.status, done.required_action), ("completed", None))
    contains(texts(client, run.thread_id)[-1], 'weather answered "weather: 21"')

    message_step, call_step = runs.steps.list(run.id, thread_id=run.thread_id, include=[CONTENT]).data
    equal((message_step.type, call_step.type), ("message_creation", "tool_calls"))
    equal([c.function.output for c in call_step.step_details.tool_calls], ["weather: 21", "population: 21"])
    equal(runs.steps.retrieve(call_step.id, run_id=run.id, thread_id=run.thread_id, include=[CONTENT]), call_step)
    equal(call_step.usage.total_tokens + message_step.usage.total_tokens, done.usage.total_tokens)
    equal([s.id for s in runs.steps.list(run.id, thread_id=run.thread_id, limit=1, order="asc")], [call_step.id, message_step.id])
    error = raises(openai.BadRequestError, runs.submit_tool_outputs, run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    contains(error.message, 'Runs in status "completed" do not accept tool outputs.')
    error = raises(openai.BadRequestError, runs.cancel, run.id, thread_id=run.thread_id)
    contains(error.message, "Cannot cancel run with status 'completed'.")


@case(hosted)
def run_options_are_honoured(client):
    owner, helper = thread(client, "First."), assistant(client, tools=[WEATHER])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=owner.id,
        assistant_id=helper.id,
        instructions="Other instructions.",
        additional_messages=[{"role": "user", "content": "What is the weather?"}],
        model="gpt-4o-mini",
        tool_choice="none",
        parallel_tool_calls=False,
        temperature=0.25,
        top_p=0.5,
        max_prompt_tokens=5000,
        max_completion_tokens=1000,
        truncation_strategy={"type": "last_messages", "last_messages": 2},
        response_format={"type": "text"},
    )
    equal((run.status, run.model, run.instructions), ("completed", "gpt-4o-mini", "Other instructions."))
    equal((run.tool_choice, run.parallel_tool_calls), ("none", False))
    equal((run.temperature, run.top_p), (0.25, 0.5))
    equal((run.max_prompt_tokens, run.max_completion_tokens), (5000, 1000))
    equal(run.truncation_strategy.model_dump(), {"type": "last_messages", "last_messages": 2})
    equal(run.response_format.type, "text")
    equal(texts(client, owner.id), ["First.", "What is the weather?", "What is the weather?"])

    tools = [POPULATION]
    forced = {"type": "function", "function": {"name": "population"}}
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id, tools=tools, tool_choice=forced)
    equal(run.status, "requires_action")
    equal(run.tool_choice.function.name, "population")
    equal([tool.function.name for tool in run.tools], ["population"])
    equal(run.required_action.submit_tool_outputs.tool_calls[0].function.name, "population")


@case(hosted)
def runs_are_paged(client):
    owner, helper = thread(client), assistant(client)
    made = [client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id).id for _ in range(7)]
    equal([run.id for run in client.beta.threads.runs.list(owner.id, limit=2)], made[::-1])
    equal([run.id for run in client.beta.threads.runs.list(owner.id, limit=3, order="asc")], made)


@case(hosted)
def token_limit_ends_a_run_incomplete(client):
    owner, helper = thread(client, "one two three four five six seven eight nine ten"), assistant(client)
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id, max_completion_tokens=3)
    equal((run.status, run.incomplete_details.reason), ("incomplete", "max_completion_tokens"))
    [answer] = client.beta.threads.messages.list(owner.id, run_id=run.id).data
    equal((answer.status, answer.incomplete_details.reason), ("incomplete", "max_tokens"))


@case(hosted)
def unreachable_backend_fails_a_run(client):
    owner, helper = thread(client), assistant(client, model=BROKEN)
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
    equal((run.status, run.last_error.code), ("failed", "server_error"))
    equal((run.failed_at is None, run.completed_at), (False, None))


@case(hosted, azure)
def cancel_a_waiting_run(client):
    owner, helper, runs = thread(client, ASK), assistant(client, tools=[WEATHER]), client.beta.threads.runs
    run = runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
    equal(runs.cancel(run.id, thread_id=owner.id).status in ("cancelling", "cancelled"), True)
    run = runs.poll(run_id=run.id, thread_id=owner.id)
    equal((run.status, run.cancelled_at is None, run.required_action), ("cancelled", False, None))
    [step] = runs.steps.list(run.id, thread_id=owner.id).data
    equal(step.status, "cancelled")
    client.beta.threads.messages.create(owner.id, role="user", content="The thread is free again.")


@case(hosted)
def cancel_a_busy_run(client):
    owner, helper, runs = thread(client), assistant(client, model=SLOW), client.beta.threads.runs
    run = runs.create(owner.id, assistant_id=helper.id)
    equal(run.status, "queued")
    runs.cancel(run.id, thread_id=owner.id)
    equal(runs.poll(run_id=run.id, thread_id=owner.id).status, "cancelled")


@case(hosted)
def threads_and_messages_go_away_around_a_run(client):
    owner, helper = thread(client, ASK), assistant(client, tools=[WEATHER])
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
    equal(client.beta.threads.delete(owner.id).deleted, True)
    raises(openai.NotFoundError, client.beta.threads.runs.retrieve, run.id, thread_id=owner.id)


@case(lenient)
def deliberate_differences(client):
    """The one null the SDK's types do not allow: the hosted API sent null for
    the instructions of a run whose assistant has none."""
    owner, helper = thread(client), client.beta.assistants.create(model="gpt-4o")
    run = client.beta.threads.runs.create_and_poll(thread_id=owner.id, assistant_id=helper.id)
    equal((helper.instructions, run.status, run.instructions), (None, "completed", None))
    error = raises(openai.APIResponseValidationError, hosted().beta.threads.runs.retrieve, run.id, thread_id=owner.id)
    equal([wrong["loc"] for wrong in error.__cause__.errors()], [("instructions",)])
