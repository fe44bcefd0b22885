// The clients of the v2 suite, and the objects that most cases start from.

import { API_KEY, BASE_URL, ROOT, sdk } from './harness.mjs';

export function hosted(options) {
  return new sdk.OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, ...options });
}

export function azure() {
  return new sdk.AzureOpenAI({ endpoint: ROOT, apiKey: API_KEY, apiVersion: '2024-05-01-preview' });
}

export const both = [hosted, azure];

export const assistant = (client, fields) =>
  client.beta.assistants.create({ model: 'gpt-4o', instructions: 'Answer in one sentence.', ...fields });

export const thread = (client, content = 'Hello there, how are you today?') =>
  client.beta.threads.create({ messages: [{ role: 'user', content }] });
