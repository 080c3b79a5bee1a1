//! Which inbox: that of the configuration, as the extension reads it, opened here.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kiket_runtime::{
    Secret,
    inbox::{Inbox, InboxLimits, inbox_from_url},
    internals,
    manifest::Manifest,
};

use super::failure::failed;
use crate::{
    environment,
    exit::{Error, Exit, Result},
};

/// How long everything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The inbox to look at.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Place {
    /// The file of an SQLite inbox, in place of `KIKET_INBOX_URL`
    #[arg(long, value_name = "FILE", global = true)]
    sqlite: Option<PathBuf>,
    /// The id of the extension, in place of that in the manifest
    #[arg(long, value_name = "ID", global = true)]
    extension: Option<String>,
    /// The namespace, in place of `KIKET_DEDUPE_NAMESPACE`
    #[arg(long, value_name = "NAME", global = true)]
    namespace: Option<String>,
}

/// An inbox, and the space of the extension in it.
pub(super) struct Opened {
    url: Secret,
    space: String,
}

impl Place {
    /// Finds the inbox. A file that is not there is an error: nothing is created by looking.
    pub(super) fn open(&self) -> Result<Opened> {
        let (url, space) = self.find()?;
        if let Some(file) = url.expose().strip_prefix("sqlite:").filter(|file| !Path::new(file).exists()) {
            return Err(Error::input(format!("there is no inbox at `{file}`"))
                .help("run this where the extension runs, or name the file with `--sqlite`"));
        }
        if space.is_empty() {
            return Err(Error::input("the extension has no id, by which its rows are found")
                .help("run this beside the manifest, or name the id with `--extension`"));
        }
        Ok(Opened { url, space })
    }

    /// The SQL of the tables.
    pub(super) fn schema(&self) -> Result<&'static str> {
        let (url, _) = self.find()?;
        kiket_runtime::inbox::schema(url.expose()).map_err(failed)
    }

    fn find(&self) -> Result<(Secret, String)> {
        let manifest = Manifest::search(Path::new("")).map(|path| Manifest::load(&path)).transpose();
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(_) if self.extension.is_some() => None,
            Err(problems) => {
                let first = problems.first().map(|problem| problem.what.clone()).unwrap_or_default();
                return Err(Error::input(format!("the manifest is unreadable: {first}"))
                    .help("`cargo kiket check` shows all problems; `--extension` names the id without it"));
            }
        };
        let mut variables = std::env::current_dir().map(|folder| environment::of_cargo(&folder))?;
        if let Some(namespace) = &self.namespace {
            variables.push(("KIKET_DEDUPE_NAMESPACE".to_owned(), namespace.clone()));
        }
        let (url, space) = internals::inbox_place(variables, self.extension.as_deref(), manifest.as_ref())
            .map_err(|problems| {
                let first = problems.first();
                let error =
                    Error::input(first.map_or("the configuration is unusable", |problem| &problem.what));
                match first.and_then(|problem| problem.help.as_deref()) {
                    Some(mend) => error.help(mend),
                    None => error,
                }
            })?;
        let url = match &self.sqlite {
            Some(file) => Secret::new(format!("sqlite:{}", file.display())),
            None => url,
        };
        Ok((url, space))
    }
}

impl Opened {
    /// Runs `act` with the inbox, within the deadline.
    pub(super) fn run(self, act: impl AsyncFnOnce(&dyn Inbox, &str) -> Result<Exit>) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Whether its file system lasts is judged where deliveries are accepted.
        let mut limits = InboxLimits::default();
        limits.is_ephemeral = true;
        let inbox = inbox_from_url(self.url.expose(), limits).map_err(failed)?;
        runtime.block_on(async {
            let acted = async {
                inbox.check().await.map_err(failed)?;
                act(&*inbox, &self.space).await
            };
            tokio::time::timeout(DEADLINE, acted).await.unwrap_or_else(|_| {
                let late = format!("the inbox did not respond within {} s", DEADLINE.as_secs());
                Err(Error::new(Exit::Unreachable, late)
                    .help("see that its server runs, and is not overloaded"))
            })
        })
    }
}
