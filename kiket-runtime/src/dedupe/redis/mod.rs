//! The store in Redis: a hash for each delivery, a script for each operation.

mod failure;
mod servers;

use std::{fmt, sync::Arc, time::Duration};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind, ToRedisArgs, Value};

use self::{
    failure::{failed, is_stale},
    servers::{Link, Servers},
};
use super::{probe::probe, thread::StoreThread};
use crate::{
    client::install_tls_provider,
    store::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreFuture, StoredReply,
        countable,
    },
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

/// The attempts at an operation whose connection is lost or leads to a wrong server.
const TRIES: usize = 3;
/// `owner` is set while the delivery is leased, `by` and the rest after it is done. To begin again with the same token,
/// after a response was lost, succeeds.
const BEGIN: &str = r"
local found = redis.call('HMGET', KEYS[1], 'owner', 'status', 'retry', 'body', 'request')
if found[2] then
  return {2, tonumber(found[2]), tonumber(found[3]), found[4], found[5] or ''}
end
if found[1] and found[1] ~= ARGV[1] then
  return {1, redis.call('PTTL', KEYS[1]), -1, '', ''}
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {0, 0, -1, '', ''}
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
redis.call('HSET', KEYS[1], 'by', ARGV[1], 'status', ARGV[2], 'retry', ARGV[3], 'body', ARGV[4], 'request', ARGV[6])
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
        install_tls_provider();
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
            let (state, number, retry, body, request): (i64, i64, i64, Vec<u8>, String) = found.await?;
            Ok(match state {
                0 => BeginOutcome::Leased(token),
                1 => BeginOutcome::Running { remaining: Duration::from_millis(number.max(1).unsigned_abs()) },
                _ => BeginOutcome::Done(
                    StoredReply::restore(number, retry, body, &request).ok_or_else(unknown)?,
                ),
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
            .with(millis(retention))
            .with(reply.request_text());
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
        Self { key, arguments: Vec::with_capacity(6) }.with(token.to_string())
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
