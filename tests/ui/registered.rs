//! What the attributes of the program have registered.

use kiket::prelude::*;

/// Event, version and function of each registration; the function without its crate, which trybuild names.
pub fn registered(complete: impl FnOnce(ExtensionBuilder) -> ExtensionBuilder) -> Vec<String> {
    let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
    let extension = complete(builder).build().unwrap_or_else(|error| panic!("{error}"));
    let handlers = extension.report().handlers.iter().map(|handler| {
        let (_, function) = handler.function.split_once("::").unwrap_or_default();
        format!("{} {} {function}", handler.event, handler.version)
    });
    handlers.collect()
}
