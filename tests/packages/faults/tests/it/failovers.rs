//! A store that fails over: what is refused meanwhile, and how soon deliveries run again in a process that is not restarted.

use std::{
    cell::Cell,
    path::Path,
    time::{Duration, Instant},
};

use extension_process::Running;
use stores::{Postgres, Proxy, Redis};
use tempfile::TempDir;

use crate::{
    edges::{check_refused, held},
    fleet::Start,
    wait_for,
};

/// How soon every delivery has to run again.
const SOON: Duration = Duration::from_secs(10);

/// So many that run one after the other show that each worker of the process has found the store.
const ENOUGH: usize = 16;

/// A process, and what is delivered to it.
struct Process {
    running: Running,
    folder: TempDir,
    sent: Cell<usize>,
}

impl Process {
    fn start(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Start { store: store.to_owned(), effects: folder.path().join("effects") };
        let process = Self { running: start.program(1).start(), folder, sent: Cell::new(0) };
        process.runs_again("the start");
        process
    }

    /// Delivers what was not delivered before. It runs, or is refused because of the store and comes again.
    #[track_caller]
    fn runs(&self) -> bool {
        self.sent.set(self.sent.get() + 1);
        let id = format!("failover-{}", self.sent.get());
        let response = self.running.ask(&held(&id, self.folder.path(), false));
        if response.status != 200 {
            check_refused(&response, 503, "store_down");
            assert!(response.header("retry-after").is_some(), "{response:?}");
        }
        response.status == 200
    }

    #[track_caller]
    fn is_refused(&self) {
        assert!((0..ENOUGH).all(|_| !self.runs()), "it runs without a store");
    }

    /// From now on, what is delivered runs soon.
    #[track_caller]
    fn runs_again(&self, after: &str) {
        let (from, mut refused, mut ran) = (Instant::now(), 0, 0);
        while ran < ENOUGH {
            let runs = self.runs();
            refused += usize::from(!runs);
            ran = if runs { ran + 1 } else { 0 };
            assert!(from.elapsed() < SOON, "{refused} refused for {:?} after {after}", from.elapsed());
        }
        println!("{after}: {refused} refused, all run after {:?}", from.elapsed());
    }
}

#[test]
fn a_failover_of_redis_needs_no_restart() {
    let (Some(first), Some(second)) = (Redis::start_own(&[]), Redis::start_own(&[])) else { return };
    let proxy = Proxy::start(&first.socket().unwrap());
    let process = Process::start(&format!("redis://{}", proxy.address()));

    wait_for(first.ask("REPLICAOF 127.0.0.1 1"));
    process.is_refused();
    proxy.lead_to(&second.socket().unwrap());
    process.runs_again("a primary that became a replica");

    // As when its machine has lost its power: no connection is closed.
    wait_for(first.ask("REPLICAOF NO ONE"));
    wait_for(second.ask("CLIENT PAUSE 60000 ALL"));
    proxy.lead_to(&first.socket().unwrap());
    process.runs_again("a primary that fell silent");

    // The name leads nowhere for a while.
    proxy.lead_to(Path::new("/nowhere"));
    proxy.cut();
    process.is_refused();
    proxy.lead_to(&first.socket().unwrap());
    process.runs_again("a server that was out of reach");
    assert_eq!(process.running.stop().code, Some(0));
}

#[test]
fn a_failover_of_postgresql_needs_no_restart() {
    let Some(postgres) = Postgres::start_own() else { return };
    let proxy = Proxy::start(&postgres.socket().unwrap());
    let process = Process::start(&format!("postgres://kiket@{}/postgres?sslmode=disable", proxy.address()));
    let read_only = |on: &str| {
        let database = format!("ALTER DATABASE postgres SET default_transaction_read_only = {on}");
        wait_for(postgres.execute(&format!("BEGIN READ WRITE; {database}; COMMIT")));
    };

    // New connections lead to a server that takes no writes, and stay there until kiket leaves them.
    read_only("on");
    assert!(proxy.cut() > 0);
    process.is_refused();
    read_only("off");
    process.runs_again("a server that was read-only");

    proxy.lead_to(Path::new("/nowhere"));
    proxy.cut();
    process.is_refused();
    proxy.lead_to(&postgres.socket().unwrap());
    process.runs_again("a server that was out of reach");
    assert_eq!(process.running.stop().code, Some(0));
}
