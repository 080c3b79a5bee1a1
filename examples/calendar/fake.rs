//! A fake of the calendar for tests: the few requests that the extension makes, on a free port of this machine.

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) struct FakeCalendar {
    url: String,
    shared: web::Data<Shared>,
    server: ServerHandle,
}

struct Shared {
    state: Mutex<State>,
    /// How many tokens were made; the last one is valid.
    tokens: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    entries: Vec<(String, Value)>,
    /// The `Retry-After` of the next request.
    busy: Option<u32>,
    /// How long the next tokens hold, in seconds.
    expires_in: VecDeque<u32>,
}

pub(crate) const CODE: &str = "a-code";

impl FakeCalendar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            web::Data::from(Arc::new(Shared { state: Mutex::default(), tokens: watch::Sender::new(0) }));
        let app = {
            let shared = shared.clone();
            move || {
                App::new()
                    .app_data(shared.clone())
                    .route("/token", web::post().to(token))
                    .route("/entries", web::post().to(add))
            }
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, shared, server: handle }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn entries(&self) -> Vec<(String, Value)> {
        self.state().entries.clone()
    }

    pub(crate) fn be_busy(&self, seconds: u32) {
        self.state().busy = Some(seconds);
    }

    pub(crate) fn expires_in(&self, seconds: &[u32]) {
        self.state().expires_in = seconds.iter().copied().collect();
    }

    pub(crate) fn tokens(&self) -> u32 {
        *self.shared.tokens.borrow()
    }

    pub(crate) async fn until_tokens(&self, count: u32) {
        self.shared.tokens.subscribe().wait_for(|made| *made >= count).await.unwrap();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for FakeCalendar {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

#[derive(serde::Deserialize)]
struct Grant {
    client_secret: String,
    #[serde(rename = "grant_type")]
    kind: String,
    code: Option<String>,
    refresh_token: Option<String>,
}

async fn token(shared: web::Data<Shared>, grant: web::Form<Grant>) -> HttpResponse {
    let made = *shared.tokens.borrow();
    let granted = match &*grant.kind {
        "authorization_code" => grant.code.as_deref() == Some(CODE),
        "refresh_token" => grant.refresh_token == Some(format!("refresh-{made}")),
        _ => false,
    };
    if !granted || grant.client_secret.is_empty() {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    }
    let seconds = shared.state.lock().unwrap().expires_in.pop_front().unwrap_or(3_600);
    let made = made + 1;
    shared.tokens.send_replace(made);
    HttpResponse::Ok().json(json!({
        "access_token": format!("access-{made}"),
        "refresh_token": format!("refresh-{made}"),
        "expires_in": seconds,
    }))
}

async fn add(shared: web::Data<Shared>, request: HttpRequest, entry: web::Json<Value>) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut state = shared.state.lock().unwrap();
    if let Some(seconds) = state.busy.take() {
        return HttpResponse::TooManyRequests().insert_header(("retry-after", seconds.to_string())).finish();
    }
    if header("authorization") != format!("Bearer access-{}", *shared.tokens.borrow()) {
        return HttpResponse::Unauthorized().finish();
    }
    let key = header("idempotency-key").to_owned();
    let known = state.entries.iter().position(|(of, _)| *of == key);
    let place = known.unwrap_or_else(|| {
        state.entries.push((key, entry.into_inner()));
        state.entries.len() - 1
    });
    HttpResponse::Created().json(json!({ "id": format!("entry-{}", place + 1) }))
}
