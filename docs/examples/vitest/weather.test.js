import OpenAI from 'openai';
import { expect, inject, test } from 'vitest';
import { ask } from './weather.js';

const client = new OpenAI({ baseURL: inject('baseURL'), apiKey: 'none' });

test('answer', async () => {
  expect(await ask(client, 'What is the weather in Paris?')).toBe('The tool get_weather answered "22 degrees and sunny".');
});

test('ids and times repeat', async () => {
  const thread = await client.beta.threads.create({ messages: [{ role: 'user', content: 'Hello!' }] });
  expect([thread.id, thread.created_at]).toEqual(['thread_ASdzcUVwSl7qi2MiZhlOGe2J', 1767225600]);
});
