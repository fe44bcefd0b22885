// The suite for npm openai with assistants=v2: 4.104 and newer.

import './v2-objects.mjs';
import './v2-runs.mjs';
import './v2-stores.mjs';
import './v2-streams.mjs';
import './v2-transport.mjs';
import './v2-webhooks.mjs';
import { main } from './harness.mjs';

await main();
