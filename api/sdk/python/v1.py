"""The suite for the last openai-python with assistants=v1: 1.20.0."""

import harness
import v1_objects
import v1_runs

assert v1_objects and v1_runs  # each registers its cases

harness.main()
