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

/// The service of a handler: `kiket.com.example.crm--issue.created--v1`, after the namespace if there is one. A name has letters,
/// digits, `.`, `_` and `-`. Where others could have the same one, it ends with a hash.
pub(crate) fn service(space: &str, handler: &HandlerName) -> String {
    let parts: Vec<&str> = space.split('/').chain([&*handler.event, &*handler.version]).collect();
    let joined = parts.join("--");
    let mut name: String = "kiket.".chars().chain(joined.chars().map(allowed)).collect();
    let is_plain = |part: &&str| {
        let is_apart = !part.starts_with('-') && !part.ends_with('-') && !part.contains("--");
        is_apart && part.chars().all(|letter| letter == allowed(letter))
    };
    if !parts.iter().all(is_plain) {
        name.push('-');
        push_hash(&mut name, &parts.join("/"), 8);
    }
    name
}

fn push_hash(to: &mut String, text: &str, bytes: usize) {
    for byte in Sha256::digest(text).iter().take(bytes) {
        let _ = write!(to, "{byte:02x}");
    }
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
    let mut key = String::from("#");
    push_hash(&mut key, lane, usize::MAX);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(space: &str, event: &str) -> String {
        service(space, &HandlerName::new(event, "v1"))
    }

    #[test]
    fn services_have_valid_names() {
        assert_eq!(named("com.example.crm", "issue.created"), "kiket.com.example.crm--issue.created--v1");
        let handler = HandlerName::new("issue.created", "v1");
        assert_eq!(object("crm", &handler), "kiket.crm--issue.created--v1.lanes");
        assert_eq!(named("staging/crm", "x"), "kiket.staging--crm--x--v1");
        let hashed = named("7é#", "schedule:a b");
        assert!(hashed.starts_with("kiket.7__--schedule_a_b--v1-") && hashed.is_ascii(), "{hashed}");
    }

    #[test]
    fn each_handler_of_each_extension_has_a_service_of_its_own() {
        let names = [
            named("a/b", "x"),
            named("a--b", "x"),
            named("a-/b", "x"),
            named("a/-b", "x"),
            named("a", "b.x"),
            named("a.b", "x"),
            named("a", "b--x"),
            named("a", "schedule:x"),
            named("a", "schedule_x"),
            named("a:b", "x"),
            named("a_b", "x"),
        ];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn each_lane_has_a_key_of_its_own() {
        assert_eq!(key("a/b é"), "=a/b é");
        let [one, other] = ["a", "b"].map(|end| key(&("é".repeat(300) + end)));
        assert_eq!((one.len(), one.starts_with('#')), (65, true));
        assert_ne!(one, other);
    }
}
