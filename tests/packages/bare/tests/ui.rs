//! What the compiler says where a feature is missing.
//!
//! `TRYBUILD=overwrite cargo test -p bare --test ui` writes the expected messages anew; read them before they are committed.

#[test]
fn a_missing_feature_is_named_in_its_place() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
