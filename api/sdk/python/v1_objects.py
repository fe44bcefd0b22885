"""v1 objects: file_ids instead of tool_resources and attachments, the routes of
assistant files and message files, and the same object seen by the other version."""

import openai
from harness import case, contains, equal, raises
from v1_clients import V2, assistant, azure, hosted, lenient, thread, upload
from weather import WEATHER


@case(hosted, azure)
def assistant_with_files(client):
    first, second = upload(client), upload(client, "more.txt")
    raw = client.beta.assistants.with_raw_response.create(
        model="gpt-4-turbo",
        name="Librarian",
        instructions="Help.",
        tools=[{"type": "retrieval"}, {"type": "code_interpreter"}, WEATHER],
        file_ids=[first.id],
    )
    created = raw.parse()
    equal(sorted({"file_ids", "tool_resources"} & set(raw.http_response.json())), ["file_ids"])
    equal([tool.type for tool in created.tools], ["retrieval", "code_interpreter", "function"])
    equal(created.file_ids, [first.id])
    equal(client.beta.assistants.retrieve(created.id), created)

    files = client.beta.assistants.files
    added = files.create(created.id, file_id=second.id)
    equal((added.id, added.object, added.assistant_id), (second.id, "assistant.file", created.id))
    equal(files.retrieve(second.id, assistant_id=created.id), added)
    equal(sorted(f.id for f in files.list(created.id, limit=1)), sorted([first.id, second.id]))
    equal(client.beta.assistants.retrieve(created.id).file_ids, [first.id, second.id])
    gone = files.delete(first.id, assistant_id=created.id)
    equal((gone.id, gone.object, gone.deleted), (first.id, "assistant.file.deleted", True))
    raises(openai.NotFoundError, files.retrieve, first.id, assistant_id=created.id)
    equal(client.files.retrieve(first.id).id, first.id)  # the file itself stays

    updated = client.beta.assistants.update(created.id, file_ids=[first.id], name="Archivist")
    equal((updated.file_ids, updated.name), ([first.id], "Archivist"))
    contains([a.id for a in client.beta.assistants.list(limit=5)], created.id)
    equal(client.beta.assistants.delete(created.id).object, "assistant.deleted")
    raises(openai.NotFoundError, client.beta.assistants.retrieve, created.id)


@case(hosted, azure)
def message_with_files(client):
    file = upload(client)
    raw = client.beta.threads.with_raw_response.create(
        messages=[{"role": "user", "content": "Read this.", "file_ids": [file.id]}], metadata={"k": "v"}
    )
    equal("tool_resources" in raw.http_response.json(), False)
    owner = raw.parse()
    [first] = client.beta.threads.messages.list(owner.id).data
    raw = client.beta.threads.messages.with_raw_response.create(owner.id, role="user", content="And this.", file_ids=[file.id])
    created = raw.parse()
    equal(sorted({"file_ids", "attachments"} & set(raw.http_response.json())), ["file_ids"])
    equal((first.file_ids, created.file_ids), ([file.id], [file.id]))
    equal(client.beta.threads.messages.retrieve(created.id, thread_id=owner.id), created)

    files = client.beta.threads.messages.files
    [listed] = files.list(created.id, thread_id=owner.id).data
    equal((listed.id, listed.object, listed.message_id), (file.id, "thread.message.file", created.id))
    equal(files.retrieve(file.id, thread_id=owner.id, message_id=created.id), listed)
    raises(openai.NotFoundError, files.retrieve, "file-none", thread_id=owner.id, message_id=created.id)
    updated = client.beta.threads.messages.update(created.id, thread_id=owner.id, metadata={"k": "w"})
    equal((updated.metadata, updated.file_ids), ({"k": "w"}, [file.id]))


@case(hosted)
def metadata_is_coerced(client):
    """v1 wrote what was not a string as Python would."""
    owner = client.beta.threads.create(metadata={"modified": True, "n": 7})
    equal(owner.metadata, {"modified": "True", "n": "7"})
    owner = client.beta.threads.update(owner.id, metadata={"modified": False})
    equal(client.beta.threads.retrieve(owner.id).metadata, {"modified": "False"})


@case(hosted)
def messages_are_paged(client):
    texts = [f"message {i}" for i in range(105)]
    owner = client.beta.threads.create(messages=[{"role": "user", "content": text} for text in texts])
    read = [m.content[0].text.value for m in client.beta.threads.messages.list(owner.id, limit=7)]
    equal(read, texts[::-1])
    read = [m.content[0].text.value for m in client.beta.threads.messages.list(owner.id, limit=21, order="asc")]
    equal(read, texts)


@case(hosted)
def both_versions_read_one_assistant(client):
    file = upload(client)
    tools = [{"type": "retrieval"}, {"type": "code_interpreter"}]
    old = assistant(client, tools=tools, file_ids=[file.id])
    seen = client.beta.assistants.with_raw_response.retrieve(old.id, extra_headers=V2).http_response.json()
    equal([tool["type"] for tool in seen["tools"]], ["file_search", "code_interpreter"])
    equal(seen["tool_resources"]["code_interpreter"]["file_ids"], [file.id])
    equal("file_ids" in seen, False)

    body = {"tool_resources": {"code_interpreter": {"file_ids": [file.id]}}}
    tools = [{"type": "code_interpreter"}, {"type": "file_search"}]
    lax = lenient()
    new = assistant(lax, tools=tools, extra_body=body, extra_headers=V2)
    seen = client.beta.assistants.retrieve(new.id)
    equal([tool.type for tool in seen.tools], ["code_interpreter", "retrieval"])
    equal(seen.file_ids, [file.id])


@case(hosted)
def both_versions_read_one_message(client):
    file = upload(client)
    owner = client.beta.threads.create()
    old = client.beta.threads.messages.create(owner.id, role="user", content="Old.", file_ids=[file.id])
    raw = client.beta.threads.messages.with_raw_response.retrieve(old.id, thread_id=owner.id, extra_headers=V2)
    equal([attached["file_id"] for attached in raw.http_response.json()["attachments"]], [file.id])
    lax = lenient()
    new = lax.beta.threads.messages.create(
        owner.id,
        role="user",
        content="New.",
        extra_body={"attachments": [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]},
        extra_headers=V2,
    )
    equal(client.beta.threads.messages.retrieve(new.id, thread_id=owner.id).file_ids, [file.id])


@case(lenient, azure)
def bad_requests_name_what_is_wrong(client):
    owner = thread(client)
    error = raises(openai.NotFoundError, client.beta.assistants.retrieve, "asst_none")
    contains(error.message, "No assistant found with id 'asst_none'.")
    for call, args, fields, param, code in [
        (client.beta.assistants.create, (), {"model": 4}, "model", "invalid_type"),
        (client.beta.assistants.list, (), {"limit": 101}, "limit", "integer_above_max_value"),
        (client.beta.threads.messages.create, (owner.id,), {"role": "system", "content": "x"}, "role", "invalid_value"),
        (client.beta.threads.runs.create, (owner.id,), {"assistant_id": "undefined"}, "assistant_id", "invalid_value"),
    ]:
        error = raises(openai.BadRequestError, call, *args, **fields)
        equal((error.param, error.code, error.type), (param, code, "invalid_request_error"))


@case(hosted)
def file_round_trip(client):
    created = upload(client)
    equal((created.purpose, created.bytes, created.status), ("assistants", 13, "processed"))
    equal(client.files.content(created.id).read(), b"Sand is warm.")
    contains([f.id for f in client.files.list(purpose="assistants")], created.id)
    equal(client.files.delete(created.id).deleted, True)
    raises(openai.NotFoundError, client.files.retrieve, created.id)
