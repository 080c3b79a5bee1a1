//! Good deliveries, at a steady pace.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kiket::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};

use crate::deliveries::{self, EVENT, SECRET, SIZES, VERSION};

/// The responses, and their latency.
pub(crate) struct Responses {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

/// Senders, each with a connection of its own.
const SENDERS: u32 = 4;
/// From one delivery of a sender to the next.
const PACE: Duration = Duration::from_millis(20);

/// Sends for a time.
///
/// # Errors
///
/// When a response is not 200.
pub(crate) fn send(address: SocketAddr, time: Duration) -> io::Result<Responses> {
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| thread::spawn(move || sender(address, time, PACE / SENDERS * number)))
        .collect();
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.append(&mut sender.join().map_err(|_| io::Error::other("a sender panicked"))??);
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    let longest = latencies.last().copied().unwrap_or_default();
    Ok(Responses { count: latencies.len(), p50: at(50), p99: at(99), longest })
}

/// How long each took, from when it was due: one that waits for the one before has waited.
fn sender(address: SocketAddr, time: Duration, shift: Duration) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut latencies = Vec::new();
    let mut due = Instant::now() + shift;
    let until = due + time;
    while due < until {
        let request = request()?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&request)?;
        response(&mut stream)?;
        latencies.push(due.elapsed());
        due += PACE;
    }
    Ok(latencies)
}

/// A delivery with an id of its own, signed now.
fn request() -> io::Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let body = String::from_utf8(deliveries::body(SIZES[0].0)).map_err(io::Error::other)?;
    let thread = format!("{:?}", thread::current().id());
    let body = body.replace("evt_01JZ8Q4W7C5N2M", &format!("evt_{}_{thread}", now.as_nanos())).into_bytes();
    let (now, length) = (now.as_secs(), body.len());
    let signature = sign(SECRET, now, &body);
    let head = format!(
        "POST /v/{VERSION}/webhooks/{EVENT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\n\
         {TIMESTAMP_HEADER}: {now}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n"
    );
    Ok([head.into_bytes(), body].concat())
}

fn response(stream: &mut TcpStream) -> io::Result<()> {
    let (mut buffer, mut filled) = ([0; 4096], 0);
    while !buffer[..filled].ends_with(br#"{"ok":true}"#) {
        let read = stream.read(&mut buffer[filled..])?;
        filled += read;
        if read == 0 || (filled > 12 && !buffer.starts_with(b"HTTP/1.1 200")) {
            let response = String::from_utf8_lossy(&buffer[..filled]).into_owned();
            return Err(io::Error::other(format!("the response to a good delivery is {response:?}")));
        }
    }
    Ok(())
}
