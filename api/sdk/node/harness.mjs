// What the Node suites share: the SDK under test, the list of cases, a proxy
// that refuses and loses requests, and the last line that the driver counts.

import assert from 'node:assert/strict';
import http from 'node:http';
import { pathToFileURL } from 'node:url';

export const {
  UNDERSTUDY_BASE_URL: BASE_URL,
  UNDERSTUDY_KEYS_BASE_URL: KEYS_BASE_URL,
  UNDERSTUDY_API_KEY: API_KEY,
  UNDERSTUDY_WEBHOOK_SECRET: WEBHOOK_SECRET,
} = process.env;
export const ROOT = BASE_URL.replace(/\/v1$/, '');

// The models that the driver configures: one that answers after 300 ms, one
// that never answers, and one whose backend cannot be reached. Every other
// name is the built-in model, which answers at once.
export const DELAYED = 'delayed';
export const SLOW = 'slow';
export const BROKEN = 'broken';

// The first argument is the folder of the SDK's package.
export const sdk = await import(pathToFileURL(`${process.argv[2]}/index.mjs`).href);
export const isSDK4 = Boolean(sdk.OpenAI.Files.prototype.del);

const cases = [];

// test registers a case, once for each variant: a function that makes the
// client the case is called with. Without variants there is no client.
export function test(name, variants, run) {
  for (const variant of variants.length ? variants : [undefined]) {
    cases.push({ name: variant ? `${name} [${variant.name}]` : name, run: () => run(variant?.()) });
  }
}

// main runs every case, or those whose names contain the second argument.
export async function main() {
  let passed = 0;
  let failed = 0;
  for (const { name, run } of cases.filter((c) => c.name.includes(process.argv[3] ?? ''))) {
    const start = performance.now();
    try {
      await run();
      passed++;
      console.log(`ok   ${name} ${((performance.now() - start) / 1000).toFixed(2)}s`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error.stack}`);
    }
  }
  console.log(`passed=${passed} failed=${failed}`);
  process.exit(failed ? 1 : 0);
}

export const equal = assert.deepEqual;

// raises awaits the rejection of a call with exactly this class of error.
export async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    equal(error.constructor.name, kind.name, error.stack);
    return error;
  }
  assert.fail(`${kind.name} was not thrown`);
}

// plain is an object of the SDK as it came over the wire.
export const plain = (object) => JSON.parse(JSON.stringify(object));

export async function collect(iterable, most = Infinity) {
  const all = [];
  for await (const item of iterable) {
    all.push(item);
    if (all.length === most) break;
  }
  return all;
}

// grouped counts a row of equal names as one.
export const grouped = (names) => names.filter((name, i) => name !== names[i - 1]);

// throughProxy calls with a loopback proxy in front of the server. The proxy
// notes each request, and answers the next ones itself for as long as there
// are faults: a status answers with it and does not pass the request on; 'lose'
// passes it on and answers 500, so that the server's answer is lost.
export async function throughProxy(faults, call) {
  const proxy = { faults, requests: [], baseURL: '' };
  proxy.count = (method, ending) =>
    proxy.requests.filter((r) => r.method === method && r.path.split('?')[0].endsWith(ending)).length;
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request));
    proxy.requests.push({ method: request.method, path: request.url });
    const fault = proxy.faults.shift();
    const refused = { status: fault, headers: { 'content-type': 'application/json' }, body: '{"error":{"message":"a fault"}}' };
    const answer = typeof fault === 'number' ? refused : await forward(request, body);
    if (fault === 'lose') Object.assign(answer, { status: 500, body: '' });
    if (fault) answer.headers['retry-after-ms'] = '1';
    delete answer.headers['content-length'];
    delete answer.headers['transfer-encoding'];
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  proxy.baseURL = `http://127.0.0.1:${server.address().port}/v1`;
  try {
    await call(proxy);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function forward(request, body) {
  return new Promise((resolve, reject) => {
    const headers = { ...request.headers };
    delete headers.host;
    const options = { method: request.method, headers, agent: false };
    http
      .request(ROOT + request.url, options, async (answer) => {
        const content = Buffer.concat(await Array.fromAsync(answer));
        resolve({ status: answer.statusCode, headers: { ...answer.headers }, body: content });
      })
      .on('error', reject)
      .end(body);
  });
}
