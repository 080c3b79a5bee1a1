//! The expectations of a test, verified.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::platform::tests::*;

/// The text of the panic of `verify`.
fn failure(platform: &FakePlatform) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| platform.verify())).err()?;
    panic.downcast_ref::<String>().cloned()
}

#[test]
fn calls_are_counted_by_method_path_and_predicate() {
    #[track_caller]
    fn check(expectation: Expectation, unmet: Option<&str>) {
        let platform = platform();
        platform.expect(expectation);
        for key in ["A", "a%2Fb"] {
            ask("DELETE", &format!("{SECRETS}/{key}?x=1")).check(&platform, 404);
        }
        platform.forget_calls();
        ask("GET", SECRETS).check(&platform, 200);
        let found = failure(&platform);
        let expected = unmet.map(|unmet| {
            format!(
                "unmet expectations of the fake platform:\n- {unmet}\ncalls received (1):\n- GET {SECRETS} → 200"
            )
        });
        assert_eq!(found, expected);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(platform)));
        assert_eq!(dropped.err().and_then(|panic| panic.downcast_ref().cloned()), expected);
    }
    let pattern = "/api/v1/extensions/{id}/secrets/{}";
    let delete = || Expectation::call("DELETE", pattern);
    check(delete(), None);
    check(delete().exactly(2), None);
    check(delete().times(..3), None);
    check(delete().times(2..), None);
    check(delete().when(|call| call.segments()[5] == "a/b").exactly(1), None);
    check(Expectation::call("PATCH", pattern).exactly(0), None);
    check(Expectation::call("DELETE", format!("{SECRETS}/a/b")).exactly(0), None);
    let shown = |expected: &str| format!("DELETE {pattern}: expected {expected}, received 2");
    check(delete().exactly(1), Some(&shown("exactly 1")));
    check(delete().times(3..), Some(&shown("at least 3")));
    check(delete().times(..=1), Some(&shown("at most 1")));
    check(delete().times(3..5), Some(&shown("3 to 4")));
    let named = Expectation::call("GET", format!("{SECRETS}/A")).named("reads A");
    check(named, Some(&format!("GET {SECRETS}/A (reads A): expected at least 1, received 0")));
}

#[test]
fn all_that_is_unmet_is_listed_and_no_call_is_zero() {
    let platform = platform();
    platform.expect(Expectation::call("GET", "/a"));
    platform.expect(Expectation::call("GET", "/b").times(..));
    platform.expect(Expectation::call("GET", "/c"));
    let text = failure(&platform).unwrap();
    let lines: Vec<_> = text.lines().skip(1).collect();
    let expected = [
        "- GET /a: expected at least 1, received 0",
        "- GET /c: expected at least 1, received 0",
        "calls received (0):",
    ];
    assert_eq!(lines, expected);
    ask("GET", "/a").check(&platform, 404);
    ask("GET", "/c").check(&platform, 404);
    platform.verify();
}

#[test]
fn a_test_that_fails_already_fails_for_its_own_reason() {
    let failed = catch_unwind(|| {
        let platform = platform();
        platform.expect(Expectation::call("GET", "/a"));
        assert_eq!(platform.calls().len(), 1, "its own reason");
    });
    let text = failed.unwrap_err().downcast_ref::<String>().cloned().unwrap();
    assert!(text.contains("its own reason"), "{text}");
}

#[test]
#[should_panic(expected = "expected a path that begins with `/`, found `api/v1/ext/issues`")]
fn a_path_begins_with_a_slash() {
    let _ = Expectation::call("GET", "api/v1/ext/issues");
}
