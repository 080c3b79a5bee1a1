//! The macros of `kiket`. Use them through that crate: `#[kiket::webhook(..)]`, `#[derive(kiket::Event)]`.
//!
//! Their documentation is in `docs`, and the doctests of `kiket` run its examples: with `kiket` among the dependencies here,
//! cargo would build it twice, for a macro is compiled for the host.

mod attributes;
mod diagnostics;
mod krate;
mod model;
mod parts;
mod replay;
mod retry;
mod schedule;
mod spans;
mod webhook;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/webhook.md")]
#[proc_macro_attribute]
pub fn webhook(args: TokenStream, item: TokenStream) -> TokenStream {
    webhook::webhook(args.into(), item.into()).into()
}

#[doc = include_str!("../docs/schedule.md")]
#[proc_macro_attribute]
pub fn schedule(args: TokenStream, item: TokenStream) -> TokenStream {
    schedule::schedule(args.into(), item.into()).into()
}

#[doc = include_str!("../docs/event.md")]
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    model::event(input.into()).into()
}

#[doc = include_str!("../docs/model.md")]
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    model::model(input.into()).into()
}

#[doc = include_str!("../docs/retry.md")]
#[proc_macro_derive(Retry, attributes(retry))]
pub fn derive_retry(input: TokenStream) -> TokenStream {
    retry::retry(input.into()).into()
}

#[doc = include_str!("../docs/replay.md")]
#[proc_macro_attribute]
pub fn replay(args: TokenStream, item: TokenStream) -> TokenStream {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    replay::replay(args.into(), item.into(), folder.as_ref()).into()
}
