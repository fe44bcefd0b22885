"""Vector stores: the helpers that upload, attach and wait, and search."""

import io

from harness import case, equal
from v2_clients import azure, hosted, lenient


def named(name, content):
    file = io.BytesIO(content.encode())
    file.name = name
    return file


@case(hosted, azure)
def store_files_are_uploaded_and_awaited(client):
    store = client.vector_stores.create(name="facts", metadata={"k": "v"})
    equal(store.status, "completed")
    first = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=named("food.txt", "Filip likes pizza."))
    equal((first.status, first.last_error, first.attributes), ("completed", None, {}))
    uploaded = client.files.create(file=named("city.md", "# Berlin\n\nA city."), purpose="assistants")
    second = client.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store.id, attributes={"kind": "city", "rank": 1})
    equal((second.status, second.attributes), ("completed", {"kind": "city", "rank": 1}))
    equal([file.id for file in client.vector_stores.files.list(store.id, order="asc")], [first.id, second.id])
    found = client.vector_stores.search(store.id, query="What does Filip like?", max_num_results=1)
    equal([(r.filename, r.content[0].text) for r in found.data], [("food.txt", "Filip likes pizza.")])
    filters = {"type": "eq", "key": "kind", "value": "city"}
    found = client.vector_stores.search(store.id, query="Filip", filters=filters)
    equal([r.file_id for r in found.data], [second.id])
    equal([part.text for part in client.vector_stores.files.content(second.id, vector_store_id=store.id)], ["# Berlin\n\nA city."])
    equal(client.vector_stores.files.delete(first.id, vector_store_id=store.id).deleted, True)
    equal(client.vector_stores.retrieve(store.id).file_counts.total, 1)
    equal(client.vector_stores.delete(store.id).object, "vector_store.deleted")


@case(lenient)
def batches_are_uploaded_and_awaited(client):
    # The name of a store without one, and the name of a batch, are the hosted API's and not those of the SDK's types.
    store = client.vector_stores.create()
    files = [named(f"{i}.txt", f"number {i}") for i in range(6)]
    batch = client.vector_stores.file_batches.upload_and_poll(vector_store_id=store.id, files=files)
    equal((batch.status, batch.file_counts.completed, batch.file_counts.total), ("completed", 6, 6))
    ids = [file.id for file in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)]
    equal(len(ids), 6)
    again = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=ids[:2])
    equal(again.file_counts.completed, 2)
    equal(client.vector_stores.file_batches.cancel(again.id, vector_store_id=store.id).status, "completed")
