//! The integration tests: does a delivery do what the contract says?

mod answers;
mod manifest_corpus;
mod running;
mod vectors;
mod wire;
