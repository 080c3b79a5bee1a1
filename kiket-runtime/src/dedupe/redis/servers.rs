//! The servers of Redis that a URL names, and the connection to the one that takes writes, or to a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    RedisError, aio::MultiplexedConnection,
};
#[cfg(feature = "cluster")]
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};
use tokio::{sync::Mutex, time::Instant};

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The timeout of a command.
const COMMAND: Duration = Duration::from_secs(1);
/// The greatest age of a connection: after a failover, an old one may lead to a server that takes no part any more.
const OLDEST: Duration = Duration::from_secs(300);

/// The servers that the URL names, and the connection to one of them.
pub(super) struct Servers {
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
pub(super) enum Link {
    One(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Servers {
    pub(super) fn at(url: &str) -> Result<Self, RedisError> {
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
    pub(super) async fn link(&self) -> Result<(Link, u64), RedisError> {
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
    pub(super) async fn leave(&self, number: u64, error: &RedisError) {
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

    pub(super) async fn send<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_servers() {
        #[track_caller]
        fn check(url: &str, addresses_of: &[&str]) {
            assert_eq!(addresses(url), addresses_of);
            assert!(Servers::at(url).is_ok(), "{url}");
        }
        check("redis://a", &["redis://a"]);
        check("redis://u:p@a:1,b:2/3", &["redis://u:p@a:1/3", "redis://u:p@b:2/3"]);
        check(
            "rediss://:p,q@[::1]:1,b?protocol=3",
            &["rediss://:p,q@[::1]:1?protocol=3", "rediss://:p,q@b?protocol=3"],
        );
        check("redis+unix:///a,b/c", &["redis+unix:///a,b/c"]);
    }
}
