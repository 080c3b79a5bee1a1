//! What only this engine has: the file, its lock, its thread. What every inbox does is in the conformance suite.

use std::{
    sync::mpsc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;

use super::*;
use crate::store::{
    DedupeKey,
    inbox::{HandlerName, Now, RowId},
};

fn work(number: usize) -> NewWork {
    NewWork {
        space: "e".to_owned(),
        key: DedupeKey::new("e", &format!("id:{number}")),
        handler: HandlerName::new("issue.created", "v1"),
        organisation: "o".to_owned(),
        lane: None,
        blocks_lane: false,
        delay: Duration::ZERO,
        content: Bytes::from(vec![7; 100]),
    }
}

fn request(limit: usize) -> ClaimRequest {
    ClaimRequest {
        space: "e".to_owned(),
        handlers: vec![HandlerName::new("issue.created", "v1")],
        limit,
        is_idle: false,
        lease: Duration::from_secs(30),
        after: String::new(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what operations take")]
fn at(seconds: u64) -> Now {
    Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds))
}

fn in_memory() -> SqliteInbox {
    SqliteInbox::in_memory(InboxLimits::default())
}

#[tokio::test]
async fn a_row_is_accepted_once_claimed_and_done() {
    let inbox = in_memory();
    let accepted = inbox.accept(&work(1), at(0)).await.unwrap();
    assert_eq!(accepted, Acceptance::Accepted(RowId(1)));
    assert_eq!(inbox.accept(&work(1), at(0)).await.unwrap(), Acceptance::Known(RowState::Waiting));
    let claimed = inbox.claim(&request(9), at(1)).await.unwrap();
    let [row] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!((row.attempt, row.age, &row.content), (1, Duration::from_secs(1), &work(1).content));
    assert_eq!(inbox.finish(&row.lease, &WorkEnd::Done, at(2)).await.unwrap(), LeaseState::Held);
    assert_eq!(inbox.accept(&work(1), at(3)).await.unwrap(), Acceptance::Known(RowState::Done));
}

#[tokio::test]
async fn what_is_accepted_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteInbox::new(folder.path().join("inbox.db"), InboxLimits::default()).unwrap();
    let (first, second) = (open(), open());
    first.accept(&work(1), None).await.unwrap();
    assert_eq!(second.accept(&work(1), None).await.unwrap(), Acceptance::Known(RowState::Waiting));
    drop((first, second));
    let claimed = open().claim(&request(9), None).await.unwrap();
    assert_eq!(claimed.len(), 1);
}

#[tokio::test]
async fn above_a_limit_only_what_is_known_is_accepted() {
    for options in [
        InboxLimits { rows: 2, ..InboxLimits::default() },
        InboxLimits { bytes: 250, ..InboxLimits::default() },
    ] {
        let inbox = SqliteInbox::in_memory(options);
        for number in 0..2 {
            assert!(matches!(inbox.accept(&work(number), at(0)).await.unwrap(), Acceptance::Accepted(_)));
        }
        assert_eq!(inbox.accept(&work(2), at(0)).await.unwrap(), Acceptance::Full);
        assert_eq!(inbox.accept(&work(1), at(0)).await.unwrap(), Acceptance::Known(RowState::Waiting));
        // What is done takes no room.
        let claimed = inbox.claim(&request(1), at(0)).await.unwrap();
        let _ = inbox.finish(&claimed[0].lease, &WorkEnd::Done, at(0)).await.unwrap();
        assert!(matches!(inbox.accept(&work(2), at(0)).await.unwrap(), Acceptance::Accepted(_)));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn with_too_little_room_on_the_disk_it_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let options = InboxLimits { free: u64::MAX, ..InboxLimits::default() };
    let inbox = SqliteInbox::new(folder.path().join("inbox.db"), options).unwrap();
    assert_eq!(inbox.accept(&work(1), None).await.unwrap(), Acceptance::Full);
}

#[tokio::test]
async fn an_operation_that_fails_leaves_the_others_of_its_batch() {
    let inbox = in_memory();
    let threads = inbox.threads().unwrap();
    // The thread is held, so that the three that follow are one batch.
    let (go, held) = mpsc::channel::<()>();
    let holding = threads.writer.run(OPERATION, move |_| Ok(held.recv().is_ok()));
    let failing = threads.writer.run(OPERATION, |session| {
        claim::accept(session, &work(2), None)?;
        session.connection.execute("nonsense", []).map(drop)
    });
    let (first, last) = (work(1), work(3));
    let first = inbox.accept(&first, None);
    let last = inbox.accept(&last, None);
    let all = async { tokio::join!(holding, first, failing, last) };
    let (all, ()) = tokio::join!(all, async { go.send(()).unwrap() });
    assert!(matches!(all, (Ok(true), Ok(_), Err(_), Ok(_))), "{all:?}");
    let rows = inbox.list(&InboxFilter { space: "e".to_owned(), ..InboxFilter::default() }).await.unwrap();
    let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["e/id:1", "e/id:3"]);
}

/// The keeper polls and sweeps about once a second each: an idle process may make 120 statements in a minute.
#[tokio::test]
async fn an_idle_poll_and_an_idle_sweep_are_one_statement() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteInbox::new(folder.path().join("inbox.db"), InboxLimits::default()).unwrap();
    for inbox in [in_memory(), file] {
        // Rows that are done, run, and wait for their time are no work.
        for number in 0..2 {
            inbox.accept(&work(number), at(0)).await.unwrap();
        }
        inbox.accept(&NewWork { delay: Duration::from_secs(60), ..work(2) }, at(0)).await.unwrap();
        let claimed = inbox.claim(&request(2), at(0)).await.unwrap();
        let _ = inbox.finish(&claimed[0].lease, &WorkEnd::Done, at(0)).await.unwrap();
        let before = inbox.statements();
        for number in 1..=10 {
            assert_eq!(inbox.claim(&request(8), at(1)).await.unwrap(), []);
            assert_eq!(inbox.statements() - before, number * 2 - 1);
            assert_eq!(inbox.promote("e", at(1)).await.unwrap(), Swept::default());
            assert_eq!(inbox.statements() - before, number * 2);
        }
        // What is due is found.
        assert_eq!(inbox.promote("e", at(30)).await.unwrap().expired, 1);
        assert_eq!(inbox.claim(&request(8), at(60)).await.unwrap().len(), 2);
        assert_eq!(inbox.promote("e", at(24 * 60 * 60)).await.unwrap().removed, 1);
    }
}

#[tokio::test]
async fn a_thread_that_died_is_an_error() {
    let inbox = in_memory();
    let threads = inbox.threads().unwrap();
    let died = threads.writer.run(OPERATION, |_| -> rusqlite::Result<()> { panic!("as a test") }).await;
    assert!(died.unwrap_err().to_string().contains("has ended"));
    let error = inbox.accept(&work(1), None).await.unwrap_err();
    assert!(error.to_string().contains("restart the process"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_ends_at_its_deadline_in_real_time() {
    let inbox = in_memory();
    let threads = inbox.threads().unwrap();
    let (go, held) = mpsc::channel::<()>();
    let limit = Duration::from_millis(50);
    let begun = Instant::now();
    let late = threads.writer.run(limit, move |_| Ok(held.recv().is_ok())).await;
    assert!(late.unwrap_err().to_string().contains("did not respond"));
    assert!(begun.elapsed() >= limit);
    // What nothing waits for any more is not run.
    let queued = threads.writer.run(limit, |session| claim::accept(session, &work(1), None)).await;
    assert!(queued.is_err());
    go.send(()).unwrap();
    assert!(matches!(inbox.accept(&work(1), None).await.unwrap(), Acceptance::Accepted(_)));
}

#[tokio::test]
async fn a_file_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let error = SqliteInbox::new(&path, InboxLimits::default()).unwrap().accept(&work(1), None).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("no inbox"), "{error:?}");

    std::fs::write(&path, "no database, and long enough to have a header of a hundred bytes: ".repeat(9))
        .unwrap();
    let error = SqliteInbox::new(&path, InboxLimits::default()).unwrap().accept(&work(1), None).await;
    assert!(error.unwrap_err().to_string().contains("no inbox"));
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_used_if_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let open = || SqliteInbox::new(&path, InboxLimits::default()).unwrap();
    open().accept(&work(1), None).await.unwrap();
    let set = |version: i32| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
    };
    set(1_002); // a later schema that the first one can use
    assert_eq!(open().accept(&work(1), None).await.unwrap(), Acceptance::Known(RowState::Waiting));
    set(2_002);
    let error = open().accept(&work(1), None).await.unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let inbox = SqliteInbox::new(&path, InboxLimits::default()).unwrap();
    inbox.accept(&work(1), None).await.unwrap();
    for file in ["inbox.db", "inbox.db-wal", "inbox.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let inbox = SqliteInbox::new(&path, InboxLimits::default()).unwrap();
    inbox.check().await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let threads = inbox.threads().unwrap();
    let error =
        threads.writer.run(READING, |session| claim::accept(session, &work(1), None)).await.unwrap_err();
    assert!(error.to_string().contains("another process holds the lock"), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(inbox.accept(&work(1), None).await.unwrap(), Acceptance::Accepted(_)));
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let inbox = SqliteInbox::new(&path, InboxLimits::default()).unwrap();
    inbox.accept(&work(1), None).await.unwrap();
    let aside = folder.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    let error = inbox.accept(&work(2), None).await.unwrap_err();
    assert!(error.to_string().contains("put it back"), "{error:?}");
    // A worker that only looks for rows sees it, too.
    let error = inbox.claim(&request(1), None).await.unwrap_err();
    assert!(error.to_string().contains("put it back"), "{error:?}");
    std::fs::rename(&aside, &path).unwrap();
    assert!(matches!(inbox.accept(&work(2), None).await.unwrap(), Acceptance::Accepted(_)));
}

#[tokio::test]
async fn a_full_disk_is_named_and_survived() {
    let inbox = in_memory();
    inbox.accept(&work(1), None).await.unwrap();
    let limit = |pages: &'static str| {
        let threads = inbox.threads().unwrap();
        async move {
            let set = move |session: &mut Session<'_>| session.connection.query_row(pages, [], |_| Ok(()));
            threads.writer.run(OPERATION, set).await.unwrap();
        }
    };
    limit("PRAGMA max_page_count = 1").await; // no more than there are
    let large = NewWork { content: Bytes::from(vec![7; 100_000]), ..work(2) };
    let error = inbox.accept(&large, None).await.unwrap_err();
    assert!(error.to_string().contains("the disk of the inbox is full"), "{error:?}");
    limit("PRAGMA max_page_count = 100000").await;
    assert!(matches!(inbox.accept(&large, None).await.unwrap(), Acceptance::Accepted(_)));
    assert_eq!(inbox.accept(&work(1), None).await.unwrap(), Acceptance::Known(RowState::Waiting));
}

#[tokio::test]
async fn schedules_are_found_by_an_index_of_their_own() {
    let inbox = in_memory();
    let schedule = Some("schedule:digest".to_owned());
    let filter = InboxFilter { space: "e".to_owned(), event: schedule, ..InboxFilter::default() };
    let rows = inbox.list(&filter).await.unwrap();
    assert!(rows.is_empty());
    let plan = inbox.read(move |session| rows::plan(session, &filter)).await.unwrap();
    assert!(plan.contains("work_scheduled"), "{plan}");
}

/// Of ever so many rows the log keeps what one of its rounds has: the disk is not filled by it.
#[tokio::test]
async fn the_log_begins_anew_beside_a_busy_writer() {
    const ROUND: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let inbox = SqliteInbox::new(&path, InboxLimits { free: 0, ..InboxLimits::default() }).unwrap();
    let content = Bytes::from(vec![7; 16 << 10]);
    let mut largest = 0;
    for batch in 0..64 {
        let works: Vec<_> =
            (0..128).map(|row| NewWork { content: content.clone(), ..work(batch * 128 + row) }).collect();
        let accepting = works.iter().map(|work| inbox.accept(work, None));
        for accepted in futures_util::future::join_all(accepting).await {
            assert!(matches!(accepted.unwrap(), Acceptance::Accepted(_)));
        }
        largest = largest.max(std::fs::metadata(path.with_extension("db-wal")).unwrap().len());
    }
    // 128 MiB were written.
    assert!(largest < ROUND, "{largest} bytes");
}
