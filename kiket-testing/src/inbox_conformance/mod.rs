//! What every inbox must do.

mod rows;
mod working;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use kiket_runtime::{
    dedupe::{
        DedupeKey,
        LeaseState::{self, Held},
        LeaseToken, StoreError,
    },
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, DeadReason, HandlerName, Inbox, InboxFilter, InboxRow,
        NewWork, Now, RowId, RowState, Swept, WorkEnd, WorkLease,
    },
};

/// Checks that an inbox does what [`Inbox`] says, for engines of your own.
///
/// Its rows are in spaces that are new with every run, so that the inbox may be one that others use. Its time is virtual: it waits
/// for nothing. To check what several processes see, run it in a runtime with several threads, on an inbox that is spread over
/// several connections.
///
/// ```
/// use kiket_runtime::inbox::{InboxLimits, inbox_from_url};
/// use kiket_testing::inbox_conformance;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::dedupe::StoreError> {
/// inbox_conformance(inbox_from_url("sqlite::memory:", InboxLimits::default())?).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// When the inbox does something else, with a sentence about what.
pub async fn inbox_conformance(inbox: Arc<dyn Inbox>) {
    ok(inbox.check().await, "`check` of an inbox that works");
    let run = LeaseToken::unique();
    macro_rules! check {
        ($($check:ident)*) => {$(
            let space = format!("conformance-{run}/{}", stringify!($check));
            let suite = Suite { inbox: Arc::clone(&inbox), space };
            suite.$check().await;
            suite.clean(&suite.space).await;
        )*};
    }
    check! {
        a_key_is_accepted_once work_comes_back_as_it_was spaces_are_apart
        only_handlers_that_are_named_and_not_paused_run nothing_runs_before_it_is_due
        organisations_take_turns one_of_many_gets_a_row only_the_owner_of_a_lease_ends_it
        a_renewed_lease_lasts a_release_counts_no_attempt a_retry_waits_and_a_dead_row_is_redriven
        crashes_count_and_the_third_is_the_last rows_of_a_lane_run_one_after_the_other
        a_dead_row_blocks_its_lane_if_it_has_to a_redriven_row_takes_no_lane_from_another
        rows_are_listed_and_counted rows_are_hurried_dropped_and_forgotten a_limit_counts_what_changes
        what_is_over_is_removed
    }
}

struct Suite {
    inbox: Arc<dyn Inbox>,
    space: String,
}

/// The length of each lease.
const LEASE: Duration = Duration::from_secs(30);

const EVENT: &str = "issue.created";

/// A second of the virtual time.
#[expect(clippy::unnecessary_wraps, reason = "as the operations take it")]
fn at(second: u64) -> Now {
    Some(UNIX_EPOCH + Duration::from_secs(1_900_000_000 + second))
}

/// A value with other fields.
fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

fn handler(version: &str) -> HandlerName {
    HandlerName::new(EVENT, version)
}

fn end_retry(seconds: u64) -> WorkEnd {
    WorkEnd::Retry { delay: Duration::from_secs(seconds), error: "again".to_owned() }
}

fn end_dead(reason: DeadReason) -> WorkEnd {
    WorkEnd::Dead { reason, error: "it failed".to_owned() }
}

impl Suite {
    fn work(&self, name: &str) -> NewWork {
        let (key, content) = (DedupeKey::new("conformance", name), Bytes::from(name.to_owned()));
        let work = NewWork::new(&*self.space, key, handler("v1"), content);
        with(work, |work| work.organisation = "acme".into())
    }

    fn in_lane(&self, name: &str, lane: &str) -> NewWork {
        with(self.work(name), |work| work.lane = Some(lane.to_owned()))
    }

    fn request(&self, limit: usize) -> ClaimRequest {
        ClaimRequest::new(&*self.space, vec![handler("v1")], limit, LEASE)
    }

    fn filter(&self) -> InboxFilter {
        InboxFilter::new(&*self.space)
    }

    /// Leaves nothing in a space: no one else looks after its rows.
    async fn clean(&self, space: &str) {
        let (filter, end) = (InboxFilter::new(space), at(90 * 86_400));
        ok(self.inbox.promote(space, end).await, "`promote`");
        ok(self.inbox.drop_rows(&filter, end).await, "`drop_rows`");
        ok(self.inbox.pause(space, EVENT, false).await, "`pause`");
        assert_eq!(self.rows(&filter).await, [], "what does not run is dropped");
    }

    async fn accept(&self, work: &NewWork, second: u64) -> Acceptance {
        ok(self.inbox.accept(work, at(second)).await, "`accept`")
    }

    async fn accept_new(&self, work: &NewWork, second: u64) -> RowId {
        match self.accept(work, second).await {
            Acceptance::Accepted(id) => id,
            other => panic!("work with a new key must be accepted, not {other:?}"),
        }
    }

    async fn state(&self, work: &NewWork) -> RowState {
        match self.accept(work, 0).await {
            Acceptance::Known(state) => state,
            other => panic!("a key that was accepted before must be known, not {other:?}"),
        }
    }

    async fn claim(&self, request: &ClaimRequest, second: u64) -> Vec<ClaimedWork> {
        ok(self.inbox.claim(request, at(second)).await, "`claim`")
    }

    async fn waits_alone(&self, request: &ClaimRequest, second: u64) -> bool {
        ok(self.inbox.waits_alone(request, at(second)).await, "`waits_alone`")
    }

    /// The only row that can be claimed.
    async fn claim_one(&self, second: u64, why: &str) -> ClaimedWork {
        let claimed = self.claim(&self.request(9), second).await;
        let [one] = <[ClaimedWork; 1]>::try_from(claimed)
            .unwrap_or_else(|found| panic!("{why}: exactly one row must be claimed, not {found:?}"));
        one
    }

    async fn claim_none(&self, second: u64, why: &str) {
        let found = self.claim(&self.request(9), second).await;
        assert!(found.is_empty(), "{why}: no row must be claimed, not {found:?}");
    }

    /// The names of the rows that can be claimed.
    async fn names(&self, request: &ClaimRequest, second: u64) -> Vec<String> {
        names(&self.claim(request, second).await)
    }

    async fn finish(&self, lease: WorkLease, end: &WorkEnd, second: u64, (held, why): (LeaseState, &str)) {
        assert_eq!(ok(self.inbox.finish(&lease, end, at(second)).await, "`finish`"), held, "{why}");
    }

    async fn done(&self, work: &ClaimedWork, second: u64) {
        self.finish(work.lease, &WorkEnd::Done, second, (Held, "the owner must be able to finish")).await;
    }

    async fn renew(&self, lease: WorkLease, second: u64) -> LeaseState {
        let renewed = ok(self.inbox.renew(&[(lease, LEASE)], at(second)).await, "`renew`");
        let [state] = renewed[..] else {
            panic!("`renew` must have one state for each lease, not {renewed:?}")
        };
        state
    }

    async fn promote(&self, second: u64) -> Swept {
        ok(self.inbox.promote(&self.space, at(second)).await, "`promote`")
    }

    async fn rows(&self, filter: &InboxFilter) -> Vec<InboxRow> {
        ok(self.inbox.list(filter).await, "`list`")
    }
}

/// The contents, which are the names.
fn names(claimed: &[ClaimedWork]) -> Vec<String> {
    claimed.iter().map(|work| String::from_utf8_lossy(&work.content).into_owned()).collect()
}

fn ok<T>(result: Result<T, StoreError>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what} must not fail: {error:?}"))
}
