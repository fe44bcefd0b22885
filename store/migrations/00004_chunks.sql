-- What retrieval searches. A chunk's id is made of its store, its file's number in the store and its own number in the
-- file (package index says how), so that all chunks of a store, and all of a file, are one stretch of every table below.
-- A client's project is checked before a store's chunks are asked for: these tables are never looked up by a client's id.

-- One row per vector store that ever had chunks. published and dropped count the changes that searches must notice. A
-- null store_id means that the store is gone and its chunks have yet to be removed.
CREATE TABLE chunk_stores (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    store_id  TEXT UNIQUE,
    files     INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    dropped   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX chunk_stores_to_purge ON chunk_stores (seq) WHERE store_id IS NULL;

-- file_seq is the row of vector_store_files; null means that the file is gone and its chunks have yet to be removed.
-- published is the store's count at the publication, and null while chunks are still being added.
CREATE TABLE chunk_files (
    store     INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    file_seq  INTEGER UNIQUE,
    chunks    INTEGER NOT NULL DEFAULT 0,
    published INTEGER,
    PRIMARY KEY (store, number)
) WITHOUT ROWID;
CREATE INDEX chunk_files_published ON chunk_files (store, published) WHERE published IS NOT NULL;
CREATE INDEX chunk_files_to_purge ON chunk_files (store, number) WHERE file_seq IS NULL;

CREATE TABLE chunks (
    id     INTEGER PRIMARY KEY,
    tokens INTEGER NOT NULL,
    page   INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    "end"  INTEGER NOT NULL,
    text   TEXT NOT NULL
);

-- Little-endian float32 of length 1, apart from the texts so that a walk over vectors reads nothing else.
CREATE TABLE chunk_vectors (
    id     INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
);

-- The terms that package index makes of a text; the text itself is in chunks.
-- Marks are part of words: without them the vowel signs of Indic scripts would split them.
CREATE VIRTUAL TABLE chunk_terms USING fts5(
    terms, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2 categories 'L* N* M*'"
);
