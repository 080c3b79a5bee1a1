//! No secret is ever printed: all tests of this binary run once more, with everything logged, and what they print is
//! searched for the secrets and tokens they use.

use std::process::Command;

use kiket::testing::{FakePlatform, SECRET};

/// The variable that makes tests log.
const LOGGED: &str = "KIKET_TEST_LOGGED";

/// Logs everything, in the run that is searched.
pub(crate) fn log_if_searched() {
    if std::env::var_os(LOGGED).is_some() {
        kiket::telemetry::init_logging();
    }
}

#[test]
fn no_secret_is_printed_by_any_test_with_everything_logged() {
    let platform = FakePlatform::start();
    let canaries = [SECRET, platform.token(), platform.api_key(), platform.webhook_secret(), "wk_canary"];
    let searched = Command::new(std::env::current_exe().unwrap())
        // Ten thousand calls are one call ten thousand times.
        .args(["--nocapture", "--test-threads=2", "--skip", "canary::", "--skip", "ten_thousand"])
        .env(LOGGED, "1")
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let printed =
        [searched.stdout, searched.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(
        printed.contains("delivery handled") && printed.contains("\"level\":\"TRACE\""),
        "nothing was logged"
    );
    for canary in canaries {
        if let Some(found) = printed.lines().find(|line| line.contains(canary)) {
            // Only where it is: the line has the secret in it.
            panic!(
                "{canary:.4}… is printed in a line of {} characters: {:.60}",
                found.len(),
                found.replace(canary, "…")
            );
        }
    }
    let failures =
        printed.lines().filter(|line| line.contains("panicked at ") || line.contains("... FAILED"));
    let failures: Vec<_> = failures.collect();
    assert!(searched.status.success(), "tests fail when everything is logged:\n{}", failures.join("\n"));
}
