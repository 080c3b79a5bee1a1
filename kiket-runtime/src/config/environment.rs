//! Environment variables: of the process, or given by a test.

use std::{collections::HashMap, ffi::OsString, sync::Arc};

/// The environment variables: of the process, or given by a test.
#[derive(Clone, Default)]
pub(crate) enum Environment {
    #[default]
    Process,
    Given(Arc<HashMap<String, OsString>>),
}

impl Environment {
    pub(crate) fn given(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name, value.into()));
        Self::Given(Arc::new(variables.collect()))
    }

    /// The variables of the process, and `more`, which count before them.
    #[cfg(feature = "internals")]
    pub(crate) fn process_with(more: Vec<(String, String)>) -> Self {
        let all = Self::Process.all().into_iter();
        Self::Given(Arc::new(all.chain(more.into_iter().map(|(name, value)| (name, value.into()))).collect()))
    }

    /// The variable `name`; an empty one counts as unset, and so does one that is not UTF-8, which
    /// [`not_utf8`](Self::not_utf8) reports.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let value = match self {
            Self::Process => std::env::var_os(name),
            Self::Given(variables) => variables.get(name).cloned(),
        };
        value?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// The variables whose name begins with `prefix`, by name; empty ones count as unset.
    pub(super) fn beginning_with(&self, prefix: &str) -> Vec<(String, String)> {
        let begin = self.all().into_iter().filter(|(name, _)| name.starts_with(prefix));
        begin
            .filter_map(|(name, value)| Some((name, value.into_string().ok()?)))
            .filter(|(_, v)| !v.is_empty())
            .collect()
    }

    /// The variables that `are_read` and are not UTF-8, by name.
    pub(super) fn not_utf8(&self, are_read: impl Fn(&str) -> bool) -> Vec<String> {
        let read = self.all().into_iter().filter(|(name, _)| are_read(name));
        read.filter(|(_, value)| value.to_str().is_none()).map(|(name, _)| name).collect()
    }

    fn all(&self) -> Vec<(String, OsString)> {
        let mut all: Vec<_> = match self {
            Self::Process => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
            Self::Given(variables) => HashMap::clone(variables).into_iter().collect(),
        };
        all.sort_unstable();
        all
    }
}

/// The filter of the log, `RUST_LOG`; `Err` where it is no text.
pub(crate) fn log_filter() -> Option<Result<String, &'static str>> {
    const NAME: &str = "RUST_LOG";
    let not_utf8 =
        || Environment::Process.not_utf8(|name| name == NAME).pop().map(|_| Err("it is not UTF-8"));
    Environment::Process.variable(NAME).map(Ok).or_else(not_utf8)
}
