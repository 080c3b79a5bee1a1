//! An inbox in memory whose operations are counted, and may panic, and whose acknowledgements may be lost.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    dedupe::{LeaseState, StoreError},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Now,
        Redrive, Swept, WorkEnd, WorkLease,
    },
    testing::MemoryInbox,
};

type Step<'s, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// Clones are the same inbox.
#[derive(Clone, Default)]
pub(crate) struct WatchedInbox {
    inbox: MemoryInbox,
    watched: Arc<Watched>,
}

#[derive(Default)]
struct Watched {
    operations: AtomicUsize,
    loses_an_acknowledgement: AtomicBool,
    panics: AtomicBool,
    panics_at_once: AtomicBool,
}

impl WatchedInbox {
    /// The next delivery is stored, and the response to that does not arrive.
    pub(crate) fn lose_an_acknowledgement(&self) {
        self.watched.loses_an_acknowledgement.store(true, Ordering::SeqCst);
    }

    /// The next operation of the workers panics: where it is called, or where it is awaited.
    pub(crate) fn panic_once(&self, at_once: bool) {
        self.watched.panics_at_once.store(at_once, Ordering::SeqCst);
        self.watched.panics.store(true, Ordering::SeqCst);
    }

    fn panics(&self) -> bool {
        let panics = self.watched.panics.swap(false, Ordering::SeqCst);
        assert!(!panics || !self.watched.panics_at_once.load(Ordering::SeqCst), "the inbox panics at once");
        panics
    }

    /// How many operations there were since the last time.
    pub(crate) fn take_operations(&self) -> usize {
        self.watched.operations.swap(0, Ordering::SeqCst)
    }
}

macro_rules! watched {
    ($s:lifetime $($name:ident($($value:ident: $type:ty),*) -> $result:ty;)*) => {$(
        fn $name<$s>(&$s self, $($value: $type),*) -> Step<$s, $result> {
            self.watched.operations.fetch_add(1, Ordering::SeqCst);
            let is_of_workers = ["claim", "renew", "finish", "release", "promote"].contains(&stringify!($name));
            if is_of_workers && self.panics() {
                return Box::pin(async { panic!("the inbox panics") });
            }
            self.inbox.$name($($value),*)
        }
    )*};
}

impl Inbox for WatchedInbox {
    fn accept<'s>(&'s self, work: &'s NewWork, now: Now) -> Step<'s, Acceptance> {
        self.watched.operations.fetch_add(1, Ordering::SeqCst);
        let accepting = self.inbox.accept(work, now);
        if !self.watched.loses_an_acknowledgement.swap(false, Ordering::SeqCst) {
            return accepting;
        }
        Box::pin(async {
            accepting.await?;
            pending().await
        })
    }

    fn notified<'s>(&'s self, _: &'s str) -> Step<'s, ()> {
        if self.panics() { Box::pin(async { panic!("the inbox panics") }) } else { Box::pin(pending()) }
    }

    watched! { 's
        claim(request: &'s ClaimRequest, now: Now) -> Vec<ClaimedWork>;
        waits_alone(request: &'s ClaimRequest, now: Now) -> bool;
        renew(leases: &'s [(WorkLease, Duration)], now: Now) -> Vec<LeaseState>;
        finish(lease: &'s WorkLease, end: &'s WorkEnd, now: Now) -> LeaseState;
        release(lease: &'s WorkLease, delay: Duration, now: Now) -> LeaseState;
        promote(space: &'s str, now: Now) -> Swept;
        list(filter: &'s InboxFilter) -> Vec<InboxRow>;
        count(space: &'s str) -> Vec<InboxCount>;
        redrive(redrive: &'s Redrive, now: Now) -> u64;
        hurry(filter: &'s InboxFilter, now: Now) -> u64;
        drop_rows(filter: &'s InboxFilter, now: Now) -> u64;
        forget(space: &'s str, organisation: &'s str, now: Now) -> u64;
        pause(space: &'s str, event: &'s str, paused: bool) -> ();
        paused(space: &'s str) -> Vec<String>;
        notify(space: &'s str) -> ();
        check() -> ();
    }
}
