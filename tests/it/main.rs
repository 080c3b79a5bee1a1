//! The integration tests: deliveries and calls do what the wire contract says.

mod audit_calls;
mod background;
mod calls;
mod canary;
mod corpus;
mod errors;
mod events;
mod extractors;
mod ingestion_calls;
mod load;
mod manifest_corpus;
mod middleware;
mod more_calls;
mod once;
mod own_routes;
mod payload_corpus;
mod payload_forms;
mod replies;
mod response_corpus;
mod responses;
mod running;
mod shapes;
mod tokens;
mod vectors;
mod wire;
mod world;
