//! An inbox that is shared is one.

use std::{any::Any, sync::Arc, time::Duration};

use super::{
    Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Now, Redrive,
    Swept, WorkEnd, WorkLease,
};
use crate::store::{LeaseState, StoreError, StoreFuture};

macro_rules! shared {
    ($s:lifetime $($name:ident($($value:ident: $type:ty),*) -> $result:ty;)*) => {$(
        fn $name<$s>(&$s self, $($value: $type),*) -> StoreFuture<$s, $result> {
            (**self).$name($($value),*)
        }
    )*};
}

impl<I: Inbox + ?Sized> Inbox for Arc<I> {
    shared! { 's
        accept(work: &'s NewWork, now: Now) -> Acceptance;
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
        notified(space: &'s str) -> ();
        check() -> ();
    }

    fn lasts(&self) -> Result<(), StoreError> {
        (**self).lasts()
    }

    fn transactions(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        (**self).transactions()
    }
}
