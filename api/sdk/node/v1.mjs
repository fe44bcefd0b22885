// The suite for the last npm openai with assistants=v1: 4.36.0. It has no Azure
// class yet; people set the four options by hand.

import { calls } from './calls.mjs';
import {
  API_KEY, BASE_URL, DELAYED, ROOT, SLOW, collect, equal, grouped, main, plain, raises, sdk, test, throughProxy,
} from './harness.mjs';
import { ASK, CALLS, OUTPUTS, TEXT, WEATHER, outputs } from './weather.mjs';

const V2 = { headers: { 'OpenAI-Beta': 'assistants=v2' } };

const hosted = (options) => new sdk.OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, ...options });

const azure = () =>
  new sdk.OpenAI({
    baseURL: `${ROOT}/openai`,
    apiKey: API_KEY,
    defaultQuery: { 'api-version': '2024-02-15-preview' },
    defaultHeaders: { 'api-key': API_KEY },
  });

const both = [hosted, azure];
const assistant = (client, fields) =>
  client.beta.assistants.create({ model: 'gpt-4-turbo', instructions: 'Help.', ...fields });
const thread = (client, content = 'Hello there, how are you?') =>
  client.beta.threads.create({ messages: [{ role: 'user', content }] });
const upload = async (client) =>
  client.files.create({ file: await sdk.toFile(Buffer.from('Sand is warm.'), 'notes.txt'), purpose: 'assistants' });

test('an assistant with files', both, async (client) => {
  const [first, second] = [await upload(client), await upload(client)];
  const created = await assistant(client, { tools: [{ type: 'retrieval' }, WEATHER], file_ids: [first.id] });
  equal([created.file_ids, 'tool_resources' in created], [[first.id], false]);
  equal(created.tools.map((tool) => tool.type), ['retrieval', 'function']);
  equal(await client.beta.assistants.retrieve(created.id), created);
  const { files } = client.beta.assistants;
  const added = await files.create(created.id, { file_id: second.id });
  equal([added.id, added.object, added.assistant_id], [second.id, 'assistant.file', created.id]);
  equal(await files.retrieve(created.id, second.id), added);
  const listed = await collect(files.list(created.id, { limit: 1 }));
  equal(listed.map((f) => f.id).toSorted(), [first.id, second.id].toSorted());
  equal((await files.del(created.id, first.id)).object, 'assistant.file.deleted');
  equal((await client.beta.assistants.retrieve(created.id)).file_ids, [second.id]);
  await raises(sdk.NotFoundError, () => files.retrieve(created.id, first.id));
  const seen = await client.beta.assistants.retrieve(created.id, V2);
  equal([seen.tools.map((tool) => tool.type), 'file_ids' in seen], [['file_search', 'function'], false]);
});

test('a message with files', both, async (client) => {
  const [file, owner] = [await upload(client), await client.beta.threads.create()];
  equal('tool_resources' in owner, false);
  const created = await client.beta.threads.messages.create(owner.id, { role: 'user', content: 'Read.', file_ids: [file.id] });
  equal([created.file_ids, 'attachments' in created], [[file.id], false]);
  const { files } = client.beta.threads.messages;
  const [listed] = await collect(files.list(owner.id, created.id));
  equal([listed.id, listed.object, listed.message_id], [file.id, 'thread.message.file', created.id]);
  equal(await files.retrieve(owner.id, created.id, file.id), listed);
  const seen = await client.beta.threads.messages.retrieve(owner.id, created.id, V2);
  equal(seen.attachments.map((a) => a.file_id), [file.id]);
});

test('metadata is coerced', [hosted], async (client) => {
  equal((await client.beta.threads.create({ metadata: { modified: true } })).metadata, { modified: 'True' });
});

test('messages are paged', [hosted], async (client) => {
  const texts = Array.from({ length: 105 }, (_, i) => `message ${i}`);
  const owner = await client.beta.threads.create({ messages: texts.map((content) => ({ role: 'user', content })) });
  const found = await collect(client.beta.threads.messages.list(owner.id, { limit: 7 }));
  equal(found.map((m) => m.content[0].text.value), texts.toReversed());
});

test('poll through a function call', both, async (client) => {
  const helper = await assistant(client, { tools: [WEATHER] });
  const run = await client.beta.threads.createAndRunPoll({
    assistant_id: helper.id,
    thread: { messages: [{ role: 'user', content: ASK }] },
  });
  equal(run.status, 'requires_action');
  const { submitAndPoll, steps, run: retrieve } = calls(client);
  const done = await submitAndPoll(run.thread_id, run.id, { tool_outputs: outputs(run) });
  equal([done.status, done.file_ids, 'tool_resources' in done], ['completed', [], false]);
  equal(plain(await retrieve(run.thread_id, run.id)), plain(done));
  const [messageStep, callStep] = await collect(steps(run.thread_id, run.id));
  equal(messageStep.type, 'message_creation');
  equal(callStep.step_details.tool_calls[0].function.output, 'weather: 21');
});

test('stream an answer', both, async (client) => {
  const [owner, helper] = [await thread(client, 'Say it again.'), await assistant(client)];
  const stream = client.beta.threads.runs.stream(owner.id, { assistant_id: helper.id });
  const names = [];
  let text = '';
  stream.on('event', (event) => names.push(event.event)).on('textDelta', (delta) => (text += delta.value));
  equal((await stream.finalRun()).status, 'completed');
  equal([grouped(names), text], [TEXT, 'Say it again.']);
  equal((await stream.finalMessages()).map((m) => m.content[0].text.value), [text]);
});

test('stream through a function call', both, async (client) => {
  const helper = await assistant(client, { tools: [WEATHER] });
  const first = client.beta.threads.createAndRunStream({
    assistant_id: helper.id,
    thread: { messages: [{ role: 'user', content: ASK }] },
  });
  const names = [];
  first.on('event', (event) => names.push(event.event));
  const run = await first.finalRun();
  const [step] = await first.finalRunSteps();
  equal(grouped(names), ['thread.created', ...CALLS]);
  equal(step.step_details.tool_calls[0].id, run.required_action.submit_tool_outputs.tool_calls[0].id);
  const second = calls(client).submitStream(run.thread_id, run.id, { tool_outputs: outputs(run) });
  names.length = 0;
  second.on('event', (event) => names.push(event.event));
  equal((await second.finalRun()).status, 'completed');
  equal(grouped(names), OUTPUTS);
});

test('cancel a busy run', [hosted], async (client) => {
  const [owner, helper] = [await thread(client), await assistant(client, { model: SLOW })];
  const run = await client.beta.threads.runs.create(owner.id, { assistant_id: helper.id });
  await calls(client).cancel(owner.id, run.id);
  equal((await calls(client).poll(owner.id, run.id)).status, 'cancelled');
});

test('bad requests name what is wrong', both, async (client) => {
  let error = await raises(sdk.NotFoundError, () => client.beta.assistants.retrieve('asst_none'));
  equal(error.message.includes("No assistant found with id 'asst_none'."), true);
  error = await raises(sdk.BadRequestError, () => client.beta.assistants.create({ model: 4 }));
  equal([error.status, error.param, error.code], [400, 'model', 'invalid_type']);
  error = await raises(sdk.BadRequestError, () => client.beta.assistants.list({ limit: 101 }));
  equal([error.param, error.code], ['limit', 'integer_above_max_value']);
});

test('refused requests are sent again, polls are asked once', [], () =>
  throughProxy([500, 429], async (proxy) => {
    const client = hosted({ baseURL: proxy.baseURL });
    const owner = await thread(client, 'once');
    equal(proxy.count('POST', '/threads'), 3);
    const helper = await assistant(client, { model: DELAYED });
    const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id });
    equal([run.status, proxy.count('GET', run.id)], ['completed', 1]);
  }));

await main();
