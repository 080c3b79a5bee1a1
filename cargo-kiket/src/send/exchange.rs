//! A signed delivery, its response, and what is printed and saved of them: nothing secret.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kiket_runtime::{Headers, Secret, signature::TIMESTAMP_HEADER};
use kiket_testing::{Capture, Content, Recording, delivery};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::{
    diagnosis::{Evidence, diagnose},
    exit::{Error, Exit, Result},
    http::{self as client, Client, NoResponse, Response},
    known, secret,
    shell::{BAD, DOUBTFUL, GOOD, Shell},
    time::{self, When},
};

/// Where a delivery goes, and what becomes of it.
#[derive(Debug, clap::Args)]
pub(crate) struct To {
    /// The address of the extension; without one, port `PORT` or 8000 of this machine
    #[arg(long, value_name = "URL", value_parser = client::url)]
    pub(crate) url: Option<Url>,
    /// The time of the signature: Unix seconds, or from now on like `-301s` and `+5m`
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub(crate) at: When,
    /// Saves the delivery and its response as a capture, without secrets
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secret: secret::Source,
}

/// How long the extension may take; handlers end by 10 s, unless they have another timeout.
const PATIENCE: Duration = Duration::from_secs(120);

/// The extension that is delivered to.
pub(crate) struct Exchange {
    url: Url,
    client: Client,
    secrets: Vec<Secret>,
    at: When,
}

/// A delivery and its response.
pub(crate) struct Exchanged {
    capture: Capture,
    signed_at: u64,
    response: Response,
    /// Why it was refused, as far as it can be known here.
    why: Option<String>,
}

impl Exchange {
    pub(crate) fn open(to: &To, shell: &Shell) -> Result<Self> {
        let url = to.url.clone().map_or_else(usual, Ok)?;
        let client = Client::new(&url)?;
        Ok(Self { url, client, secrets: to.secret.secrets(shell)?, at: to.at })
    }

    /// Signs a body and sends it. `path` is that of the delivery below the address.
    pub(crate) fn send(
        &self,
        event: &str,
        version: &str,
        path: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Exchanged> {
        let now = time::now();
        let signed_at = self.at.from(now);
        let secret = self.secrets.first().map_or("", Secret::expose);
        let mut sent = delivery(event, version, &()).body(body);
        if let Some(path) = path {
            sent = sent.path(path);
        }
        let sent = sent.signed_at(signed_at).sign(secret, now);
        let mut url = self.url.clone();
        let (path, query) =
            sent.path.split_once('?').map_or((&*sent.path, None), |(path, query)| (path, Some(query)));
        // A capture has the whole path, with the prefix.
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{}", path.strip_prefix(&prefix).unwrap_or(path)));
        url.set_query(query);
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let headers = sent.headers.iter().map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
        });
        let headers: HeaderMap = headers.flatten().collect();
        let response = self.client.send(Method::POST, url, headers, sent.body.clone(), PATIENCE);
        let response = response.map_err(|why| self.unreachable(why))?;
        let why = (response.status == 401).then(|| self.refusal(&sent.headers, &sent.body, &response, now));
        let mut recording = Recording::new(event, version, &sent.body)
            .path(target)
            .at(now)
            .headers(sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .responded(response.status, texts(&response.headers), &response.body);
        for (name, secret) in known::secrets() {
            recording = recording.secret(name, secret);
        }
        for secret in &self.secrets {
            recording = recording.secret("KIKET_WEBHOOK_SECRET", secret.clone());
        }
        Ok(Exchanged { capture: recording.capture(), signed_at, response, why })
    }

    fn unreachable(&self, why: NoResponse) -> Error {
        let is_connection = matches!(why, NoResponse::Connect(_));
        let error = Error::from(why);
        if !is_connection {
            return error;
        }
        let what = format!("no extension listens at {}", self.url);
        Error::new(error.exit, what)
            .help("start it, `cargo run`, or name its address: `--url URL`, or `PORT`")
    }

    /// Why the extension refused the signature, which it says to its log alone.
    fn refusal(&self, headers: &[(String, String)], body: &[u8], response: &Response, now: u64) -> String {
        let date = response.header("date").and_then(|date| date.parse::<httpdate::HttpDate>().ok());
        let there = date.map(std::time::SystemTime::from);
        let there = there.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        let headers: Headers =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (live, now) =
            (self.secrets.get(..1).unwrap_or_default(), there.map_or(now, |there| there.as_secs()));
        let verdict =
            diagnose(Evidence { headers: &headers, body, now, live, retired: &[], other_bodies: &[] });
        match verdict.text {
            Some(text) => text,
            None => "the signature holds with the secret of this command: the process has another one, or it asks for a \
                     runtime token (`--token`); its log has the cause"
                .to_owned(),
        }
    }

    /// The build that listens, as its health says.
    fn build(&self) -> Option<String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/health", url.path().trim_end_matches('/')));
        let health = self.client.send(Method::GET, url, HeaderMap::new(), Vec::new(), Duration::from_secs(5));
        let health: Value = serde_json::from_slice(&health.ok()?.body).ok()?;
        let text = |name: &str| health.get(name)?.as_str().map(str::to_owned);
        let id = text("extension_id")?;
        Some(text("extension_version").map_or(id.clone(), |version| format!("{id} {version}")))
    }
}

/// The address without `--url`.
fn usual() -> Result<Url> {
    let port = env::var("PORT").ok().filter(|port| !port.is_empty()).unwrap_or_else(|| "8000".to_owned());
    let url = format!("http://127.0.0.1:{port}").parse();
    url.map_err(|_| {
        Error::input("`PORT` is not a port: expected 0 to 65535").help("or name the address: `--url URL`")
    })
}

fn texts(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

/// Deliveries of one command.
pub(crate) struct Exchanges<'s> {
    shell: &'s Shell,
    done: Vec<Exchanged>,
    saved: Option<String>,
}

impl<'s> Exchanges<'s> {
    pub(crate) fn new(shell: &'s Shell) -> Self {
        Self { shell, done: Vec::new(), saved: None }
    }

    /// Adds one, and prints it: the first with its body, the others as one line.
    pub(crate) fn add(&mut self, exchanged: Exchanged) {
        if !self.shell.is_json() {
            let text =
                if self.done.is_empty() { exchanged.text() } else { exchanged.line(self.done.len() + 1) };
            self.shell.result(&(), text);
        }
        self.done.push(exchanged);
    }

    /// Saves the first one.
    pub(crate) fn save(&mut self, exchange: &Exchange, file: Option<&Path>) -> Result<()> {
        let (Some(file), Some(first)) = (file, self.done.first()) else { return Ok(()) };
        let mut capture = first.capture.clone();
        capture.build = exchange.build();
        capture.save(file).map_err(|error| {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::input(format!("{error}{cause}"))
        })?;
        self.saved = Some(file.display().to_string());
        self.shell.note(format_args!(
            "saved in `{}`, without the calls of the handler, which only a fake platform sees: a test of \
             `#[kiket::replay]` adds them with `KIKET_UPDATE=1 cargo test`",
            file.display()
        ));
        Ok(())
    }

    /// Prints the JSON, and returns the status: the worst one.
    pub(crate) fn end(self) -> Exit {
        if self.shell.is_json() {
            let deliveries: Vec<_> = self.done.iter().map(Exchanged::json).collect();
            self.shell.result(&json!({ "deliveries": deliveries, "saved": self.saved }), "");
        }
        let exits = self.done.iter().map(|exchanged| exit(exchanged.response.status));
        exits.max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done)
    }
}

/// The status of the process for the status of a response.
fn exit(status: u16) -> Exit {
    match status {
        200..300 => Exit::Done,
        400..500 => Exit::ClientError,
        500.. => Exit::ServerError,
        _ => Exit::Problems,
    }
}

impl Exchanged {
    pub(crate) fn status(&self) -> u16 {
        self.response.status
    }

    fn is_replayed(&self) -> bool {
        self.response.header("x-kiket-replayed") == Some("true")
    }

    fn status_line(&self) -> String {
        let status = self.response.status;
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let style = match exit(status) {
            Exit::Done => GOOD,
            Exit::Problems => DOUBTFUL,
            _ => BAD,
        };
        format!("{style}{status} {}{style:#} in {:.1?}", reason.unwrap_or_default(), self.response.took)
    }

    /// What the status does not say.
    fn remark(&self) -> Option<String> {
        let replayed = "the stored reply: the delivery was handled before, and the handler did not run again";
        self.why.clone().or_else(|| self.is_replayed().then(|| replayed.to_owned()))
    }

    fn text(&self) -> String {
        let Capture { body, response, .. } = &self.capture;
        let headers = ["content-type", "retry-after", "x-kiket-replayed"]
            .into_iter()
            .filter_map(|name| Some(format!("{name}: {}\n", self.response.header(name)?)));
        let headers: String = headers.collect();
        let answer = response.as_ref().map(|response| shown(&response.body)).unwrap_or_default();
        let remark =
            self.remark().map(|remark| format!("\n{DOUBTFUL}why{DOUBTFUL:#}: {remark}")).unwrap_or_default();
        format!(
            "POST {}\ncontent-type: application/json\n{}: {}\n\n{}\n\n{}\n{headers}\n{answer}{remark}",
            self.capture.target(),
            TIMESTAMP_HEADER.to_ascii_lowercase(),
            self.signed_at,
            shown(body),
            self.status_line(),
        )
    }

    fn line(&self, number: usize) -> String {
        let remark = self.remark().map(|remark| format!(": {remark}")).unwrap_or_default();
        let id = self.capture.delivery_id().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{number}.{id} {}{remark}", self.status_line())
    }

    fn json(&self) -> Value {
        let Capture { event, version, body, response, .. } = &self.capture;
        json!({
            "event": event,
            "version": version,
            "id": self.capture.delivery_id(),
            "path": self.capture.target(),
            "signed_at": self.signed_at,
            "request": body,
            "status": self.response.status,
            "response": response.as_ref().map(|response| &response.body),
            "replayed": self.is_replayed(),
            "took_ms": self.response.took.as_secs_f64() * 1000.0,
            "why": self.why,
        })
    }
}

fn shown(content: &Content) -> String {
    match (&content.body, &content.text) {
        (Some(json), _) => format!("{json:#}"),
        (None, text) => text.clone().unwrap_or_default(),
    }
}
