//! The inbox of an extension: its options, what a start requires of it, and how it is opened.

use std::{mem, sync::Arc};

use tokio::sync::Notify;

use crate::{
    config::{Config, DEFAULT_INBOX, Given, InboxConfig, Use},
    delivery::InboxService,
    error::{Findings, Place, Problem, ProblemId},
    extension::options::{Options, setters},
    handler::Route,
    inbox::{InboxLimits, inbox_from_url},
    manifest::Manifest,
    store::{
        KeySpace, StoreError,
        inbox::{
            Inbox,
            seal::{SealKey, Sealer},
        },
    },
    types::{Clock, Secret, is_same_event},
};

/// Options of the inbox, in which the deliveries of `later` handlers wait: see
/// [`ExtensionBuilder::inbox`](crate::ExtensionBuilder::inbox).
#[must_use = "options do nothing until the builder gets them back"]
pub struct InboxOptions(pub(super) Options);

impl InboxOptions {
    setters! {
        /// The inbox at this URL: `sqlite:inbox.db` or, with the feature `postgres`, `postgres://…`. Comes before
        /// `KIKET_INBOX_URL`; `sqlite:kiket-inbox.db` in the working directory by default.
        url(url: impl Into<Secret>) => |options| options.inbox.layer.url = Some(given(url.into()));

        /// An inbox of your own. Comes before a URL.
        store(store: impl Inbox) => |options| options.inbox.store = Some(Arc::new(store));

        /// The key that seals what is stored: 32 bytes in base64, as `openssl rand -base64 32` prints. Comes before
        /// `KIKET_INBOX_KEY` and `KIKET_INBOX_KEY_FILE`.
        key(key: impl Into<Secret>) => |options| options.inbox.layer.key = Some(given(key.into()));

        /// Adds a key that was replaced, for the deliveries that it sealed. Comes before `KIKET_INBOX_KEY_PREVIOUS`.
        previous_key(key: impl Into<Secret>) => |options| options.inbox.layer.previous_keys.push(given(key.into()));

        /// Cuts secrets and tokens out of a delivery before it is stored, so that no key is needed: a `later` handler then has
        /// those of the environment, and calls Kiket as the workspace, if it says so.
        without_secrets() => |options| options.inbox.layer.without_secrets = true;

        /// Whether the file may be on a file system that does not last, like that of a container. Comes before
        /// `KIKET_INBOX_EPHEMERAL`; by default the start stops there.
        ephemeral(ephemeral: bool) => |options| options.inbox.layer.is_ephemeral = Some(ephemeral);

        /// How many deliveries this process works on at the same time; 0 accepts them only, for others to work on.
        workers(workers: usize) => |options| options.inbox.workers = Some(workers);
    }
}

fn given(text: Secret) -> Given {
    Given::new(text, "the builder's `inbox` options", None, Use::Text)
}

/// An inbox, with the secrets that no log may show.
pub(super) struct Opened {
    pub(super) service: Arc<InboxService>,
    pub(super) secrets: Vec<Secret>,
}

/// Opens the inbox, if a handler needs one. What is wrong about it is a problem of the start.
pub(super) fn open(
    options: &mut Options,
    config: &Config,
    routes: &[&Route],
    clock: &Clock,
    found: &mut Findings,
) -> Option<Opened> {
    let deferred = || routes.iter().filter(|route| route.handler.later.is_some());
    deferred().next()?;
    let given = mem::take(&mut options.inbox);
    let read = InboxConfig::combine(given.layer, &options.environment, found);
    if config.id.as_deref().is_none_or(|id| id.trim().is_empty()) {
        found.problems.push(without_id());
    }
    if read.with_secrets && read.key.is_none() {
        found.problems.extend(deferred().next().map(|route| without_key(route)));
    }
    let keys = read.key.iter().chain(&read.previous_keys).map(SealKey::read);
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|invalid| {
        Problem::new(ProblemId::InboxKey, format!("a key of the inbox is none: {invalid}"))
            .mend("set `KIKET_INBOX_KEY` to a key alone, and `KIKET_INBOX_KEY_PREVIOUS` to those before it")
    });
    let mut keys = found.take(keys).into_iter();
    let key = read.key.as_ref().and_then(|_| keys.next());
    let store = given.store.map_or_else(
        || {
            if read.url.is_none() {
                options.notes.push(format!(
                    "deliveries of `later` handlers are stored in `{DEFAULT_INBOX}`; `KIKET_INBOX_URL` names another inbox"
                ));
            }
            at_url(read.url.as_ref().map_or(DEFAULT_INBOX, Secret::expose), read.is_ephemeral).map(Some)
        },
        |store| Ok(Some(store)),
    );
    let store = found.take(store.map_err(|error| unusable(&error)))?;
    let space = KeySpace::new(config.dedupe_namespace.as_deref(), config.id.as_deref());
    let service = InboxService {
        store,
        sealer: Sealer::new(key, keys.collect()),
        with_secrets: read.with_secrets,
        space: space.name().to_owned(),
        clock: clock.clone(),
        woken: Notify::new(),
    };
    Some(Opened { service: Arc::new(service), secrets: read.secrets().cloned().collect() })
}

fn at_url(url: &str, is_ephemeral: bool) -> Result<Arc<dyn Inbox>, StoreError> {
    let mut limits = InboxLimits::default();
    limits.is_ephemeral = is_ephemeral;
    inbox_from_url(url, limits)
}

fn without_id() -> Problem {
    Problem::new(
        ProblemId::InboxWithoutId,
        "deliveries wait in the inbox under the id of the extension, and it has none",
    )
    .mend("write `id: com.example.my_extension` into the manifest, or call the builder's `id`")
}

fn without_key(route: &Route) -> Problem {
    let what = format!(
        "`{}` is a `later` handler: its deliveries, which may have secrets and tokens, are stored, and there is no key to seal them",
        route.handler.function
    );
    Problem::new(ProblemId::NoInboxKey, what).at(Place::from(route.handler.place)).mend(
        "set `KIKET_INBOX_KEY` to what `openssl rand -base64 32` prints, or `KIKET_INBOX_KEY_FILE` to a file with it; \
         `.inbox(|inbox| inbox.without_secrets())` on the builder cuts secrets and tokens out instead",
    )
}

fn unusable(error: &StoreError) -> Problem {
    let problem = Problem::new(ProblemId::InboxUrl, error.what());
    match error.how_to_mend() {
        Some(mend) => problem.mend(mend),
        None => problem,
    }
}

/// The `later` handlers whose response Kiket acts on: a 2xx without a decision means *allow*.
pub(super) fn deciding(manifest: Option<&Manifest>, routes: &[&Route]) -> Vec<Problem> {
    let deferred = routes.iter().filter(|route| route.handler.later.is_some());
    let deciding = deferred.filter_map(|route| {
        let (event, version) = (route.key.event.as_str(), &route.key.version);
        let required = manifest.and_then(|manifest| {
            let mut required = manifest.events().iter().filter(|event| event.is_required());
            required.find(|declared| {
                is_same_event(declared.name().as_str(), event)
                    && declared.version().is_none_or(|declared| declared == version)
            })
        });
        let is_guard = event.strip_prefix("workflow.").unwrap_or(event).starts_with("before_");
        let why = match required {
            _ if is_guard => "a guard: Kiket takes a response without a decision for *allow*".to_owned(),
            Some(hook) => format!("`required: true` in the manifest, line {}", hook.place().line),
            None => return None,
        };
        let what = format!(
            "`{}` is a `later` handler, and Kiket acts on the response to `{event}`, which is {why}",
            route.handler.function
        );
        Some(Problem::new(ProblemId::LaterDecides, what).at(Place::from(route.handler.place)).mend(
            "remove `later`: respond first, and defer what can wait, like with `context.inbox().schedule(…)`",
        ))
    });
    deciding.collect()
}
