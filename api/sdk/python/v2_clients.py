"""The clients of the v2 suite. All validate each answer and each event
strictly against the SDK's own types, except where the name says lenient."""

import openai
from harness import API_KEY, BASE_URL, KEYS_BASE_URL, ROOT

INSTRUCTIONS = "Answer in one sentence."
MODEL = "gpt-4o"


def hosted(base_url=BASE_URL, **options):
    return openai.OpenAI(base_url=base_url, api_key=API_KEY, _strict_response_validation=True, **options)


def azure():
    return openai.AzureOpenAI(
        azure_endpoint=ROOT, api_version="2024-05-01-preview", api_key=API_KEY, _strict_response_validation=True
    )


def with_keys(api_key=API_KEY):
    return openai.OpenAI(base_url=KEYS_BASE_URL, api_key=api_key)


def lenient():
    return openai.OpenAI(base_url=BASE_URL, api_key=API_KEY)


def asynchronous():
    return openai.AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, _strict_response_validation=True)


def assistant(client, **fields):
    """An assistant with instructions: the run of one without has a null there,
    as the hosted API had, which the SDK's type does not allow."""
    return client.beta.assistants.create(**{"model": MODEL, "instructions": INSTRUCTIONS, **fields})


def thread(client, text="Hello there, how are you today?"):
    return client.beta.threads.create(messages=[{"role": "user", "content": text}])
