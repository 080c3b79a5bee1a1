//! A program that has nothing but handlers.

#![forbid(unsafe_code)]
#![deny(warnings)]
#![no_implicit_prelude]

mod core {}
mod std {}

#[allow(dead_code)]
mod program {
    #[::kiket::webhook("issue.created", version = "v1")]
    async fn on_issue_created() {}

    ::kiket::main!();
}

#[allow(dead_code)]
mod with_parentheses_and_nothing {
    ::kiket::main! {}
}
