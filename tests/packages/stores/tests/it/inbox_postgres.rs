//! The inbox in PostgreSQL.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiket::{
    dedupe::{DedupeKey, LeaseState},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, DeadReason, HandlerName, Inbox, InboxFilter, NewWork, Now,
        PostgresInbox, Redrive, RowId, RowState, Swept, WorkEnd,
    },
};
use stores::{Pooler, Postgres, TestedInbox, connect};

use crate::{check_inbox_model, namespace};

pub(crate) const LEASE: Duration = Duration::from_secs(30);
const EVENT: &str = "issue.created";

/// A value with other fields.
fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

pub(crate) fn work(space: &str, key: &str) -> NewWork {
    let (id, handler) = (DedupeKey::new(space, key), HandlerName::new(EVENT, "v1"));
    let work = NewWork::new(space, id, handler, key.as_bytes().to_vec().into());
    with(work, |work| work.organisation = "acme".into())
}

pub(crate) fn in_lane(space: &str, key: &str, lane: &str) -> NewWork {
    with(work(space, key), |work| work.lane = Some(lane.to_owned()))
}

pub(crate) fn request(space: &str, limit: usize) -> ClaimRequest {
    let request = ClaimRequest::new(space, vec![HandlerName::new(EVENT, "v1")], limit, LEASE);
    with(request, |request| request.is_idle = true)
}

pub(crate) async fn accept(inbox: &PostgresInbox, work: &NewWork, now: Now) -> RowId {
    match inbox.accept(work, now).await.unwrap() {
        Acceptance::Accepted(id) => id,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn contents(claimed: &[ClaimedWork]) -> Vec<&str> {
    claimed.iter().map(|work| std::str::from_utf8(&work.content).unwrap()).collect()
}

pub(crate) fn filter(space: &str) -> InboxFilter {
    InboxFilter::new(space)
}

pub(crate) async fn states(inbox: &PostgresInbox, space: &str) -> Vec<RowState> {
    inbox.list(&filter(space)).await.unwrap().iter().map(|row| row.state).collect()
}

/// The keeper polls and sweeps about once a second each: an idle process may make 120 statements in a minute.
#[test]
fn an_idle_poll_and_an_idle_sweep_are_one_statement() {
    let Some(postgres) = Postgres::start_durable() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (inbox, space) = (postgres.inbox(), namespace());
        let idle = async || {
            assert_eq!(inbox.claim(&request(&space, 8), None).await.unwrap(), []);
            assert_eq!(inbox.promote(&space, None).await.unwrap(), Swept::default());
        };
        inbox.check().await.unwrap();
        idle().await; // the connection is made, and the statements are prepared
        let statements = async || {
            let calls = "SELECT sum(calls)::bigint FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'";
            postgres.number(calls).await
        };
        let before = statements().await;
        for _ in 0..10 {
            idle().await;
        }
        assert_eq!(statements().await - before, 20);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_also_behind_a_transaction_pooler() {
    let Some(postgres) = Postgres::start_own() else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    kiket::testing::inbox_conformance(Arc::new(postgres.inbox())).await;
    kiket::testing::inbox_conformance(Arc::new(PostgresInbox::new(pooler.url()).unwrap())).await;
}

fn follows_the_model(url: &str, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let inbox: Arc<dyn Inbox> = Arc::new(PostgresInbox::new(url).unwrap());
    runtime.block_on(inbox.check()).unwrap();
    check_inbox_model(&runtime, cases, &|| {
        let inbox = Arc::clone(&inbox);
        TestedInbox { open: Box::new(move || Arc::clone(&inbox)), space: namespace() }
    });
}

#[test]
fn it_follows_the_model() {
    let Some(postgres) = Postgres::start() else { return };
    follows_the_model(postgres.url(), 60);
}

#[test]
fn it_follows_the_model_behind_a_transaction_pooler() {
    let Some(postgres) = Postgres::start_own() else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    follows_the_model(pooler.url(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_tables_are_made_by_the_first_process() {
    let Some(postgres) = Postgres::start_own() else { return };
    let starting = (0..4).map(|_| {
        let inbox = postgres.inbox();
        tokio::spawn(async move { inbox.check().await })
    });
    for started in starting.collect::<Vec<_>>() {
        started.await.unwrap().unwrap();
    }
    assert_eq!(postgres.number("SELECT count(*) FROM kiket_inbox_schema").await, 1);
    // By hand, and again.
    postgres.execute("DROP TABLE kiket_inbox, kiket_inbox_paused, kiket_inbox_schema").await;
    for _ in 0..2 {
        postgres.execute(PostgresInbox::SCHEMA).await;
    }
    // A later version has taken a step of its own.
    postgres.execute("INSERT INTO kiket_inbox_schema VALUES (2)").await;
    let inbox = postgres.inbox();
    inbox.check().await.unwrap();
    accept(&inbox, &work("s", "1"), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_goes_its_way_once() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    // Without a check before: the tables are made when they are missed.
    accept(&inbox, &work(&space, "1"), None).await;
    let again = inbox.accept(&work(&space, "1"), None).await.unwrap();
    assert_eq!(again, Acceptance::Known(RowState::Waiting));
    let claimed = inbox.claim(&request(&space, 5), None).await.unwrap();
    assert_eq!(contents(&claimed), ["1"]);
    assert_eq!((claimed[0].attempt, claimed[0].crashes), (1, 0));
    assert!(inbox.claim(&request(&space, 5), None).await.unwrap().is_empty());
    let lease = claimed[0].lease;
    assert_eq!(inbox.renew(&[(lease, LEASE)], None).await.unwrap(), [LeaseState::Held]);
    let retry = WorkEnd::Retry { delay: Duration::ZERO, error: "no".to_owned() };
    assert_eq!(inbox.finish(&lease, &retry, None).await.unwrap(), LeaseState::Held);
    // Its response was lost: it is sent again.
    assert_eq!(inbox.finish(&lease, &retry, None).await.unwrap(), LeaseState::Held);
    let claimed = inbox.claim(&request(&space, 5), None).await.unwrap();
    assert_eq!(claimed[0].attempt, 2);
    assert_eq!(inbox.finish(&lease, &WorkEnd::Done, None).await.unwrap(), LeaseState::Lost);
    assert_eq!(inbox.finish(&claimed[0].lease, &WorkEnd::Done, None).await.unwrap(), LeaseState::Held);
    let rows = inbox.list(&filter(&space)).await.unwrap();
    assert_eq!((rows[0].state, rows[0].attempts, rows[0].bytes), (RowState::Done, 2, 0));
    let again = inbox.accept(&work(&space, "1"), None).await.unwrap();
    assert_eq!(again, Acceptance::Known(RowState::Done));
    let counts = inbox.count(&space).await.unwrap();
    assert_eq!((counts[0].state, counts[0].rows), (RowState::Done, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_has_one_active_row_in_the_order_of_acceptance() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    for key in ["1", "2", "3"] {
        accept(&inbox, &in_lane(&space, key, "a"), None).await;
    }
    accept(&inbox, &in_lane(&space, "4", "b"), None).await;
    let mut order = Vec::new();
    loop {
        let claimed = inbox.claim(&request(&space, 9), None).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        for work in &claimed {
            order.push(std::str::from_utf8(&work.content).unwrap().to_owned());
            assert_eq!(inbox.finish(&work.lease, &WorkEnd::Done, None).await.unwrap(), LeaseState::Held);
        }
    }
    assert_eq!(order, ["1", "4", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_row_that_blocks_its_lane_is_redriven_first() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    for key in ["1", "2"] {
        accept(&inbox, &with(in_lane(&space, key, "a"), |work| work.blocks_lane = true), None).await;
    }
    let claimed = inbox.claim(&request(&space, 9), None).await.unwrap();
    let dead = WorkEnd::Dead { reason: DeadReason::Permanent, error: "never\0".to_owned() };
    assert_eq!(inbox.finish(&claimed[0].lease, &dead, None).await.unwrap(), LeaseState::Held);
    assert_eq!(states(&inbox, &space).await, [RowState::Dead, RowState::Behind]);
    assert!(inbox.claim(&request(&space, 9), None).await.unwrap().is_empty());
    let redrive = Redrive::new(filter(&space), Duration::ZERO);
    assert_eq!(inbox.redrive(&redrive, None).await.unwrap(), 1);
    let claimed = inbox.claim(&request(&space, 9), None).await.unwrap();
    assert_eq!((contents(&claimed), claimed[0].attempt), (vec!["1"], 1));
    assert_eq!(inbox.finish(&claimed[0].lease, &dead, None).await.unwrap(), LeaseState::Held);
    let dead = filter(&space).state(RowState::Dead);
    assert_eq!(inbox.drop_rows(&dead, None).await.unwrap(), 1);
    assert_eq!(states(&inbox, &space).await, [RowState::Waiting]);
    assert_eq!(inbox.forget(&space, "acme", None).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_take_turns_after_the_cursor() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    for (organisation, rows) in [("a", 20), ("b", 1), ("c", 2)] {
        for number in 0..rows {
            let key = format!("{organisation}{number}");
            accept(&inbox, &with(work(&space, &key), |work| work.organisation = organisation.into()), None)
                .await;
        }
    }
    let other = with(work(&space, "other"), |work| work.handler = HandlerName::new("other", "v1"));
    accept(&inbox, &other, None).await;
    let claim = with(request(&space, 6), |request| request.after = "b".into());
    let claimed = inbox.claim(&claim, None).await.unwrap();
    assert_eq!(contents(&claimed), ["c0", "a0", "b0", "c1", "a1", "a2"]);
    inbox.pause(&space, EVENT, true).await.unwrap();
    assert_eq!(inbox.paused(&space).await.unwrap(), [EVENT]);
    assert!(inbox.claim(&claim, None).await.unwrap().is_empty());
    inbox.pause(&space, EVENT, false).await.unwrap();
    assert_eq!(contents(&inbox.claim(&claim, None).await.unwrap()), ["a3", "a4", "a5", "a6", "a7", "a8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_crashes_runs_alone_and_dies() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    accept(&inbox, &in_lane(&space, "1", "a"), Some(now)).await;
    accept(&inbox, &in_lane(&space, "2", "a"), Some(now)).await;
    for crash in 1..=3 {
        let claim = with(request(&space, 9), |request| request.is_idle = crash == 3);
        let claimed = inbox.claim(&claim, Some(now)).await.unwrap();
        assert_eq!((contents(&claimed), claimed[0].crashes), (vec!["1"], crash - 1));
        let renewed = inbox.renew(&[(claimed[0].lease, LEASE)], Some(now)).await.unwrap();
        assert_eq!(renewed, [LeaseState::Held]);
        assert_eq!(inbox.promote(&space, Some(now)).await.unwrap().expired, 0);
        now += LEASE;
        let end = inbox.finish(&claimed[0].lease, &WorkEnd::Done, Some(now)).await.unwrap();
        assert_eq!(end, LeaseState::Lost);
        let swept = inbox.promote(&space, Some(now)).await.unwrap();
        assert_eq!((swept.expired, swept.crashed), if crash < 3 { (1, 0) } else { (0, 1) });
        if crash == 2 {
            let busy = with(request(&space, 9), |request| request.is_idle = false);
            assert!(inbox.claim(&busy, Some(now)).await.unwrap().is_empty());
        }
    }
    let rows = inbox.list(&filter(&space)).await.unwrap();
    assert_eq!((rows[0].reason, rows[0].crashes), (Some(DeadReason::Crashed), 3));
    assert_eq!(rows[1].state, RowState::Waiting);
    now += Duration::from_secs(30 * 24 * 60 * 60);
    assert_eq!(inbox.promote(&space, Some(now)).await.unwrap().removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_inbox_takes_nothing_but_what_it_knows() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox().limits(3, 1 << 20), namespace());
    for key in ["1", "2", "3"] {
        accept(&inbox, &work(&space, key), None).await;
    }
    for _ in 0..2 {
        assert_eq!(inbox.accept(&work(&space, "4"), None).await.unwrap(), Acceptance::Full);
        let known = inbox.accept(&work(&space, "1"), None).await.unwrap();
        assert_eq!(known, Acceptance::Known(RowState::Waiting));
    }
    let (bytes, space) = (postgres.inbox().limits(100, 8), namespace());
    let large = with(work(&space, "1"), |work| work.content = vec![0; 8].into());
    accept(&bytes, &large, None).await;
    assert_eq!(bytes.accept(&work(&space, "2"), None).await.unwrap(), Acceptance::Full);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_lane_and_any_organisation_can_be_stored() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    for (number, text) in ["a\0b".to_owned(), "x".repeat(100_000)].into_iter().enumerate() {
        for row in 0..2 {
            let key = format!("{number}{row}");
            let odd = with(in_lane(&space, &key, &text), |work| work.organisation = text.as_str().into());
            accept(&inbox, &odd, None).await;
        }
        assert_eq!(states(&inbox, &space).await, [RowState::Waiting, RowState::Behind]);
        assert_eq!(inbox.forget(&space, &text, None).await.unwrap(), 2);
    }
}

/// Rows are claimed by several workers at once, each once, those of a lane one after the other.
async fn each_row_is_claimed_once(inboxes: &[Arc<PostgresInbox>], rows: usize) {
    let space = namespace();
    let accepting = (0..rows).map(|number| {
        let (inbox, space) = (Arc::clone(&inboxes[number % inboxes.len()]), space.clone());
        tokio::spawn(async move {
            let lane = (number % 3 == 0).then(|| format!("lane-{}", number % 5));
            let organisation = format!("o{}", number % 7);
            let new = with(work(&space, &number.to_string()), |work| {
                work.lane = lane;
                work.organisation = organisation;
            });
            accept(&inbox, &new, None).await
        })
    });
    for accepted in accepting.collect::<Vec<_>>() {
        accepted.await.unwrap();
    }
    let working = (0..4).map(|worker: usize| {
        let (inbox, space) = (Arc::clone(&inboxes[worker % inboxes.len()]), space.clone());
        tokio::spawn(async move {
            let (mut done, mut empty) = (Vec::new(), 0);
            // Rows that are locked or behind at the moment come up again.
            while empty < 20 {
                let claimed = inbox.claim(&request(&space, 3), None).await.unwrap();
                empty = if claimed.is_empty() { empty + 1 } else { 0 };
                for work in claimed {
                    assert_eq!(
                        inbox.finish(&work.lease, &WorkEnd::Done, None).await.unwrap(),
                        LeaseState::Held
                    );
                    done.push((work.lane.clone(), work.lease.id, work.key));
                }
            }
            done
        })
    });
    let mut keys = BTreeSet::new();
    for worked in working.collect::<Vec<_>>() {
        for (_, _, key) in worked.await.unwrap() {
            assert!(keys.insert(key), "a row is claimed twice");
        }
    }
    assert_eq!(keys.len(), rows);
    assert!(states(&inboxes[0], &space).await.iter().all(|state| *state == RowState::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_claimed_once_by_two_processes() {
    let Some(postgres) = Postgres::start() else { return };
    each_row_is_claimed_once(&[Arc::new(postgres.inbox()), Arc::new(postgres.inbox())], 120).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_changes_nothing_for_the_inbox() {
    let Some(postgres) = Postgres::start_own() else { return };
    let Some(pooler) = Pooler::start(&postgres) else { return };
    let inboxes = [pooler.url(), pooler.url()].map(|url| Arc::new(PostgresInbox::new(url).unwrap()));
    inboxes[0].check().await.unwrap();
    each_row_is_claimed_once(&inboxes, 60).await;
    let left = connect(postgres.url()).await;
    let locks = left.query_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", &[]).await;
    assert_eq!(locks.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_woken() {
    let Some(postgres) = Postgres::start_own() else { return };
    let (woken, waking, space) = (Arc::new(postgres.inbox()), postgres.inbox(), namespace());
    woken.check().await.unwrap();
    // It listens: that is the first time.
    woken.notified(&space).await.unwrap();
    woken.notify(&space).await.unwrap();
    let mut waiting = {
        let (woken, space) = (Arc::clone(&woken), space.clone());
        tokio::spawn(async move { woken.notified(&space).await })
    };
    // What came before is over once this has come.
    let (other, notified) = tokio::join!(woken.notified("another"), waking.notify("another"));
    other.and(notified).unwrap();
    assert!(!waiting.is_finished());
    waking.notify(&space).await.unwrap();
    (&mut waiting).await.unwrap().unwrap();
}

/// A commit that does not wait for its flush stays in the memory of the server, and is lost when that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_row_is_flushed_before_the_response() {
    let Some(mut postgres) = Postgres::start_own() else { return };
    postgres.execute("ALTER SYSTEM SET wal_writer_delay = '10s'").await;
    postgres.execute("CREATE TABLE others (synchronous text)").await;
    postgres.inbox().check().await.unwrap();
    for (synchronous, loses) in [("on", false), ("off", true)] {
        postgres.execute(&format!("ALTER ROLE kiket SET synchronous_commit = {synchronous}")).await;
        postgres.kill_and_start_again();
        let (inbox, space) = (postgres.inbox(), namespace());
        for number in 1..=6 {
            let plain = work(&space, &number.to_string());
            let work =
                if number % 2 == 0 { plain } else { with(plain, |work| work.lane = Some("lane".to_owned())) };
            accept(&inbox, &work, None).await;
            postgres.execute(&format!("INSERT INTO others VALUES ('{synchronous}')")).await;
            postgres.kill_and_start_again();
            assert_eq!(states(&inbox, &space).await.len(), number, "synchronous_commit = {synchronous}");
        }
        let count = format!("SELECT count(*) FROM others WHERE synchronous = '{synchronous}'");
        let others = postgres.number(&count).await;
        assert_eq!(others < 6, loses, "{others} of 6 other rows with synchronous_commit = {synchronous}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_found_by_the_inbox() {
    let Some(mut postgres) = Postgres::start_own() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    accept(&inbox, &work(&space, "1"), None).await;
    postgres.stop();
    let error = inbox.accept(&work(&space, "2"), None).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && error.contains("KIKET_INBOX_URL"), "{error}");
    postgres.start_again();
    accept(&inbox, &work(&space, "2"), None).await;
    assert_eq!(contents(&inbox.claim(&request(&space, 9), None).await.unwrap()), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_long_inbox_is_asked_for_has_an_index() {
    let Some(postgres) = Postgres::start_own() else { return };
    postgres.inbox().check().await.unwrap();
    let open =
        ["state = 'waiting' AND crashes < 2", "state = 'waiting' AND crashes >= 2", "state = 'behind'"];
    let open = open.map(|kind| format!("SELECT content FROM kiket_inbox WHERE space = 's' AND {kind}"));
    let schedules = "SELECT id FROM kiket_inbox WHERE space = 's' AND event = 'schedule:digest' ORDER BY id";
    for (query, index) in [
        (&*open[0], "kiket_inbox_due"),
        (&*open[1], "kiket_inbox_alone"),
        (&*open[2], "kiket_inbox_behind"),
        (schedules, "kiket_inbox_scheduled"),
    ] {
        let plan = postgres.plan(query).await;
        assert!(plan.contains(index), "{query}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_take_turns_in_a_long_backlog() {
    let Some(postgres) = Postgres::start() else { return };
    let (inbox, space) = (postgres.inbox(), namespace());
    accept(&inbox, &work(&space, "first"), None).await;
    // Of 40 organisations, 50 rows of each are due. Many more wait for their time.
    for (prefix, organisations, rows, at) in [("o", 40, 2000, 0), ("f", 1000, 3000, 99_999_999_999_999u64)] {
        let insert = format!(
            "INSERT INTO kiket_inbox
               (space, key, event, version, organisation, blocks_lane, state, accepted_at, at, content)
             SELECT '{space}', '{prefix}' || i, '{EVENT}', 'v1', '{prefix}' || lpad((i % {organisations})::text, 2, '0'),
               false, 'waiting', i, {at}, 'x'
             FROM generate_series(1, {rows}) AS rows (i)"
        );
        postgres.execute(&insert).await;
    }
    let turns = async |after: &str, limit| {
        let claim = with(request(&space, limit), |request| request.after = after.into());
        let claimed = inbox.claim(&claim, None).await.unwrap();
        claimed.into_iter().map(|work| work.organisation).collect::<Vec<_>>()
    };
    let named = |numbers: std::ops::Range<u32>| numbers.map(|it| format!("o{it:02}")).collect::<Vec<_>>();
    assert_eq!(turns("o10", 5).await, named(11..16));
    assert_eq!(turns("o37", 5).await, [named(38..40), vec!["acme".to_owned()], named(0..2)].concat());
    assert_eq!(turns("o37x", 3).await, [named(38..40), named(0..1)].concat());
    assert_eq!(turns("z", 40).await, named(0..40));
    // Few are left, of which every one is seen.
    postgres.execute(&format!("DELETE FROM kiket_inbox WHERE space = '{space}' AND id % 3 > 0")).await;
    let few = turns("o20", 30).await;
    assert_eq!((&few[0], few.len()), (&"o21".to_owned(), 30), "{few:?}");
}
