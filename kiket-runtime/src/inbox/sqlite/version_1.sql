-- The states: 0 behind, 1 waiting and due, 2 waiting for its time, 3 waiting to run alone, 4 running, 5 dead and blocking its lane,
-- 6 dead, 7 done. A query names the condition of an index word by word, or SQLite does not use it.
CREATE TABLE work (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  space TEXT NOT NULL,
  key TEXT NOT NULL,
  event TEXT NOT NULL,
  version TEXT NOT NULL,
  organisation TEXT NOT NULL,
  lane TEXT,
  blocks_lane INTEGER NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  started INTEGER NOT NULL DEFAULT 0,
  token TEXT,
  accepted_at INTEGER NOT NULL,
  at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  error TEXT
) STRICT;

CREATE UNIQUE INDEX work_key ON work (space, key);
-- Organisations take turns: the oldest row of the next one is one step away.
CREATE INDEX work_ready ON work (space, event, version, organisation, at) WHERE state = 1;
-- What time changes: rows that become due, leases, retention.
CREATE INDEX work_at ON work (space, state, at) WHERE state >= 2;
CREATE INDEX work_lane ON work (space, lane, state) WHERE lane IS NOT NULL AND state <= 5;
-- The rows of schedules, which are looked up by their event.
CREATE INDEX work_scheduled ON work (space, event) WHERE event >= 'schedule:' AND event < 'schedule;';
-- The oldest of each handler and state.
CREATE INDEX work_open ON work (space, state, event, version, accepted_at) WHERE state < 7;

-- Apart from the rows, so that looking through rows does not read it.
CREATE TABLE content (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;

CREATE TABLE paused (space TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (space, event)) STRICT, WITHOUT ROWID;

-- How many rows there are, so that none has to be counted.
CREATE TABLE tally (
  space TEXT NOT NULL,
  event TEXT NOT NULL,
  version TEXT NOT NULL,
  state INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (space, event, version, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER work_added AFTER INSERT ON work BEGIN
  INSERT INTO tally VALUES (new.space, new.event, new.version, new.state, 1, new.bytes)
  ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER work_moved AFTER UPDATE OF state ON work WHEN new.state != old.state BEGIN
  UPDATE tally SET rows = rows - 1, bytes = bytes - old.bytes
  WHERE space = old.space AND event = old.event AND version = old.version AND state = old.state;
  INSERT INTO tally VALUES (new.space, new.event, new.version, new.state, 1, new.bytes)
  ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER work_done AFTER UPDATE OF state ON work WHEN new.state = 7 BEGIN
  DELETE FROM content WHERE id = old.id;
END;

CREATE TRIGGER work_removed AFTER DELETE ON work BEGIN
  DELETE FROM content WHERE id = old.id;
  UPDATE tally SET rows = rows - 1, bytes = bytes - old.bytes
  WHERE space = old.space AND event = old.event AND version = old.version AND state = old.state;
END;
