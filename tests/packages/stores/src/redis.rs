//! A Redis for one test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kiket::dedupe::RedisStore;
use tempfile::TempDir;

use crate::{
    process::{Service, program},
    skipped,
};

/// A Redis that a test has for itself, or the one at `KIKET_TEST_REDIS_URL`.
pub struct Redis {
    url: String,
    own: Option<Own>,
}

struct Own {
    /// Absent while it is stopped. It ends before its folder is removed.
    service: Option<Service>,
    folder: TempDir,
    options: Vec<String>,
}

impl Redis {
    /// One that is there, or one that is started; `None` where neither is possible, which was printed.
    pub fn start() -> Option<Self> {
        match std::env::var("KIKET_TEST_REDIS_URL") {
            Ok(url) if !url.is_empty() => Some(Self { url, own: None }),
            _ => Self::start_own(&[]),
        }
    }

    /// One that is started, which its owner may stop. It keeps what it knows in a file, and listens at a socket that
    /// has no port to be taken.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_own(options: &[&str]) -> Option<Self> {
        if program("redis-server", []).is_none() {
            return skipped("there is no `redis-server`, and no `KIKET_TEST_REDIS_URL`");
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let url = format!("redis+unix://{}", socket(folder.path()));
        let mut redis = Self { url, own: Some(Own { folder, options, service: None }) };
        redis.start_again();
        Some(redis)
    }

    /// Where it is, as `KIKET_DEDUPE_URL` has it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its socket; `None` if it is not the test's own.
    pub fn socket(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| PathBuf::from(socket(own.folder.path())))
    }

    /// A store there.
    ///
    /// # Panics
    ///
    /// When its URL is none.
    pub fn store(&self) -> RedisStore {
        RedisStore::new(&self.url).expect("it is a URL")
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

    /// Starts it where it was.
    pub fn start_again(&mut self) {
        let Some(own) = self.own.as_mut().filter(|own| own.service.is_none()) else { return };
        let mut command = Command::new("redis-server");
        command.arg("--dir").arg(own.folder.path());
        command.args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--daemonize",
            "no",
            "--logfile",
            "",
        ]);
        command.args(["--unixsocket", &socket(own.folder.path())]).args(&own.options);
        own.service =
            Some(Service::start(&command, None, "server is now ready to accept connections", "TERM"));
    }

    /// Sends a command, in words.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn ask(&self, words: &str) {
        let client = redis::Client::open(&*self.url).expect("it is a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it can be reached");
        let mut command = redis::Cmd::new();
        for word in words.split_ascii_whitespace() {
            command.arg(word);
        }
        command.exec_async(&mut connection).await.unwrap_or_else(|error| panic!("{words}: {error}"));
    }

    /// Moves the time of all that it knows below `namespace`: by as much less is left.
    ///
    /// # Panics
    ///
    /// When it does not respond.
    pub async fn advance(&self, namespace: &str, by_millis: i64) {
        const MOVE: &str = r"
            for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
              local left = redis.call('PTTL', key) - tonumber(ARGV[2])
              if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
            end";
        let client = redis::Client::open(&*self.url).expect("it is a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it can be reached");
        let mut eval = redis::cmd("EVAL");
        eval.arg(MOVE).arg(0).arg(format!("kiket:dedupe:{{{namespace}/*")).arg(by_millis);
        eval.exec_async(&mut connection).await.expect("it runs scripts");
    }
}

fn socket(folder: &Path) -> String {
    folder.join("redis.sock").to_str().expect("a temporary folder is text").to_owned()
}
