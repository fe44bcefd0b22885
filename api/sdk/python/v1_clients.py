"""The clients of the v1 suite; all validate strictly, as those of v2 do."""

import openai
from harness import API_KEY, BASE_URL, ROOT

V2 = {"OpenAI-Beta": "assistants=v2"}


def hosted(base_url=BASE_URL, **options):
    return openai.OpenAI(base_url=base_url, api_key=API_KEY, _strict_response_validation=True, **options)


def azure():
    return openai.AzureOpenAI(
        azure_endpoint=ROOT, api_version="2024-02-15-preview", api_key=API_KEY, _strict_response_validation=True
    )


def lenient():
    return openai.OpenAI(base_url=BASE_URL, api_key=API_KEY)


def assistant(client, **fields):
    return client.beta.assistants.create(**{"model": "gpt-4-turbo", "instructions": "Help.", **fields})


def thread(client, text="Hello there, how are you today?"):
    return client.beta.threads.create(messages=[{"role": "user", "content": text}])


def upload(client, name="notes.txt"):
    return client.files.create(file=(name, b"Sand is warm."), purpose="assistants")
