// Assistants, threads, messages, files and models: create, read, change, list,
// delete, and what the SDK throws for bad requests.

import { calls } from './calls.mjs';
import { collect, equal, plain, raises, sdk, test } from './harness.mjs';
import { assistant, azure, both, hosted, thread } from './v2-clients.mjs';
import { WEATHER } from './weather.mjs';

test('an assistant keeps every field', both, async (client) => {
  const fields = {
    name: 'Meteorologist',
    description: 'Knows the weather.',
    instructions: 'Help.',
    model: 'gpt-4o',
    tools: [WEATHER, { type: 'code_interpreter' }],
    metadata: { team: 'sky' },
    temperature: 0.5,
    top_p: 0.25,
    response_format: { type: 'json_object' },
  };
  const created = await client.beta.assistants.create(fields);
  equal(await client.beta.assistants.retrieve(created.id), created);
  const { tools, ...rest } = fields;
  for (const [name, value] of Object.entries(rest)) equal(created[name], value);
  equal(created.tools.map((tool) => tool.type), ['function', 'code_interpreter']);
  equal(created.tools[0].function.parameters, WEATHER.function.parameters);

  const updated = await client.beta.assistants.update(created.id, { name: 'Poet', metadata: { team: 'sea' } });
  equal(plain(updated), { ...plain(created), name: 'Poet', metadata: { team: 'sea' } });
  const { deleteAssistant } = calls(client);
  equal(plain(await deleteAssistant(created.id)), { id: created.id, object: 'assistant.deleted', deleted: true });
  const error = await raises(sdk.NotFoundError, () => client.beta.assistants.retrieve(created.id));
  equal(error.message.includes(`No assistant found with id '${created.id}'.`), true);
});

test('assistants are paged', [hosted], async (client) => {
  const made = [];
  for (let i = 0; i < 105; i++) made.push((await assistant(client, { name: `paged ${i}` })).id);
  const mine = new Set(made);
  const newestFirst = [];
  for await (const found of client.beta.assistants.list({ limit: 10 })) {
    if (mine.has(found.id)) newestFirst.push(found.id);
    if (found.id === made[0]) break;
  }
  equal(newestFirst, made.toReversed());
  const page = await client.beta.assistants.list({ limit: 3, order: 'asc', before: made[50] });
  equal(page.data.map((a) => a.id), made.slice(47, 50));
});

test('thread metadata', both, async (client) => {
  const created = await client.beta.threads.create();
  equal(created.metadata, {});
  await client.beta.threads.update(created.id, { metadata: { user: 'u1', color: 'green' } });
  await client.beta.threads.update(created.id, { metadata: { color: 'blue' } });
  equal((await client.beta.threads.retrieve(created.id)).metadata, { color: 'blue' });
  const { deleteThread } = calls(client);
  equal(plain(await deleteThread(created.id)), { id: created.id, object: 'thread.deleted', deleted: true });
  await raises(sdk.NotFoundError, () => client.beta.threads.retrieve(created.id));
});

test('message contents', both, async (client) => {
  const image = await client.files.create({ file: await sdk.toFile(Buffer.from('not looked at'), 'dot.png'), purpose: 'vision' });
  const notes = await client.files.create({ file: await sdk.toFile(Buffer.from('Sand.'), 'notes.txt'), purpose: 'assistants' });
  const owner = await client.beta.threads.create();
  const created = await client.beta.threads.messages.create(owner.id, {
    role: 'user',
    content: [
      { type: 'text', text: 'Look at these.' },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'high' } },
      { type: 'image_file', image_file: { file_id: image.id } },
    ],
    attachments: [{ file_id: notes.id, tools: [{ type: 'code_interpreter' }] }],
    metadata: { k: 'v' },
  });
  const { message, updateMessage, deleteMessage } = calls(client);
  equal(plain(await message(owner.id, created.id)), plain(created));
  equal(plain(created.content), [
    { type: 'text', text: { value: 'Look at these.', annotations: [] } },
    { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'high' } },
    { type: 'image_file', image_file: { file_id: image.id, detail: 'auto' } },
  ]);
  equal(plain(created.attachments), [{ file_id: notes.id, tools: [{ type: 'code_interpreter' }] }]);
  equal((await updateMessage(owner.id, created.id, { metadata: { k: 'w' } })).metadata, { k: 'w' });
  equal((await deleteMessage(owner.id, created.id)).object, 'thread.message.deleted');
  await raises(sdk.NotFoundError, () => message(owner.id, created.id));
});

test('messages are paged', both, async (client) => {
  const texts = Array.from({ length: 105 }, (_, i) => `message ${i}`);
  const owner = await client.beta.threads.create({ messages: texts.slice(0, 60).map((content) => ({ role: 'user', content })) });
  for (const content of texts.slice(60)) await client.beta.threads.messages.create(owner.id, { role: 'assistant', content });
  const read = async (query) => {
    const found = await collect(client.beta.threads.messages.list(owner.id, query));
    return found.map((m) => m.content[0].text.value);
  };
  equal(await read({ limit: 7 }), texts.toReversed());
  equal(await read({ limit: 21, order: 'asc' }), texts); // the last page is full
  const first = await client.beta.threads.messages.list(owner.id, { limit: 100 });
  equal([first.data.length, first.hasNextPage(), (await first.getNextPage()).data.length], [100, true, 5]);
});

test('file round trip', both, async (client) => {
  const content = Buffer.alloc(1 << 20, 'abcdefg');
  const created = await client.files.create({ file: await sdk.toFile(content, 'data ü.bin'), purpose: 'user_data' });
  equal([created.bytes, created.filename, created.status], [content.length, 'data ü.bin', 'processed']);
  equal((await client.files.waitForProcessing(created.id)).id, created.id);
  equal(await client.files.retrieve(created.id), created);
  equal(Buffer.from(await (await client.files.content(created.id)).arrayBuffer()).equals(content), true);
  const listed = await collect(client.files.list({ purpose: 'user_data' }));
  equal(listed.some((f) => f.id === created.id), true);
  equal((await calls(client).deleteFile(created.id)).deleted, true);
  const error = await raises(sdk.NotFoundError, () => client.files.content(created.id));
  equal([error.status, error.param], [404, 'id']);
});

test('large file in parts', [hosted], async (client) => {
  const upload = await client.uploads.create({ filename: 'large.txt', bytes: 6, mime_type: 'text/plain', purpose: 'assistants' });
  const parts = [];
  for (const text of ['abc', 'def']) {
    parts.push(await client.uploads.parts.create(upload.id, { data: await sdk.toFile(Buffer.from(text), 'part') }));
  }
  const done = await client.uploads.complete(upload.id, { part_ids: parts.map((part) => part.id) });
  equal([done.status, done.file.bytes], ['completed', 6]);
  equal(await (await client.files.content(done.file.id)).text(), 'abcdef');
});

test('models are listed', both, async (client) => {
  const [first] = await collect(client.models.list());
  equal((await client.models.retrieve(first.id)).id, first.id);
  await raises(sdk.NotFoundError, () => client.models.retrieve('no-such-model-anywhere'));
});

test('bad requests name what is wrong', [hosted, azure], async (client) => {
  const owner = await thread(client);
  const { assistants, threads } = client.beta;
  for (const [call, param, code] of [
    [() => assistants.create({ model: 4 }), 'model', 'invalid_type'],
    [() => assistants.create({ model: 'm', metadata: { a: true } }), 'metadata.a', 'invalid_type'],
    [() => assistants.create({ model: 'm', top_p: 2 }), 'top_p', 'decimal_above_max_value'],
    [() => assistants.create({ model: 'm', colour: 1 }), 'colour', 'unknown_parameter'],
    [() => assistants.list({ limit: 101 }), 'limit', 'integer_above_max_value'],
    [() => threads.retrieve('undefined'), 'thread_id', 'invalid_value'],
    [() => threads.messages.create(owner.id, { role: 'system', content: 'x' }), 'role', 'invalid_value'],
    [() => threads.runs.create(owner.id, { assistant_id: 'undefined' }), 'assistant_id', 'invalid_value'],
  ]) {
    const error = await raises(sdk.BadRequestError, call);
    equal([error.status, error.param, error.code, error.type], [400, param, code, 'invalid_request_error']);
    equal(Object.keys(error.error).toSorted(), ['code', 'message', 'param', 'type']);
    equal((error.requestID ?? error.request_id).startsWith('req_'), true);
  }
  await raises(sdk.NotFoundError, () => threads.runs.create(owner.id, { assistant_id: 'asst_none' }));
});
