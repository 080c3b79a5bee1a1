//! The webhook secrets: from a file, the environment, cargo's `[env]`, or where the manifest says; never from an argument.

use std::path::{Path, PathBuf};

use kiket_runtime::{Secret, error::ProblemId, internals, manifest::Manifest};

use crate::{
    environment,
    exit::{Error, Exit, Result},
    shell::Shell,
};

/// Where the secrets are.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Secret")]
pub(crate) struct Source {
    /// A file with the webhook secret alone, in place of `KIKET_WEBHOOK_SECRET`; several are several live secrets, the
    /// current one first
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
}

impl Source {
    /// The live secrets, the current one first; there is at least one. They are read and judged as the start does it: what
    /// stops the start is an error, and its warnings are notes.
    pub(crate) fn secrets(&self, shell: &Shell) -> Result<Vec<Secret>> {
        // Of a manifest that does not parse, `check` tells; the variable needs none.
        let manifest = Manifest::search(Path::new("")).and_then(|path| Manifest::load(&path).ok());
        let of_cargo =
            std::env::current_dir().map(|folder| environment::of_cargo(&folder)).unwrap_or_default();
        let (secrets, warnings) = internals::webhook_secrets(&self.secret_file, of_cargo, manifest.as_ref())
            .map_err(|problems| refused(&problems))?;
        for warning in warnings {
            let help = warning.help.as_ref().map(|mend| format!(": {mend}")).unwrap_or_default();
            shell.note(format_args!("{}{help}", warning.what));
        }
        Ok(secrets)
    }

    /// The current secret, or a drawn one where none is configured; and whether it was drawn.
    pub(crate) fn secret_or_drawn(&self, shell: &Shell) -> Result<(Secret, bool)> {
        let manifest = Manifest::search(Path::new("")).and_then(|path| Manifest::load(&path).ok());
        let of_cargo =
            std::env::current_dir().map(|folder| environment::of_cargo(&folder)).unwrap_or_default();
        let found = internals::webhook_secrets(&self.secret_file, of_cargo, manifest.as_ref());
        let is_missing = |problem: &kiket_runtime::Problem| problem.id == ProblemId::NoWebhookSecret;
        if found.is_err_and(|problems| problems.iter().all(is_missing)) {
            let drawn = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
            return Ok((Secret::from(drawn), true));
        }
        Ok((self.secret(shell)?, false))
    }

    /// The current secret.
    pub(crate) fn secret(&self, shell: &Shell) -> Result<Secret> {
        let mut secrets = self.secrets(shell)?;
        Ok(secrets.swap_remove(0))
    }
}

/// The error of secrets that the start would refuse.
pub(crate) fn refused(problems: &[kiket_runtime::Problem]) -> Error {
    let what: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
    let mends: Vec<_> = problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    let mends = mends.join("; ");
    Error::new(Exit::Input, what.join("; ")).help(format!("{mends}, or name a file: `--secret-file FILE`"))
}
