//! The manifest of an extension: what it declares to Kiket.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{
    error::{Problem, ProblemId},
    types::is_same_event,
};

mod callback;
mod events;
mod form;
mod kind;
mod load;
mod misspelt;
mod node;
mod reference;
mod report;
mod schema;
mod secrecy;
mod settings;
mod similar;
mod source;
#[cfg(test)]
pub(crate) mod tests;
mod yaml;

pub use events::DeclaredEvent;
pub(crate) use events::Endpoint;
pub use form::Form;
pub(crate) use load::read_regular;
pub use reference::Reference;
#[cfg(feature = "internals")]
pub use schema::secret_lines;
#[cfg(feature = "internals")]
pub(crate) use secrecy::names_a_secret;
pub use settings::Setting;
pub(crate) use settings::variable_key;
pub(crate) use similar::closest;

/// A manifest, read and checked, in any [`Form`].
///
/// ```
/// use std::path::Path;
/// use kiket_runtime::manifest::Manifest;
///
/// let text = "id: com.example.marketing\nversion: 1.0\nsettings:\n  - key: MAX_RETRIES\n    default: 3\n";
/// let manifest = Manifest::parse(text, Path::new("extension.yaml")).unwrap();
/// assert_eq!(manifest.version.as_deref(), Some("1.0"));
/// assert_eq!(manifest.settings[0].default, Some(3.into()));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Manifest {
    /// The path of the file.
    pub path: PathBuf,
    /// The form it is written in.
    pub form: Form,
    /// The id of the extension: `id`, `extension.id` (or `extension.key`), `metadata.key`.
    pub id: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The version of the extension, as it is written.
    pub version: Option<String>,
    /// The version of Kiket's API that the extension expects.
    pub api_version: Option<String>,
    /// The secret that signs deliveries: `delivery_secret` or `callback.secret`.
    pub delivery_secret: Option<Reference>,
    /// The URL that Kiket sends deliveries to.
    pub callback_url: Option<Reference>,
    /// The timeout of deliveries: how long Kiket waits for a response.
    pub callback_timeout: Option<Duration>,
    /// The settings, each once, in their order.
    pub settings: Vec<Setting>,
    /// The events that the manifest declares, each pair of name and version once.
    pub events: Vec<DeclaredEvent>,
    /// The paths at which hooks want their events, in their order.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The permissions that are plain text. Other shapes of permissions are in [`raw`](Self::raw).
    pub permissions: Vec<String>,
    /// The whole document, with unknown keys and expanded aliases. Of duplicate keys it has the last, and `null` in place of
    /// every secret.
    pub raw: Value,
    /// The problems that do not stop the start, like duplicate keys.
    pub warnings: Vec<Problem>,
}

impl Manifest {
    /// Looks for a manifest in `directory`: the first of these names that exists is it. `extension.yaml`,
    /// `manifest.yaml`, `extension.yml`, `manifest.yml`, `.kiket/manifest.yaml`, `kiket-extension.yaml`.
    pub fn search(directory: &Path) -> Option<PathBuf> {
        load::search(directory)
    }

    /// Reads the manifest of `directory`, if it has one. The others that it has are named in a warning (wire contract,
    /// manifest-beside).
    pub(crate) fn of(directory: &Path) -> Result<Option<Self>, Vec<Problem>> {
        let Some(path) = Self::search(directory) else { return Ok(None) };
        let mut manifest = Self::load(&path)?;
        manifest.warnings.extend(load::beside(directory, &path).into_iter().map(|other| {
            let what = format!("`{}` is not read: `{}` comes before it", other.display(), path.display());
            Problem::new(ProblemId::ManifestBeside, what)
                .mend("remove one of them, or name the right one: `builder.manifest(path)`")
        }));
        Ok(Some(manifest))
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Every problem of the file, in its order.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let text = load::read(path).map_err(|problem| vec![problem])?;
        schema::read(&text, path)
    }

    /// Reads `text`; the places of its problems name `file`.
    ///
    /// # Errors
    ///
    /// Every problem of the text, in its order.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Vec<Problem>> {
        schema::read(text, file)
    }

    /// The timeout of `event`, if its hook has one: how long Kiket waits for the response.
    pub fn event_timeout(&self, event: &str) -> Option<Duration> {
        self.events
            .iter()
            .filter(|declared| is_same_event(declared.name.as_str(), event))
            .find_map(|declared| declared.timeout)
    }

    /// The value of `custom_data`.
    pub fn custom_data(&self) -> Option<&Value> {
        let body = match self.form {
            Form::Flat => None,
            Form::Canonical => self.raw.get("extension"),
            Form::Adapter => self.raw.get("spec"),
        };
        body.and_then(|body| body.get("custom_data")).or_else(|| self.raw.get("custom_data"))
    }
}

impl fmt::Debug for Manifest {
    /// Prints which manifest it is, and no other values, which may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("path", &self.path)
            .field("form", &self.form)
            .field("id", &self.id)
            .field("version", &self.version)
            .field("delivery_secret", &self.delivery_secret)
            .field("settings", &self.settings)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
