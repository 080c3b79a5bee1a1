//! The store in Redis: a hash for each delivery, a script for each operation.

mod failure;
mod servers;
mod timeout;

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Arg, Cmd, ErrorKind, FromRedisValue, RedisError, RedisWrite as _, Script, ServerErrorKind, Value,
};
use tokio::runtime::{Handle, Id};

use self::{
    failure::{failed, is_stale},
    servers::Servers,
    timeout::in_time,
};
use super::{probe::probe, timeout::OPERATION};
use crate::{
    client::install_tls_provider,
    store::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreErrorKind,
        StoreFuture, StoredReply, countable,
    },
    types::millis,
};

/// The store in Redis 6 or later, or Valkey, for all processes that share the server.
///
/// Each delivery is one key, `kiket:dedupe:{extension/delivery}`, which expires with its lease, then with its reply, by
/// the clock of the server. Each operation is one script on that one key, and so atomic, on a single server and in a
/// cluster. Redis must not evict keys: set `maxmemory-policy noeviction`. A replica that is promoted may lack the last
/// operations, because replication is asynchronous.
///
/// Each Tokio runtime that uses it has a connection of its own, and so each worker of the server. A connection that is lost,
/// silent, or leads to a replica is closed, and the operation is retried on a new one, at the next address if the URL has
/// several: `redis://first:6379,second:6379`. No connection is used for more than five minutes, but for those to a cluster, which
/// know more servers than the URL names. It is recognised by its redirects, which the feature `cluster` follows.
///
/// `rediss://` is TLS, with the certificates of the operating system.
///
/// An ACL for it: `~kiket:dedupe:* +eval +evalsha +hget +hmget +hset +hdel +pexpire +pttl +del +info`, and `+cluster` in a
/// cluster.
pub struct RedisStore {
    servers: Arc<Servers>,
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
            let what = "the address of the Redis store cannot be read";
            StoreError::new(what).with_kind(StoreErrorKind::Refused).mend(
                "write it like `redis://user:password@host:6379/0`, with `%40` for an `@` in the password",
            )
        })?;
        let [begin, commit, release] =
            [BEGIN, COMMIT, RELEASE].map(|text| Operation { text, script: Script::new(text) });
        Ok(Self { servers: Arc::new(servers), begin, commit, release })
    }

    /// Sends a command, or the script itself if the server does not know its hash, with a timeout. It runs in the runtime of
    /// the caller, to its end even if the caller is dropped: a connection to a silent server is left then, too.
    async fn send<T>(&self, call: Cmd, script: Option<&'static str>) -> Result<T, StoreError>
    where
        T: FromRedisValue + Send + 'static,
    {
        let outside = |error| StoreError::new("Redis is used outside of a Tokio runtime").because(error);
        let runtime = Handle::try_current().map_err(outside)?;
        let (servers, id) = (Arc::clone(&self.servers), runtime.id());
        let sent = runtime.spawn(in_time(OPERATION, async move {
            match (retried(&servers, id, &call).await, script) {
                (Err(error), Some(script))
                    if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
                {
                    retried(&servers, id, &with_text(&call, script)).await
                }
                (result, _) => result,
            }
        }));
        let sent = sent.await.map_err(|error| StoreError::new("the runtime has ended").because(error))?;
        sent.ok_or_else(|| StoreError::too_slow("Redis", OPERATION))?.map_err(|error| failed(&error))
    }

    /// Runs an operation of the owner of a lease.
    async fn owned(&self, operation: &Operation, call: Cmd) -> Result<LeaseState, StoreError> {
        let held: i64 = self.send(call, Some(operation.text)).await?;
        Ok(LeaseState::held(held != 0))
    }
}

/// Sends a command, and again on a new connection where that may help.
async fn retried<T: FromRedisValue>(servers: &Servers, runtime: Id, command: &Cmd) -> Result<T, RedisError> {
    let mut tries = 1;
    loop {
        match servers.send(runtime, command).await {
            Err(error) if tries < TRIES && is_stale(&error) => tries += 1,
            result => return result,
        }
    }
}

impl DedupeStore for RedisStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        Box::pin(async move {
            let token = LeaseToken::unique();
            let mut call = self.begin.call(key, token);
            call.arg(millis(countable(lease)));
            let found: (i64, i64, i64, Vec<u8>, String) = self.send(call, Some(self.begin.text)).await?;
            let (state, number, retry, body, request) = found;
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
        let mut call = self.commit.call(key, *token);
        call.arg(reply.status().as_u16()).arg(reply.retry_seconds()).arg(&reply.body()[..]);
        call.arg(millis(countable(retention))).arg(reply.request_text());
        Box::pin(self.owned(&self.commit, call))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        Box::pin(self.owned(&self.release, self.release.call(key, *token)))
    }

    /// Connects, runs every operation once, and warns of a server that evicts keys.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            probe(self).await?;
            let mut info = Cmd::new();
            info.arg("INFO").arg("memory");
            match self.send::<Value>(info, None).await {
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

impl Operation {
    /// The call of the script by its hash, to which the further arguments are added.
    fn call(&self, key: &DedupeKey, token: LeaseToken) -> Cmd {
        let mut call = Cmd::new();
        call.arg("EVALSHA").arg(self.script.get_hash()).arg(1);
        // The text in braces chooses the slot in a cluster.
        call.write_arg_fmt(format_args!("kiket:dedupe:{{{key}}}"));
        call.write_arg_fmt(token);
        call
    }
}

/// A call with the script in the place of its hash.
fn with_text(call: &Cmd, script: &str) -> Cmd {
    let mut with_text = Cmd::new();
    with_text.arg("EVAL").arg(script);
    for argument in call.args_iter().skip(2) {
        if let Arg::Simple(argument) = argument {
            with_text.arg(argument);
        }
    }
    with_text
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
