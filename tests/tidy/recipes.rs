//! The recipes in `deploy/` agree with what the runtime does and the docs say.

use std::{collections::BTreeSet, fs};

use crate::{files, root};

/// The grace period of an extension, in seconds: `Options::default` of the runtime's `http`.
const GRACE: u64 = 25;

fn recipe(name: &str) -> String {
    fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

/// The numbers that stand behind `key` in a text.
fn numbers(text: &str, key: &str) -> Vec<u64> {
    let found = text.match_indices(key).map(|(at, _)| {
        let digits = text[at + key.len()..].trim_start().chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().unwrap_or_else(|_| panic!("no number behind `{key}`"))
    });
    found.collect()
}

/// The names of variables in a text.
fn variables(text: &str) -> BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("KIKET_")).collect()
}

#[test]
fn recipes_name_only_variables_that_the_docs_know() {
    let page = fs::read_to_string(root().join("docs/manifest-and-settings.md")).unwrap();
    let known = variables(&page);
    let recipes = files("deploy", &[".yaml", ".service"]);
    assert_eq!(recipes.len(), 3, "{recipes:?}");
    for (file, text) in recipes {
        for name in variables(&text) {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            assert!(
                known.contains(name),
                "{file} names `{name}`, which docs/manifest-and-settings.md does not"
            );
        }
    }
}

#[test]
fn recipes_wait_longer_than_a_graceful_shutdown() {
    let options = fs::read_to_string(root().join("kiket-runtime/src/http/options.rs")).unwrap();
    assert!(options.contains(&format!("Duration::from_secs({GRACE})")), "the grace period has changed");
    let pods = recipe("kubernetes.yaml");
    let waits = numbers(&pods, "terminationGracePeriodSeconds:");
    let pauses = numbers(&pods, "sleep: { seconds:");
    assert_eq!((waits.len(), pauses.len()), (2, 1));
    assert!(waits.iter().all(|&wait| wait > GRACE + pauses[0]), "{waits:?}");
    for (file, key) in
        [("compose.yaml", "stop_grace_period:"), ("kiket-extension@.service", "TimeoutStopSec=")]
    {
        let waits = numbers(&recipe(file), key);
        assert!(waits.len() == 1 && waits[0] > GRACE, "{file}: {waits:?}");
    }
}

#[test]
fn recipes_probe_what_an_extension_serves() {
    let pods = recipe("kubernetes.yaml");
    for (probe, path) in [("readinessProbe", "/health/ready"), ("livenessProbe", "/health/live")] {
        let probes: Vec<_> = pods.split(&format!("{probe}:")).skip(1).collect();
        assert_eq!(probes.len(), 2, "{probe}");
        for text in probes {
            let first = text.lines().find(|line| line.contains("httpGet")).unwrap();
            assert!(first.contains(path), "{probe}: {first}");
        }
    }
    // Every process that is measured, those that only work as well.
    let [pod_count, measured] =
        ["- { name: http, containerPort:", "name: KIKET_METRICS_ADDR"].map(|text| pods.matches(text).count());
    assert_eq!(pod_count, measured);

    // The image of `cargo kiket new` has what its own health check uses, and no curl.
    let (compose, image) = (recipe("compose.yaml"), root().join("cargo-kiket/templates/Dockerfile.in"));
    let image = fs::read_to_string(image).unwrap();
    let check = |text: &str| {
        let line = text.lines().find(|line| line.contains("/dev/tcp/")).unwrap().trim().to_owned();
        line.trim_start_matches("CMD ").trim_start_matches("test: ").replace("\"CMD\", ", "")
    };
    assert_eq!(
        check(&compose),
        check(&image).replace("$PORT", "8000").replace("/health/live", "/health/ready")
    );
}
