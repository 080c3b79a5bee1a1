//! A collector on this machine: it takes spans, or does not, and counts them.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span as Sent,
};
use prost::Message as _;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a collector does with the requests that reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes all spans.
    Takes,
    /// It responds 503 to so many requests, and takes the spans of the others.
    TakesAfter(usize),
    /// It takes a request and says that so many of its spans are rejected.
    Rejects(i64),
    /// It responds with this status.
    Responds(u16),
    /// It reads requests and does not respond.
    Hangs,
    /// It takes the spans of so many requests. Then it ends in the middle of one, and listens no more.
    LeavesAfter(usize),
}

/// A span as it arrived. Ids are lower-case hex; absent ones are empty.
#[derive(Debug, Clone)]
pub struct Span {
    /// The name.
    pub name: String,
    /// The id of its trace.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of its parent.
    pub parent: String,
    /// 2 is a server, 3 a client, 1 neither.
    pub kind: i32,
    /// 2 is an error, 0 none.
    pub status: i32,
    /// The attributes, as texts.
    pub attributes: BTreeMap<String, String>,
    /// The traces and spans that it is linked to.
    pub links: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
    headers: Vec<String>,
    requests: usize,
    /// The spans that it was sent and responded about, also those that it rejected.
    seen: usize,
}

/// A collector; it listens until the process ends, or as its manner says.
pub struct Collector {
    address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When this machine has no free port.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            // One connection at a time: the sender has one.
            for stream in listener.incoming().flatten() {
                let _ = serve(&stream, manner, &of_thread);
                if matches!(manner, Manner::LeavesAfter(most) if lock(&of_thread).requests > most) {
                    break;
                }
            }
        });
        Self { address, shared }
    }

    /// An address where nothing listens.
    ///
    /// # Panics
    ///
    /// When this machine has no free port.
    #[must_use]
    pub fn down() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        format!("http://{}", listener.local_addr().expect("it is bound"))
    }

    /// Its address for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans that it took.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.shared).spans.clone()
    }

    /// How many requests reached it.
    #[must_use]
    pub fn requests(&self) -> usize {
        lock(&self.shared).requests
    }

    /// Waits until so many requests have reached it.
    ///
    /// # Panics
    ///
    /// When they do not.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) {
        self.wait(|state| state.requests >= count);
    }

    /// Waits until it has read so many spans, also such that it rejects.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn wait_for_spans(&self, count: usize) {
        self.wait(|state| state.seen >= count);
    }

    #[track_caller]
    fn wait(&self, enough: impl Fn(&State) -> bool) {
        let (state, changed) = (lock(&self.shared), &self.shared.1);
        let waited = changed.wait_timeout_while(state, PATIENCE, |state| !enough(state));
        let (state, timeout) = waited.expect("no thread panics");
        assert!(!timeout.timed_out(), "{} requests, {} spans came", state.requests, state.seen);
    }

    /// The attributes of the last resource.
    #[must_use]
    pub fn resource(&self) -> BTreeMap<String, String> {
        lock(&self.shared).resource.clone()
    }

    /// The head of the last request, line by line, in lower case but for the values.
    #[must_use]
    pub fn headers(&self) -> Vec<String> {
        lock(&self.shared).headers.clone()
    }
}

fn lock(shared: &(Mutex<State>, Condvar)) -> MutexGuard<'_, State> {
    shared.0.lock().expect("no thread panics")
}

/// Serves requests until the connection ends.
fn serve(stream: &TcpStream, manner: Manner, shared: &(Mutex<State>, Condvar)) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            head.push(line.to_owned());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut state = lock(shared);
        state.requests += 1;
        state.headers = head;
        let (requests, mut rejected) = (state.requests, 0);
        let status = match manner {
            Manner::TakesAfter(refused) if requests <= refused => 503,
            Manner::Rejects(spans) => {
                rejected = spans;
                200
            }
            Manner::Responds(status) => status,
            Manner::Hangs => 0,
            Manner::LeavesAfter(most) if requests > most => {
                shared.1.notify_all();
                return Ok(());
            }
            Manner::Takes | Manner::TakesAfter(_) | Manner::LeavesAfter(_) => 200,
        };
        if status == 200 {
            let request = ExportTraceServiceRequest::decode(&*body).map_err(io::Error::other)?;
            for resource_spans in request.resource_spans {
                state.resource = attributes(&resource_spans.resource.unwrap_or_default().attributes);
                let spans = resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
                let spans: Vec<_> = spans.map(read).collect();
                state.seen += spans.len();
                let kept = spans.len() - usize::try_from(rejected).unwrap_or_default().min(spans.len());
                state.spans.extend(spans.into_iter().take(kept));
            }
        }
        shared.1.notify_all();
        drop(state);
        if status == 0 {
            continue; // the sender gives up some time
        }
        let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: rejected,
            error_message: "too many".into(),
        });
        let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        let mut stream = stream;
        let head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
    }
}

fn read(span: Sent) -> Span {
    Span {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind,
        status: span.status.unwrap_or_default().code,
        attributes: attributes(&span.attributes),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        other => Some(format!("{other:?}")),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
