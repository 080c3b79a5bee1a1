//! Transactions of handlers at their ends, where that is not as usual.

#![allow(clippy::items_after_statements, reason = "a handler stands where it is delivered to")]

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context as Waking, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use kiket::{Context, Handler, Tx, params, testing::TestExtension};
use stores::connect;

use crate::transactions::{EVENT, builder, deferring, effects, insert, issue, ok, postgres};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future` on a thread that knows nothing of tokio.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Waking::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_thread_holds_too_long_is_never_committed() {
    let Some(postgres) = postgres().await else { return };
    let lock = "SELECT pg_advisory_xact_lock(77)";
    let blocker = connect(postgres.url()).await;
    blocker.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
    static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
    let handler = Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
        insert(&tx, &context).await?;
        if context.delivery_key() == "id:late" {
            // A library with threads of its own still has it at the deadline.
            let query = move || drop(wait(tx.query("SELECT 1 FROM pg_advisory_xact_lock(77)", params![])));
            *THREAD.lock().unwrap() = Some(thread::spawn(query));
            std::future::pending::<()>().await;
        }
        ok(())
    });
    let handler = handler.timeout(Duration::from_secs(1));
    let extension = TestExtension::new(builder(postgres.url()).handler(handler)).unwrap();
    assert_eq!(extension.deliver(issue("late")).await.status(), 504);
    blocker.batch_execute("COMMIT").await.unwrap();
    let thread = THREAD.lock().unwrap().take().unwrap();
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    assert_eq!(extension.deliver(issue("next")).await.status(), 200);
    assert_eq!(effects(&postgres).await, 1, "that of the delivery that failed is not there");
}

/// Between the two the process may stand still, and others wait for the locks.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_waits_5_s_between_the_end_and_the_commit() {
    let Some(postgres) = postgres().await else { return };
    let handler = || {
        Handler::new(EVENT, "v1", async |tx: Tx, context: Context| {
            insert(&tx, &context).await?;
            ok(())
        })
    };
    let replies =
        TestExtension::new(builder(postgres.url()).handler(handler().timeout(Duration::from_secs(10))))
            .unwrap();
    let rows = deferring(postgres.url(), handler());
    assert_eq!(replies.deliver(issue("0")).await.status(), 200);
    rows.inbox().store().check().await.unwrap();
    let seen = "CREATE TABLE seen (about text, setting text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO seen VALUES (TG_ARGV[0], current_setting('idle_in_transaction_session_timeout'));
             RETURN new; END $$;
        CREATE TRIGGER see BEFORE UPDATE ON kiket_dedupe FOR EACH ROW WHEN (new.status IS NOT NULL)
          EXECUTE FUNCTION see('reply');
        CREATE TRIGGER see BEFORE UPDATE ON kiket_inbox FOR EACH ROW WHEN (new.state = 'done') EXECUTE FUNCTION see('row')";
    postgres.execute(seen).await;
    assert_eq!(replies.deliver(issue("1")).await.status(), 200);
    assert_eq!(rows.deliver(issue("2")).await.status(), 202);
    assert_eq!(rows.inbox().run_until_idle().await.len(), 1);
    for about in ["reply", "row"] {
        let count = format!("SELECT count(*) FROM seen WHERE about = '{about}' AND setting = '5s'");
        assert_eq!(postgres.number(&count).await, 1, "{about}");
    }
}
