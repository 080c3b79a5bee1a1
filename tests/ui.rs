//! What the compiler says where a macro does not accept its input.
//!
//! `TRYBUILD=overwrite cargo test -p kiket --test ui` writes the expected messages anew; read them before they are
//! committed. A case that is to compile is a module of `tests/accepted`: with one here, every case would be linked alone.

#[test]
fn messages_are_right_and_in_their_place() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
