"""Every statement by which a release of chromadb, 0.4.24 to 1.5.9, made a table or an index.

They are what its migrations leave in a database's schema, whichever of them were run; white space
counts as one. Tests hold them against each release's own file and the migrations of the one here.
"""

from typing import Final

_STATEMENTS: Final = """
CREATE INDEX embedding_metadata_array_id_key ON embedding_metadata_array (id, key);
CREATE INDEX embedding_metadata_array_key_float ON embedding_metadata_array (key, float_value)
    WHERE float_value IS NOT NULL;
CREATE INDEX embedding_metadata_array_key_int ON embedding_metadata_array (key, int_value) WHERE
    int_value IS NOT NULL;
CREATE INDEX embedding_metadata_array_key_string ON embedding_metadata_array (key, string_value)
    WHERE string_value IS NOT NULL;
CREATE INDEX embedding_metadata_float_value ON embedding_metadata (key, float_value) WHERE
    float_value IS NOT NULL;
CREATE INDEX embedding_metadata_int_value ON embedding_metadata (key, int_value) WHERE int_value
    IS NOT NULL;
CREATE INDEX embedding_metadata_string_value ON embedding_metadata (key, string_value) WHERE
    string_value IS NOT NULL;
CREATE TABLE "collections" ( id TEXT PRIMARY KEY, -- unique globally name TEXT NOT NULL, --
    unique per database dimension INTEGER, database_id TEXT NOT NULL REFERENCES databases(id) ON
    DELETE CASCADE, UNIQUE (name, database_id) );
CREATE TABLE "collections" ( id TEXT PRIMARY KEY, -- unique globally name TEXT NOT NULL, --
    unique per database dimension INTEGER, database_id TEXT NOT NULL REFERENCES databases(id) ON
    DELETE CASCADE, config_json_str TEXT, UNIQUE (name, database_id) );
CREATE TABLE "collections" ( id TEXT PRIMARY KEY, -- unique globally name TEXT NOT NULL, --
    unique per database dimension INTEGER, database_id TEXT NOT NULL REFERENCES databases(id) ON
    DELETE CASCADE, config_json_str TEXT, schema_str TEXT, UNIQUE (name, database_id) );
CREATE TABLE "collections" ( id TEXT PRIMARY KEY, -- unique globally name TEXT NOT NULL, --
    unique per database topic TEXT NOT NULL, dimension INTEGER, database_id TEXT NOT NULL REFERENCES
    databases(id) ON DELETE CASCADE, UNIQUE (name, database_id) );
CREATE TABLE "segments" ( id TEXT PRIMARY KEY, type TEXT NOT NULL, scope TEXT NOT NULL,
    collection TEXT REFERENCES collection(id) NOT NULL );
CREATE TABLE 'embedding_fulltext_search_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'embedding_fulltext_search_content'(id INTEGER PRIMARY KEY, c0);
CREATE TABLE 'embedding_fulltext_search_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'embedding_fulltext_search_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
CREATE TABLE 'embedding_fulltext_search_idx'(segid, term, pgno, PRIMARY KEY(segid, term))
    WITHOUT ROWID;
CREATE TABLE acquire_write ( id INTEGER PRIMARY KEY, lock_status INTEGER NOT NULL );
CREATE TABLE collection_metadata ( collection_id TEXT REFERENCES collections(id) ON DELETE
    CASCADE, key TEXT NOT NULL, str_value TEXT, int_value INTEGER, float_value REAL, PRIMARY KEY
    (collection_id, key) );
CREATE TABLE collection_metadata ( collection_id TEXT REFERENCES collections(id) ON DELETE
    CASCADE, key TEXT NOT NULL, str_value TEXT, int_value INTEGER, float_value REAL, bool_value
    INTEGER, PRIMARY KEY (collection_id, key) );
CREATE TABLE databases ( id TEXT PRIMARY KEY, -- unique globally name TEXT NOT NULL, -- unique
    per tenant tenant_id TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE, UNIQUE (tenant_id,
    name) -- Ensure that a tenant has only one database with a given name );
CREATE TABLE embedding_metadata ( id INTEGER REFERENCES embeddings(id), key TEXT NOT NULL,
    string_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER, PRIMARY KEY (id,
    key) );
CREATE TABLE embedding_metadata_array ( id INTEGER NOT NULL REFERENCES embeddings(id), key TEXT
    NOT NULL, string_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER );
CREATE TABLE embeddings ( id INTEGER PRIMARY KEY, segment_id TEXT NOT NULL, embedding_id TEXT
    NOT NULL, seq_id BLOB NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE
    (segment_id, embedding_id) );
CREATE TABLE embeddings_queue ( seq_id INTEGER PRIMARY KEY, created_at TIMESTAMP NOT NULL
    DEFAULT CURRENT_TIMESTAMP, operation INTEGER NOT NULL, topic TEXT NOT NULL, id TEXT NOT NULL,
    vector BLOB, encoding TEXT, metadata TEXT );
CREATE TABLE embeddings_queue_config ( id INTEGER PRIMARY KEY, config_json_str TEXT );
CREATE TABLE maintenance_log ( id INT PRIMARY KEY, timestamp INT NOT NULL, operation TEXT NOT
    NULL );
CREATE TABLE max_seq_id ( segment_id TEXT PRIMARY KEY, seq_id BLOB NOT NULL );
CREATE TABLE max_seq_id ( segment_id TEXT PRIMARY KEY, seq_id INTEGER);
CREATE TABLE migrations ( dir TEXT NOT NULL, version INTEGER NOT NULL, filename TEXT NOT NULL,
    sql TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (dir, version) );
CREATE TABLE segment_metadata ( segment_id TEXT REFERENCES segments(id) ON DELETE CASCADE, key
    TEXT NOT NULL, str_value TEXT, int_value INTEGER, float_value REAL, PRIMARY KEY (segment_id,
    key) );
CREATE TABLE segment_metadata ( segment_id TEXT REFERENCES segments(id) ON DELETE CASCADE, key
    TEXT NOT NULL, str_value TEXT, int_value INTEGER, float_value REAL, bool_value INTEGER, PRIMARY
    KEY (segment_id, key) );
CREATE TABLE segments ( id TEXT PRIMARY KEY, type TEXT NOT NULL, scope TEXT NOT NULL, collection
    TEXT REFERENCES collection(id) );
CREATE TABLE segments ( id TEXT PRIMARY KEY, type TEXT NOT NULL, scope TEXT NOT NULL, topic
    TEXT, collection TEXT REFERENCES collection(id) );
CREATE TABLE tenants ( id TEXT PRIMARY KEY, UNIQUE (id) );
CREATE VIRTUAL TABLE embedding_fulltext_search USING fts5(string_value, tokenize='trigram')
"""

KNOWN: Final = frozenset(" ".join(statement.split()) for statement in _STATEMENTS.split(";"))
