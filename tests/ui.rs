//! What compiles, and what the compiler says where it does not.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the expected messages anew; read them before they are committed.

#[test]
fn what_compiles_and_what_the_messages_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
