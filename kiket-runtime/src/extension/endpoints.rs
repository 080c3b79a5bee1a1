//! The endpoints of a manifest's hooks: paths at which deliveries of an event arrive, checked against other routes.

use std::collections::BTreeMap;

use crate::{
    error::{Problem, ProblemId},
    http::routed,
    manifest::Manifest,
    types::{EventName, is_same_event},
};

/// The paths with their events; `None` where hooks of several events share a path, so that the body has to name the event
/// (wire contract, hook-endpoints).
///
/// # Errors
///
/// One problem for each path that is another route.
pub(super) fn endpoints(manifest: &Manifest) -> Result<Vec<(String, Option<EventName>)>, Vec<Problem>> {
    let (mut found, mut problems) = (BTreeMap::<&str, Option<EventName>>::new(), Vec::new());
    for endpoint in &manifest.endpoints {
        let (path, event) = (&*endpoint.path, &endpoint.event);
        match routed(path) {
            Some(route) if route.event.is_some_and(|other| is_same_event(other, event.as_str())) => {} // its route anyway
            Some(_) => {
                let what =
                    format!("`endpoint` of `{event}` is `{path}`, which is another route of the extension");
                let problem = Problem::new(ProblemId::EndpointTaken, what).at(endpoint.place.clone());
                problems.push(problem.mend("write another path, like `/hooks/issue_created`"));
            }
            None => {
                let first = found.entry(path).or_insert_with(|| Some(event.clone()));
                if first.as_ref() != Some(event) {
                    *first = None;
                }
            }
        }
    }
    let found = found.into_iter().map(|(path, event)| (path.to_owned(), event));
    if problems.is_empty() { Ok(found.collect()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::manifest;

    #[test]
    fn hooks_of_several_events_may_share_a_path() {
        let manifest = manifest(
            "hooks: [{ event: a, endpoint: /x }, { event: a, version: v2, endpoint: /x/ }, { event: b, endpoint: /y }, \
             { event: c, endpoint: /y }, { event: b, endpoint: /y }, { event: d.e, endpoint: /webhooks/d.e }, \
             { event: before_transition, endpoint: /webhooks/before_transition }]",
        );
        let found = endpoints(&manifest).unwrap();
        let found: Vec<_> =
            found.iter().map(|(path, event)| (&**path, event.as_ref().map(EventName::as_str))).collect();
        assert_eq!(found, [("/x", Some("a")), ("/y", None)]);
    }

    #[test]
    fn an_endpoint_that_is_another_route_is_a_problem() {
        for path in ["/health", "/health/ready/", "/webhook", "/webhooks/b", "/v/v1/webhooks/b"] {
            let problems =
                endpoints(&manifest(&format!("hooks: [{{ event: a, endpoint: {path} }}]"))).unwrap_err();
            assert_eq!(problems.len(), 1, "{path}");
            assert!(problems[0].what.starts_with("`endpoint` of `a` is `/"), "{}", problems[0]);
        }
    }
}
