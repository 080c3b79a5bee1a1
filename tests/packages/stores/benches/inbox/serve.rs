//! The server that is measured, and what its handler reports.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kiket::{Handler, handler::Later, inbox::SqliteInbox, prelude::*};

use crate::{
    Outcome,
    deliveries::{EVENT, SECRET, VERSION},
    options::limits,
    process::{self, ServerProcess},
};

/// What a server is.
pub(crate) struct Server<'s> {
    pub(crate) url: &'s str,
    /// Of the extension, which is the space of its rows.
    pub(crate) id: &'s str,
    /// Of the inbox.
    pub(crate) workers: usize,
    pub(crate) handler: Handling,
    pub(crate) reports: Option<&'s Reports>,
}

/// What its handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It runs before the response, and there is no inbox.
    AtOnce,
    /// It runs later, and ends at once.
    Later,
    /// It runs later, and does not end.
    Endless,
    /// It runs later, at times of which there are [`SCHEDULED`].
    Scheduled,
    /// It runs later, and the process reports its statements twice a second.
    Counted,
}

impl Handling {
    const ALL: [(Self, &str); 5] = [
        (Self::AtOnce, "at-once"),
        (Self::Later, "later"),
        (Self::Endless, "endless"),
        (Self::Scheduled, "scheduled"),
        (Self::Counted, "counted"),
    ];
}

/// The threads that serve HTTP, as many as an extension has on two cores by default.
const HTTP_WORKERS: usize = 2;
/// The deadline of handlers: the leases are those of the default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The rows that a server schedules, and over how many milliseconds.
pub(crate) const SCHEDULED: (usize, u64) = (200, 40_000);

/// ```text
/// arguments = url id workers handler ( address / "-" )        the address is that of the reports
/// ```
impl Server<'_> {
    pub(crate) fn start(&self) -> io::Result<ServerProcess> {
        let Self { url, id, workers, handler, reports } = self;
        let handler = Handling::ALL.iter().find(|(known, _)| known == handler).map_or("", |(_, name)| name);
        let reports = reports.map_or_else(|| "-".to_owned(), |reports| reports.address.to_string());
        let arguments = [url, id, &*workers.to_string(), handler, &reports];
        ServerProcess::start(None, "serve", HTTP_WORKERS, &arguments, "info", false)
    }
}

/// Serves until the process is killed.
pub(crate) fn serve(http_workers: usize, arguments: &[&str]) -> Outcome<()> {
    let [url, id, workers, handling, reports] = *arguments else {
        return Err(format!("a server is not {arguments:?}").into());
    };
    let (_, handling) = (Handling::ALL.iter().map(|(handling, name)| (name, *handling)))
        .find(|(name, _)| **name == handling)
        .ok_or("the handler is unknown")?;
    let reporter = if reports == "-" { None } else { Some(Arc::new(Reporter::new(reports.parse()?)?)) };
    let reporting = reporter.clone();
    let handler = Handler::new(EVENT, VERSION, move |payload: Payload| {
        let from = payload["from"].as_str().unwrap_or_default();
        if let Some(reporter) = &reporting {
            reporter.send(&format!("started {} {}", now().as_nanos(), from));
        }
        async move {
            if handling == Handling::Endless {
                std::future::pending::<()>().await;
            }
        }
    });
    let handler = handler.timeout(TIMEOUT);
    let handler = if handling == Handling::AtOnce { handler } else { handler.later(Later::new()) };
    let (url, workers) = (url.to_owned(), workers.parse()?);
    kiket::telemetry::init_logging();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = Extension::builder()
            .id(id)
            .webhook_secret(SECRET)
            .without_manifest()
            .without_collected()
            .handler(handler)
            .inbox(|inbox| inbox.key(KEY).ephemeral(true).workers(workers).url(url.clone()))
            .http(|http| http.host("127.0.0.1").port(0).workers(http_workers));
        let builder = match (&reporter, url.strip_prefix("sqlite:")) {
            (Some(reporter), Some(path)) if handling == Handling::Counted => {
                let inbox = Arc::new(SqliteInbox::new(path, limits())?);
                let (counted, reporter) = (Arc::clone(&inbox), Arc::clone(reporter));
                std::thread::spawn(move || {
                    loop {
                        reporter.send(&format!("statements {}", counted.statements()));
                        std::thread::sleep(Duration::from_millis(500));
                    }
                });
                builder.inbox(|options| options.store(inbox))
            }
            _ => builder,
        };
        let extension = builder.build()?;
        let inbox = extension.inbox();
        let server = extension.bind()?;
        if handling == Handling::Scheduled {
            let from = SystemTime::now() + Duration::from_secs(2);
            for number in 0..SCHEDULED.0 {
                let at = from + Duration::from_millis(fastrand::u64(0..SCHEDULED.1));
                let due = at.duration_since(UNIX_EPOCH)?.as_nanos().to_string();
                inbox.schedule(at, EVENT, json!({ "id": number, "from": due })).await?;
            }
        }
        process::announce(server.addresses()[0]);
        Ok(server.run().await?)
    })
}

/// 32 bytes, in base64.
const KEY: &str = "a2V5IG9mIHRoZSBiZW5jaCwgYW5kIG5vIHNlY3JldCE=";

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Sends reports to the process that measures.
struct Reporter(UdpSocket);

impl Reporter {
    fn new(to: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(to)?;
        Ok(Self(socket))
    }

    fn send(&self, report: &str) {
        let _ = self.0.send(report.as_bytes()); // the one that measures may be gone
    }
}

/// The reports of servers.
pub(crate) struct Reports {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Reports {
    pub(crate) fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(100)))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Passes over the reports that were not read.
    pub(crate) fn discard(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        while self.socket.recv(&mut [0; 200]).is_ok() {}
        self.socket.set_nonblocking(false)
    }

    /// The next report that begins with `word`: the numbers after it.
    pub(crate) fn next(&self, word: &str) -> Outcome<Vec<u64>> {
        let mut buffer = [0; 200];
        loop {
            let length = self.socket.recv(&mut buffer)?;
            let mut words = std::str::from_utf8(&buffer[..length])?.split_whitespace();
            if words.next() == Some(word) {
                return Ok(words.map(str::parse).collect::<Result<_, _>>()?);
            }
        }
    }
}
