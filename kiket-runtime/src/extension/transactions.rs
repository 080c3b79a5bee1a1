//! The transactions of handlers: the start finds their database, or says why there is none.

use std::{any::Any, sync::Arc};

use crate::{
    dedupe::postgres::transactions::Transactions,
    delivery::TypeMap,
    error::{Place, Problem, ProblemId},
    handler::Route,
    pipeline::{Deduplicator, Store, transaction::ReplyTransactions},
};
#[cfg(feature = "inbox")]
use crate::{pipeline::transaction::RowTransactions, store::inbox::Inbox};

/// What transactions may end in.
pub(super) struct Stores<'s> {
    pub(super) deduplicator: Option<&'s Deduplicator>,
    #[cfg(feature = "inbox")]
    pub(super) inbox: Option<&'s dyn Inbox>,
}

/// Adds the transactions to the states of the extension, if a handler or a schedule takes one.
pub(super) fn provide(routes: &[&Route], stores: &Stores<'_>, states: &mut TypeMap) -> Vec<Problem> {
    let (later, once): (Vec<&Route>, Vec<&Route>) = routes
        .iter()
        .copied()
        .filter(|route| route.handler.requirements.takes_transaction)
        .partition(|route| is_later(route));
    let mut problems = Vec::new();
    let reply = || match stores.deduplicator.map(|deduplicator| &deduplicator.store) {
        Some(Store::Configured(store)) => store.transactions(),
        Some(Store::Memory(_)) | None => None,
    };
    let reply = of_postgres(reply, &once, "KIKET_DEDUPE_URL", "its reply is stored", &mut problems);
    let unclaimed = once.iter().filter(|route| needs(route) && !route.handler.dedupe);
    problems.extend(unclaimed.map(|route| without_claim(route)));
    if let Some(reply) = &reply {
        states.insert(Arc::new(ReplyTransactions(Arc::clone(reply))));
    }
    #[cfg(feature = "inbox")]
    if let Some(route) = later.first() {
        let row = || stores.inbox.and_then(Inbox::transactions);
        let row = of_postgres(row, &later, "KIKET_INBOX_URL", "its delivery is done", &mut problems);
        if let Some(row) = row {
            problems.extend(
                reply.filter(|reply| reply.database() != row.database()).map(|_| two_databases(route)),
            );
            states.insert(Arc::new(RowTransactions(row)));
        }
    }
    #[cfg(not(feature = "inbox"))]
    let _ = later;
    problems
}

fn is_later(route: &Route) -> bool {
    #[cfg(feature = "inbox")]
    return route.handler.later.is_some();
    #[cfg(not(feature = "inbox"))]
    {
        let _ = route;
        false
    }
}

fn needs(route: &Route) -> bool {
    route.handler.requirements.needs_transaction
}

/// The transactions of a store in PostgreSQL, if one of `routes` takes one. A route that needs one is a problem elsewhere.
fn of_postgres(
    found: impl FnOnce() -> Option<Arc<dyn Any + Send + Sync>>,
    routes: &[&Route],
    variable: &str,
    end: &str,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Transactions>> {
    let transactions = routes.first().and_then(|_| found()?.downcast().ok());
    if let (None, Some(route)) = (&transactions, routes.iter().find(|route| needs(route))) {
        let what = format!(
            "`{}` takes a `Tx`, and {end} in a store that is not in PostgreSQL",
            route.handler.function
        );
        let mend =
            format!("set `{variable}` to the `postgres://` address of the database that has your tables");
        problems.push(
            Problem::new(ProblemId::TransactionStore, what).at(Place::from(route.handler.place)).mend(mend),
        );
    }
    transactions
}

fn without_claim(route: &Route) -> Problem {
    let what = format!("`{}` takes a `Tx`, and its deliveries are not deduplicated", route.handler.function);
    Problem::new(ProblemId::TransactionStore, what)
        .at(Place::from(route.handler.place))
        .mend("remove `dedupe = false`, or take no `Tx`: there is no stored reply to commit with it")
}

#[cfg(feature = "inbox")]
fn two_databases(route: &Route) -> Problem {
    let what = format!(
        "`{}` takes a `Tx` of the inbox's database, and other handlers take one of the deduplication store's, which is another",
        route.handler.function
    );
    Problem::new(ProblemId::TwoDatabases, what)
        .at(Place::from(route.handler.place))
        .mend("set `KIKET_INBOX_URL` and `KIKET_DEDUPE_URL` to the same database")
}
