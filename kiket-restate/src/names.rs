//! What is named how in Restate: services, and the keys of lanes.

use std::fmt::Write as _;

use kiket_runtime::inbox::HandlerName;
use sha2::{Digest as _, Sha256};

/// The handler of each service.
pub(crate) const RUN: &str = "run";

/// The longest lane that is a key as it is, in bytes: keys stand in paths.
const LONGEST_LANE: usize = 200;

/// The virtual object of a handler with a lane: its name is that of the service, and this.
const LANES: &str = ".lanes";

/// The service of a handler: `kiket.com.example.crm.issue.created.v1`. A name has letters, digits, `.`, `_` and `-`.
pub(crate) fn service(space: &str, handler: &HandlerName) -> String {
    let mut name = String::from("kiket.");
    for letter in space.chars() {
        match letter {
            '/' => name.push_str("--"), // after the namespace
            letter => name.push(allowed(letter)),
        }
    }
    for part in [&handler.event, &handler.version] {
        name.push('.');
        name.extend(part.chars().map(allowed));
    }
    name
}

fn allowed(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&letter) { letter } else { '_' }
}

/// The virtual object of a handler, whose keys are its lanes.
pub(crate) fn object(space: &str, handler: &HandlerName) -> String {
    service(space, handler) + LANES
}

/// The key of a lane: `=` and the lane, or `#` and its hash if it is long.
pub(crate) fn key(lane: &str) -> String {
    if lane.len() <= LONGEST_LANE {
        return format!("={lane}");
    }
    Sha256::digest(lane).iter().fold(String::from("#"), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_valid_names() {
        let named = |space, event| service(space, &HandlerName::new(event, "v1"));
        assert_eq!(named("com.example.crm", "issue.created"), "kiket.com.example.crm.issue.created.v1");
        let handler = HandlerName::new("issue.created", "v1");
        assert_eq!(object("crm", &handler), "kiket.crm.issue.created.v1.lanes");
        assert_eq!(named("staging/crm", "schedule:a b"), "kiket.staging--crm.schedule_a_b.v1");
        assert_eq!(named("7é#", "x"), "kiket.7__.x.v1");
    }

    #[test]
    fn each_lane_has_a_key_of_its_own() {
        assert_eq!(key("a/b é"), "=a/b é");
        let [one, other] = ["a", "b"].map(|end| key(&("é".repeat(300) + end)));
        assert_eq!((one.len(), one.starts_with('#')), (65, true));
        assert_ne!(one, other);
    }
}
