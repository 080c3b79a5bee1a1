//! What those do who mean no good.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use kiket::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::deliveries::{self, EVENT, SIZES, VERSION};

/// How many of each kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attack {
    /// Connections that asked once, and stay.
    pub(crate) idle: usize,
    /// Connections that send a byte now and then: half of them of a head, half of them of a body.
    pub(crate) slow: usize,
    /// Connections that send wrong signatures as fast as responses come.
    pub(crate) flood: usize,
    /// Connections that send requests without end and read nothing.
    pub(crate) unread: usize,
}

/// An attack that goes on until it is ended.
pub(crate) struct UnderWay {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
    done: Arc<Done>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Done {
    idle: AtomicU64,
    cut_off: AtomicU64,
    refused: AtomicU64,
}

/// How many connections are made at once.
const OPENING: usize = 100;
/// Between two bytes of a slow sender.
const SLOW: Duration = Duration::from_millis(500);

impl Attack {
    /// Begins; all connections that are to be idle are, when it returns.
    pub(crate) fn begin(self, address: SocketAddr) -> io::Result<UnderWay> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (begun, begins) = std::sync::mpsc::channel();
        let done = Arc::new(Done::default());
        let counted = Arc::clone(&done);
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let idle = open(address, self.idle).await?;
                counted.idle.store(idle.len() as u64, Ordering::Relaxed);
                let mut others = JoinSet::new();
                for number in 0..self.slow {
                    others.spawn(slow(address, number.is_multiple_of(2), Arc::clone(&counted)));
                }
                for _ in 0..self.flood {
                    others.spawn(flood(address, Arc::clone(&counted)));
                }
                for _ in 0..self.unread {
                    others.spawn(unread(address, Arc::clone(&counted)));
                }
                let _ = begun.send(());
                let _ = stopped.await;
                Ok(())
            })
        });
        if begins.recv().is_err() {
            return Err(thread.join().map_or_else(
                |_| io::Error::other("it panicked"),
                |ended| ended.err().unwrap_or_else(|| io::Error::other("the attack did not begin")),
            ));
        }
        Ok(UnderWay { stop, thread, done })
    }
}

impl UnderWay {
    pub(crate) fn end(self) -> io::Result<Arc<Done>> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| io::Error::other("the attack panicked"))??;
        Ok(self.done)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [idle, cut_off, refused] =
            [&self.idle, &self.cut_off, &self.refused].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{idle} idle, {cut_off} cut off, {refused} wrong signatures")
    }
}

/// Connections that asked something and got a response.
async fn open(address: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let (mut opening, mut open) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count {
        opening.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await?;
            let _ = stream.read(&mut [0; 1024]).await?;
            io::Result::Ok(stream)
        });
        if number >= OPENING
            && let Some(opened) = opening.join_next().await
        {
            open.push(opened.map_err(io::Error::other)??);
        }
    }
    while let Some(opened) = opening.join_next().await {
        open.push(opened.map_err(io::Error::other)??);
    }
    Ok(open)
}

/// Sends a byte now and then until it is cut off, and begins anew.
async fn slow(address: SocketAddr, head: bool, done: Arc<Done>) {
    let start = format!("POST /v/{VERSION}/webhooks/{EVENT} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    let start = if head { start } else { start + "content-length: 1000\r\n\r\n" };
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await
            && stream.write_all(start.as_bytes()).await.is_ok()
        {
            let ((mut reads, mut writes), mut response) = (stream.split(), [0; 1024]);
            let drips = async {
                while writes.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(SLOW).await;
                }
            };
            tokio::select! {
                () = drips => {}
                _ = reads.read(&mut response) => {}
            }
            done.cut_off.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}

/// Asks without end and reads nothing until it is cut off, and begins anew.
async fn unread(address: SocketAddr, done: Arc<Done>) {
    let requests = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(1000);
    loop {
        let socket =
            TcpSocket::new_v4().and_then(|socket| socket.set_recv_buffer_size(4096).map(|()| socket));
        if let Ok(socket) = socket
            && let Ok(mut stream) = socket.connect(address).await
        {
            while stream.write_all(&requests).await.is_ok() {}
            done.cut_off.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}

/// Sends deliveries whose signature is wrong, each when the one before gets a response.
async fn flood(address: SocketAddr, done: Arc<Done>) {
    let size = SIZES[0].0;
    let signature = "0".repeat(64);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let head = format!(
        "POST /v/{VERSION}/webhooks/{EVENT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {size}\r\n\
         {TIMESTAMP_HEADER}: {now}\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n"
    );
    let request = [head.into_bytes(), deliveries::body(size)].concat();
    loop {
        tokio::task::yield_now().await;
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        while stream.write_all(&request).await.is_ok()
            && stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0)
        {
            done.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}
