//! The servers of Redis that a URL names, and the connection to the one that takes writes, or to a cluster.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    RedisError, aio::MultiplexedConnection,
};
#[cfg(feature = "cluster")]
use redis::{cluster::ClusterClient, cluster_async::ClusterConnection};
use tokio::{runtime::Id, sync::Mutex, time::Instant};

use super::{failure::is_stale, timeout::in_time};

/// The timeout of connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// The timeout of a command.
const COMMAND: Duration = Duration::from_secs(1);
/// The greatest age of a connection, but for those to a cluster: after a failover, an old one may lead to a server that takes no
/// part any more.
const OLDEST: Duration = Duration::from_secs(300);

/// The servers that the URL names, and a connection for each runtime that uses them.
///
/// A connection lives in the runtime that made it, and ends with it. So none is lent to another one: a worker that ends closes no
/// connection that others use, and a handler that blocks its worker holds up none of theirs.
pub(super) struct Servers {
    clients: Vec<Client>,
    #[cfg(feature = "cluster")]
    cluster: Option<ClusterClient>,
    /// How many times an address was given up for the next one.
    address: AtomicUsize,
    /// Whether a server has redirected to another one.
    clustered: AtomicBool,
    /// Those of ended runtimes stay for a while.
    places: std::sync::Mutex<HashMap<Id, Arc<Place>>>,
}

/// The place of a runtime's connection.
type Place = Mutex<Option<Arc<Connection>>>;

/// A connection that the operations of a runtime share.
struct Connection {
    link: Link,
    since: Instant,
    /// The value of [`Servers::address`] that it was made with.
    address: usize,
}

/// A connection to one server, or to all of a cluster. Clones share it.
#[derive(Clone)]
enum Link {
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
            address: AtomicUsize::new(0),
            clustered: AtomicBool::new(false),
            places: std::sync::Mutex::default(),
        })
    }

    /// Sends a command over the connection of the runtime of that id, which is the caller's. If another connection may help,
    /// that one is closed.
    pub(super) async fn send<T>(&self, runtime: Id, command: &Cmd) -> Result<T, RedisError>
    where
        T: FromRedisValue,
    {
        let place = self.place(runtime);
        let connection = self.connection(&place).await?;
        let sent = connection.link.clone().send(command).await;
        if let Err(error) = &sent
            && is_stale(error)
        {
            self.leave(&place, &connection, error).await;
        }
        sent
    }

    fn place(&self, runtime: Id) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&runtime) {
            return Arc::clone(place);
        }
        // A runtime has ended, or makes a new connection next time.
        places.retain(|_, place| {
            let is_young = |it: &Arc<Connection>| it.since.elapsed() < OLDEST;
            Arc::strong_count(place) > 1 || place.try_lock().is_ok_and(|it| it.as_ref().is_some_and(is_young))
        });
        Arc::clone(places.entry(runtime).or_default())
    }

    /// The connection of a place. One is made if there is none, or if it is old; others wait for it meanwhile.
    async fn connection(&self, place: &Place) -> Result<Arc<Connection>, RedisError> {
        let mut current = place.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| connection.is_usable()) {
            return Ok(Arc::clone(connection));
        }
        *current = None;
        let address = self.address.load(Ordering::Relaxed);
        let made = in_time(CONNECT, self.connect(address)).await.unwrap_or_else(|| Err(silent()));
        let link = made.inspect_err(|_| self.give_up(address))?;
        let connection = Connection { link, since: Instant::now(), address };
        Ok(Arc::clone(current.insert(Arc::new(connection))))
    }

    /// Leaves an address for the next one, unless another runtime has.
    fn give_up(&self, address: usize) {
        let next = address.wrapping_add(1);
        let _ = self.address.compare_exchange(address, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn connect(&self, address: usize) -> Result<Link, RedisError> {
        #[cfg(feature = "cluster")]
        if let (true, Some(cluster)) = (self.clustered.load(Ordering::Relaxed), &self.cluster) {
            return cluster.get_async_connection().await.map(Link::Cluster);
        }
        // Their timeouts are ours.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let none = || RedisError::from((ErrorKind::InvalidClientConfig, "no address"));
        let client = self.clients.get(address % self.clients.len().max(1)).ok_or_else(none)?;
        client.get_multiplexed_async_connection_with_config(&config).await.map(Link::One)
    }

    /// Closes the connection of a place, for the reason of `error`.
    async fn leave(&self, place: &Place, connection: &Arc<Connection>, error: &RedisError) {
        if error.redirect_node().is_some() {
            self.clustered.store(true, Ordering::Relaxed);
        }
        if connection.link.renews_itself() {
            return;
        }
        self.give_up(connection.address);
        let mut current = place.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        self.link.renews_itself() || self.since.elapsed() < OLDEST
    }
}

impl Link {
    /// Whether it finds new servers by itself: a cluster knows more of them than the URL names.
    fn renews_itself(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    async fn send<T: FromRedisValue>(mut self, command: &Cmd) -> Result<T, RedisError> {
        match &mut self {
            Self::One(connection) => {
                in_time(COMMAND, command.query_async(connection)).await.unwrap_or_else(|| Err(silent()))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

fn silent() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
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
