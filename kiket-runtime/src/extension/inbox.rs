//! The inbox of an extension: its options, what a start requires of it, and how it is opened.

use std::{mem, sync::Arc};

use tokio::sync::Notify;

use crate::{
    config::{Config, DEFAULT_INBOX, Given, InboxConfig, Use},
    delivery::{InboxService, LaterHandler},
    error::{Findings, Place, Problem, ProblemId},
    extension::options::{Options, setters},
    handler::{Registry, Route},
    inbox::{InboxLimits, inbox_from_url},
    manifest::Manifest,
    metrics::InboxCounts,
    store::{
        KeySpace,
        inbox::{
            Inbox,
            seal::{SealKey, Sealer},
        },
    },
    types::{Clock, Secret, is_guard, is_same_event},
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

        /// how many deliveries this process works on at the same time, 8 by default; 0 accepts them only, for others to work on.
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
    registry: &Registry,
    clock: &Clock,
    found: &mut Findings,
) -> Option<Opened> {
    let routes = registry.routes();
    let deferred = routes.iter().find(|route| route.handler.later.is_some());
    if deferred.is_none() && registry.schedules().is_empty() {
        return None;
    }
    let given = mem::take(&mut options.inbox);
    options.inbox.workers = given.workers;
    let read = InboxConfig::combine(given.layer, &options.environment, found);
    if config.id.as_deref().is_none_or(|id| id.trim().is_empty()) {
        found.problems.push(without_id());
    }
    if read.with_secrets && read.key.is_none() {
        // A schedule stores no delivery.
        found.problems.extend(deferred.map(|route| without_key(route)));
    }
    let mut keys = found.take(seal_keys(&read)).into_iter();
    let key = read.key.as_ref().and_then(|_| keys.next());
    let store = given.store.map_or_else(
        || {
            if read.url.is_none() {
                options.notes.push(format!(
                    "deliveries of `later` handlers are stored in `{DEFAULT_INBOX}`; `KIKET_INBOX_URL` names another inbox"
                ));
            }
            let limits = InboxLimits { is_ephemeral: read.is_ephemeral, ..InboxLimits::default() };
            inbox_from_url(read.url.as_ref().map_or(DEFAULT_INBOX, Secret::expose), limits)
        },
        Ok,
    );
    let store = store.and_then(|store| store.lasts().map(|()| Some(store)));
    let store = found.take(store.map_err(|error| error.into_problem(ProblemId::InboxUrl)))?;
    let space = KeySpace::new(config.dedupe_namespace.as_deref(), config.id.as_deref());
    let service = InboxService {
        store,
        sealer: Sealer::new(key, keys.collect()),
        with_secrets: read.with_secrets,
        space: space.name().to_owned(),
        clock: clock.clone(),
        woken: Notify::new(),
        counts: InboxCounts::default(),
        last: Arc::default(),
    };
    Some(Opened { service: Arc::new(service), secrets: read.secrets().cloned().collect() })
}

/// The keys of the configuration, that which seals first.
pub(crate) fn seal_keys(read: &InboxConfig) -> Result<Vec<SealKey>, Problem> {
    read.key.iter().chain(&read.previous_keys).map(SealKey::read).collect::<Result<_, _>>().map_err(
        |invalid| {
            Problem::new(ProblemId::InboxKey, format!("a key of the inbox is none: {invalid}")).mend(
                "set `KIKET_INBOX_KEY` to a key alone, and `KIKET_INBOX_KEY_PREVIOUS` to those before it",
            )
        },
    )
}

/// What work that is scheduled needs of its handler.
pub(super) fn later_handler(route: &Arc<Route>) -> LaterHandler {
    let later = route.handler.later.as_ref();
    let lane = later.and_then(|later| later.lane.as_deref()).map(str::to_owned);
    let blocks_lane = later.is_some_and(|later| later.blocks_lane);
    LaterHandler { key: Arc::clone(&route.key), lane, blocks_lane }
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
         `.inbox(InboxOptions::without_secrets)` on the builder cuts secrets and tokens out instead",
    )
}

/// The `later` handlers whose response Kiket acts on: a 2xx without a decision means *allow*.
pub(super) fn deciding(manifest: Option<&Manifest>, routes: &[&Route]) -> Vec<Problem> {
    let deferred = routes.iter().filter(|route| route.handler.later.is_some());
    let deciding = deferred.filter_map(|route| {
        let (event, version) = (route.key.event.as_str(), &route.key.version);
        let required = manifest.and_then(|manifest| {
            let mut required = manifest.events.iter().filter(|event| event.required);
            required.find(|declared| {
                is_same_event(declared.name.as_str(), event)
                    && declared.version.as_ref().is_none_or(|declared| declared == version)
            })
        });
        let why = match required {
            _ if is_guard(event) => {
                "a guard: Kiket takes a response without a decision for *allow*".to_owned()
            }
            Some(hook) => format!("`required: true` in the manifest, line {}", hook.place.line),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Extension,
        error::StartupError,
        extension::ExtensionBuilder,
        handler::{Handler, Later},
    };

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn later(event: &str) -> Handler {
        Handler::new(event, "v1", async || ()).later(Later::new())
    }

    fn builder(variables: &[(&'static str, &'static str)]) -> ExtensionBuilder {
        let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
        builder.id("com.example.crm").environment(variables.iter().copied())
    }

    fn service(extension: &Extension) -> &InboxService {
        extension.pipeline().services.inbox.as_deref().unwrap()
    }

    fn refusal(built: Result<Extension, StartupError>) -> (Vec<ProblemId>, String) {
        let error = built.unwrap_err();
        (error.problems().iter().map(|problem| problem.id).collect(), error.to_string())
    }

    const MEMORY: (&str, &str) = ("KIKET_INBOX_URL", "sqlite::memory:");

    #[test]
    fn an_extension_without_later_handlers_has_no_inbox() {
        let variables = [("KIKET_INBOX_URL", "canary"), ("KIKET_INBOX_KEY", "canary")];
        let extension = builder(&variables).on("issue.created", "v1", async || {}).build().unwrap();
        assert!(extension.pipeline().services.inbox.is_none());
    }

    #[test]
    fn deliveries_are_sealed_or_lose_their_secrets() {
        let (ids, text) = refusal(builder(&[MEMORY]).handler(later("issue.created")).build());
        assert_eq!(ids, [ProblemId::NoInboxKey]);
        assert!(text.contains("openssl rand -base64 32") && text.contains("inbox.rs"), "{text}");

        let sealed =
            builder(&[MEMORY, ("KIKET_INBOX_KEY", KEY)]).handler(later("issue.created")).build().unwrap();
        assert!(service(&sealed).sealer.has_key() && service(&sealed).with_secrets);
        assert_eq!(service(&sealed).space, "com.example.crm");
        let cut = builder(&[MEMORY]).inbox(InboxOptions::without_secrets).handler(later("issue.created"));
        let cut = cut.build().unwrap();
        assert!(!service(&cut).sealer.has_key() && !service(&cut).with_secrets);
        // Both: what was sealed before opens, and what is stored now is sealed, too.
        let both = builder(&[MEMORY, ("KIKET_DEDUPE_NAMESPACE", "staging")]);
        let both = both.inbox(|inbox| inbox.key(KEY).previous_key(KEY).without_secrets());
        let both = both.handler(later("issue.created")).build().unwrap();
        assert!(service(&both).sealer.has_key() && !service(&both).with_secrets);
        assert_eq!(service(&both).space, "staging/com.example.crm");
    }

    #[test]
    fn a_key_that_is_none_is_not_shown() {
        for name in ["KIKET_INBOX_KEY", "KIKET_INBOX_KEY_PREVIOUS"] {
            let variables = [MEMORY, ("KIKET_INBOX_KEY", KEY), (name, "canary")];
            let (ids, text) = refusal(builder(&variables).handler(later("issue.created")).build());
            assert_eq!(ids, [ProblemId::InboxKey], "{name}");
            assert!(text.contains("32 bytes") && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn an_inbox_has_a_place_and_its_extension_an_id() {
        let built = |url, id| {
            let builder = Extension::builder().webhook_secret("sh_123").without_manifest().id(id);
            let builder = builder.environment([("KIKET_INBOX_KEY", KEY), ("KIKET_INBOX_URL", url)]);
            builder.handler(later("issue.created")).build()
        };
        let (ids, text) = refusal(built("mysql://user:canary@host/db", "com.example.crm"));
        assert_eq!(ids, [ProblemId::InboxUrl]);
        assert!(text.contains("`sqlite:inbox.db`") && !text.contains("canary"), "{text}");
        assert_eq!(refusal(built("sqlite::memory:", " ")).0, [ProblemId::InboxWithoutId]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_does_not_last_stops_the_start() {
        if !std::path::Path::new("/proc/self/mountinfo").exists() {
            return;
        }
        // The file system of devices is in memory, everywhere; nothing is written there.
        let variables = [("KIKET_INBOX_URL", "sqlite:/dev/kiket.db"), ("KIKET_INBOX_KEY", KEY)];
        let (ids, text) = refusal(builder(&variables).handler(later("issue.created")).build());
        assert_eq!(ids, [ProblemId::InboxUrl]);
        assert!(text.contains("`KIKET_INBOX_EPHEMERAL=1`"), "{text}");
        let lasting = [&variables[..], &[("KIKET_INBOX_EPHEMERAL", "1")]].concat();
        assert!(builder(&lasting).handler(later("issue.created")).build().is_ok());
        let allowed = builder(&variables).inbox(|inbox| inbox.ephemeral(true));
        assert!(allowed.handler(later("issue.created")).build().is_ok());
    }

    #[test]
    fn where_kiket_acts_on_the_response_nothing_is_deferred() {
        for event in ["workflow.before_transition", "before_transition", "workflow.before_close"] {
            let (ids, text) =
                refusal(builder(&[MEMORY, ("KIKET_INBOX_KEY", KEY)]).handler(later(event)).build());
            assert_eq!(ids, [ProblemId::LaterDecides], "{event}");
            assert!(text.contains("takes a response without a decision for *allow*"), "{text}");
        }
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let manifest = "id: com.example.crm\nhooks:\n  - { event: comment.created, required: true }\n  - { event: issue.updated, version: v2, required: true }\n  - issue.created\n";
        std::fs::write(file.path(), manifest).unwrap();
        let built = |handler| {
            let builder = Extension::builder().webhook_secret("sh_123").manifest(file.path());
            builder.environment([MEMORY, ("KIKET_INBOX_KEY", KEY)]).handler(handler).build()
        };
        // Under its other name, too.
        for event in ["comment.created", "issue.commented"] {
            let (ids, text) = refusal(built(later(event)));
            assert_eq!(ids, [ProblemId::LaterDecides], "{event}");
            assert!(text.contains("line 3"), "{text}");
        }
        assert!(built(later("issue.updated")).is_ok(), "another version");
        assert!(built(later("issue.created")).is_ok());
    }

    #[test]
    fn a_later_handler_has_no_reply_and_a_lane_that_is_a_path() {
        let handler = Handler::new("issue.created", "v1", async || crate::Reply::ok()).later(Later::new());
        let (ids, text) = refusal(builder(&[MEMORY, ("KIKET_INBOX_KEY", KEY)]).handler(handler).build());
        assert_eq!(ids, [ProblemId::LaterReply]);
        assert!(text.contains("`Result<(), E>`"), "{text}");
        let handler = Handler::new("issue.created", "v1", async || Ok::<_, crate::HandlerError>(()));
        let handler = handler.later(Later::new().lane("issue id"));
        let (ids, _) = refusal(builder(&[MEMORY, ("KIKET_INBOX_KEY", KEY)]).handler(handler).build());
        assert_eq!(ids, [ProblemId::LaterLane]);
    }
}
