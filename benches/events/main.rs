//! What it costs to read an event: into a type of one's own, into Kiket's, into any JSON.
//!
//! ```text
//! cargo bench --bench events
//! ```
//!
//! A program of its own: beside these, the compiler lays out what the bench `micro` measures in another way.

#[allow(dead_code)] // nothing is sent here
#[path = "../deliveries/mod.rs"]
mod deliveries;
#[path = "../micro/step.rs"]
mod step;

use std::hint::black_box;

use kiket::events;
use serde::de::DeserializeOwned;
use serde_json::Value;

use deliveries::{IssueCreated, SIZES};
use step::{Step, row};

fn main() {
    // `cargo test --all-targets` only wants to see that it works.
    let batches = if std::env::args().any(|argument| argument == "--bench") { 300 } else { 1 };
    for (size, name) in SIZES {
        let body = String::from_utf8(deliveries::body(size)).expect("the body is text");
        let mut steps = [
            Step::new("a type of one's own", || read::<IssueCreated>(&body)),
            Step::new("`kiket::events`", || read::<events::IssueCreated>(&body)),
            Step::new("`Value`", || read::<Value>(&body)),
        ];
        for _ in 0..batches {
            steps.iter_mut().for_each(Step::run);
        }
        println!("\n{name}");
        for step in &steps {
            row(step.name, step.fastest, "");
        }
    }
}

fn read<T: DeserializeOwned>(body: &str) {
    black_box(serde_json::from_str::<T>(body)).expect("the body decodes");
}
