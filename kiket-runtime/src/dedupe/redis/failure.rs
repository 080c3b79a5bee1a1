//! What the refusals of Redis mean: whether a new connection may help, and advice for the log.

use redis::{ErrorKind, RedisError};

use crate::store::{StoreError, StoreErrorKind as Kind};

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
pub(super) fn is_stale(error: &RedisError) -> bool {
    const CODES: [&str; 8] =
        ["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "NOAUTH", "CLUSTERDOWN", "MOVED", "ASK"];
    error.is_io_error() || CODES.contains(&code(error))
}

pub(super) fn failed(error: &RedisError) -> StoreError {
    let (what, mend) = if error.is_io_error() {
        ("Redis cannot be reached", "see that it runs, and that `KIKET_DEDUPE_URL` is its address")
    } else {
        advice(code(error))
    };
    // Without its sources, which the message repeats.
    StoreError::new(what).with_kind(kind(error)).mend(mend).because(error.to_string())
}

fn kind(error: &RedisError) -> Kind {
    match code(error) {
        "OOM" => Kind::Full,
        "WRONGTYPE" => Kind::Unreadable,
        "NOAUTH" | "MOVED" | "ASK" => Kind::Refused,
        code if is_stale(error) || ["MISCONF", "BUSY", "TRYAGAIN"].contains(&code) => Kind::Unreachable,
        _ => Kind::Refused,
    }
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

#[cfg(test)]
mod tests {
    use redis::ServerErrorKind;

    use super::*;

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
        let error = failed(&error);
        assert!(error.to_string().contains("address of the primary"));
        assert_eq!(error.kind(), Kind::Unreachable);
    }

    #[test]
    fn kinds_are_of_the_refusal() {
        #[track_caller]
        fn check(error: impl Into<RedisError>, expected: Kind) {
            assert_eq!(failed(&error.into()).kind(), expected);
        }
        let refusal = |code: ServerErrorKind| (ErrorKind::Server(code), "no");
        check(refusal(ServerErrorKind::BusyLoading), Kind::Unreachable);
        check(refusal(ServerErrorKind::Moved), Kind::Refused);
        check(refusal(ServerErrorKind::ResponseError), Kind::Refused);
        check((ErrorKind::AuthenticationFailed, "no"), Kind::Refused);
        check(std::io::Error::other("gone"), Kind::Unreachable);
    }
}
