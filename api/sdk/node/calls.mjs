// The calls whose arguments differ between SDK 4 (all ids in a row) and later
// ones (the last id first, the others named).

import { isSDK4 } from './harness.mjs';

export function calls(client) {
  const { assistants, threads } = client.beta;
  const { messages, runs } = threads;
  if (isSDK4) {
    return {
      deleteAssistant: (id) => assistants.del(id),
      deleteThread: (id) => threads.del(id),
      deleteFile: (id) => client.files.del(id),
      message: (thread, id) => messages.retrieve(thread, id),
      updateMessage: (thread, id, body) => messages.update(thread, id, body),
      deleteMessage: (thread, id) => messages.del(thread, id),
      run: (thread, id) => runs.retrieve(thread, id),
      updateRun: (thread, id, body) => runs.update(thread, id, body),
      cancel: (thread, id) => runs.cancel(thread, id),
      poll: (thread, id) => runs.poll(thread, id),
      submit: (thread, id, body) => runs.submitToolOutputs(thread, id, body),
      submitAndPoll: (thread, id, body) => runs.submitToolOutputsAndPoll(thread, id, body),
      submitStream: (thread, id, body) => runs.submitToolOutputsStream(thread, id, body),
      steps: (thread, id, query) => runs.steps.list(thread, id, query),
      step: (thread, run, id, query) => runs.steps.retrieve(thread, run, id, query),
    };
  }
  return {
    deleteAssistant: (id) => assistants.delete(id),
    deleteThread: (id) => threads.delete(id),
    deleteFile: (id) => client.files.delete(id),
    message: (thread_id, id) => messages.retrieve(id, { thread_id }),
    updateMessage: (thread_id, id, body) => messages.update(id, { thread_id, ...body }),
    deleteMessage: (thread_id, id) => messages.delete(id, { thread_id }),
    run: (thread_id, id) => runs.retrieve(id, { thread_id }),
    updateRun: (thread_id, id, body) => runs.update(id, { thread_id, ...body }),
    cancel: (thread_id, id) => runs.cancel(id, { thread_id }),
    poll: (thread_id, id) => runs.poll(id, { thread_id }),
    submit: (thread_id, id, body) => runs.submitToolOutputs(id, { thread_id, ...body }),
    submitAndPoll: (thread_id, id, body) => runs.submitToolOutputsAndPoll(id, { thread_id, ...body }),
    submitStream: (thread_id, id, body) => runs.submitToolOutputsStream(id, { thread_id, ...body }),
    steps: (thread_id, id, query) => runs.steps.list(id, { thread_id, ...query }),
    step: (thread_id, run_id, id, query) => runs.steps.retrieve(id, { thread_id, run_id, ...query }),
  };
}
