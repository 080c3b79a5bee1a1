-- What became of each delivery; see `DedupeStore`. Run at the start where the table is absent, or by hand before.
CREATE TABLE IF NOT EXISTS kiket_dedupe (
  key text COLLATE "C" PRIMARY KEY,
  -- Who has the lease, or who had it when the answer was stored; then, after a colon, a hash of the request.
  token text NOT NULL,
  begun_at timestamptz NOT NULL,
  -- Until then the lease is held, or the answer kept.
  expires_at timestamptz NOT NULL,
  -- Null while it is leased.
  status integer,
  -- Seconds of `Retry-After`, or -1.
  retry_after bigint,
  body bytea
) WITH (fillfactor = 80);
-- A reply changes no column of an index, and so adds no entry to one.
CREATE INDEX IF NOT EXISTS kiket_dedupe_begun_at ON kiket_dedupe (begun_at);
DROP INDEX IF EXISTS kiket_dedupe_expires_at;
