//! The inbox: what is accepted goes to the ingress of Restate, which hands it out by itself.

use std::{
    fmt::Write as _,
    future::ready,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiket_runtime::{
    Secret,
    dedupe::{LeaseState, StoreError, StoreErrorKind, StoreFuture},
    inbox::{
        Acceptance, ClaimRequest, ClaimedWork, Inbox, InboxCount, InboxFilter, InboxRow, NewWork, Now,
        Redrive, RowId, RowState, Swept, WorkEnd, WorkLease,
    },
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;

use crate::{envelope, names, threads::Threads};

/// How long Restate may take to accept a delivery. The runtime gives up after 5 s.
const ACCEPTING: Duration = Duration::from_secs(4);
/// The most bytes that are read of a response of Restate.
const LONGEST_RESPONSE: usize = 16 * 1024;

/// Deliveries in Restate.
pub(crate) struct RestateInbox {
    pub(crate) ingress: Ingress,
    /// Connections are of these threads, so that no worker of the server holds up those of another.
    pub(crate) threads: Arc<Threads>,
}

/// The ingress of Restate.
#[derive(Clone)]
pub(crate) struct Ingress {
    pub(crate) client: Client,
    /// Its URL, without a slash at the end.
    pub(crate) url: String,
    pub(crate) api_key: Option<Secret>,
}

/// What the ingress says of a delivery that it has.
#[derive(Deserialize)]
struct Sent {
    status: Status,
}

#[derive(Deserialize)]
enum Status {
    Accepted,
    PreviouslyAccepted,
}

impl Ingress {
    fn sending(&self, work: &NewWork) -> Result<RequestBuilder, StoreError> {
        let mut url = self.url.clone();
        let _ = match &work.lane {
            None => write!(url, "/{}", names::service(&work.space, &work.handler)),
            Some(lane) => {
                let key = names::key(lane);
                let key = utf8_percent_encode(&key, NON_ALPHANUMERIC);
                write!(url, "/{}/{key}", names::object(&work.space, &work.handler))
            }
        };
        let _ = write!(url, "/{}/send", names::RUN);
        if !work.delay.is_zero() {
            let _ = write!(url, "?delay={}ms", work.delay.as_millis());
        }
        let unwritable = |error| StoreError::new("a delivery cannot be written").because(error);
        let body = envelope::write(work, SystemTime::now()).map_err(unwritable)?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/octet-stream");
        Ok(self.authorized(request.header("idempotency-key", work.key.as_str()).body(body)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    /// Whether it accepts what is sent.
    async fn check(self) -> Result<(), StoreError> {
        let request = self.client.get(format!("{}/restate/health", self.url));
        received(self.authorized(request)).await.map(drop)
    }
}

/// Sends a delivery. It is on the disks of Restate when that responds.
async fn send(request: RequestBuilder) -> Result<Acceptance, StoreError> {
    let sent: Sent = serde_json::from_slice(&received(request).await?).map_err(|error| {
        let other = StoreError::new("what responds at the ingress is not Restate");
        other.with_kind(StoreErrorKind::Refused).because(error)
    })?;
    Ok(match sent.status {
        Status::Accepted => Acceptance::Accepted(RowId(0)),
        // Its state is not known here.
        Status::PreviouslyAccepted => Acceptance::Known(RowState::Waiting),
    })
}

/// The body of a response that says yes.
async fn received(request: RequestBuilder) -> Result<Vec<u8>, StoreError> {
    let unreachable = |error: reqwest::Error| {
        let unreachable = StoreError::new("Restate does not respond").with_kind(StoreErrorKind::Unreachable);
        unreachable.because(error.without_url())
    };
    let mut response = request.timeout(ACCEPTING).send().await.map_err(unreachable)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > LONGEST_RESPONSE {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
}

fn refused(status: StatusCode, body: &[u8]) -> StoreError {
    let said = String::from_utf8_lossy(body.get(..300).unwrap_or(body));
    let error = StoreError::new(format!("Restate refuses a delivery with {}: {said}", status.as_u16()));
    match status {
        StatusCode::NOT_FOUND => error
            .with_kind(StoreErrorKind::Refused)
            .mend("register the endpoint of the extension: `restate deployments register URL`"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            error.with_kind(StoreErrorKind::Refused).mend("check the API key of the ingress")
        }
        status if status.is_server_error() => error.with_kind(StoreErrorKind::Unreachable),
        _ => error,
    }
}

/// What Restate does by itself.
fn elsewhere<T: Send + 'static>() -> StoreFuture<'static, T> {
    let error = StoreError::new("the deliveries are in Restate")
        .mend("look at its UI, or at `restate invocations list`");
    Box::pin(ready(Err(error)))
}

impl Inbox for RestateInbox {
    fn accept<'s>(&'s self, work: &'s NewWork, _: Now) -> StoreFuture<'s, Acceptance> {
        match self.ingress.sending(work) {
            Ok(request) => Box::pin(self.threads.run(send(request))),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    /// None: Restate hands them out.
    fn claim<'s>(&'s self, _: &'s ClaimRequest, _: Now) -> StoreFuture<'s, Vec<ClaimedWork>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn renew<'s>(&'s self, leases: &'s [(WorkLease, Duration)], _: Now) -> StoreFuture<'s, Vec<LeaseState>> {
        Box::pin(ready(Ok(vec![LeaseState::Lost; leases.len()])))
    }

    fn finish<'s>(&'s self, _: &'s WorkLease, _: &'s WorkEnd, _: Now) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(Ok(LeaseState::Lost)))
    }

    fn release<'s>(&'s self, _: &'s WorkLease, _: Duration, _: Now) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(Ok(LeaseState::Lost)))
    }

    fn promote<'s>(&'s self, _: &'s str, _: Now) -> StoreFuture<'s, Swept> {
        Box::pin(ready(Ok(Swept::default())))
    }

    /// None: the next slot of a schedule is sent again, and Restate knows it.
    fn list<'s>(&'s self, _: &'s InboxFilter) -> StoreFuture<'s, Vec<InboxRow>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// None, where Restate can be reached.
    fn count<'s>(&'s self, _: &'s str) -> StoreFuture<'s, Vec<InboxCount>> {
        Box::pin(async { self.check().await.map(|()| Vec::new()) })
    }

    fn redrive<'s>(&'s self, _: &'s Redrive, _: Now) -> StoreFuture<'s, u64> {
        elsewhere()
    }

    fn hurry<'s>(&'s self, _: &'s InboxFilter, _: Now) -> StoreFuture<'s, u64> {
        elsewhere()
    }

    fn drop_rows<'s>(&'s self, _: &'s InboxFilter, _: Now) -> StoreFuture<'s, u64> {
        elsewhere()
    }

    fn forget<'s>(&'s self, _: &'s str, _: &'s str, _: Now) -> StoreFuture<'s, u64> {
        elsewhere()
    }

    fn pause<'s>(&'s self, _: &'s str, _: &'s str, _: bool) -> StoreFuture<'s, ()> {
        elsewhere()
    }

    fn paused<'s>(&'s self, _: &'s str) -> StoreFuture<'s, Vec<String>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.threads.run(self.ingress.clone().check()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::envelope::tests::work;

    /// What an ingress gets that responds so, and what the inbox makes of that.
    async fn accepted(work: &NewWork, response: &str) -> (String, Result<Acceptance, StoreError>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/at", listener.local_addr().unwrap());
        let response = response.to_owned();
        let ingress = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let (mut request, mut length) = (String::new(), 0);
            while !request.ends_with("\r\n\r\n") {
                let from = request.len();
                stream.read_line(&mut request).unwrap();
                if let Some(value) = request[from..].to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            stream.get_mut().write_all(response.as_bytes()).unwrap();
            request + &String::from_utf8_lossy(&body)
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ingress_of = Ingress { client: Client::new(), url, api_key: Some("key_123".into()) };
        let inbox = RestateInbox { ingress: ingress_of, threads: Arc::new(Threads::new(1).unwrap()) };
        let accepted = inbox.accept(work, None).await;
        (ingress.join().unwrap(), accepted)
    }

    fn response(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_delivery_is_sent_with_its_key_and_its_lane() {
        let said = response("202 Accepted", r#"{"invocationId":"inv_1","status":"Accepted"}"#);
        let (request, result) = accepted(&work(Some("a/b")), &said).await;
        assert_eq!(result.unwrap(), Acceptance::Accepted(RowId(0)));
        let path = "/at/kiket.com.example.crm--issue.created--v1.lanes/%3Da%2Fb/run/send?delay=1500ms";
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        for header in ["idempotency-key: com.example.crm/id:1\r\n", "authorization: Bearer key_123\r\n"] {
            assert!(request.contains(header), "{request}");
        }
        let mut now = work(None);
        now.delay = Duration::ZERO;
        let said = response("200 OK", r#"{"invocationId":"inv_1","status":"PreviouslyAccepted"}"#);
        let (request, result) = accepted(&now, &said).await;
        assert!(
            request.starts_with("POST /at/kiket.com.example.crm--issue.created--v1/run/send HTTP"),
            "{request}"
        );
        assert_eq!(result.unwrap(), Acceptance::Known(RowState::Waiting));
    }

    #[tokio::test]
    async fn what_is_not_accepted_is_an_error() {
        let said = [
            (response("404 Not Found", "{}"), "restate deployments register"),
            (response("401 Unauthorized", ""), "check the API key"),
            (response("500 Internal Server Error", "{}"), ""),
            (response("429 Too Many Requests", "{}"), ""),
            (response("200 OK", "<html>"), ""),
            (response("200 OK", r#"{"status":"Whatever"}"#), ""),
            (response("202 Accepted", &"x".repeat(LONGEST_RESPONSE + 1)), ""),
            (String::new(), ""),
            ("HTTP/1.1 202 Accepted\r\ncontent-length: 60\r\n\r\n{".to_owned(), ""),
        ];
        for (response, help) in said {
            let error = accepted(&work(None), &response).await.1.unwrap_err();
            assert!(error.how_to_mend().unwrap_or_default().contains(help), "{error}");
        }
    }
}
