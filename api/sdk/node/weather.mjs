// The functions that the suites offer to the model, and the texts that make the
// built-in model call them: it calls those whose names occur in the text.

const offer = (name) => ({
  type: 'function',
  function: {
    name,
    description: `The ${name} of a city.`,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
});

export const WEATHER = offer('weather');
export const POPULATION = offer('population');
export const ASK = 'What is the weather in Paris?';
export const ASK_BOTH = 'What are the weather and the population in Paris?';

// outputs answers each call the run waits for.
export const outputs = (run) =>
  run.required_action.submit_tool_outputs.tool_calls.map((call) => ({
    tool_call_id: call.id,
    output: `${call.function.name}: 21`,
  }));

export const TEXT = [
  'thread.run.created',
  'thread.run.queued',
  'thread.run.in_progress',
  'thread.run.step.created',
  'thread.run.step.in_progress',
  'thread.message.created',
  'thread.message.in_progress',
  'thread.message.delta',
  'thread.message.completed',
  'thread.run.step.completed',
  'thread.run.completed',
];
export const CALLS = [...TEXT.slice(0, 5), 'thread.run.step.delta', 'thread.run.requires_action'];
export const OUTPUTS = ['thread.run.step.completed', ...TEXT.slice(1)];
