//! A calendar of another service: an OAuth callback beside deliveries, and a background task that refreshes the token.
//!
//! `cargo run --example calendar` serves it, and `/oauth/start` in a browser connects it with the calendar at `CALENDAR_URL`, which
//! is another program. Its tests show it all with a fake of the calendar: `cargo test --example calendar`.

mod calendar;
#[cfg(test)]
mod fake;

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::header::{COOKIE, LOCATION, SET_COOKIE},
    web::{self, ServiceConfig},
};
use kiket::{extension::Shutdown, prelude::*, signature};

use self::calendar::{Account, Calendar, Entry, form};

#[derive(Deserialize)]
struct IssueCreated {
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    title: String,
    due_at: Option<String>,
}

/// Every issue with a due date becomes an entry of the calendar.
#[kiket::webhook("issue.created", version = "v1")]
async fn on_issue_created(
    calendar: State<Calendar>,
    Payload(IssueCreated { issue }): Payload<IssueCreated>,
    context: Context,
) -> kiket::Result<Reply> {
    let Some(due_at) = issue.due_at else { return Ok(Reply::ok()) };
    let account = Account::of(context.settings())?;
    // A redelivery has the same key: the calendar makes the entry once.
    let id =
        calendar.add(&account, &Entry { title: issue.title, at: due_at }, &context.delivery_key()).await?;
    let entry = json!({ "entry": id });

    // What the reply does not wait for, and what may come after the deadline of the delivery.
    let later = context.detached();
    let logged = entry.clone();
    tokio::spawn(async move {
        if let Err(error) = later.endpoints().log_event("calendar.entry", logged).await {
            tracing::warn!("the entry was not logged: {error}");
        }
    });
    Ok(Reply::json(entry))
}

/// The routes of the extension's own. Nothing authenticates their requests but they themselves.
fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(home))
        .route("/oauth/start", web::get().to(start))
        .route("/oauth/callback", web::get().to(callback));
}

async fn home(calendar: State<Calendar>) -> &'static str {
    if calendar.is_connected() {
        "The calendar is connected."
    } else {
        "Connect the calendar at /oauth/start."
    }
}

/// Sends the browser to the calendar's consent page. The `state` proves in the callback that it began here, in this browser: it
/// is signed, no other browser can guess it, and this one has it in a cookie.
async fn start(settings: Settings) -> kiket::Result<impl Responder> {
    let account = Account::of(&settings)?;
    let now = kiket::config::Clock::default().unix_seconds();
    let mut random = [0; 16];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut random);
    filled.map_err(|_| HandlerError::retry("the system has no random numbers"))?;
    let random = format!("{:032x}", u128::from_be_bytes(random));
    let state = format!("{now}.{random}.{}", signature::sign(&account.secret, now, &signed(&random)));
    let query = form(&[
        ("response_type", "code"),
        ("client_id", &account.id),
        ("redirect_uri", &account.redirect),
        ("state", &state),
    ]);
    let cookie = format!("{COOKIE_NAME}={state}; Path=/oauth; HttpOnly; SameSite=Lax; Max-Age=300");
    let page = format!("{}/authorize?{query}", account.url);
    Ok(HttpResponse::Found().insert_header((LOCATION, page)).insert_header((SET_COOKIE, cookie)).finish())
}

const COOKIE_NAME: &str = "calendar_state";

/// What is signed of a `state`, beside its time.
fn signed(random: &str) -> Vec<u8> {
    format!("oauth state {random}").into_bytes()
}

#[derive(Deserialize)]
struct Consent {
    code: Option<String>,
    state: String,
}

/// The browser comes back from the consent page with a code, which is exchanged for tokens.
async fn callback(
    request: HttpRequest,
    consent: web::Query<Consent>,
    calendar: State<Calendar>,
    settings: Settings,
) -> kiket::Result<&'static str> {
    let Consent { code, state } = consent.into_inner();
    let account = Account::of(&settings)?;
    if !began_here(&request, &state, &account) {
        return Err(HandlerError::reject(StatusCode::FORBIDDEN, "begin at /oauth/start, in this browser"));
    }
    let Some(code) = code else { return Ok("The calendar stays as it is.") };
    calendar.connect(&account, &code).await?;
    Ok("The calendar is connected.")
}

fn began_here(request: &HttpRequest, state: &str, account: &Account) -> bool {
    let cookies = request.headers().get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
    let mut cookies = cookies.split("; ").filter_map(|cookie| cookie.split_once('='));
    let now = kiket::config::Clock::default().unix_seconds();
    let [time, random, signature] = *state.split('.').collect::<Vec<_>>() else { return false };
    cookies.any(|cookie| cookie == (COOKIE_NAME, state))
        && signature::verify(&account.secret, time, signature, &signed(random), now).is_ok() // five minutes
}

/// Refreshes the token before it expires, for as long as the extension runs.
async fn keep_connected(extension: Extension, shutdown: Shutdown) {
    let Some(calendar) = extension.state::<Calendar>() else { return };
    let account = match Account::of(extension.config().settings()) {
        Ok(account) => account,
        Err(error) => return tracing::warn!("tokens are not refreshed: {error}"),
    };
    loop {
        // The token may be replaced meanwhile: then there is another time to wait for.
        tokio::select! {
            () = shutdown.requested() => return,
            () = calendar.refresh_is_due() => {}
        }
        match calendar.refresh(&account).await {
            Ok(()) => {
                let logged = extension.endpoints().log_event("calendar.refreshed", json!({})).await;
                logged.unwrap_or_else(|error| tracing::warn!("the refresh was not logged: {error}"));
            }
            Err(error) => {
                tracing::warn!("the token was not refreshed: {error}");
                if !shutdown.sleep(Duration::from_secs(30)).await {
                    return;
                }
            }
        }
    }
}

async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
    // The example runs from anywhere; an extension of its own has its manifest in its directory.
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/calendar/extension.yaml");
    Ok(builder.manifest(manifest).state(Calendar::new()?).routes(routes).background(keep_connected))
}

kiket::main!(setup = setup);

#[cfg(test)]
mod tests {
    use kiket::{
        http::ServerHandle,
        testing::{FakePlatform, TestExtension, TestResponse, delivery},
    };
    use serde_json::Value;

    use super::*;
    use crate::fake::FakeCalendar;

    struct World {
        calendar: FakeCalendar,
        platform: FakePlatform,
        extension: TestExtension,
    }

    impl World {
        async fn new() -> Self {
            // `kiket::main!` does that in the program.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let (calendar, platform) = (FakeCalendar::start(), FakePlatform::start());
            let builder = platform.extension(setup(Extension::builder()).await.unwrap());
            let builder = builder
                .setting("CALENDAR_URL", calendar.url())
                .setting("PUBLIC_URL", "https://calendar.example.com")
                .http(|http| http.host("127.0.0.1").port(0).workers(1))
                .telemetry(|telemetry| telemetry.enabled(false));
            Self { extension: TestExtension::new(builder).unwrap(), calendar, platform }
        }

        /// What a browser does: the consent page sends it back to the callback.
        async fn connect(&self) -> TestResponse {
            let begun = self.extension.get("/oauth/start").await;
            assert_eq!(begun.status(), 302, "{begun:?}");
            let page = reqwest::Url::parse(begun.headers().get("location").unwrap()).unwrap();
            let asked: std::collections::BTreeMap<_, _> = page.query_pairs().collect();
            assert_eq!(asked["redirect_uri"], "https://calendar.example.com/oauth/callback");
            let cookie = begun.headers().get("set-cookie").unwrap().split(';').next().unwrap();
            let back = format!("/oauth/callback?code={}&state={}", fake::CODE, asked["state"]);
            self.extension.call("GET", &back).header("cookie", cookie).await
        }

        async fn deliver(&self) -> TestResponse {
            let sample: Value = serde_json::from_str(include_str!("deliveries/issue.created.json")).unwrap();
            self.extension.deliver(delivery("issue.created", "v1", &sample)).await
        }

        /// The extension as a program serves it, with its background task.
        fn serve(&self) -> (ServerHandle, tokio::task::JoinHandle<std::io::Result<()>>) {
            let server = self.extension.extension().bind().unwrap();
            (server.handle(), tokio::spawn(server.run()))
        }

        fn logged(&self) -> Vec<Value> {
            self.platform.events().iter().map(|event| event["event"].clone()).collect()
        }
    }

    #[tokio::test]
    async fn a_delivery_uses_the_token_that_the_callback_brought() {
        let world = World::new().await;
        assert_eq!(world.extension.get("/").await.text(), "Connect the calendar at /oauth/start.");
        assert_eq!(world.deliver().await.status(), 503, "it comes again once the calendar is connected");
        let connected = world.connect().await;
        assert_eq!((connected.status(), connected.text()), (200, "The calendar is connected."));
        assert_eq!(world.extension.get("/").await.text(), "The calendar is connected.");
        let delivered = world.deliver().await;
        assert_eq!((delivered.status(), delivered.json()), (200, json!({ "entry": "entry-1" })));
        let [(key, entry)] = &*world.calendar.entries() else { panic!("one entry") };
        assert_eq!(*entry, json!({ "title": "Spring campaign", "at": "2026-05-01T09:00:00Z" }));
        assert_eq!(key, "id:evt_calendar_1");
        // The detached task is waited for at the drain.
        world.extension.extension().drain();
        world.extension.extension().drained().await;
        assert_eq!(world.logged(), ["calendar.entry"]);
    }

    #[tokio::test]
    async fn a_callback_that_did_not_begin_here_is_refused() {
        let world = World::new().await;
        let begun = world.extension.get("/oauth/start").await;
        let cookie = begun.headers().get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let (_, state) = cookie.split_once('=').unwrap();
        let other = world.extension.get("/oauth/start").await;
        assert!(!other.headers().get("set-cookie").unwrap().starts_with(&cookie), "each browser has its own");
        let forged = "1.0.0000000000000000000000000000000000000000000000000000000000000000";
        let forged_cookie = format!("{COOKIE_NAME}={forged}");
        for (state, cookie) in [(state, ""), (forged, &*cookie), (forged, &*forged_cookie)] {
            let back = format!("/oauth/callback?code={}&state={state}", fake::CODE);
            let refused = world.extension.call("GET", &back).header("cookie", cookie).await;
            assert_eq!(refused.status(), 403, "{refused:?}");
        }
        let back = format!("/oauth/callback?code=wrong&state={state}");
        let refused = world.extension.call("GET", &back).header("cookie", &cookie).await;
        assert_eq!((refused.status(), world.calendar.tokens()), (500, 0));
    }

    #[tokio::test]
    async fn a_busy_calendar_makes_the_delivery_come_again_later() {
        let world = World::new().await;
        world.connect().await;
        world.calendar.be_busy(17);
        let busy = world.deliver().await;
        assert_eq!((busy.status(), busy.headers().get("retry-after")), (503, Some("17")));
        assert_eq!(world.deliver().await.status(), 200);
        assert_eq!(world.calendar.entries().len(), 1);
    }

    #[tokio::test]
    async fn the_token_is_refreshed_in_the_background_until_the_drain() {
        let world = World::new().await;
        world.calendar.expires_in(&[30, 3_600]);
        let (handle, server) = world.serve();
        world.connect().await;
        // The first token expires within a minute: it is refreshed soon, which is now.
        assert_eq!(world.calendar.tokens(), 1);
        tokio::time::pause();
        tokio::time::advance(calendar::SOON).await;
        tokio::time::resume();
        world.calendar.until_tokens(2).await;
        let logged = async {
            while world.logged().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), logged).await.expect("the refresh is logged");
        assert_eq!(world.deliver().await.status(), 200, "the calendar takes the new token only");
        handle.stop();
        server.await.unwrap().unwrap();
        assert_eq!(world.calendar.tokens(), 2);
        assert_eq!(world.logged().first(), Some(&json!("calendar.refreshed")));
    }
}
