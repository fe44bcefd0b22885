// What lies between the SDK and the server: retries, polls, keys, headers.

import { randomUUID } from 'node:crypto';

import { calls } from './calls.mjs';
import { DELAYED, KEYS_BASE_URL, collect, equal, isSDK4, raises, sdk, test, throughProxy } from './harness.mjs';
import { assistant, hosted, thread } from './v2-clients.mjs';
import { ASK, WEATHER, outputs } from './weather.mjs';

test('refused requests are sent again', [], () =>
  throughProxy([500, 429], async (proxy) => {
    const client = hosted({ baseURL: proxy.baseURL });
    const owner = await thread(client, 'once');
    equal(proxy.count('POST', '/threads'), 3);
    const found = await collect(client.beta.threads.messages.list(owner.id));
    equal(found.map((m) => m.content[0].text.value), ['once']);
    const helper = await assistant(client);
    proxy.faults = [503, 500];
    const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id });
    equal(run.status, 'completed');
    equal((await collect(client.beta.threads.runs.list(owner.id))).map((r) => r.id), [run.id]);
    proxy.faults = isSDK4 ? [] : [500]; // SDK 4 cannot send an upload again: its body is used up
    const file = await client.files.create({ file: await sdk.toFile(Buffer.from('abc'), 'a.txt'), purpose: 'assistants' });
    equal(await (await client.files.content(file.id)).text(), 'abc');
    proxy.faults = [429, 500];
    await raises(sdk.RateLimitError, () => client.beta.assistants.list({}, { maxRetries: 0 }));
    await raises(sdk.InternalServerError, () => client.beta.assistants.list({}, { maxRetries: 0 }));
  }));

test('an idempotency key makes one message of two requests', [], () =>
  throughProxy([], async (proxy) => {
    const client = hosted({ baseURL: proxy.baseURL });
    const owner = await client.beta.threads.create();
    const options = { headers: { 'Idempotency-Key': randomUUID() } };
    const create = (content) => client.beta.threads.messages.create(owner.id, { role: 'user', content }, options);
    proxy.faults = ['lose'];
    const created = await create('once');
    equal(proxy.count('POST', '/messages'), 2);
    equal((await collect(client.beta.threads.messages.list(owner.id))).map((m) => m.id), [created.id]);
    equal(await create('once'), created);
    await raises(sdk.BadRequestError, () => create('something else'));
  }));

test('poll helpers ask once', [], () =>
  throughProxy([], async (proxy) => {
    const client = hosted({ baseURL: proxy.baseURL });
    const [owner, helper] = [await thread(client, ASK), await assistant(client, { model: DELAYED, tools: [WEATHER] })];
    const run = await client.beta.threads.runs.createAndPoll(owner.id, { assistant_id: helper.id });
    equal([run.status, proxy.count('GET', run.id)], ['requires_action', 1]);
    const done = await calls(client).submitAndPoll(owner.id, run.id, { tool_outputs: outputs(run) });
    equal([done.status, proxy.count('GET', run.id)], ['completed', 2]);
  }));

test('answers have the headers', [hosted], async (client) => {
  const { data, response } = await client.beta.threads.create().withResponse();
  equal(data.object, 'thread');
  equal(response.headers.get('content-type'), 'application/json');
  equal(response.headers.get('openai-version'), '2020-10-01');
  equal(response.headers.get('x-request-id'), data._request_id);
  equal(/^\d+$/.test(response.headers.get('openai-processing-ms')), true);
});

test('keys are checked', [], async () => {
  equal((await hosted({ baseURL: KEYS_BASE_URL }).beta.threads.create()).object, 'thread');
  const wrong = hosted({ baseURL: KEYS_BASE_URL, apiKey: 'sk-wrong' });
  const error = await raises(sdk.AuthenticationError, () => wrong.beta.threads.create());
  equal([error.status, error.code], [401, 'invalid_api_key']);
});
