//! A PostgreSQL for one test.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use kiket::{dedupe::PostgresStore, inbox::PostgresInbox};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::{
    process::{PATIENCE, Service, program},
    skipped,
};

/// A PostgreSQL that a test has for itself, or the one at `KIKET_TEST_POSTGRES_URL`.
pub struct Postgres {
    url: String,
    own: Option<Own>,
}

struct Own {
    /// Absent while it is stopped. It ends before its folder is removed.
    service: Option<Service>,
    folder: TempDir,
    programs: Programs,
    settings: &'static [&'static str],
}

/// Of one for tests, which may lose all it has with the machine.
const FOR_TESTS: &[&str] = &["fsync=off", "shared_buffers=16MB"];
/// Of one that is measured. It counts statements.
const DURABLE: &[&str] = &["shared_preload_libraries=pg_stat_statements"];

/// The programs, and as whom they run: not as root, which they refuse.
struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// One that is there, or one that is started; `None` where neither is possible, which was printed.
    pub fn start() -> Option<Self> {
        match std::env::var("KIKET_TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Some(Self { url, own: None }),
            _ => Self::start_own(),
        }
    }

    /// One that is started, which its owner may stop. It listens at a socket that has no port to be taken.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_own() -> Option<Self> {
        Self::start_with(FOR_TESTS)
    }

    /// One that syncs its log to the disk, as in production, and whose `pg_stat_statements` counts.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_durable() -> Option<Self> {
        let postgres = Self::start_with(DURABLE)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime is there")
            .block_on(postgres.execute("CREATE EXTENSION pg_stat_statements"));
        Some(postgres)
    }

    fn start_with(settings: &'static [&'static str]) -> Option<Self> {
        let Some(programs) = Programs::find() else {
            return skipped("there is no `postgres` with `initdb`, and no `KIKET_TEST_POSTGRES_URL`");
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        if let Some((user, group)) = programs.user {
            chown(folder.path(), Some(user), Some(group)).expect("root gives folders away");
        }
        let data = folder.path().join("data");
        if settings == FOR_TESTS {
            programs.copy_template(&data);
        } else {
            programs.initialize(&data, &[]);
        }
        let path = folder.path().to_str().expect("a temporary folder is text");
        let url = format!("postgres://kiket@/postgres?host={path}");
        let mut postgres = Self { url, own: Some(Own { programs, folder, service: None, settings }) };
        postgres.start_again();
        Some(postgres)
    }

    /// Where it is, as `KIKET_DEDUPE_URL` has it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its socket; `None` if it is not the test's own.
    pub fn socket(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| own.folder.path().join(".s.PGSQL.5432"))
    }

    /// The folder of its socket, and as whom it runs; `None` if it is not the test's own.
    pub(crate) fn place(&self) -> Option<(&Path, Option<(u32, u32)>)> {
        self.own.as_ref().map(|own| (own.folder.path(), own.programs.user))
    }

    /// A store there.
    ///
    /// # Panics
    ///
    /// When its URL is none.
    pub fn store(&self) -> PostgresStore {
        PostgresStore::new(&self.url).expect("it is a URL")
    }

    /// An inbox there.
    ///
    /// # Panics
    ///
    /// When its URL is none.
    pub fn inbox(&self) -> PostgresInbox {
        PostgresInbox::new(&self.url).expect("it is a URL")
    }

    /// The time of its processes on a processor so far; `None` if it is not the test's own.
    pub fn processor_time(&self) -> Option<Duration> {
        self.own.as_ref()?.service.as_ref()?.processor_time()
    }

    /// Stops it, so that no client reaches it; its data stays.
    pub fn stop(&mut self) {
        if let Some(own) = &mut self.own {
            own.service = None;
        }
    }

    /// Kills its first process, as a lack of memory does, and starts it again at once. What it has not written is lost.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn kill_and_start_again(&mut self) {
        let Some(own) = &mut self.own else { return };
        if let Some(service) = own.service.take() {
            service.kill();
        }
        // Not before the last process of the one that was killed has noticed.
        let until = Instant::now() + PATIENCE;
        loop {
            match own.try_start() {
                Ok(service) => return own.service = Some(service),
                Err(why) => assert!(Instant::now() < until, "{why}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it where it was.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_again(&mut self) {
        let Some(own) = self.own.as_mut().filter(|own| own.service.is_none()) else { return };
        own.service = Some(own.try_start().unwrap_or_else(|why| panic!("{why}")));
    }

    /// Runs statements there.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn execute(&self, statements: &str) {
        self.connect().await.batch_execute(statements).await.expect("it runs");
    }

    /// How many deliveries it remembers below `namespace`.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn count(&self, namespace: &str) -> i64 {
        let count = "SELECT count(*) FROM kiket_dedupe WHERE starts_with(key, $1)";
        let row = self.connect().await.query_one(count, &[&format!("{namespace}/")]).await.expect("it runs");
        row.get(0)
    }

    /// Moves the time of all that it knows below `namespace`: by as much less is left. What has expired stays expired.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn advance(&self, namespace: &str, by_millis: i64) {
        let client = self.connect().await;
        let statement = "UPDATE kiket_dedupe SET expires_at = expires_at - make_interval(secs => $2) \
                         WHERE starts_with(key, $1) AND expires_at > clock_timestamp()";
        let seconds = f64::from(i32::try_from(by_millis).expect("a test is short")) / 1000.0;
        client.execute(statement, &[&format!("{namespace}/"), &seconds]).await.expect("it runs");
    }

    /// The number in the first column of the first row.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn number(&self, query: &str) -> i64 {
        self.connect().await.query_one(query, &[]).await.expect("it runs").get(0)
    }

    /// How it runs `query` where the table is long: without reading all of it, if there is another way.
    ///
    /// # Panics
    ///
    /// If the query fails.
    pub async fn plan(&self, query: &str) -> String {
        let client = self.connect().await;
        client.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await.expect("it runs");
        let rows = client.query(&format!("EXPLAIN {query}"), &[]).await.expect("it runs");
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
    }

    async fn connect(&self) -> Client {
        connect(&self.url).await
    }
}

impl Own {
    fn try_start(&self) -> Result<Service, String> {
        let mut command = Command::new(&self.programs.postgres);
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        Service::try_start(
            &command,
            self.programs.user,
            "database system is ready to accept connections",
            "INT", // without waiting for those who are connected
        )
    }
}

/// A connection to the server, or to the pooler, at `url`.
///
/// # Panics
///
/// When it cannot be reached.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it can be reached");
    tokio::spawn(connection);
    client
}

impl Programs {
    fn find() -> Option<Self> {
        // Where Debian puts them, a folder for each version.
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
        let folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        let (initdb, postgres) = (program("initdb", folders.clone())?, program("postgres", folders)?);
        let user = if id(&["-u"])? == 0 {
            let name = ["postgres", "daemon"].into_iter().find(|name| id(&["-u", name]).is_some())?;
            Some((id(&["-u", name])?, id(&["-g", name])?))
        } else {
            None
        };
        Some(Self { initdb, postgres, user })
    }

    /// Makes the files of a server, which its user may write.
    fn initialize(&self, data: &Path, options: &[&str]) {
        let mut initdb = Command::new(&self.initdb);
        initdb.current_dir("/").env("LC_ALL", "C").args(options);
        if let Some((user, group)) = self.user {
            initdb.uid(user).gid(group);
        }
        initdb.args(["--username=kiket", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(initdb.arg("--pgdata").arg(data));
    }

    /// The same by a copy of what was made once, in a third of the time.
    fn copy_template(&self, data: &Path) {
        let program = std::env::current_exe().expect("a test knows its program");
        let target = program.ancestors().nth(3).expect("it is in `target/debug/deps`").join("tmp");
        let changed = fs::metadata(&self.initdb).and_then(|about| about.modified()).expect("it is there");
        let version = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let template = target.join(format!("postgres-{version}"));
        if !template.exists() {
            let made = data.with_file_name("template");
            self.initialize(&made, &["--wal-segsize=1"]);
            fs::create_dir_all(&target).expect("`target` can be written");
            // Another test may make one, too: a template is whole as soon as it has its name, and the first one stays.
            let whole = tempfile::tempdir_in(&target).expect("`target` can be written");
            run(Command::new("cp").arg("-a").arg(&made).arg(whole.path().join("data")));
            let _ = fs::rename(whole.path().join("data"), &template);
            let _ = fs::remove_dir_all(made);
        }
        run(Command::new("cp").arg("-a").arg(template).arg(data));
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
