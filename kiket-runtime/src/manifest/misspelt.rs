//! Warnings about unknown keys that resemble known ones.

use super::{
    node::Map,
    report::{Report, quoted},
    similar::closest,
};
use crate::error::{Fix, ProblemId};

/// The keys at the top of a manifest, in any form.
pub(super) const TOP: &[&str] = &[
    "id",
    "name",
    "version",
    "api_version",
    "delivery_secret",
    "settings",
    "extension",
    "model_version",
    "permissions",
    "hooks",
    "apiVersion",
    "kind",
    "metadata",
    "spec",
];
/// The keys of a setting.
pub(super) const SETTING: &[&str] = &["key", "default", "secret", "type", "required"];

/// Warns of the keys of `map` that resemble one of `known` that is absent. Other unknown keys may be for another tool,
/// and are ignored.
pub(super) fn warn(map: &Map, known: &[&str], report: &mut Report<'_>) {
    for entry in map.0.iter().filter(|entry| !entry.shadowed && !known.contains(&entry.key.as_str())) {
        let absent = known.iter().filter(|known| map.entry(known).is_none());
        if let Some(meant) = closest(&entry.key, absent) {
            report.warning(
                ProblemId::MisspeltKey,
                entry.mark,
                format!("{} is not read; did you mean `{meant}`?", quoted(&entry.key)),
                format!("write `{meant}`, or leave it if it is for another tool"),
            );
            report.fix(Fix::RenameKey { from: entry.key.clone(), to: meant.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::tests::manifest;

    #[test]
    fn a_key_that_resembles_a_known_one_is_a_warning() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let manifest = manifest(text);
            let found: Vec<_> = manifest.warnings.iter().map(|warning| warning.what.as_str()).collect();
            assert_eq!(found, expected, "{text}");
        }
        let secret = "`secert` is not read; did you mean `secret`?";
        check("id: a\nversion: 1\nsettings: [{ key: A, secert: true, default: x }]\n", &[secret]);
        check("id: a\nversoin: 1\n", &["`versoin` is not read; did you mean `version`?"]);
        check("id: a\nversion: 1\nsetings: []\n", &["`setings` is not read; did you mean `settings`?"]);
        check(
            "id: a\nversion: 1\nsettings: [{ key: A, requird: true }]\n",
            &["`requird` is not read; did you mean `required`?"],
        );
        check("id: a\nversion: 1\nversions: 2\nlabel: x\nsecrets: []\nidentity: y\n", &[]);
        check("id: a\nversion: 1\nsettings: [{ key: A, secret: true, secrets: 1, label: x, tip: y }]\n", &[]);
    }
}
