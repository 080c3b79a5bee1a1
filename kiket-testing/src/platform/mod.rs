//! A fake of the Kiket platform: what extensions call, over HTTP on this machine, with its state in memory.

mod audit;
mod builder;
mod call;
mod collection;
mod credentials;
mod custom_data;
mod deliver;
mod expectation;
mod failure;
mod fake;
mod fields;
mod ingestion;
mod intake;
mod issues;
mod kinds;
mod orders;
mod pattern;
mod post;
mod rate;
mod replays;
mod reports;
mod request;
mod response;
mod secrets;
mod seed;
mod server;
mod shared;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod wire;

pub use self::{
    builder::FakePlatformBuilder, call::Call, deliver::Attempt, expectation::Expectation, failure::Failure,
    fake::FakePlatform,
};
