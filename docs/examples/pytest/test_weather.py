import pytest
from weather import ask

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_answer(client):
    assert ask(client, "What is the weather in Paris?") == 'The tool get_weather answered "22 degrees and sunny".'


def test_ids_and_times_repeat(client):
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello!"}])
    assert (thread.id, thread.created_at) == ("thread_ASdzcUVwSl7qi2MiZhlOGe2J", 1767225600)
