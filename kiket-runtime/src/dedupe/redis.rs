//! The store in Redis: a hash for each delivery, a script for each operation.

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo as _, RedisError, Script, ToRedisArgs,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::thread::StoreThread;
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
/// `rediss://` is TLS, with the certificates of the operating system.
pub struct RedisStore {
    steps: Arc<Steps>,
    thread: StoreThread,
}

struct Steps {
    connection: ConnectionManager,
    begin: Script,
    commit: Script,
    release: Script,
}

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The timeout of a command.
const COMMAND: Duration = Duration::from_secs(1);
/// The attempts at an operation whose connection is lost: the second finds a server that was restarted.
const TRIES: usize = 3;

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
        let target = url.into_connection_info().ok().and_then(|target| Client::open(target).ok());
        let client = target.ok_or_else(|| {
            StoreError::new("the address of the Redis store cannot be read").mend(
                "write it like `redis://user:password@host:6379/0`, with `%40` for an `@` in the password",
            )
        })?;
        let thread = StoreThread::start("kiket-redis")?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(COMMAND))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        let connection = thread
            .enter(|| ConnectionManager::new_lazy_with_config(client, config))
            .map_err(|error| unreachable(&error))?;
        let steps = Steps {
            connection,
            begin: Script::new(BEGIN),
            commit: Script::new(COMMIT),
            release: Script::new(RELEASE),
        };
        Ok(Self { steps: Arc::new(steps), thread })
    }

    /// Runs an operation in the store's thread, with a timeout. It is retried while its connection is lost.
    async fn step<T, Tried>(
        &self,
        step: impl Fn(Arc<Steps>) -> Tried + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Tried: Future<Output = Result<T, RedisError>> + Send,
    {
        let steps = Arc::clone(&self.steps);
        let tried = async move {
            let mut tries = 1;
            loop {
                match step(Arc::clone(&steps)).await {
                    Err(error) if error.is_connection_dropped() && tries < TRIES => tries += 1,
                    result => return result.map_err(|error| unreachable(&error)),
                }
            }
        };
        self.thread.run("Redis", tried).await
    }

    /// Runs an operation of the owner of a lease.
    async fn owned(&self, call: Call, script: fn(&Steps) -> &Script) -> Result<LeaseState, StoreError> {
        let held = self.step(move |steps| {
            let call = call.clone();
            async move { call.run::<i64>(script(&steps), &steps.connection).await }
        });
        Ok(if held.await? == 0 { LeaseState::Lost } else { LeaseState::Held })
    }
}

impl DedupeStore for RedisStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        let token = LeaseToken::unique();
        let call = Call::new(key, token).with(millis(lease));
        Box::pin(async move {
            let found = self.step(move |steps| {
                let call = call.clone();
                async move { call.run(&steps.begin, &steps.connection).await }
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
        Box::pin(self.owned(call, |steps| &steps.commit))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        let call = Call::new(key, *token);
        Box::pin(self.owned(call, |steps| &steps.release))
    }

    /// Connects, and warns of a server that evicts keys.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let ping = |steps: Arc<Steps>| async move {
                Cmd::new().arg("PING").exec_async(&mut steps.connection.clone()).await
            };
            self.step(ping).await?;
            let info = |steps: Arc<Steps>| async move {
                Cmd::new().arg("INFO").arg("memory").query_async(&mut steps.connection.clone()).await
            };
            // Some servers refuse `INFO`.
            let info: String = self.step(info).await.unwrap_or_default();
            if let Some(policy) = evicting(&info) {
                tracing::warn!(
                    policy,
                    "Redis may evict leases and replies: set `maxmemory-policy noeviction`"
                );
            }
            Ok(())
        })
    }
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
    async fn run<T: FromRedisValue>(
        self,
        script: &Script,
        connection: &ConnectionManager,
    ) -> Result<T, RedisError> {
        script.key(&*self.key).arg(self.arguments).invoke_async(&mut connection.clone()).await
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

fn unreachable(error: &RedisError) -> StoreError {
    let (what, mend) = if error.is_cluster_error() {
        (
            "Redis says that another node of its cluster has the key",
            "connect to a proxy of the cluster, or to a single server",
        )
    } else if error.is_io_error() {
        ("Redis cannot be reached", "see that it runs, and that `KIKET_DEDUPE_URL` is its address")
    } else {
        ("Redis refuses", "see that the user may run `EVALSHA`, `SCRIPT LOAD`, and the commands of hashes")
    };
    StoreError::new(what).mend(mend).because(Message(error.to_string()))
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
    fn nothing_shows_a_password() {
        let store = RedisStore::new("redis://user:canary@localhost").unwrap();
        assert!(!format!("{store:?}").contains("canary"));
    }
}
