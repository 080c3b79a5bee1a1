//! The integration tests: does a delivery do what the contract says?

mod manifest_corpus;
