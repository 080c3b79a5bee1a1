//! Where the inbox is, and how many processes share it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use kiket::inbox::{Inbox, InboxFilter, InboxLimits, InboxRow, Redrive, RowState, inbox_from_url};
use stores::{Postgres, Proxy, connect};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::PATIENCE;

/// What the extension calls itself: rows are kept under it.
const SPACE: &str = "com.example.deferring";

/// An inbox of the test's own.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    /// The places of processes.
    pub(crate) places: usize,
    database: Database,
    inbox: Arc<dyn Inbox>,
    runtime: Runtime,
    folder: TempDir,
}

enum Database {
    File,
    /// Each place has a proxy before it.
    Postgres(Postgres, Vec<Proxy>),
}

impl Engine {
    /// A file, and one process.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = file(&folder);
        Self::new("SQLite", 1, Database::File, inbox_at(&url), folder)
    }

    /// A server, and three processes; `None` where there is none, which was printed.
    pub(crate) fn postgres() -> Option<Self> {
        let postgres = Postgres::start_own()?;
        let socket = postgres.socket().expect("it is the test's own");
        let proxies = (0..3).map(|_| Proxy::start(&socket)).collect();
        let inbox = inbox_at(postgres.url());
        let folder = tempfile::tempdir().unwrap();
        let engine = Self::new("PostgreSQL", 3, Database::Postgres(postgres, proxies), inbox, folder);
        let table =
            "CREATE TABLE effects (at bigint GENERATED ALWAYS AS IDENTITY, delivery_key text, run text)";
        engine.execute(table);
        Some(engine)
    }

    fn new(
        name: &'static str,
        places: usize,
        database: Database,
        inbox: Arc<dyn Inbox>,
        folder: TempDir,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(inbox.check()).unwrap();
        Self { name, places, database, inbox, runtime, folder }
    }

    /// The `KIKET_INBOX_URL` of a place.
    pub(crate) fn url(&self, place: usize) -> String {
        match &self.database {
            Database::File => file(&self.folder),
            Database::Postgres(_, proxies) => {
                format!("postgres://kiket@{}/postgres?sslmode=disable", proxies[place].address())
            }
        }
    }

    /// Where processes write down their steps.
    pub(crate) fn steps(&self) -> PathBuf {
        self.folder.path().join("steps")
    }

    /// Whether handlers have transactions.
    pub(crate) fn has_transactions(&self) -> bool {
        matches!(self.database, Database::Postgres(..))
    }

    /// Cuts the connections of a place. Returns how many there were.
    pub(crate) fn cut(&self, place: usize) -> usize {
        match &self.database {
            Database::File => 0,
            Database::Postgres(_, proxies) => proxies[place].cut(),
        }
    }

    /// Kills the database, and starts it again at once. Returns whether there is one that can be killed.
    pub(crate) fn kill(&mut self) -> bool {
        match &mut self.database {
            Database::File => false,
            Database::Postgres(postgres, _) => {
                postgres.kill_and_start_again();
                true
            }
        }
    }

    fn execute(&self, statement: &str) {
        if let Database::Postgres(postgres, _) = &self.database {
            self.runtime.block_on(postgres.execute(statement));
        }
    }

    /// A worker that lost the response to its claim knows nothing of its rows. Their leases end now, instead of after 30 s: none of
    /// their handlers has started.
    pub(crate) fn end_leases_without_an_owner(&self) {
        match &self.database {
            Database::File => {
                let file = rusqlite::Connection::open(self.folder.path().join("inbox.db")).unwrap();
                file.busy_timeout(PATIENCE).unwrap();
                file.execute("UPDATE work SET at = 0 WHERE state = 4 AND NOT started", ()).unwrap();
            }
            Database::Postgres(..) => {
                self.execute("UPDATE kiket_inbox SET at = 0 WHERE state = 'running' AND NOT started");
            }
        }
    }

    /// The effects of transactions: the key of the delivery and the run.
    pub(crate) fn effects(&self) -> Vec<(String, String)> {
        let Database::Postgres(postgres, _) = &self.database else { return Vec::new() };
        self.runtime.block_on(async {
            let rows =
                connect(postgres.url()).await.query("SELECT delivery_key, run FROM effects", &[]).await;
            rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
        })
    }

    pub(crate) fn rows(&self) -> Vec<InboxRow> {
        self.runtime.block_on(self.inbox.list(&filter())).unwrap()
    }

    /// How many rows are neither done nor dead, except those of an event.
    fn left(&self, except: &str) -> u64 {
        let counts = self.runtime.block_on(self.inbox.count(SPACE)).unwrap();
        let ended = |state| matches!(state, RowState::Done | RowState::Dead);
        let counts = counts.iter().filter(|count| !ended(count.state) && count.handler.event != except);
        counts.map(|count| count.rows).sum()
    }

    pub(crate) fn pause(&self, event: &str, paused: bool) {
        self.runtime.block_on(self.inbox.pause(SPACE, event, paused)).unwrap();
    }

    pub(crate) fn redrive(&self, row: &InboxRow) {
        let filter = filter().id(row.id);
        let redrive = Redrive::new(filter, Duration::ZERO);
        assert_eq!(self.runtime.block_on(self.inbox.redrive(&redrive, None)).unwrap(), 1);
    }

    /// Waits until all rows are done or dead, except those of an event.
    ///
    /// # Panics
    ///
    /// When none ends for [`PATIENCE`].
    #[track_caller]
    pub(crate) fn wait_until_ended(&self, except: &str, mut meanwhile: impl FnMut()) {
        let (mut least, mut since) = (u64::MAX, Instant::now());
        loop {
            let left = self.left(except);
            if left == 0 {
                return;
            }
            if left < least {
                (least, since) = (left, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let stuck = |row: &&InboxRow| !matches!(row.state, RowState::Done | RowState::Dead);
                let rows = self.rows();
                let stuck: Vec<_> = rows.iter().filter(stuck).take(10).collect();
                panic!("{left} rows do not end, like {stuck:#?}");
            }
            meanwhile();
            std::thread::sleep(Duration::from_millis(100)); // other processes do it
        }
    }
}

fn filter() -> InboxFilter {
    InboxFilter::new(SPACE)
}

fn file(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("inbox.db").display())
}

fn inbox_at(url: &str) -> Arc<dyn Inbox> {
    let mut limits = InboxLimits::default();
    limits.is_ephemeral = true;
    inbox_from_url(url, limits).unwrap()
}
