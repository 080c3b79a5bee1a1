//! The load: deliveries over connections that stay open, each sent when the one before gets a response.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
    net::SocketAddr,
    str::FromStr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kiket::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::deliveries::{self, EVENT, SECRET, VERSION};

/// How much is sent, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: Scheme,
    /// Of a body, in bytes.
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// How the headers of a signature are written. The bytes that are signed are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Kiket,
    Webhooksmith,
}

/// ```text
/// arguments = address scheme size connections seconds
/// scheme    = "kiket" / "webhooksmith"
/// ```
impl Load {
    pub(crate) fn read(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let [address, scheme, size, connections, seconds] = arguments else {
            return Err(format!("a load is not {arguments:?}").into());
        };
        Ok(Self {
            address: address.parse()?,
            scheme: if *scheme == "kiket" { Scheme::Kiket } else { Scheme::Webhooksmith },
            size: size.parse()?,
            connections: connections.parse()?,
            time: Duration::from_secs_f64(seconds.parse()?),
        })
    }

    pub(crate) fn arguments(&self) -> [String; 5] {
        let Self { address, scheme, size, connections, time } = self;
        let scheme = if *scheme == Scheme::Kiket { "kiket" } else { "webhooksmith" };
        [
            address.to_string(),
            scheme.to_owned(),
            size.to_string(),
            connections.to_string(),
            time.as_secs_f64().to_string(),
        ]
    }
}

/// The responses, and their latency.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Responses {
    pub(crate) requests: u64,
    pub(crate) time: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Responses {
    /// Those of a load that took so long, by their latencies in nanoseconds.
    pub(crate) fn new(mut latencies: Vec<u32>, time: Duration) -> Self {
        latencies.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| {
            let nanoseconds = latencies.get(latencies.len() * percent / 100);
            Duration::from_nanos(nanoseconds.copied().unwrap_or_default().into())
        });
        Self { requests: latencies.len() as u64, time, p50, p99 }
    }

    /// The responses in a second.
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests_f64() / self.time.as_secs_f64()
    }

    /// The number of responses, to divide by.
    #[expect(clippy::cast_precision_loss, reason = "a load has far less than 2^52 requests")]
    pub(crate) fn requests_f64(&self) -> f64 {
        self.requests as f64
    }
}

/// ```text
/// answered = requests time p50 p99        times in nanoseconds
/// ```
impl fmt::Display for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, time, p50, p99 } = self;
        write!(f, "{requests} {} {} {}", time.as_nanos(), p50.as_nanos(), p99.as_nanos())
    }
}

impl FromStr for Responses {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
        let [requests, time, p50, p99] = numbers.map_err(io::Error::other)?[..] else {
            return Err(io::Error::other(format!("the load says {text:?}")));
        };
        let [time, p50, p99] = [time, p50, p99].map(Duration::from_nanos);
        Ok(Self { requests, time, p50, p99 })
    }
}

/// The most requests of one connection; what bounds the memory for latencies.
const MOST_REQUESTS: usize = 1_000_000;
/// The first line and the body of the response to a delivery: one that was handled, and one that is handled later.
const RESPONSES: [(&[u8], &[u8]); 2] = [
    (b"HTTP/1.1 200 OK\r\n", br#"{"ok":true}"#),
    (b"HTTP/1.1 202 Accepted\r\n", br#"{"ok":true,"accepted":true}"#),
];

/// Sends `load`.
///
/// # Errors
///
/// When any response is not 200 with `{"ok":true}`, or 202 with `{"ok":true,"accepted":true}`.
pub(crate) fn send(load: Load) -> io::Result<Responses> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = deliveries::body(load.size);
        let senders: io::Result<Vec<_>> =
            (0..load.connections).map(|number| Deliveries::new(body.clone(), load.scheme, number)).collect();
        let (senders, from) = (senders?, Instant::now());
        let mut connections = JoinSet::new();
        for deliveries in senders {
            connections.spawn(connection(load, deliveries, from + load.time));
        }
        let mut latencies = Vec::new();
        while let Some(connection) = connections.join_next().await {
            latencies.append(&mut connection.map_err(io::Error::other)??);
        }
        let time = from.elapsed();
        Ok(Responses::new(latencies, time))
    })
}

/// One delivery over a connection of its own.
pub(crate) fn send_one(address: SocketAddr, scheme: Scheme, size: usize) -> io::Result<()> {
    send(Load { address, scheme, size, connections: 1, time: Duration::ZERO }).map(drop)
}

/// The id that the body has: `evt_` and 14 digits, which are replaced.
const ID: &str = "evt_01JZ8Q4W7C5N2M";

/// Signed deliveries of one connection, each with an id of its own.
pub(crate) struct Deliveries {
    scheme: Scheme,
    body: Vec<u8>,
    /// Where the digits of the id are in the body.
    id: usize,
    number: u64,
    request: Vec<u8>,
}

impl Deliveries {
    pub(crate) fn new(body: Vec<u8>, scheme: Scheme, connection: usize) -> io::Result<Self> {
        let id = body.windows(ID.len()).position(|text| text == ID.as_bytes());
        let id = id.ok_or_else(|| io::Error::other("the body has no id"))? + "evt_".len();
        let tenths = unix_time()?.as_millis() / 100 % (1 << 28);
        // 28 bits of time, 8 of the connection, 20 of the delivery.
        let number = u64::try_from(tenths << 28).map_err(io::Error::other)? + ((connection as u64) << 20);
        Ok(Self { scheme, body, id, number, request: Vec::new() })
    }

    pub(crate) fn next(&mut self) -> io::Result<&[u8]> {
        self.number += 1;
        let digits = format!("{:014x}", self.number);
        self.body[self.id..self.id + digits.len()].copy_from_slice(digits.as_bytes());
        let (size, now) = (self.body.len(), unix_time()?.as_secs());
        let signature = sign(SECRET, now, &self.body);
        let (timestamp_header, signature_header, prefix) = match self.scheme {
            Scheme::Kiket => (TIMESTAMP_HEADER, SIGNATURE_HEADER, ""),
            Scheme::Webhooksmith => ("x-hooksmith-timestamp", "x-hooksmith-signature", "v1,"),
        };
        self.request.clear();
        write!(
            self.request,
            "POST /v/{VERSION}/webhooks/{EVENT} HTTP/1.1\r\n\
             host: 127.0.0.1\r\n\
             user-agent: Kiket-Webhooks/1.0\r\n\
             accept: */*\r\n\
             content-type: application/json\r\n\
             content-length: {size}\r\n\
             {timestamp_header}: {now}\r\n\
             {signature_header}: {prefix}{signature}\r\n\
             x-kiket-delivery: evt_{digits}\r\n\r\n"
        )?;
        self.request.extend_from_slice(&self.body);
        Ok(&self.request)
    }
}

fn unix_time() -> io::Result<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)
}

/// Sends `deliveries` until the time is `until`, at least once; the latencies in nanoseconds.
async fn connection(load: Load, mut deliveries: Deliveries, until: Instant) -> io::Result<Vec<u32>> {
    let mut stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let request = deliveries.next()?;
        let from = Instant::now();
        stream.write_all(request).await?;
        response(&mut stream, &mut buffer).await?;
        let to = Instant::now();
        latencies.push(u32::try_from((to - from).as_nanos()).unwrap_or(u32::MAX));
        if to >= until || latencies.len() >= MOST_REQUESTS {
            return Ok(latencies);
        }
    }
}

/// Reads one response, which must be one of [`RESPONSES`].
pub(crate) async fn response(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        filled += read;
        let response = &buffer[..filled];
        if RESPONSES.iter().any(|(first, body)| response.starts_with(first) && response.ends_with(body)) {
            return Ok(());
        }
        let complete = response.windows(4).position(|end| end == b"\r\n\r\n").is_some_and(|end| {
            let head = response[..end].to_ascii_lowercase();
            let length = format!("content-length: {}", filled - end - 4);
            head.windows(length.len()).any(|header| header == length.as_bytes())
        });
        if read == 0 || complete || filled == buffer.len() {
            return Err(io::Error::other(format!("a response is {:?}", String::from_utf8_lossy(response))));
        }
    }
}
