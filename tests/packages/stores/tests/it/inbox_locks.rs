//! The inbox in PostgreSQL while locks are held: by those who end a row, by people, and whatever the isolation is by default.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiket::{
    dedupe::{LeaseState, StoreError},
    inbox::{ClaimedWork, Inbox, Now, PostgresInbox, RowState, Swept, WorkEnd},
};
use stores::{Postgres, connect};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::{
    inbox_postgres::{LEASE, accept, contents, filter, in_lane, request, states, work},
    namespace,
};

/// A PostgreSQL of the test's own, an inbox there, and a client that holds locks.
struct World {
    postgres: Postgres,
    inbox: Arc<PostgresInbox>,
    space: String,
    blocker: Client,
}

impl World {
    async fn start() -> Option<Self> {
        let postgres = Postgres::start_own()?;
        let (inbox, space) = (Arc::new(postgres.inbox()), namespace());
        inbox.check().await.unwrap();
        let blocker = connect(postgres.url()).await;
        Some(Self { postgres, inbox, space, blocker })
    }

    /// Takes the lock of a lane, as one does that changes its rows.
    async fn lock(&self, lane: &str) {
        let lock =
            format!("BEGIN; SELECT pg_advisory_xact_lock(7039340, hashtext('{}\n{lane}') & 255)", self.space);
        self.blocker.batch_execute(&lock).await.unwrap();
    }

    async fn unlock(&self) {
        self.blocker.batch_execute("COMMIT").await.unwrap();
    }

    /// Waits until so many statements wait for an advisory lock.
    async fn waiting(&self, count: i64) {
        let query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        let waiting = async { while self.postgres.number(query).await < count {} };
        soon(waiting).await;
    }

    async fn claim(&self, limit: usize) -> Vec<ClaimedWork> {
        self.inbox.claim(&request(&self.space, limit), None).await.unwrap()
    }

    fn promote(&self, now: Now) -> JoinHandle<Result<Swept, StoreError>> {
        let (inbox, space) = (Arc::clone(&self.inbox), self.space.clone());
        tokio::spawn(async move { inbox.promote(&space, now).await })
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes to an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_whatever_the_isolation_is_by_default() {
    let Some(world) = World::start().await else { return };
    world.postgres.execute("ALTER ROLE kiket SET default_transaction_isolation = 'repeatable read'").await;
    // Four processes that start at once, with connections of their own.
    world.postgres.execute("DROP TABLE kiket_inbox, kiket_inbox_paused, kiket_inbox_schema").await;
    let starting = (0..4).map(|_| {
        let inbox = world.postgres.inbox();
        tokio::spawn(async move { inbox.check().await })
    });
    for started in starting.collect::<Vec<_>>() {
        started.await.unwrap().unwrap();
    }
    let world = World { inbox: Arc::new(world.postgres.inbox()), ..world };
    accept(&world.inbox, &in_lane(&world.space, "1", "a"), None).await;
    let first = world.claim(9).await.remove(0);
    // The next row is accepted while the end of the first one waits for the lock of the lane.
    world.lock("a").await;
    let accepting = {
        let (inbox, next) = (Arc::clone(&world.inbox), in_lane(&world.space, "2", "a"));
        tokio::spawn(async move { accept(&inbox, &next, None).await })
    };
    world.waiting(1).await;
    let finishing = {
        let inbox = Arc::clone(&world.inbox);
        tokio::spawn(async move { inbox.finish(&first.lease, &WorkEnd::Done, None).await })
    };
    world.waiting(2).await;
    world.unlock().await;
    accepting.await.unwrap();
    assert_eq!(finishing.await.unwrap().unwrap(), LeaseState::Held);
    assert_eq!(states(&world.inbox, &world.space).await, [RowState::Done, RowState::Waiting]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_ending_holds_up_no_other() {
    let Some(world) = World::start().await else { return };
    let now = SystemTime::now();
    for key in ["ending", "running", "dead"] {
        accept(&world.inbox, &work(&world.space, key), None).await;
    }
    let claimed = world.claim(2).await;
    assert_eq!(contents(&claimed), ["ending", "running"]);
    let leases = [(claimed[0].lease, LEASE), (claimed[1].lease, LEASE)];
    world.inbox.renew(&leases, None).await.unwrap(); // their handlers begin
    // Someone has stored its end, and has not committed that yet.
    let end = format!("BEGIN; UPDATE kiket_inbox SET state = 'done' WHERE id = {}", claimed[0].lease.id);
    world.blocker.batch_execute(&end).await.unwrap();
    let renewed = world.inbox.renew(&leases, None).await.unwrap();
    assert_eq!(renewed, [LeaseState::Held, LeaseState::Held], "what is locked is not lost");
    let third = world.claim(1).await.remove(0);
    let later = Some(now + 2 * LEASE);
    let swept = world.promote(later).await.unwrap().unwrap();
    assert_eq!(counts(swept), [2, 0, 0], "the leases of the others end");
    let lost = world.inbox.renew(&[(third.lease, LEASE)], None).await.unwrap();
    assert_eq!(lost, [LeaseState::Lost]);
    world.blocker.batch_execute("ROLLBACK").await.unwrap();
    let swept = world.promote(later).await.unwrap().unwrap();
    assert_eq!(counts(swept), [1, 0, 0], "it was not committed: its lease ends, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_begins_only_where_the_inbox_knows_it() {
    let Some(world) = World::start().await else { return };
    accept(&world.inbox, &work(&world.space, "claimed"), None).await;
    let lease = world.claim(1).await.remove(0).lease;
    // As one does that claims at the same moment.
    let lock = format!("BEGIN; SELECT id FROM kiket_inbox WHERE id = {} FOR UPDATE", lease.id);
    world.blocker.batch_execute(&lock).await.unwrap();
    let inbox = Arc::clone(&world.inbox);
    let renewing = tokio::spawn(async move { inbox.renew(&[(lease, LEASE)], None).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    soon(async { while world.postgres.number(waits).await < 1 {} }).await;
    world.unlock().await;
    assert_eq!(renewing.await.unwrap().unwrap(), [LeaseState::Held]);
    let started = "SELECT count(*) FROM kiket_inbox WHERE started";
    assert_eq!(world.postgres.number(started).await, 1);
}

/// The expired, the crashed and the removed rows of a sweep.
fn counts(swept: Swept) -> [u64; 3] {
    [swept.expired, swept.crashed, swept.removed]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_retention_keeps_no_lease_from_ending() {
    let Some(world) = World::start().await else { return };
    for key in ["old", "new"] {
        accept(&world.inbox, &work(&world.space, key), None).await;
    }
    let old = world.claim(1).await.remove(0);
    assert_eq!(world.inbox.finish(&old.lease, &WorkEnd::Done, None).await.unwrap(), LeaseState::Held);
    world.claim(1).await;
    // To remove a row takes as long as the test likes.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN old; END $$;
                CREATE TRIGGER slow BEFORE DELETE ON kiket_inbox FOR EACH ROW EXECUTE FUNCTION slow()";
    world.postgres.execute(slow).await;
    world.blocker.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(77)").await.unwrap();
    let promoting = world.promote(Some(SystemTime::now() + Duration::from_secs(2 * 86_400)));
    let ended = async { while states(&world.inbox, &world.space).await[1] != RowState::Waiting {} };
    soon(ended).await;
    world.waiting(1).await;
    world.unlock().await;
    let swept = promoting.await.unwrap().unwrap();
    assert_eq!(counts(swept), [1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_redriven_meanwhile_is_not_dropped() {
    let Some(world) = World::start().await else { return };
    accept(&world.inbox, &in_lane(&world.space, "1", "a"), None).await;
    world.postgres.execute("UPDATE kiket_inbox SET state = 'dead'").await;
    world.lock("a").await;
    let dropping = {
        let (inbox, space) = (Arc::clone(&world.inbox), world.space.clone());
        let dead = filter(&space).state(RowState::Dead);
        tokio::spawn(async move { inbox.drop_rows(&dead, None).await })
    };
    world.waiting(1).await;
    world.postgres.execute("UPDATE kiket_inbox SET state = 'waiting'").await;
    world.unlock().await;
    assert_eq!(dropping.await.unwrap().unwrap(), 0);
    assert_eq!(states(&world.inbox, &world.space).await, [RowState::Waiting]);
}
