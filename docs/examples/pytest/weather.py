"""What is tested: an application that answers questions with an assistant."""

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(client, question):
    runs = client.beta.threads.runs
    assistant = client.beta.assistants.create(model="gpt-4o", instructions="Answer in one sentence.", tools=[TOOL])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": question}])
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    while run.status == "requires_action":
        calls = run.required_action.submit_tool_outputs.tool_calls
        outputs = [{"tool_call_id": call.id, "output": "22 degrees and sunny"} for call in calls]
        run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread.id, tool_outputs=outputs)
    if run.status != "completed":
        raise RuntimeError(run.last_error.message)
    [answer] = client.beta.threads.messages.list(thread.id, run_id=run.id).data
    return answer.content[0].text.value
