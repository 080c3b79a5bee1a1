//! The failures of an inbox, as errors of the command.

use kiket_runtime::dedupe::StoreError;

use crate::exit::{Error, Exit};

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
pub(super) fn failed(error: StoreError) -> Error {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let failed = Error::new(Exit::Unreachable, format!("{}{cause}", error.what()));
    match error.how_to_mend() {
        Some(mend) => failed.help(mend),
        None => failed,
    }
}
