//! The endpoint that Restate calls: a service for each `later` handler, and a virtual object for its lanes.

use std::{
    io::{self, Cursor},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use kiket_runtime::{Extension, extension::Shutdown, inbox::HandlerName};
use restate_sdk::{
    discovery,
    endpoint::{self, ContextInternal, Endpoint},
    hyper::HyperEndpoint,
    service::{IntoServiceDefinition, Service, ServiceDefinition, macro_support},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, join},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    attempts::{Attempts, BEYOND_DEADLINE},
    names,
};

/// How long Restate knows a delivery that is done or dead: as long as Kiket may send it again.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time until Restate tries again to reach the endpoint.
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// The most connections: a node of Restate has a few.
const CONNECTIONS: usize = 256;
/// How long a connection may take to begin: hyper has no deadline for that.
const BEGINNING: Duration = Duration::from_secs(5);
/// The length of what each HTTP/2 connection begins with.
const PREFACE: usize = 24;
/// How long a connection may be silent after that.
const SILENCE: Duration = Duration::from_secs(40);
/// How long it is until the next try where the endpoint cannot listen.
const LISTENING_AGAIN: Duration = Duration::from_secs(5);
/// How long the ends of attempts may take to be stored at the end of a shutdown.
const STORING: Duration = Duration::from_secs(2);

/// The deliveries of one handler.
struct Deliveries {
    attempts: Arc<Attempts>,
    timeout: Duration,
}

impl Service for Deliveries {
    type Future = BoxFuture<'static, Result<(), endpoint::Error>>;

    fn handle(&self, journal: ContextInternal) -> Self::Future {
        let (attempts, timeout) = (Arc::clone(&self.attempts), self.timeout);
        Box::pin(async move {
            let (input, _) = journal.input::<Bytes>().await;
            let ended = attempts.work(&journal, input, timeout).await;
            journal.handle_handler_result(ended);
            journal.end();
            Ok(())
        })
    }
}

/// A service as the endpoint has it.
struct Defined(discovery::Service, Deliveries);

impl IntoServiceDefinition for Defined {
    fn into_service_definition(self) -> ServiceDefinition {
        macro_support::service_definition(self.1, self.0)
    }
}

/// What Restate is to know of a service. It retries without end, since what fails are connections; attempts are counted
/// in its journal.
fn described(name: &str, has_lanes: bool, timeout: Duration) -> serde_json::Result<discovery::Service> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    serde_json::from_value(json!({
        "name": name,
        "ty": if has_lanes { "VIRTUAL_OBJECT" } else { "SERVICE" },
        "handlers": [{
            "name": names::RUN,
            "input": { "required": true, "contentType": "application/octet-stream" },
            "output": { "setContentTypeIfEmpty": false },
        }],
        "inactivityTimeout": milliseconds(timeout.saturating_add(BEYOND_DEADLINE)),
        "abortTimeout": milliseconds(BEYOND_DEADLINE),
        "idempotencyRetention": milliseconds(RETENTION),
        "journalRetention": milliseconds(RETENTION),
        "retryPolicyInitialInterval": 250,
        "retryPolicyExponentiationFactor": 2.0,
        "retryPolicyMaxInterval": milliseconds(LONGEST_RETRY),
        "retryPolicyMaxAttempts": u32::MAX,
        "retryPolicyOnMaxAttempts": "PAUSE",
    }))
}

/// The handlers that run later, with their timeouts; whether they have lanes.
fn handlers(extension: &Extension) -> Vec<(HandlerName, Duration, bool)> {
    let report = extension.report();
    let handlers = report.handlers.iter().filter_map(|handler| {
        let later = handler.later.as_ref()?;
        let name = HandlerName::new(&handler.event, &handler.version);
        Some((name, handler.timeout, later.lane.is_some()))
    });
    let schedules = report.schedules.iter().map(|schedule| {
        (HandlerName::new(format!("schedule:{}", schedule.name), "v1"), schedule.timeout, false)
    });
    handlers.chain(schedules).collect()
}

/// The endpoint of an extension. It refuses what no Restate with one of the keys has signed.
pub(crate) fn endpoint(attempts: &Arc<Attempts>, mut builder: endpoint::Builder) -> Endpoint {
    let extension = &attempts.extension;
    let inbox = extension.inbox();
    let space = inbox.space().unwrap_or_default();
    for (handler, timeout, has_lanes) in handlers(extension) {
        let mut services = vec![(names::service(space, &handler), false)];
        services.extend(has_lanes.then(|| (names::object(space, &handler), true)));
        for (name, has_lanes) in services {
            let deliveries = Deliveries { attempts: Arc::clone(attempts), timeout };
            match described(&name, has_lanes, timeout) {
                Ok(service) => builder = builder.bind(Defined(service, deliveries)),
                Err(error) => tracing::error!(service = name, %error, "Restate cannot have this service"),
            }
        }
    }
    builder.build()
}

/// Serves the endpoint until the shutdown, and then until no handler runs, for `grace` at most. What runs longer is given back.
pub(crate) async fn serve(
    endpoint: Endpoint,
    address: SocketAddr,
    attempts: &Attempts,
    slots: u32,
    grace: Duration,
) {
    let shutdown = &attempts.shutdown;
    let Some(listener) = listen(address, shutdown).await else { return };
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = shutdown.requested() => {}
        () = accept(&listener, &endpoint, &connections) => {}
    }
    drop(listener);
    let closing = tokio::spawn(connections.shutdown());
    // All slots are free: the ends of all attempts are stored.
    let idle = || attempts.slots.acquire_many(slots);
    if timeout(grace, idle()).await.is_err() {
        attempts.cut_off.send_replace(true);
        if timeout(STORING, idle()).await.is_err() {
            tracing::warn!("handlers did not stop: Restate runs their deliveries again, and counts a crash");
        }
    }
    closing.abort();
}

async fn listen(address: SocketAddr, shutdown: &Shutdown) -> Option<TcpListener> {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
                tracing::info!(address, "Restate's calls are listened for");
                return Some(listener);
            }
            Err(error) => {
                tracing::error!(%address, %error, "Restate cannot call this process: deliveries wait for one that it can call");
            }
        }
        if !shutdown.sleep(LISTENING_AGAIN).await {
            return None;
        }
    }
}

async fn accept(listener: &TcpListener, endpoint: &Endpoint, connections: &GracefulShutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection of Restate was not accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = connection(stream, endpoint.clone(), connections.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of Restate ended");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, endpoint: Endpoint, watcher: Watcher) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    let mut preface = [0; PREFACE];
    timeout(BEGINNING, reader.read_exact(&mut preface)).await??;
    let stream = TokioIo::new(join(Cursor::new(preface).chain(reader), writer));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(SILENCE / 2);
    let connection = builder.serve_connection(stream, HyperEndpoint::new(endpoint));
    watcher.watch(connection).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Asks for the health of the endpoint, as Restate does.
    async fn health(address: SocketAddr) -> u16 {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let connected = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (mut sender, connection) = connected.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get(format!("http://{address}/health"));
        let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn connections_that_do_not_begin_make_room_for_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (endpoint, connections) = (Endpoint::builder().build(), GracefulShutdown::new());
        let mut silent = Vec::new();
        let asked = async {
            for number in 0..CONNECTIONS {
                let mut stream = TcpStream::connect(address).await.unwrap();
                // Some begin, and go no further.
                let begun = if number % 2 == 0 { &b"PRI * HTTP"[..] } else { b"" };
                stream.write_all(begun).await.unwrap();
                silent.push(stream);
            }
            timeout(Duration::from_secs(60), health(address)).await
        };
        let status = tokio::select! {
            () = accept(&listener, &endpoint, &connections) => panic!("it ends"),
            status = asked => status,
        };
        assert_eq!(status, Ok(200));
    }

    #[test]
    fn services_are_as_restate_wants_them() {
        for (has_lanes, kind) in
            [(false, discovery::ServiceType::Service), (true, discovery::ServiceType::VirtualObject)]
        {
            let name = names::object("crm", &HandlerName::new("schedule:every day", "v1"));
            let service = described(&name, has_lanes, Duration::from_secs(300)).unwrap();
            assert_eq!((service.ty, service.inactivity_timeout), (kind, Some(360_000)));
            assert_eq!(service.handlers.len(), 1);
            assert_eq!(service.retry_policy_max_attempts, Some(u64::from(u32::MAX)));
        }
        assert!(described("a/b", false, Duration::ZERO).is_err());
    }
}
