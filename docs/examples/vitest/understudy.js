// Understudy for the tests: it replays the recordings, or makes them when RECORD is set.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const recordings = fileURLToPath(new URL('recordings', import.meta.url));

export default async function setup(project) {
  const address = `127.0.0.1:${await freePort()}`;
  const mode = process.env.RECORD ? '--record' : '--replay';
  const program = process.env.UNDERSTUDY ?? 'understudy';
  const server = spawn(program, ['serve', '--listen', address, mode, recordings], { stdio: 'inherit' });
  const ended = once(server, 'exit');
  while (!(await ready(address))) {
    if (server.exitCode !== null) throw new Error('understudy did not start');
    await setTimeout(50);
  }
  project.provide('baseURL', `http://${address}/v1`);
  return async function teardown() {
    server.kill();
    const [code] = await ended;
    if (code !== 0) throw new Error('requests had no recording: understudy has logged which');
  };
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const ready = (address) => fetch(`http://${address}/readyz`).then((response) => response.ok, () => false);
