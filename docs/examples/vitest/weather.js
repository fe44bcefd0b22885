// What is tested: an application that answers questions with an assistant.

const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

export async function ask(client, question) {
  const { assistants, threads } = client.beta;
  const assistant = await assistants.create({ model: 'gpt-4o', instructions: 'Answer in one sentence.', tools: [TOOL] });
  const thread = await threads.create({ messages: [{ role: 'user', content: question }] });
  let run = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
  while (run.status === 'requires_action') {
    const calls = run.required_action.submit_tool_outputs.tool_calls;
    const outputs = calls.map((call) => ({ tool_call_id: call.id, output: '22 degrees and sunny' }));
    run = await threads.runs.submitToolOutputsAndPoll(run.id, { thread_id: thread.id, tool_outputs: outputs });
  }
  if (run.status !== 'completed') throw new Error(run.last_error.message);
  const [answer] = (await threads.messages.list(thread.id, { run_id: run.id })).data;
  return answer.content[0].text.value;
}
