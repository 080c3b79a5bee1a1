//! The target of a request: event and version, from path, header and query.

use std::borrow::Cow;

use crate::{
    error::Rejection,
    types::{
        EventName, EventNameError, EventVersion, EventVersionError, Headers, VERSION_HEADER, VersionKey,
    },
};

/// The path segments, percent-encoded, and the raw query of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'r> {
    /// The segment of the event; `None` on the path whose body names the event.
    pub(crate) event: Option<&'r str>,
    /// The segment of the version, on paths that have one.
    pub(crate) version: Option<&'r str>,
    pub(crate) query: &'r str,
}

impl<'r> Target<'r> {
    /// The event of the path, checked.
    pub(crate) fn event(&self) -> Result<Option<Cow<'r, str>>, Rejection> {
        let Some(event) = self.event else { return Ok(None) };
        let event = segment(event).filter(|event| EventName::is_valid(event)).ok_or(EventNameError)?;
        Ok(Some(event))
    }

    /// The version that path, header and query name (wire contract, version-sources). White space around a value is
    /// ignored, and a blank value is absent. `None` where none of them names one.
    pub(crate) fn version<'v>(&self, headers: &'v Headers) -> Result<Option<Version<'v>>, Rejection>
    where
        'r: 'v,
    {
        let path = self.version.map(|version| segment(version).ok_or(EventVersionError));
        let header = headers.all(VERSION_HEADER).map(|version| match std::str::from_utf8(version) {
            Ok(version) => Ok(Cow::Borrowed(version)),
            Err(_) => Err(EventVersionError),
        });
        let query = query_values(self.query, "version").map(|version| version.ok_or(EventVersionError));

        let mut found = None::<Version<'v>>;
        for written in path.into_iter().chain(header).chain(query) {
            let Some(version) = Version::read(written?)? else { continue };
            match &found {
                Some(first) if first.key != version.key => return Err(Rejection::VERSIONS_CONFLICT),
                Some(_) => {}
                None => found = Some(version),
            }
        }
        Ok(found)
    }
}

/// The version that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version<'v> {
    pub(crate) written: Cow<'v, str>,
    pub(crate) key: VersionKey,
}

impl<'v> Version<'v> {
    fn read(written: Cow<'v, str>) -> Result<Option<Self>, EventVersionError> {
        let trimmed = match written {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        if trimmed.is_empty() {
            return Ok(None);
        }
        let key = VersionKey::read(trimmed.as_bytes()).ok_or(EventVersionError)?;
        Ok(Some(Self { written: trimmed, key }))
    }
}

impl<'v> From<&'v EventVersion> for Version<'v> {
    fn from(version: &'v EventVersion) -> Self {
        Self { written: Cow::Borrowed(version.as_str()), key: version.key() }
    }
}

/// One path segment, percent-decoded once; `None` where that is not UTF-8.
fn segment(encoded: &str) -> Option<Cow<'_, str>> {
    // Most segments are not encoded.
    if !encoded.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(encoded));
    }
    percent_encoding::percent_decode_str(encoded).decode_utf8().ok()
}

/// Every value of `name` in a query; one that is not UTF-8 is `None`.
fn query_values<'q>(query: &'q str, name: &'static str) -> impl Iterator<Item = Option<Cow<'q, str>>> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if segment(key).as_deref() != Some(name) {
            return None;
        }
        Some(match segment(value) {
            // `+` is a space in a query, and a version has none inside.
            Some(value) if value.contains('+') => Some(Cow::Owned(value.replace('+', " "))),
            value => value,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(path: Option<&str>, headers: &[&str], query: &str) -> Result<String, &'static str> {
        let headers: Headers = headers.iter().map(|value| (VERSION_HEADER, value)).collect();
        let target = Target { event: None, version: path, query };
        target
            .version(&headers)
            .map_err(|rejection| rejection.code.unwrap_or_default())?
            .map(|version| version.written.into_owned())
            .ok_or("version_missing")
    }

    #[test]
    fn a_version_comes_from_path_header_or_query() {
        assert_eq!(version(Some("v1"), &[], ""), Ok("v1".into()));
        assert_eq!(version(None, &[" 2 "], ""), Ok("2".into()));
        assert_eq!(version(None, &[], "a=b&version=1.0&c"), Ok("1.0".into()));
        assert_eq!(version(None, &[], "%76ersion=v%31"), Ok("v1".into()));
    }

    #[test]
    fn blank_sources_count_as_absent() {
        assert_eq!(version(None, &[""], "version="), Err("version_missing"));
        assert_eq!(version(None, &["  "], "version=+%20"), Err("version_missing"));
        assert_eq!(version(None, &[], ""), Err("version_missing"));
        assert_eq!(version(Some("%20"), &["v3"], ""), Ok("v3".into()));
    }

    #[test]
    fn sources_that_disagree_conflict_and_spellings_do_not() {
        assert_eq!(version(Some("v1"), &["1"], "version=1.0"), Ok("v1".into()));
        assert_eq!(version(Some("v1"), &["2"], ""), Err("versions_conflict"));
        assert_eq!(version(Some("v1"), &[], "version=2"), Err("versions_conflict"));
        assert_eq!(version(None, &["1"], "version=2"), Err("versions_conflict"));
        assert_eq!(version(None, &["1", "2"], ""), Err("versions_conflict"));
        assert_eq!(version(None, &[], "version=1&version=2"), Err("versions_conflict"));
    }

    #[test]
    fn other_texts_are_malformed() {
        assert_eq!(version(Some("latest"), &[], ""), Err("malformed_version"));
        assert_eq!(version(Some("v1"), &["x"], ""), Err("malformed_version"));
        assert_eq!(version(None, &[], "version=%FF"), Err("malformed_version"));
        assert_eq!(version(Some("%FF"), &[], ""), Err("malformed_version"));
    }

    #[test]
    fn an_event_is_one_decoded_segment() {
        let event = |text| Target { event: Some(text), ..Target::default() }.event().map_err(|r| r.code);
        assert_eq!(event("issue.created"), Ok(Some("issue.created".into())));
        assert_eq!(event("issue%2Ecreated"), Ok(Some("issue.created".into())));
        for text in ["a%2Fb", "%FF", "a..b", "", "a%2541", "a%"] {
            assert_eq!(event(text), Err(Some("malformed_event")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_request_line_panics(event in ".{0,60}", path in ".{0,30}", header in ".{0,30}", query in ".{0,80}") {
            let headers: Headers = [(VERSION_HEADER, header)].into_iter().collect();
            let target = Target { event: Some(&event), version: Some(&path), query: &query };
            let _ = target.event();
            let _ = target.version(&headers);
        }
    }
}
