use std::sync::atomic::{AtomicUsize, Ordering};

use kiket::{
    Delivery,
    handler::HandlerFuture,
    middleware::{HandlerOutcome, Middleware, Next},
};

async fn audit(delivery: &Delivery, next: Next<'_>) -> HandlerOutcome {
    println!("{}", delivery.event());
    next.run().await
}

/// The state may be mutable from inside.
struct Count<const STEP: usize>(AtomicUsize);

impl<const STEP: usize> Count<STEP> {
    const fn new(first: usize) -> Self {
        Self(AtomicUsize::new(first))
    }
}

impl<const STEP: usize> Middleware for Count<STEP> {
    fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        self.0.fetch_add(STEP, Ordering::Relaxed);
        next.run()
    }
}

struct Log {
    prefix: &'static str,
}

impl Middleware for Log {
    fn handle<'d>(&'d self, _: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        println!("{}", self.prefix);
        next.run()
    }
}

/// One for several handlers.
struct Shared(&'static Count<1>);

impl Middleware for Shared {
    fn handle<'d>(&'d self, delivery: &'d Delivery, next: Next<'d>) -> HandlerFuture<'d> {
        self.0.handle(delivery, next)
    }
}

static ALL: Count<1> = Count::new(0);
const LOG: Log = Log { prefix: "log" };

#[kiket::webhook("a.function", version = "v1", middleware = [audit])]
async fn by_a_function() {}

#[kiket::webhook("a.value", version = "v1", middleware = [Count::<2>::new(1 + 2), Log { prefix: "a" }, LOG,])]
async fn by_a_value() {}

#[kiket::webhook("a.static", version = "v1", middleware = [self::audit, Shared(&ALL)], dedupe = false)]
async fn by_a_static() {}

#[kiket::webhook(
    "a.closure",
    version = "v1",
    middleware = [async |_: &Delivery, next: Next<'_>| next.run().await],
)]
async fn by_a_closure() {}

#[kiket::webhook("a.list", middleware = [], version = "v1")]
async fn by_none() {}
