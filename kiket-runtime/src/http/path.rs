//! Matches the paths of deliveries.
//!
//! For a pattern like `/webhooks/{event}` actix-web runs a regular expression, which costs as much as the rest of `http` does
//! for a small delivery. So actix-web matches the beginning of a path, and a guard matches the rest.

use crate::delivery::Target;

/// The form of a path; its number is that of the segments after its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `/v/{version}/webhooks/{event}`
    VersionAndEvent = 3,
    /// `/webhooks/{event}`
    Event = 1,
    /// `/webhook`
    Bare = 0,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::VersionAndEvent, Self::Event, Self::Bare];

    /// The path before the first segment that varies.
    pub(super) fn beginning(self) -> &'static str {
        match self {
            Self::VersionAndEvent => "/v",
            Self::Event => "/webhooks",
            Self::Bare => "/webhook",
        }
    }

    /// The number of segments after the beginning.
    pub(super) fn segments(self) -> usize {
        self as usize
    }

    /// The paths that begin with `beginning`, where `*` is any segment.
    pub(super) fn pattern(self, beginning: &str) -> String {
        let rest = match self {
            Self::VersionAndEvent => "/*/webhooks/*",
            Self::Event => "/*",
            Self::Bare => "",
        };
        format!("{beginning}{rest}")
    }

    /// The target that `path` names, not decoded, if it ends with `beginning` and the rest of this form.
    pub(super) fn read<'p>(self, path: &'p str, beginning: &str) -> Option<Target<'p>> {
        let (rest, version, event) = match self {
            Self::VersionAndEvent => {
                let (rest, event) = split_last(path)?;
                let (rest, version) = split_last(rest.strip_suffix("/webhooks")?)?;
                (rest, Some(version), Some(event))
            }
            Self::Event => {
                let (rest, event) = split_last(path)?;
                (rest, None, Some(event))
            }
            Self::Bare => (path, None, None),
        };
        let empty = version == Some("") || event == Some("");
        (!empty && rest.ends_with(beginning)).then_some(Target { event, version, query: "" })
    }
}

/// The target of `path`, which has no prefix, if it is a route already; that of a health check names no event.
pub(crate) fn routed(path: &str) -> Option<Target<'_>> {
    if ["/health", "/health/live", "/health/ready"].contains(&path) {
        return Some(Target::default());
    }
    let found = |form: Form| form.read(path, form.beginning()).filter(|_| path.starts_with(form.beginning()));
    Form::ALL.into_iter().find_map(found)
}

/// A path without trailing and repeated slashes, if it has any: addresses of callbacks are joined carelessly.
pub(crate) fn tidied(path: &str) -> Option<String> {
    if !path.contains("//") && !path.ends_with('/') {
        return None;
    }
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Some(segments.fold(String::with_capacity(path.len()), |tidied, segment| tidied + "/" + segment))
}

/// The target that `path` names where the routes have no prefix.
#[cfg(feature = "internals")]
pub(crate) fn target_of(path: &str) -> Option<Target<'_>> {
    Form::ALL.into_iter().find_map(|form| form.read(path, form.beginning()))
}

/// The path before the last slash, and the segment after it. Faster than `rsplit_once`, because segments are short.
fn split_last(path: &str) -> Option<(&str, &str)> {
    let slash = path.bytes().rposition(|byte| byte == b'/')?;
    let (rest, segment) = path.split_at_checked(slash)?;
    Some((rest, segment.strip_prefix('/')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_that_mean_nothing_are_left_out() {
        for (path, expected) in [
            ("/v/v1/webhooks/x/", "/v/v1/webhooks/x"),
            ("//v/v1/webhooks/x", "/v/v1/webhooks/x"),
            ("/v///v1/webhooks//x//", "/v/v1/webhooks/x"),
            ("/", ""),
            ("///", ""),
        ] {
            assert_eq!(tidied(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["", "/v/v1/webhooks/x", "/a%2F%2Fb", "*"] {
            assert_eq!(tidied(path), None, "{path}");
        }
    }

    #[test]
    fn routes_of_deliveries_and_probes_are_taken() {
        for (path, event) in [
            ("/health", None),
            ("/health/ready", None),
            ("/webhook", None),
            ("/webhooks/a.b", Some("a.b")),
            ("/v/v1/webhooks/a.b", Some("a.b")),
            ("/webhooks/webhooks/a", Some("a")),
        ] {
            assert_eq!(routed(path).expect(path).event, event, "{path}");
        }
        for path in ["/hooks/a", "/webhooks/kiket/a", "/x/webhooks/a", "/x/health", "/x/webhook"] {
            assert!(routed(path).is_none(), "{path}");
        }
    }

    #[test]
    fn no_segment_is_empty() {
        assert!(Form::VersionAndEvent.read("/v//webhooks/a", "/v").is_none());
        assert!(Form::Event.read("/webhooks/", "/webhooks").is_none());
    }

    #[test]
    fn each_form_takes_its_own_paths() {
        #[track_caller]
        fn check(path: &str, expected: Option<(Form, Option<&str>, Option<&str>)>) {
            let found = Form::ALL.into_iter().find_map(|form| {
                let target = form.read(path, form.beginning())?;
                Some((form, target.version, target.event))
            });
            assert_eq!(found, expected, "{path}");
        }
        check("/v/v1/webhooks/a.b", Some((Form::VersionAndEvent, Some("v1"), Some("a.b"))));
        check("/api/v/1%2E0/webhooks/a%2Eb", Some((Form::VersionAndEvent, Some("1%2E0"), Some("a%2Eb"))));
        check("/webhooks/a.b", Some((Form::Event, None, Some("a.b"))));
        check("/webhook", Some((Form::Bare, None, None)));
        for path in ["", "/", "/v", "/v/1", "/v/1/webhooks", "/v/1/webhooks/", "/v/1/webhook/a"] {
            check(path, None);
        }
        for path in ["/webhooks", "/webhooks/", "/webhooks/a/", "/webhooks/a/b", "/webhook/", "/webhook/a"] {
            check(path, None);
        }
    }
}
