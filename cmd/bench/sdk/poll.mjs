// Alternates a direct call of the model with createAndPoll, and prints how long
// each took, in milliseconds. Arguments: base URL of the server, base URL of the
// model, assistant, rounds, folder of the SDK's package.

import { pathToFileURL } from 'node:url';

const [serverURL, modelURL, assistant_id, rounds, folder] = process.argv.slice(2);
const { OpenAI } = await import(pathToFileURL(`${folder}/index.mjs`).href);
const server = new OpenAI({ baseURL: serverURL, apiKey: 'none' });
const model = new OpenAI({ baseURL: modelURL, apiKey: 'none' });
const thread = await server.beta.threads.create();
const message = { role: 'user', content: 'How are you today?' };

async function time(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const taken = [];
for (let i = 0; i <= Number(rounds); i++) {
  const direct = await time(() => model.chat.completions.create({ model: 'm', messages: [message] }));
  const poll = await time(async () => {
    const run = await server.beta.threads.runs.createAndPoll(thread.id, { assistant_id, additional_messages: [message] });
    if (run.status !== 'completed') throw new Error(`the run is ${run.status}: ${JSON.stringify(run.last_error)}`);
  });
  if (i > 0) taken.push({ direct, poll }); // the first round makes the connections
}
console.log(JSON.stringify(taken));
