//! Names that resemble known ones.

/// The candidate that is most similar to `text`; the first, if several are.
pub(crate) fn closest<'a>(text: &str, candidates: impl Iterator<Item = &'a &'a str>) -> Option<&'a str> {
    /// The least similarity: `issue.create` resembles `issue.created`, `issue.assigned` does not.
    const CLOSE: f64 = 0.8;
    let lower = text.to_ascii_lowercase();
    let likeness =
        |candidate: &str| strsim::normalized_damerau_levenshtein(&lower, &candidate.to_ascii_lowercase());
    let others = candidates.copied().filter(|candidate| *candidate != text);
    let close = others.map(|other| (likeness(other), other)).filter(|(likeness, _)| *likeness >= CLOSE);
    close.min_by(|(one, _), (other, _)| other.total_cmp(one)).map(|(_, closest)| closest)
}
