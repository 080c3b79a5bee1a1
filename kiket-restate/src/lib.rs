#![doc = include_str!("../README.md")]

mod attempts;
mod connect;
mod endpoint;
mod envelope;
mod inbox;
mod names;
mod register;
mod threads;

use std::{env, ffi::OsString, net::SocketAddr, sync::Arc, time::Duration};

use kiket_runtime::{Extension, ExtensionBuilder, Secret, extension::Shutdown};
use restate_sdk::endpoint::Endpoint;
use tokio::sync::Semaphore;

use self::{
    attempts::Attempts,
    connect::{client, url},
    inbox::{Ingress, RestateInbox},
    register::Registration,
    threads::Threads,
};

/// A Restate cluster that keeps the deliveries of `later` handlers and hands them out: [`install`](Self::install) gives it to an
/// extension.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is installed"]
pub struct Restate {
    /// The URLs may have passwords.
    ingress: Secret,
    identity_keys: Vec<String>,
    api_key: Option<Secret>,
    listen: SocketAddr,
    registration: Option<(Secret, Secret)>,
    concurrency: usize,
    grace_period: Duration,
}

/// Why an extension cannot use a Restate cluster.
#[derive(Debug, thiserror::Error)]
pub enum RestateError {
    /// A variable that is needed is not set.
    #[error("`{0}` is not set: {1}")]
    Missing(&'static str, &'static str),
    /// A value is not what it has to be.
    #[error("{0}")]
    Invalid(String),
    /// An identity key is not one.
    #[error("an identity key of Restate begins with `publickeyv1_`; its log shows it at the start: {0}")]
    IdentityKey(String),
    /// The threads or the client cannot be made.
    #[error("the threads and connections for Restate cannot be made")]
    Process(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Restate {
    /// The cluster whose ingress is at this URL, like `http://127.0.0.1:8080`, and whose requests are signed with the private key of
    /// `identity_key`, like `publickeyv1_…`: what is not signed so is refused.
    pub fn new(ingress: impl Into<String>, identity_key: impl Into<String>) -> Self {
        Self {
            ingress: Secret::new(ingress),
            identity_keys: vec![identity_key.into()],
            api_key: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 9080)),
            registration: None,
            concurrency: 8,
            grace_period: Duration::from_secs(20),
        }
    }

    /// What the environment says: `KIKET_RESTATE_INGRESS_URL` and `KIKET_RESTATE_IDENTITY_KEY` are needed (of keys that replace each
    /// other, both, with a comma between), `KIKET_RESTATE_API_KEY`, `KIKET_RESTATE_LISTEN`, and `KIKET_RESTATE_ADMIN_URL` with
    /// `KIKET_RESTATE_ENDPOINT_URL` are not.
    ///
    /// # Errors
    ///
    /// When a variable is missing or is not what it has to be.
    pub fn from_environment() -> Result<Self, RestateError> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, RestateError> {
        let get = |name: &str| {
            let invalid = |_| RestateError::Invalid(format!("`{name}` is not UTF-8"));
            let value = get(name).map(OsString::into_string).transpose().map_err(invalid)?;
            Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
        };
        let needed = |name, why| get(name)?.ok_or(RestateError::Missing(name, why));
        let ingress = needed(
            "KIKET_RESTATE_INGRESS_URL",
            "the URL of Restate's ingress, like `http://127.0.0.1:8080`",
        )?;
        let keys = needed(
            "KIKET_RESTATE_IDENTITY_KEY",
            "without the public key of Restate's request identity, anyone who reaches the endpoint could call it",
        )?;
        let mut keys = keys.split(',').map(str::trim);
        let restate = Self::new(ingress, keys.next().unwrap_or_default());
        let mut restate = keys.fold(restate, Self::identity_key);
        if let Some(key) = get("KIKET_RESTATE_API_KEY")? {
            restate = restate.api_key(key);
        }
        if let Some(address) = get("KIKET_RESTATE_LISTEN")? {
            let invalid = |_| {
                RestateError::Invalid(format!(
                    "`KIKET_RESTATE_LISTEN` is `{address}`, and has to be like `0.0.0.0:9080`"
                ))
            };
            restate = restate.listen(address.parse().map_err(invalid)?);
        }
        match (get("KIKET_RESTATE_ADMIN_URL")?, get("KIKET_RESTATE_ENDPOINT_URL")?) {
            (Some(admin), Some(endpoint)) => restate = restate.register(admin, endpoint),
            (None, None) => {}
            _ => {
                return Err(RestateError::Invalid(
                    "`KIKET_RESTATE_ADMIN_URL` and `KIKET_RESTATE_ENDPOINT_URL` go together".to_owned(),
                ));
            }
        }
        Ok(restate)
    }

    /// Accepts the requests of one more identity key, while keys are replaced.
    pub fn identity_key(mut self, key: impl Into<String>) -> Self {
        self.identity_keys.push(key.into());
        self
    }

    /// The API key of the ingress, sent as a bearer token.
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The address at which Restate calls the extension; `127.0.0.1:9080` by default.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Registers the endpoint at the start: `admin` is the URL of Restate's admin API, and `endpoint` the one at which Restate reaches
    /// [the address that is listened on](Self::listen). Without it, `restate deployments register` does that.
    pub fn register(mut self, admin: impl Into<String>, endpoint: impl Into<String>) -> Self {
        self.registration = Some((Secret::new(admin), Secret::new(endpoint)));
        self
    }

    /// How many deliveries this process works on at the same time, each on a thread of its own; 8 by default, 1 to 512.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.clamp(1, 512);
        self
    }

    /// How long handlers may run on after a shutdown began, before they are given back to Restate, which does not count as an
    /// attempt. 20 s by default: less than the grace period of the extension, which is 25 s.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.grace_period = grace;
        self
    }

    /// Gives the cluster to an extension: accepted deliveries go to it, and come back from it.
    ///
    /// What the builder's `inbox` options say of keys holds; they come before no URL, store or number of workers here.
    ///
    /// # Errors
    ///
    /// When an identity key is not one, a URL is not one, or the process can have no more threads.
    pub fn install(self, builder: ExtensionBuilder) -> Result<ExtensionBuilder, RestateError> {
        let mut endpoint = Endpoint::builder();
        for key in &self.identity_keys {
            endpoint =
                endpoint.identity_key(key).map_err(|error| RestateError::IdentityKey(error.to_string()))?;
        }
        let threads = Arc::new(Threads::new(self.concurrency).map_err(process)?);
        let url_of_ingress = url("the URL of the ingress (`KIKET_RESTATE_INGRESS_URL`)", &self.ingress)?;
        let ingress =
            Ingress { client: client(&url_of_ingress)?, url: url_of_ingress, api_key: self.api_key };
        let registration = match self.registration {
            Some((admin, endpoint)) => {
                let admin = url("the URL of the admin API (`KIKET_RESTATE_ADMIN_URL`)", &admin)?;
                let endpoint = url("the URL of the endpoint (`KIKET_RESTATE_ENDPOINT_URL`)", &endpoint)?;
                Some(Registration { client: client(&admin)?, admin, endpoint })
            }
            None => None,
        };
        let inbox = RestateInbox { ingress, threads: Arc::clone(&threads) };
        let (listen, concurrency, grace) = (self.listen, self.concurrency, self.grace_period);
        let work = move |extension: Extension, shutdown: Shutdown| async move {
            if extension.inbox().space().is_none() {
                return; // no handler runs later
            }
            let slots = Arc::new(Semaphore::new(concurrency));
            let attempts = Arc::new(Attempts::new(extension, Arc::clone(&threads), slots, shutdown.clone()));
            let served = async move {
                let endpoint = endpoint::endpoint(&attempts, endpoint);
                let slots = u32::try_from(concurrency).unwrap_or(u32::MAX);
                tokio::join!(endpoint::serve(endpoint, listen, &attempts, slots, grace), async {
                    if let Some(registration) = registration {
                        registration.register(&shutdown).await;
                    }
                });
                Ok(())
            };
            let _ = threads.run(served).await;
        };
        // There is nothing to claim; one worker, since the slots of schedules are inserted where there are workers.
        Ok(builder.inbox(|inbox_options| inbox_options.store(inbox).workers(1)).background(work))
    }
}

fn process(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RestateError {
    RestateError::Process(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "publickeyv1_AtQJs8d1Qg2K8YsS1BdL6EqdLrZDABnoq383Bfyj8Z71";

    fn read(variables: &[(&str, &str)]) -> Result<Restate, RestateError> {
        let needed =
            [("KIKET_RESTATE_INGRESS_URL", "http://127.0.0.1:8080/"), ("KIKET_RESTATE_IDENTITY_KEY", KEY)];
        Restate::from_variables(|name| {
            let all = variables.iter().chain(&needed);
            all.clone().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn variables_say_where_restate_is() {
        let restate = read(&[]).unwrap();
        assert_eq!((restate.identity_keys, restate.listen.port()), (vec![KEY.to_owned()], 9080));
        let all = [
            ("KIKET_RESTATE_IDENTITY_KEY", &*format!("{KEY}, {KEY}")),
            ("KIKET_RESTATE_LISTEN", "0.0.0.0:1"),
            ("KIKET_RESTATE_API_KEY", "canary"),
            ("KIKET_RESTATE_ADMIN_URL", "http://a"),
            ("KIKET_RESTATE_ENDPOINT_URL", "http://b"),
        ];
        let restate = read(&all).unwrap();
        assert!(!format!("{restate:?}").contains("canary"));
        assert_eq!((restate.identity_keys.len(), restate.listen.port()), (2, 1));
        let (admin, endpoint) = restate.registration.unwrap();
        assert_eq!((admin.expose(), endpoint.expose()), ("http://a", "http://b"));
        for (name, value) in [
            ("KIKET_RESTATE_INGRESS_URL", " "),
            ("KIKET_RESTATE_IDENTITY_KEY", ""),
            ("KIKET_RESTATE_LISTEN", "localhost"),
            ("KIKET_RESTATE_ADMIN_URL", "http://a"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().to_string().contains(name), "{name}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_variable_that_is_not_utf8_is_not_taken_for_absent() {
        use std::os::unix::ffi::OsStringExt as _;

        let odd = |name: &str| match name {
            "KIKET_RESTATE_API_KEY" => Some(OsString::from_vec(vec![0xff])),
            "KIKET_RESTATE_INGRESS_URL" => Some("http://127.0.0.1:8080".into()),
            _ => Some(KEY.into()),
        };
        let refused = Restate::from_variables(odd).unwrap_err().to_string();
        assert!(refused.contains("`KIKET_RESTATE_API_KEY` is not UTF-8"), "{refused}");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let install = |restate: Restate| restate.install(Extension::builder()).map(drop);
        assert!(install(Restate::new("http://127.0.0.1:8080", KEY)).is_ok());
        for key in ["", "canary", "publickeyv1_1"] {
            let refused = install(Restate::new("http://127.0.0.1:8080", key));
            assert!(matches!(refused, Err(RestateError::IdentityKey(_))), "{key}");
        }
        let good = "http://127.0.0.1:8080";
        for bad in ["", "127.0.0.1:8080", "ftp://user:canary@a", "http://user:canary@a/?b"] {
            for (name, urls) in [
                ("INGRESS", [bad, good, good]),
                ("ADMIN", [good, bad, good]),
                ("ENDPOINT", [good, good, bad]),
            ] {
                let restate = Restate::new(urls[0], KEY).register(urls[1], urls[2]);
                assert!(!format!("{restate:?}").contains("canary"));
                let Err(RestateError::Invalid(said)) = install(restate) else { panic!("{bad}") };
                assert!(
                    said.contains(&format!("`KIKET_RESTATE_{name}_URL`")) && !said.contains("canary"),
                    "{said}"
                );
            }
        }
    }
}
