"""The suite for openai-python with assistants=v2: 1.109 and newer."""

import harness
import v2_objects
import v2_runs
import v2_stores
import v2_streams
import v2_transport
import v2_webhooks

assert v2_objects and v2_runs and v2_stores and v2_streams and v2_transport and v2_webhooks  # each registers its cases

harness.main()
