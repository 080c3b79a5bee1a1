-- The inbox of kiket; see `Inbox`. Run at the start where it is absent, or by hand before. It may run again: each step runs once.
-- A step is never changed once it was released: what comes later is another step, which earlier versions can live with.
CREATE TABLE IF NOT EXISTS kiket_inbox_schema (
  version integer PRIMARY KEY,
  made_at timestamptz NOT NULL DEFAULT now()
);
DO $step$ BEGIN
IF EXISTS (SELECT FROM kiket_inbox_schema WHERE version = 1) THEN RETURN; END IF;
CREATE TABLE kiket_inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  space text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  event text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  organisation text COLLATE "C" NOT NULL,
  lane text COLLATE "C",
  blocks_lane boolean NOT NULL,
  -- behind, waiting, running, done, dead
  state text COLLATE "C" NOT NULL,
  -- Why it is dead: permanent, attempts, crashed.
  reason text COLLATE "C",
  attempts integer NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  -- Whether the handler of this attempt has started.
  started boolean NOT NULL DEFAULT false,
  -- Milliseconds since 1970, as all times are; with the delay, if it was to wait.
  accepted_at bigint NOT NULL,
  -- When it is due, when its lease ends, or when it ended.
  at bigint NOT NULL,
  -- Of the last lease, until that expires or is given back.
  token text COLLATE "C",
  error text,
  -- The delivery, sealed; null once it is done.
  content bytea,
  CONSTRAINT kiket_inbox_key UNIQUE (space, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- What is sealed cannot be compressed.
ALTER TABLE kiket_inbox ALTER COLUMN content SET STORAGE EXTERNAL;
-- What can be claimed, by organisation.
CREATE INDEX kiket_inbox_due ON kiket_inbox (space, organisation, event, version, at, id)
  WHERE state = 'waiting' AND crashes < 2;
-- What has crashed twice, and runs alone.
CREATE INDEX kiket_inbox_alone ON kiket_inbox (space, at, id) WHERE state = 'waiting' AND crashes >= 2;
-- A lane has one row that waits, runs or blocks it, and rows behind that.
CREATE UNIQUE INDEX kiket_inbox_lane ON kiket_inbox (space, lane)
  WHERE lane IS NOT NULL AND (state IN ('waiting', 'running') OR state = 'dead' AND blocks_lane);
CREATE INDEX kiket_inbox_behind ON kiket_inbox (space, lane, id) WHERE state = 'behind';
-- Leases and retentions that end.
CREATE INDEX kiket_inbox_ends ON kiket_inbox (space, state, at) WHERE state IN ('running', 'done', 'dead');
-- The rows of schedules, which are looked up by their event.
CREATE INDEX kiket_inbox_scheduled ON kiket_inbox (space, event, id) WHERE event >= 'schedule:' AND event < 'schedule;';
CREATE TABLE kiket_inbox_paused (
  space text COLLATE "C",
  event text COLLATE "C",
  PRIMARY KEY (space, event)
);
INSERT INTO kiket_inbox_schema VALUES (1);
END $step$;
