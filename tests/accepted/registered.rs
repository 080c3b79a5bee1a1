//! What the attributes of a case have registered.

use kiket::prelude::*;

/// Event, version and function of each registration below `module`; the function as it is called there.
pub(crate) fn registered(
    module: &str,
    complete: impl FnOnce(ExtensionBuilder) -> ExtensionBuilder,
) -> Vec<String> {
    let builder = Extension::builder().webhook_secret("sh_123").without_manifest();
    let builder = kiket_runtime::internals::only_of_module(complete(builder), module);
    let extension = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let handlers = extension.report().handlers.iter().map(|handler| {
        let function = handler.function.strip_prefix(module).and_then(|rest| rest.strip_prefix("::"));
        format!("{} {} {}", handler.event, handler.version, function.unwrap_or(&handler.function))
    });
    handlers.collect()
}
