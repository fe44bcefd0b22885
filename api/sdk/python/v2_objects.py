"""Assistants, threads, messages, files and models: create, read, change, list,
delete, and what the SDK raises for bad requests."""

import hashlib
import io

import openai
from harness import case, contains, equal, raises
from v2_clients import INSTRUCTIONS, MODEL, assistant, azure, hosted, lenient, thread
from weather import WEATHER

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d"
    "49444154789c6260f8cf000000ffff03010200fa3bf8c40000000049454e44ae426082"
)


@case(hosted, azure)
def assistant_keeps_every_field(client):
    schema = {"name": "answer", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}, "strict": False}
    fields = {
        "name": "Meteorologist",
        "description": "Knows the weather.",
        "instructions": INSTRUCTIONS,
        "model": MODEL,
        "tools": [WEATHER, {"type": "code_interpreter"}],
        "metadata": {"team": "sky"},
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    created = client.beta.assistants.create(**fields)
    equal(client.beta.assistants.retrieve(created.id), created)
    for name in ("name", "description", "instructions", "model", "metadata", "temperature", "top_p"):
        equal(getattr(created, name), fields[name])
    equal([tool.type for tool in created.tools], ["function", "code_interpreter"])
    equal(created.tools[0].function.parameters, WEATHER["function"]["parameters"])
    equal(created.response_format.json_schema.name, "answer")
    equal(created.tool_resources.code_interpreter.file_ids, [])

    updated = client.beta.assistants.update(created.id, name="Poet", metadata={"team": "sea"}, tools=[])
    want = created.model_copy(update={"name": "Poet", "metadata": {"team": "sea"}, "tools": []})
    equal(updated.model_dump(exclude={"tool_resources"}), want.model_dump(exclude={"tool_resources"}))
    deleted = client.beta.assistants.delete(created.id)
    equal(deleted.model_dump(), {"id": created.id, "object": "assistant.deleted", "deleted": True})
    error = raises(openai.NotFoundError, client.beta.assistants.retrieve, created.id)
    contains(error.message, f"No assistant found with id '{created.id}'.")
    raises(openai.NotFoundError, client.beta.assistants.delete, created.id)


@case(hosted)
def assistants_are_paged(client):
    made = [assistant(client, name=f"paged {i}").id for i in range(105)]
    newest_first = []
    for found in client.beta.assistants.list(limit=10):
        newest_first.append(found.id)
        if found.id == made[0]:
            break
    equal([id for id in newest_first if id in set(made)], made[::-1])

    ascending = client.beta.assistants.list(limit=7, order="asc", after=made[0])
    equal([a.id for a in ascending.data], made[1:8])
    equal(ascending.has_more, True)
    before = client.beta.assistants.list(limit=3, order="asc", before=made[50])
    equal([a.id for a in before.data], made[47:50])


@case(hosted, azure)
def thread_metadata(client):
    created = client.beta.threads.create()
    equal(created.metadata, {})
    client.beta.threads.update(created.id, metadata={"user": "u1", "color": "green"})
    client.beta.threads.update(created.id, metadata={"color": "blue"})
    equal(client.beta.threads.retrieve(created.id).metadata, {"color": "blue"})
    deleted = client.beta.threads.delete(created.id)
    equal(deleted.model_dump(), {"id": created.id, "object": "thread.deleted", "deleted": True})
    error = raises(openai.NotFoundError, client.beta.threads.messages.list, created.id)
    contains(error.message, f"No thread found with id '{created.id}'.")


@case(hosted)
def threads_are_listed(client):
    """The hosted API had no such route; the SDK reaches it by its general call."""
    from openai.pagination import SyncCursorPage
    from openai.types.beta import Thread

    made = [client.beta.threads.create(metadata={"list": f"n{i % 2}", "of": "threads_are_listed"}).id for i in range(5)]
    page = client.get_api_list("/threads", model=Thread, page=SyncCursorPage[Thread], options={"params": {"limit": 2}})
    found = []
    for listed in page:
        found.append(listed.id)
        if len(found) == 5:
            break
    equal(found, made[::-1])
    params = {"metadata[list]": "n1", "metadata[of]": "threads_are_listed"}
    page = client.get_api_list("/threads", model=Thread, page=SyncCursorPage[Thread], options={"params": params})
    equal(set(t.id for t in page) >= {made[1], made[3]}, True)
    equal(all(t.metadata["list"] == "n1" for t in page), True)


@case(hosted, azure)
def message_contents(client):
    image = client.files.create(file=("dot.png", PNG), purpose="vision")
    notes = client.files.create(file=("notes.txt", b"Sand is warm."), purpose="assistants")
    owner = client.beta.threads.create()
    content = [
        {"type": "text", "text": "Look at these."},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_file", "image_file": {"file_id": image.id, "detail": "low"}},
    ]
    attachments = [{"file_id": notes.id, "tools": [{"type": "code_interpreter"}]}]
    created = client.beta.threads.messages.create(
        owner.id, role="user", content=content, attachments=attachments, metadata={"k": "v"}
    )
    equal(client.beta.threads.messages.retrieve(created.id, thread_id=owner.id), created)
    text, url, file = created.content
    equal((text.text.value, text.text.annotations), ("Look at these.", []))
    equal((url.image_url.url, url.image_url.detail), ("https://example.com/a.png", "auto"))
    equal((file.image_file.file_id, file.image_file.detail), (image.id, "low"))
    equal(created.attachments[0].file_id, notes.id)
    equal(created.attachments[0].tools[0].type, "code_interpreter")
    resources = client.beta.threads.retrieve(owner.id).tool_resources
    equal(resources.code_interpreter.file_ids, [notes.id])

    updated = client.beta.threads.messages.update(created.id, thread_id=owner.id, metadata={"k": "w"})
    equal(updated.metadata, {"k": "w"})
    deleted = client.beta.threads.messages.delete(created.id, thread_id=owner.id)
    equal(deleted.model_dump(), {"id": created.id, "object": "thread.message.deleted", "deleted": True})
    raises(openai.NotFoundError, client.beta.threads.messages.retrieve, created.id, thread_id=owner.id)


@case(hosted, azure)
def messages_are_paged(client):
    texts = [f"message {i}" for i in range(105)]
    owner = client.beta.threads.create(messages=[{"role": "user", "content": text} for text in texts[:60]])
    for text in texts[60:]:
        client.beta.threads.messages.create(owner.id, role="assistant", content=text)

    def read(**query):
        return [m.content[0].text.value for m in client.beta.threads.messages.list(owner.id, **query)]

    equal(read(limit=7), texts[::-1])
    equal(read(limit=100, order="asc"), texts)
    equal(read(limit=21, order="asc"), texts)  # the last page is full
    equal(read(), texts[::-1])
    empty = client.beta.threads.messages.list(client.beta.threads.create().id)
    equal((empty.data, empty.has_more), ([], False))


@case(hosted, azure)
def file_round_trip(client):
    content = bytes(range(256)) * 4096
    created = client.files.create(file=("data ü.bin", io.BytesIO(content)), purpose="user_data")
    equal((created.bytes, created.filename, created.purpose), (len(content), "data ü.bin", "user_data"))
    equal(client.files.wait_for_processing(created.id).status, "processed")
    equal(client.files.retrieve(created.id), created)
    equal(client.files.content(created.id).read(), content)
    with client.files.with_streaming_response.content(created.id) as streamed:
        equal(b"".join(streamed.iter_bytes(1 << 16)), content)
    contains([f.id for f in client.files.list(purpose="user_data", limit=2)], created.id)
    equal([f.id for f in client.files.list(purpose="batch")].count(created.id), 0)
    equal(client.files.delete(created.id).deleted, True)
    error = raises(openai.NotFoundError, client.files.content, created.id)
    contains(error.message, f"No such File object: {created.id}")
    equal(error.param, "id")


@case(hosted, azure)
def large_file_in_parts(client):
    content = bytes(range(256)) * 4096
    upload = client.uploads.upload_file_chunked(
        file=content, filename="large.bin", bytes=len(content), mime_type="application/octet-stream", purpose="user_data",
        part_size=300_000, md5=hashlib.md5(content).hexdigest(),
    )
    equal((upload.status, upload.file.filename, upload.file.bytes), ("completed", "large.bin", len(content)))
    equal(client.files.content(upload.file.id).read(), content)
    given_up = client.uploads.create(filename="a.txt", bytes=1, mime_type="text/plain", purpose="assistants")
    part = client.uploads.parts.create(given_up.id, data=b"a")
    equal((part.upload_id, client.uploads.cancel(given_up.id).status), (given_up.id, "cancelled"))
    error = raises(openai.BadRequestError, client.uploads.complete, given_up.id, part_ids=[part.id])
    contains(error.message, "has status 'cancelled'")
    error = raises(openai.BadRequestError, client.files.create, file=b"x", purpose="holiday")
    contains(error.message, "'holiday' is not one of")


@case(hosted, azure)
def models_are_listed(client):
    ids = [model.id for model in client.models.list()]
    equal(len(ids) > 0, True)
    equal(client.models.retrieve(ids[0]).id, ids[0])
    raises(openai.NotFoundError, client.models.retrieve, "no-such-model-anywhere")


@case(lenient, azure)
def bad_requests_name_what_is_wrong(client):
    owner = thread(client)
    beta = client.beta
    for call, args, fields, param, code in [
        (beta.assistants.create, (), {"model": 4}, "model", "invalid_type"),
        (beta.assistants.create, (), {"model": MODEL, "metadata": {"a": True}}, "metadata.a", "invalid_type"),
        (beta.assistants.create, (), {"model": MODEL, "temperature": 3}, "temperature", "decimal_above_max_value"),
        (beta.assistants.create, (), {"model": MODEL, "extra_body": {"colour": 1}}, "colour", "unknown_parameter"),
        (beta.assistants.create, (), {"model": MODEL, "name": "n" * 257}, "name", "string_above_max_length"),
        (beta.assistants.create, (), {"model": MODEL, "tools": [{"type": "x"}]}, "tools[0].type", "invalid_value"),
        (beta.assistants.list, (), {"limit": 101}, "limit", "integer_above_max_value"),
        (beta.threads.retrieve, ("undefined",), {}, "thread_id", "invalid_value"),
        (beta.threads.messages.create, (owner.id,), {"role": "system", "content": "x"}, "role", "invalid_value"),
        (beta.threads.runs.create, (owner.id,), {"assistant_id": "undefined"}, "assistant_id", "invalid_value"),
    ]:
        error = raises(openai.BadRequestError, call, *args, **fields)
        equal((error.param, error.code, error.type), (param, code, "invalid_request_error"))
        equal(error.status_code, 400)
        contains(error.request_id, "req_")
        equal(set(error.body), {"message", "type", "param", "code"})
    error = raises(openai.NotFoundError, beta.threads.runs.create, owner.id, assistant_id="asst_none")
    equal((error.param, error.code), (None, None))
