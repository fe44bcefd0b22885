// Vector stores: the helpers that upload, attach and wait, and search.

import { collect, equal, sdk, test } from './harness.mjs';
import { both, hosted } from './v2-clients.mjs';

const file = (name, text) => sdk.toFile(Buffer.from(text), name);

test('files of a store are uploaded and awaited', both, async (client) => {
  const { vectorStores } = client;
  const store = await vectorStores.create({ name: 'facts' });
  const first = await vectorStores.files.uploadAndPoll(store.id, await file('food.txt', 'Filip likes pizza.'));
  equal([first.status, first.last_error], ['completed', null]);
  const uploaded = await client.files.create({ file: await file('city.md', '# Berlin'), purpose: 'assistants' });
  const second = await vectorStores.files.createAndPoll(store.id, { file_id: uploaded.id, attributes: { kind: 'city' } });
  equal([second.status, second.attributes], ['completed', { kind: 'city' }]);
  const ids = (await collect(vectorStores.files.list(store.id, { order: 'asc' }))).map((f) => f.id);
  equal(ids, [first.id, second.id]);
  const found = await vectorStores.search(store.id, { query: 'What does Filip like?', max_num_results: 1 });
  equal(found.data.map((r) => [r.filename, r.content[0].text]), [['food.txt', 'Filip likes pizza.']]);
});

test('batches are uploaded and awaited', [hosted], async (client) => {
  const { vectorStores } = client;
  const store = await vectorStores.create({});
  const files = await Promise.all([0, 1, 2].map((i) => file(`${i}.txt`, `number ${i}`)));
  const began = Date.now();
  const batch = await vectorStores.fileBatches.uploadAndPoll(store.id, { files });
  equal([batch.status, batch.file_counts.completed], ['completed', 3]);
  equal(Date.now() - began < 4500, true); // without the server's word it sleeps five seconds
  equal((await vectorStores.retrieve(store.id)).file_counts.total, 3);
});
