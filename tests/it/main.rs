//! The integration tests: does a delivery do what the contract says?

mod answers;
mod calls;
mod canary;
mod corpus;
mod events;
mod load;
mod manifest_corpus;
mod once;
mod payload_corpus;
mod running;
mod vectors;
mod wire;
