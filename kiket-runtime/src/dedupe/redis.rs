//! The store in Redis: a hash for each delivery, a script for each operation.

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    RedisError, Script, ServerErrorKind, ToRedisArgs, Value, aio::MultiplexedConnection,
};
#[cfg(feature = "cluster")]
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};
use tokio::{sync::Mutex, time::Instant};

use super::{probe::probe, thread::StoreThread};
use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreFuture, StoredReply,
    countable,
};

/// The store in Redis 6 or later, or Valkey, for all processes that share the server.
///
/// Each delivery is one key, `kiket:dedupe:{extension/delivery}`, which expires with its lease, then with its reply, by
/// the clock of the server. Each operation is one script on that one key, and so atomic, on a single server and in a
/// cluster. Redis must not evict keys: set `maxmemory-policy noeviction`. A replica that is promoted may lack the last
/// operations, because replication is asynchronous.
///
/// A connection that is lost, silent, or leads to a replica is closed, and the operation is retried on a new one, at the next
/// address if the URL has several: `redis://first:6379,second:6379`. No connection is used for more than five minutes. A
/// cluster is recognised by its redirects, which the feature `cluster` follows.
///
/// `rediss://` is TLS, with the certificates of the operating system.
///
/// An ACL for it: `~kiket:dedupe:* +eval +evalsha +hget +hmget +hset +hdel +pexpire +pttl +del +info`, and `+cluster` in a
/// cluster.
pub struct RedisStore {
    shared: Arc<Shared>,
    thread: StoreThread,
}

/// What the operations in the store's thread use.
struct Shared {
    servers: Servers,
    begin: Operation,
    commit: Operation,
    release: Operation,
}

/// A script, and its hash, which is sent in its place where the server knows it.
struct Operation {
    text: &'static str,
    script: Script,
}

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The timeout of a command.
const COMMAND: Duration = Duration::from_secs(1);
/// The attempts at an operation whose connection is lost or leads to a wrong server.
const TRIES: usize = 3;
/// The greatest age of a connection: after a failover, an old one may lead to a server that takes no part any more.
const OLDEST: Duration = Duration::from_secs(300);

/// `owner` is set while the delivery is leased, `by` and the rest after it is done. To begin again with the same token,
/// after a response was lost, succeeds.
const BEGIN: &str = r"
local found = redis.call('HMGET', KEYS[1], 'owner', 'status', 'retry', 'body')
if found[2] then
  return {2, tonumber(found[2]), tonumber(found[3]), found[4]}
end
if found[1] and found[1] ~= ARGV[1] then
  return {1, redis.call('PTTL', KEYS[1]), -1, ''}
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {0, 0, -1, ''}
";

const COMMIT: &str = r"
local found = redis.call('HMGET', KEYS[1], 'owner', 'by')
if found[2] == ARGV[1] then
  return 1
end
if found[1] ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HSET', KEYS[1], 'by', ARGV[1], 'status', ARGV[2], 'retry', ARGV[3], 'body', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
";

const RELEASE: &str = r"
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
";

impl RedisStore {
    /// The store at `redis://user:password@host:6379/0`, `rediss://…` or `redis+unix:///path`. It connects when it is
    /// first used, or in [`check`](DedupeStore::check).
    ///
    /// # Errors
    ///
    /// When it is not such a URL; the error does not show it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        // An installed provider stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The library's own error may show a part of the URL.
        let servers = Servers::at(url).ok().ok_or_else(|| {
            StoreError::new("the address of the Redis store cannot be read").mend(
                "write it like `redis://user:password@host:6379/0`, with `%40` for an `@` in the password",
            )
        })?;
        let [begin, commit, release] =
            [BEGIN, COMMIT, RELEASE].map(|text| Operation { text, script: Script::new(text) });
        let shared = Arc::new(Shared { servers, begin, commit, release });
        Ok(Self { shared, thread: StoreThread::start("kiket-redis")? })
    }

    /// Runs an operation in the store's thread, with a timeout. It is retried on a new connection where that may help.
    async fn step<T, Tried>(
        &self,
        step: impl Fn(Arc<Shared>, Link) -> Tried + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Tried: Future<Output = Result<T, RedisError>> + Send,
    {
        let shared = Arc::clone(&self.shared);
        let tried = async move {
            let mut tries = 1;
            loop {
                let found = match shared.servers.link().await {
                    Ok((link, number)) => match step(Arc::clone(&shared), link).await {
                        Err(error) if is_stale(&error) => {
                            shared.servers.leave(number, &error).await;
                            Err(error)
                        }
                        result => return result.map_err(|error| failed(&error)),
                    },
                    Err(error) => Err(error),
                };
                match found {
                    Err(error) if tries == TRIES => return Err(failed(&error)),
                    Err(error) if error.is_io_error() || is_stale(&error) => tries += 1,
                    result => return result.map_err(|error| failed(&error)),
                }
            }
        };
        self.thread.run("Redis", tried).await
    }

    /// Runs an operation of the owner of a lease.
    async fn owned(
        &self,
        call: Call,
        operation: fn(&Shared) -> &Operation,
    ) -> Result<LeaseState, StoreError> {
        let held = self.step(move |shared, link| {
            let call = call.clone();
            async move { call.run::<i64>(operation(&shared), link).await }
        });
        Ok(if held.await? == 0 { LeaseState::Lost } else { LeaseState::Held })
    }
}

impl DedupeStore for RedisStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        let token = LeaseToken::unique();
        let call = Call::new(key, token).with(millis(lease));
        Box::pin(async move {
            let found = self.step(move |shared, link| {
                let call = call.clone();
                async move { call.run(&shared.begin, link).await }
            });
            let (state, number, retry, body): (i64, i64, i64, Vec<u8>) = found.await?;
            Ok(match state {
                0 => BeginOutcome::Leased(token),
                1 => BeginOutcome::Running { remaining: Duration::from_millis(number.max(1).unsigned_abs()) },
                _ => BeginOutcome::Done(StoredReply::restore(number, retry, body).ok_or_else(unknown)?),
            })
        })
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        let call = Call::new(key, *token)
            .with(reply.status().as_u16())
            .with(reply.retry_seconds())
            .with(&reply.body()[..])
            .with(millis(retention));
        Box::pin(self.owned(call, |shared| &shared.commit))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        let call = Call::new(key, *token);
        Box::pin(self.owned(call, |shared| &shared.release))
    }

    /// Connects, runs every operation once, and warns of a server that evicts keys.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            probe(self).await?;
            let info = self.step(|_, mut link| async move {
                link.send::<Value>(Cmd::new().arg("INFO").arg("memory")).await
            });
            match info.await {
                Ok(info) => {
                    if let Some(policy) = texts(&info).iter().find_map(|info| evicting(info)) {
                        tracing::warn!(
                            policy,
                            "Redis may evict leases and replies: set `maxmemory-policy noeviction`"
                        );
                    }
                }
                Err(error) => tracing::warn!(
                    %error,
                    "whether Redis evicts leases and replies is not known: see that `maxmemory-policy` is `noeviction`"
                ),
            }
            Ok(())
        })
    }
}

/// The servers that the URL names, and the connection to one of them.
struct Servers {
    clients: Vec<Client>,
    #[cfg(feature = "cluster")]
    cluster: Option<ClusterClient>,
    current: Mutex<Current>,
}

/// The connection that operations share.
#[derive(Default)]
struct Current {
    link: Option<(Link, Instant)>,
    /// How many connections were made, up to this one.
    number: u64,
    /// How many times an address was given up for the next one.
    address: usize,
    /// Whether a server has redirected to another one.
    clustered: bool,
}

/// A connection to one server, or to all of a cluster. Clones share it.
#[derive(Clone)]
enum Link {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Servers {
    fn at(url: &str) -> Result<Self, RedisError> {
        let targets: Vec<ConnectionInfo> =
            addresses(url).iter().map(|url| url.as_str().into_connection_info()).collect::<Result<_, _>>()?;
        Ok(Self {
            #[cfg(feature = "cluster")]
            cluster: ClusterClient::builder(targets.clone())
                .connection_timeout(CONNECT)
                .response_timeout(COMMAND)
                .build()
                .ok(), // not with a socket, which no cluster has
            clients: targets.into_iter().map(Client::open).collect::<Result<_, _>>()?,
            current: Mutex::default(),
        })
    }

    /// The connection, and its number. One is made if there is none, or if it is old; others wait for it meanwhile.
    async fn link(&self) -> Result<(Link, u64), RedisError> {
        let mut current = self.current.lock().await;
        if let Some((link, since)) = &current.link
            && (link.renews_itself() || since.elapsed() < OLDEST)
        {
            return Ok((link.clone(), current.number));
        }
        current.link = None;
        current.number += 1;
        match self.connect(current.address, current.clustered).await {
            Ok(link) => {
                current.link = Some((link.clone(), Instant::now()));
                Ok((link, current.number))
            }
            Err(error) => {
                current.address += 1;
                Err(error)
            }
        }
    }

    async fn connect(&self, address: usize, clustered: bool) -> Result<Link, RedisError> {
        #[cfg(feature = "cluster")]
        if let (true, Some(cluster)) = (clustered, &self.cluster) {
            return cluster.get_async_connection().await.map(Link::Cluster);
        }
        let _ = clustered;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(COMMAND));
        let none = || RedisError::from((ErrorKind::InvalidClientConfig, "no address"));
        let client = self.clients.get(address % self.clients.len().max(1)).ok_or_else(none)?;
        client.get_multiplexed_async_connection_with_config(&config).await.map(Link::One)
    }

    /// Closes the connection of that number, for the reason of `error`.
    async fn leave(&self, number: u64, error: &RedisError) {
        let mut current = self.current.lock().await;
        current.clustered |= error.redirect_node().is_some();
        let own = current.link.as_ref().is_some_and(|(link, _)| !link.renews_itself());
        if current.number == number && own {
            current.link = None;
            current.address += 1;
        }
    }
}

impl Link {
    /// Whether it finds new servers by itself: a cluster knows more of them than the URL names.
    fn renews_itself(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    async fn send<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// The URL of each server of `scheme://user:password@first:6379,second:6379/0`.
fn addresses(url: &str) -> Vec<String> {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| start + at);
    let start = url.get(start..end).and_then(|rest| rest.rfind('@')).map_or(start, |at| start + at + 1);
    let (before, hosts, after) = (url.get(..start), url.get(start..end), url.get(end..));
    let parts = (before.unwrap_or_default(), after.unwrap_or_default());
    hosts.unwrap_or_default().split(',').map(|host| format!("{}{host}{}", parts.0, parts.1)).collect()
}

/// The key and the arguments of a script, as they are sent.
#[derive(Clone)]
struct Call {
    key: Arc<str>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    fn new(key: &DedupeKey, token: LeaseToken) -> Self {
        // The text in braces chooses the slot in a cluster.
        let key = format!("kiket:dedupe:{{{key}}}").into();
        Self { key, arguments: Vec::with_capacity(5) }.with(token.to_string())
    }

    fn with(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Sends the hash of the script, and the script if the server does not know it.
    async fn run<T: FromRedisValue>(self, operation: &Operation, mut link: Link) -> Result<T, RedisError> {
        let command = |name, script: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(script).arg(1).arg(&*self.key).arg(&self.arguments);
            command
        };
        match link.send(&command("EVALSHA", operation.script.get_hash())).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.send(&command("EVAL", operation.text)).await
            }
            result => result,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(countable(duration).as_millis()).unwrap_or(u64::MAX)
}

/// The eviction policy of a server that has a memory limit and may evict leases.
fn evicting(info: &str) -> Option<&str> {
    let field =
        |name| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let limited = field("maxmemory").is_some_and(|bytes| bytes != "0");
    field("maxmemory_policy").filter(|policy| limited && *policy != "noeviction")
}

/// The texts of a response: one for each server.
fn texts(response: &Value) -> Vec<String> {
    match response {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Map(values) => values.iter().flat_map(|(_, value)| texts(value)).collect(),
        value => String::from_redis_value_ref(value).into_iter().collect(),
    }
}

/// The code of a refusal. For a command inside a script it may be in the text only: after a dash in Redis 6, and missing where
/// Redis 7 means `NOPERM`.
fn code(error: &RedisError) -> &str {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return "WRONGPASS";
    }
    match (error.code(), error.detail()) {
        (Some("ERR"), Some(text)) if text.contains("user executing the script can't") => "NOPERM",
        (Some("ERR"), Some(text)) if text.contains("running script") => {
            let mut words = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix('-'));
            words.find(|word| word.bytes().all(|byte| byte.is_ascii_uppercase())).unwrap_or("ERR")
        }
        (code, _) => code.unwrap_or_default(),
    }
}

/// Whether a new connection may succeed: this one is lost or silent, or its server is a replica now, restarts, or wants to know
/// who is there, or redirects.
fn is_stale(error: &RedisError) -> bool {
    const CODES: [&str; 8] =
        ["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "NOAUTH", "CLUSTERDOWN", "MOVED", "ASK"];
    error.is_io_error() || CODES.contains(&code(error))
}

fn failed(error: &RedisError) -> StoreError {
    let (what, mend) = if error.is_io_error() {
        ("Redis cannot be reached", "see that it runs, and that `KIKET_DEDUPE_URL` is its address")
    } else {
        advice(code(error))
    };
    StoreError::new(what).mend(mend).because(Message(error.to_string()))
}

/// What a refusal means, and what to do about it.
fn advice(code: &str) -> (&'static str, &'static str) {
    match code {
        "WRONGPASS" | "NOAUTH" => (
            "Redis does not let the user in",
            "see that `KIKET_DEDUPE_URL` has the user and the password: `redis://user:password@host:6379`",
        ),
        "NOPERM" => (
            "Redis does not let the user do this",
            "allow `~kiket:dedupe:* +eval +evalsha +hget +hmget +hset +hdel +pexpire +pttl +del +info`",
        ),
        "OOM" => {
            ("Redis is full", "raise its `maxmemory`, or keep replies for a shorter time with `keep_replies`")
        }
        "WRONGTYPE" => (
            "another program writes to keys that begin with `kiket:dedupe:`",
            "give deduplication a Redis, or a database, of its own",
        ),
        "READONLY" | "MASTERDOWN" | "NOREPLICAS" => (
            "Redis takes no writes: it is a replica, or has none",
            "write the address of the primary, or of all servers: `redis://first:6379,second:6379`",
        ),
        "MISCONF" => ("Redis takes no writes, for it cannot save them", "see its log: its disk may be full"),
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" => {
            ("Redis is not ready", "wait, or see its log: it loads its data, runs a script, or lacks a node")
        }
        "MOVED" | "ASK" if cfg!(feature = "cluster") => (
            "the cluster of Redis redirects without end",
            "write the address of one of its nodes, with the host name that the nodes announce",
        ),
        "MOVED" | "ASK" => (
            "Redis is a cluster, and this program does not follow its redirects",
            "switch the feature `cluster` of `kiket` on: `cargo add kiket --features cluster`",
        ),
        _ => ("Redis refuses", "see its message"),
    }
}

/// The message of the library, without its sources, which the message repeats.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

fn unknown() -> StoreError {
    StoreError::unknown_reply("Redis", "database")
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_evicts_keys_is_noticed() {
        assert_eq!(evicting("maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n"), Some("allkeys-lru"));
        assert_eq!(evicting("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"), None);
        assert_eq!(evicting("maxmemory:100\r\nmaxmemory_policy:noeviction\r\n"), None);
        assert_eq!(evicting(""), None);
    }

    #[test]
    fn a_url_may_name_several_servers() {
        #[track_caller]
        fn check(url: &str, addresses_of: &[&str]) {
            assert_eq!(addresses(url), addresses_of);
            assert!(RedisStore::new(url).is_ok(), "{url}");
        }
        check("redis://a", &["redis://a"]);
        check("redis://u:p@a:1,b:2/3", &["redis://u:p@a:1/3", "redis://u:p@b:2/3"]);
        check(
            "rediss://:p,q@[::1]:1,b?protocol=3",
            &["rediss://:p,q@[::1]:1?protocol=3", "rediss://:p,q@b?protocol=3"],
        );
        check("redis+unix:///a,b/c", &["redis+unix:///a,b/c"]);
    }

    #[test]
    fn the_code_of_a_command_inside_a_script_is_found() {
        let running =
            "Error running script (call to f_d1): @user_script:5: @user_script: 5: -READONLY You can't";
        let error = RedisError::from((
            ErrorKind::Server(ServerErrorKind::ResponseError),
            "An error was signalled by the server",
            running.to_owned(),
        ));
        assert_eq!(code(&error), "READONLY");
        assert!(is_stale(&error));
        assert!(failed(&error).to_string().contains("address of the primary"));
    }

    #[test]
    fn nothing_shows_a_password() {
        let store = RedisStore::new("redis://user:canary@localhost").unwrap();
        assert!(!format!("{store:?}").contains("canary"));
    }
}
