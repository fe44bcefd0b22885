// Webhooks: a receiver that has the SDK verify and read what the server sends.

import http from 'node:http';

import { WEBHOOK_SECRET, equal, raises, sdk, test } from './harness.mjs';
import { assistant, hosted, thread } from './v2-clients.mjs';

// receive calls run with the header that names an endpoint on loopback, and with
// what waits for the next request there: its body and its headers.
async function receive(run) {
  const came = [];
  const waiting = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    response.writeHead(204).end();
    const next = { body, headers: request.headers };
    if (waiting.length) waiting.shift()(next);
    else came.push(next);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  try {
    const headers = { 'Understudy-Webhook': `http://127.0.0.1:${server.address().port}/runs` };
    await run(headers, () => (came.length ? came.shift() : new Promise((resolve) => waiting.push(resolve))));
  } finally {
    server.close();
  }
}

// SDK 4 has no webhooks.
if (sdk.OpenAI.Webhooks) {
  test('webhooks of a run are unwrapped', [], () =>
    receive(async (headers, next) => {
      const client = hosted({ webhookSecret: WEBHOOK_SECRET });
      const [owner, helper] = [await thread(client), await assistant(client)];
      const run = await client.beta.threads.runs.create(owner.id, { assistant_id: helper.id }, { headers });
      const sent = await next();
      const event = await client.webhooks.unwrap(sent.body, sent.headers);
      equal([event.object, event.type, event.data.id, event.data.status], ['event', 'thread.run.completed', run.id, 'completed']);
      await raises(sdk.InvalidWebhookSignatureError, () => client.webhooks.unwrap(`${sent.body} `, sent.headers));
    }));
}
