//! The SQL of the inbox.
//!
//! Times are milliseconds since 1970. `clock.now` is read once for each statement: from the server, or from the value of a test.

/// The time as a table of one row: that of the value, else that of the server.
macro_rules! clock {
    ($value:literal) => {
        concat!(
            "(SELECT coalesce(",
            $value,
            "::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now) AS clock"
        )
    };
}

/// The handlers that are named by $3 and $4, and whose events are not paused.
macro_rules! handlers {
    () => {
        "handlers AS MATERIALIZED (
  SELECT event, version FROM unnest($3::text[], $4::text[]) AS named (event, version)
  WHERE NOT EXISTS (SELECT FROM kiket_inbox_paused p WHERE p.space = $2 AND p.event = named.event))"
    };
}

/// The due rows `i` of `handlers` that have crashed twice.
macro_rules! alone {
    () => {
        "FROM kiket_inbox i, clock
  WHERE i.space = $2 AND i.state = 'waiting' AND i.crashes >= 2 AND i.at <= clock.now
    AND (i.event, i.version) IN (SELECT event, version FROM handlers)"
    };
}

/// Whether a row `h` is the one of its lane that waits, runs or blocks the lane. The index `kiket_inbox_lane` has these.
macro_rules! holds_lane {
    () => {
        "h.lane IS NOT NULL AND (h.state IN ('waiting', 'running') OR h.state = 'dead' AND h.blocks_lane)"
    };
}

/// Whether a row `i` is one of $2 that no transaction ends at this moment: that may take as long as its handler likes.
macro_rules! unlocked {
    () => {
        "i.id = ANY (ARRAY(SELECT f.id FROM kiket_inbox f WHERE f.id = ANY ($2::bigint[]) FOR UPDATE SKIP LOCKED))"
    };
}

/// Lanes as rows: that of the row $1, if it has one, and those of the space $2 with the names $3.
macro_rules! lanes {
    () => {
        "(SELECT i.space, i.lane FROM kiket_inbox i WHERE i.id = $1 AND i.lane IS NOT NULL
          UNION SELECT $2::text, unnest($3::text[])) AS lanes"
    };
}

/// The lane of the row $1, if it has one.
macro_rules! own_lane {
    () => {
        "(SELECT i.space, i.lane FROM kiket_inbox i WHERE i.id = $1 AND i.lane IS NOT NULL) AS lanes"
    };
}

macro_rules! lock {
    ($lanes:ident) => {
        concat!(
            "SELECT pg_advisory_xact_lock(7039340, lock) FROM (
       SELECT DISTINCT hashtext(space || E'\\n' || lane) & 255 AS lock FROM ",
            $lanes!(),
            " ORDER BY lock) AS locks"
        )
    };
}

macro_rules! next {
    ($lanes:ident) => {
        concat!(
            "UPDATE kiket_inbox n SET state = 'waiting' FROM (
       SELECT (SELECT b.id FROM kiket_inbox b
               WHERE b.space = lanes.space AND b.lane = lanes.lane AND b.state = 'behind'
               ORDER BY b.id LIMIT 1) AS id
       FROM ",
            $lanes!(),
            " WHERE NOT EXISTS (SELECT FROM kiket_inbox h
                        WHERE h.space = lanes.space AND h.lane = lanes.lane AND ",
            holds_lane!(),
            ")) AS next WHERE n.id = next.id"
        )
    };
}

/// Locks lanes to the end of the transaction, in the same order everywhere. It has to be a statement of its own: what follows
/// then sees what those have done who held the lock before. 256 locks are enough for all lanes; `kil` is their class.
pub(super) const LOCK: &str = lock!(lanes);

/// The same for the lane of one row.
pub(super) const OWN_LOCK: &str = lock!(own_lane);

/// Promotes the next row of each lane that has no other one.
pub(super) const NEXT: &str = next!(lanes);

/// The same for the lane of one row.
pub(super) const OWN_NEXT: &str = next!(own_lane);

/// Returns the new row, or the state of the one that is there; nothing where that was added after the statement began. Its commit
/// waits for the disk, whatever the setting of the server or of its user.
pub(super) const ACCEPT: &str = concat!(
    "WITH added AS (
       INSERT INTO kiket_inbox
         (space, key, event, version, organisation, lane, blocks_lane, state, accepted_at, at, content)
       SELECT $2, $3, $4, $5, $6, $7::text, $8,
         CASE WHEN $7::text IS NOT NULL AND EXISTS (
           SELECT FROM kiket_inbox h WHERE h.space = $2 AND h.lane = $7::text AND ",
    holds_lane!(),
    ") THEN 'behind' ELSE 'waiting' END, now + $9, now + $9, $10
       FROM ",
    clock!("$1"),
    ", (SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'local', true) END)
         AS flushed
       ON CONFLICT (space, key) DO NOTHING RETURNING id)
     SELECT id, NULL AS state FROM added
     UNION ALL SELECT id, state FROM kiket_inbox WHERE space = $2 AND key = $3"
);

pub(super) const STATE: &str = "SELECT state FROM kiket_inbox WHERE space = $1 AND key = $2";

/// How many rows and bytes a space has that are not done; of each kind at most what it may have, so that a full one is not read whole.
/// Each kind has an index, so that what is done is not read.
pub(super) const USAGE: &str = "
SELECT count(*), coalesce(sum(octet_length(content)), 0)::bigint FROM (
  (SELECT content FROM kiket_inbox WHERE space = $1 AND state = 'waiting' AND crashes < 2 LIMIT $2)
  UNION ALL (SELECT content FROM kiket_inbox WHERE space = $1 AND state = 'waiting' AND crashes >= 2 LIMIT $2)
  UNION ALL (SELECT content FROM kiket_inbox WHERE space = $1 AND state = 'behind' LIMIT $2)
  UNION ALL (SELECT content FROM kiket_inbox WHERE space = $1 AND state IN ('running', 'dead') LIMIT $2)) AS counted";

/// Claims rows. Of the organisations that have rows to be claimed it looks at no more than it needs, one after the other in their
/// order, each by a few steps into an index, whatever the number of rows.
///
/// It looks at a few rows more than it takes ($8 against $9), for those that another process takes at the same moment.
pub(super) const CLAIM: &str = concat!(
    "WITH RECURSIVE clock AS MATERIALIZED (SELECT now FROM ",
    clock!("$1"),
    "),
",
    handlers!(),
    ",
-- A row that has crashed twice, where nothing else runs.
alone AS MATERIALIZED (
  SELECT i.id ",
    alone!(),
    " AND $6 ORDER BY i.at, i.id LIMIT 1),
-- The organisations that have rows, in their order: those after the cursor, then those up to it. The first text after another one
-- has one more character.
walk AS (
  SELECT NULL::text COLLATE \"C\" AS organisation, ($5 || chr(1)) COLLATE \"C\" AS next, 0 AS turn, false AS again
  UNION ALL
  SELECT found.organisation, coalesce(found.organisation || chr(1), ''), turn + 1, again OR found.organisation IS NULL
  FROM walk, LATERAL (
    SELECT (SELECT i.organisation FROM kiket_inbox i
            WHERE i.space = $2 AND i.state = 'waiting' AND i.crashes < 2 AND i.organisation >= walk.next
            ORDER BY i.organisation LIMIT 1) AS organisation OFFSET 0) AS found
  WHERE NOT again OR found.organisation <= $5),
turns AS MATERIALIZED (
  SELECT organisation, turn FROM walk
  WHERE organisation IS NOT NULL AND NOT EXISTS (SELECT FROM alone) AND EXISTS (
    SELECT FROM clock, handlers, LATERAL (
      SELECT FROM kiket_inbox i
      WHERE i.space = $2 AND i.organisation = walk.organisation AND i.event = handlers.event
        AND i.version = handlers.version AND i.state = 'waiting' AND i.crashes < 2 AND i.at <= clock.now
      LIMIT 1) AS due)
  LIMIT $8),
depth AS MATERIALIZED (SELECT CASE WHEN (SELECT count(*) FROM turns) >= $8 THEN 1 ELSE $8 END AS depth),
candidates AS MATERIALIZED (
  SELECT due.id, row_number() OVER (PARTITION BY turn ORDER BY due.at, due.id) AS round, turn
  FROM turns, LATERAL (
    SELECT each.id, each.at FROM clock, handlers, LATERAL (
      SELECT i.id, i.at FROM kiket_inbox i
      WHERE i.space = $2 AND i.organisation = turns.organisation AND i.event = handlers.event
        AND i.version = handlers.version AND i.state = 'waiting' AND i.crashes < 2 AND i.at <= clock.now
      ORDER BY i.at, i.id LIMIT (SELECT depth FROM depth)) AS each
    ORDER BY each.at, each.id LIMIT (SELECT depth FROM depth)) AS due
  UNION ALL SELECT id, 1, 1 FROM alone),
locked AS MATERIALIZED (
  SELECT i.id, c.round, c.turn FROM (SELECT * FROM candidates ORDER BY round, turn) AS c
  JOIN kiket_inbox i ON i.id = c.id
  WHERE i.state = 'waiting' AND i.at <= (SELECT now FROM clock)
  ORDER BY c.round, c.turn LIMIT $9 FOR UPDATE OF i SKIP LOCKED),
numbered AS (SELECT id, row_number() OVER (ORDER BY round, turn) AS place FROM locked)
UPDATE kiket_inbox i SET
  state = 'running', attempts = i.attempts + 1, started = false, at = clock.now + $10,
  token = ($7::text[])[numbered.place]
FROM numbered, clock WHERE i.id = numbered.id
RETURNING numbered.place, i.id, i.token, i.key, i.event, i.version, i.organisation, i.lane, i.attempts, i.crashes,
  greatest(clock.now - i.accepted_at, 0) AS age, i.content"
);

/// Whether a row is due that runs alone.
pub(super) const WAITS_ALONE: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT now FROM ",
    clock!("$1"),
    "),
",
    handlers!(),
    " SELECT EXISTS (SELECT ",
    alone!(),
    ") AS waits"
);

pub(super) const RENEW: &str = concat!(
    "UPDATE kiket_inbox i SET started = true, at = clock.now + leases.lease
     FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS leases (id, token, lease), ",
    clock!("$1"),
    " WHERE i.id = leases.id AND i.token = leases.token AND i.state = 'running' AND i.at > clock.now AND (NOT i.started OR ",
    unlocked!(),
    ") RETURNING i.id, i.token"
);

/// The leases that are held, also of rows that are locked.
pub(super) const HELD: &str = concat!(
    "SELECT i.id, i.token FROM kiket_inbox i, unnest($2::bigint[], $3::text[]) AS leases (id, token), ",
    clock!("$1"),
    " WHERE i.id = leases.id AND i.token = leases.token AND i.state = 'running' AND i.at > clock.now"
);

/// Ends an attempt: `ended`, or `repeated` where it was ended before with this token, or `in_lane` where that has to be done under the
/// lock of its lane ($8).
pub(super) const FINISH: &str = concat!(
    "WITH ended AS (
       UPDATE kiket_inbox i SET
         state = $4, reason = $5::text, at = clock.now + $6, error = $7::text,
         content = CASE WHEN $4 = 'done' THEN NULL ELSE i.content END
       FROM ",
    clock!("$1"),
    " WHERE i.id = $2 AND i.token = $3 AND i.state = 'running' AND i.at > clock.now AND (i.lane IS NULL OR $8)
       RETURNING i.id)
     SELECT EXISTS (SELECT FROM ended) AS ended,
       EXISTS (SELECT FROM kiket_inbox i WHERE i.id = $2 AND i.token = $3 AND i.state <> 'running') AS repeated,
       EXISTS (SELECT FROM kiket_inbox i WHERE i.id = $2 AND i.token = $3 AND i.state = 'running'
         AND i.lane IS NOT NULL AND NOT $8) AS in_lane"
);

/// Ends an attempt in a transaction of another library, where it is done.
pub(super) const OWN_DONE: &str = concat!(
    "UPDATE kiket_inbox i SET state = 'done', at = clock.now, error = NULL, content = NULL FROM ",
    clock!("$3"),
    " WHERE i.id = $1 AND i.token = $2 AND i.state = 'running' AND i.at > clock.now"
);

/// The row keeps a sign of the token, so that a release can be repeated.
pub(super) const RELEASE: &str = concat!(
    "UPDATE kiket_inbox i SET
       attempts = greatest(i.attempts - (i.state = 'running')::integer, 0), state = 'waiting', at = clock.now + $4, token = '-' || $3
     FROM ",
    clock!("$1"),
    " WHERE i.id = $2 AND (i.token = $3 AND i.state = 'running' AND i.at > clock.now
       OR i.token = '-' || $3 AND i.state = 'waiting')"
);

/// The rows of a space whose lease or retention is over, with the lane that they hold, and whether it is a lease: a thousand of each
/// kind, and a hundred of those with contents.
pub(super) const OVER: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT now FROM ",
    clock!("$1"),
    ")
(SELECT i.id, i.lane, true AS is_lease FROM kiket_inbox i, clock
 WHERE i.space = $2 AND i.state = 'running' AND i.at <= clock.now ORDER BY i.at LIMIT 1000)
UNION ALL
(SELECT i.id, NULL, false FROM kiket_inbox i, clock
 WHERE i.space = $2 AND i.state = 'done' AND i.at <= clock.now - 86400000 ORDER BY i.at LIMIT 1000)
UNION ALL
(SELECT i.id, CASE WHEN i.blocks_lane THEN i.lane END, false FROM kiket_inbox i, clock
 WHERE i.space = $2 AND i.state = 'dead' AND i.at <= clock.now - 2592000000 ORDER BY i.at LIMIT 100)"
);

/// Ends leases that are over.
pub(super) const EXPIRE: &str = concat!(
    "UPDATE kiket_inbox i SET
       crashes = i.crashes + i.started::integer, attempts = greatest(i.attempts - 1 + i.started::integer, 0),
       state = CASE WHEN i.started AND i.crashes + 1 >= 3 THEN 'dead' ELSE 'waiting' END,
       reason = CASE WHEN i.started AND i.crashes + 1 >= 3 THEN 'crashed' END,
       at = clock.now, token = NULL
     FROM ",
    clock!("$1"),
    " WHERE i.state = 'running' AND i.at <= clock.now AND ",
    unlocked!(),
    " RETURNING i.state"
);

/// Removes rows whose retention is over.
pub(super) const EXPUNGE: &str = concat!(
    "DELETE FROM kiket_inbox i USING ",
    clock!("$1"),
    " WHERE (i.state = 'done' AND i.at <= clock.now - 86400000 OR i.state = 'dead' AND i.at <= clock.now - 2592000000) AND ",
    unlocked!(),
    " RETURNING i.id"
);

/// The condition of a filter on rows `i`, as $1 to $6: space, id, event, state, organisation, and the id that they come after.
macro_rules! filter {
    () => {
        " i.space = $1 AND ($2::bigint IS NULL OR i.id = $2) AND ($3::text IS NULL OR i.event = $3)
          AND ($4::text IS NULL OR i.state = $4) AND ($5::text IS NULL OR i.organisation = $5) AND i.id > $6"
    };
}

pub(super) const LIST: &str = concat!(
    "SELECT i.id, i.key, i.event, i.version, i.organisation, i.lane, i.state, i.reason, i.attempts, i.crashes,
       i.accepted_at, i.at, i.error, coalesce(octet_length(i.content), 0)::bigint AS bytes
     FROM kiket_inbox i WHERE",
    filter!(),
    " ORDER BY i.id LIMIT $7"
);

/// Ids of the rows of a filter that are not of the state $8, with their lanes; with $9 only those that are not due yet.
pub(super) const FIND: &str = concat!(
    "SELECT i.id, i.lane FROM kiket_inbox i, ",
    clock!("$10"),
    " WHERE",
    filter!(),
    " AND ($8::text IS NULL OR i.state <> $8) AND (NOT $9 OR i.at > clock.now) ORDER BY i.id LIMIT $7"
);

/// Dead rows wait again: those that hold their lane at once, others behind it, if they have one.
pub(super) const REDRIVE: &str = concat!(
    "UPDATE kiket_inbox i SET
       state = CASE WHEN i.lane IS NULL OR i.blocks_lane THEN 'waiting' ELSE 'behind' END,
       reason = NULL, error = NULL, attempts = 0, crashes = 0, token = NULL,
       at = clock.now + floor(random() * $3)::bigint
     FROM ",
    clock!("$1"),
    " WHERE i.id = ANY ($2::bigint[]) AND i.state = 'dead' RETURNING i.id"
);

pub(super) const HURRY: &str = concat!(
    "UPDATE kiket_inbox i SET at = clock.now FROM ",
    clock!("$1"),
    " WHERE i.id = ANY ($2::bigint[]) AND i.state = 'waiting' AND i.at > clock.now RETURNING i.id"
);

pub(super) const DROP: &str = "
DELETE FROM kiket_inbox i WHERE i.id = ANY ($1::bigint[]) AND (i.state <> 'running' OR $2) AND ($3::text IS NULL OR i.state = $3)
RETURNING i.id";

pub(super) const COUNT: &str = "
SELECT event, version, state, count(*) AS rows,
  greatest(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - min(accepted_at), 0) AS oldest
FROM kiket_inbox WHERE space = $1 GROUP BY event, version, state ORDER BY event, version, state";

pub(super) const PAUSE: &str =
    "INSERT INTO kiket_inbox_paused (space, event) VALUES ($1, $2) ON CONFLICT DO NOTHING";

pub(super) const RESUME: &str = "DELETE FROM kiket_inbox_paused WHERE space = $1 AND event = $2";

pub(super) const PAUSED: &str = "SELECT event FROM kiket_inbox_paused WHERE space = $1 ORDER BY event";

/// The newest step that the tables have; nothing where there are none.
pub(super) const VERSION: &str = "SELECT max(version) FROM kiket_inbox_schema";

pub(super) const NOTIFY: &str = "SELECT pg_notify('kiket_inbox', $1)";
