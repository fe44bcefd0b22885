// Runs by polling: answers, function calls, steps, limits, cancelling, failure.

import { calls } from './calls.mjs';
import { BROKEN, SLOW, collect, equal, plain, raises, sdk, test } from './harness.mjs';
import { assistant, both, hosted, thread } from './v2-clients.mjs';
import { ASK, ASK_BOTH, POPULATION, WEATHER, outputs } from './weather.mjs';

const CONTENT = 'step_details.tool_calls[*].file_search.results[*].content';

const texts = async (client, threadID, query) => {
  const found = await collect(client.beta.threads.messages.list(threadID, { order: 'asc', ...query }));
  return found.map((m) => m.content[0].text.value);
};

test('poll to an answer', both, async (client) => {
  const [owner, helper] = [await thread(client, 'Hello there.'), await assistant(client)];
  const run = await client.beta.threads.runs.createAndPoll(owner.id, {
    assistant_id: helper.id,
    additional_instructions: 'Be brief.',
    additional_messages: [{ role: 'user', content: 'And you?' }],
    metadata: { k: 'v' },
  });
  equal([run.status, run.required_action, run.last_error], ['completed', null, null]);
  equal([run.instructions, run.metadata], ['Answer in one sentence.\n\nBe brief.', { k: 'v' }]);
  equal(run.usage.total_tokens, run.usage.prompt_tokens + run.usage.completion_tokens);
  equal(await texts(client, owner.id), ['Hello there.', 'And you?', 'And you?']);
  equal(await texts(client, owner.id, { run_id: run.id }), ['And you?']);
  const { run: retrieve, updateRun, steps } = calls(client);
  equal(plain(await retrieve(owner.id, run.id)), plain(run));
  equal(plain(await updateRun(owner.id, run.id, { metadata: { k: 'w' } })), { ...plain(run), metadata: { k: 'w' } });
  const [step, ...none] = await collect(steps(owner.id, run.id));
  equal([step.type, step.status, none], ['message_creation', 'completed', []]);
  equal((await collect(client.beta.threads.runs.list(owner.id))).map((r) => r.id), [run.id]);
});

test('poll through function calls', both, async (client) => {
  const helper = await assistant(client, { tools: [WEATHER, POPULATION] });
  const run = await client.beta.threads.createAndRunPoll({
    assistant_id: helper.id,
    thread: { messages: [{ role: 'user', content: ASK_BOTH }] },
  });
  const { thread_id: owner } = run;
  equal([run.status, run.required_action.type], ['requires_action', 'submit_tool_outputs']);
  equal(run.required_action.submit_tool_outputs.tool_calls.map((c) => c.function.name), ['weather', 'population']);
  let error = await raises(sdk.BadRequestError, () => client.beta.threads.messages.create(owner, { role: 'user', content: 'x' }));
  equal(error.message.includes(`Can't add messages to ${owner} while a run ${run.id} is active.`), true);
  error = await raises(sdk.BadRequestError, () => client.beta.threads.runs.create(owner, { assistant_id: helper.id }));
  equal(error.message.includes(`Thread ${owner} already has an active run ${run.id}.`), true);

  const { submit, submitAndPoll, steps, step, cancel } = calls(client);
  error = await raises(sdk.BadRequestError, () => submit(owner, run.id, { tool_outputs: outputs(run).slice(1) }));
  equal(error.message.includes('Expected tool outputs for call_ids'), true);
  const done = await submitAndPoll(owner, run.id, { tool_outputs: outputs(run) });
  equal([done.status, done.required_action], ['completed', null]);
  equal((await texts(client, owner)).at(-1).includes('weather answered "weather: 21"'), true);
  const [messageStep, callStep] = (await steps(owner, run.id, { include: [CONTENT] })).data;
  equal([messageStep.type, callStep.type], ['message_creation', 'tool_calls']);
  equal(callStep.step_details.tool_calls.map((c) => c.function.output), ['weather: 21', 'population: 21']);
  equal(plain(await step(owner, run.id, callStep.id, { include: [CONTENT] })), plain(callStep));
  error = await raises(sdk.BadRequestError, () => cancel(owner, run.id));
  equal(error.message.includes("Cannot cancel run with status 'completed'."), true);
});

test('token limit ends a run incomplete', [hosted], async (client) => {
  const [owner, helper] = [await thread(client, 'one two three four five six seven eight'), await assistant(client)];
  const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id, max_completion_tokens: 3 });
  equal([run.status, run.incomplete_details.reason], ['incomplete', 'max_completion_tokens']);
});

test('unreachable backend fails a run', [hosted], async (client) => {
  const [owner, helper] = [await thread(client), await assistant(client, { model: BROKEN })];
  const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id });
  equal([run.status, run.last_error.code], ['failed', 'server_error']);
});

test('cancel a waiting run', both, async (client) => {
  const [owner, helper] = [await thread(client, ASK), await assistant(client, { tools: [WEATHER] })];
  const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id });
  const { cancel, poll } = calls(client);
  equal(['cancelling', 'cancelled'].includes((await cancel(owner.id, run.id)).status), true);
  equal((await poll(owner.id, run.id)).status, 'cancelled');
  await client.beta.threads.messages.create(owner.id, { role: 'user', content: 'The thread is free again.' });
});

test('cancel a busy run', [hosted], async (client) => {
  const [owner, helper] = [await thread(client), await assistant(client, { model: SLOW })];
  const run = await client.beta.threads.runs.create(owner.id, { assistant_id: helper.id });
  const { cancel, poll } = calls(client);
  await cancel(owner.id, run.id);
  equal((await poll(owner.id, run.id)).status, 'cancelled');
});
