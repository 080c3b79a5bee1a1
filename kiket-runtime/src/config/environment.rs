//! Environment variables: of the process, or given by a test.

use std::{collections::HashMap, sync::Arc};

/// The environment variables: of the process, or given by a test.
#[derive(Clone, Default)]
pub(crate) enum Environment {
    #[default]
    Process,
    Given(Arc<HashMap<String, String>>),
}

impl Environment {
    pub(crate) fn given(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::Given(Arc::new(variables.into_iter().collect()))
    }

    /// The variable `name`; an empty one counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Process => std::env::var(name).ok(),
            Self::Given(variables) => variables.get(name).cloned(),
        }
        .filter(|value| !value.is_empty())
    }

    /// The variables whose name begins with `prefix`; empty ones count as unset.
    pub(super) fn beginning_with(&self, prefix: &str) -> Vec<(String, String)> {
        let all = match self {
            Self::Process => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            Self::Given(variables) => HashMap::clone(variables),
        };
        all.into_iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty()).collect()
    }
}

/// The filter of the log: `RUST_LOG`.
pub(crate) fn log_filter() -> Option<String> {
    Environment::Process.variable("RUST_LOG")
}
