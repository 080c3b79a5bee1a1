//! The headers of a delivery, independent of a web framework.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a delivery, in the order they arrived.
///
/// Names are compared without case. A header that arrives twice is there twice.
///
/// ```
/// use kiket_runtime::Headers;
///
/// let headers: Headers = [("X-Kiket-Delivery", "d-1"), ("Accept", "*/*")].into_iter().collect();
/// assert_eq!(headers.get("x-kiket-delivery"), Some("d-1"));
/// assert_eq!(headers.get("missing"), None);
/// ```
///
/// It is an extractor. The headers may hold signatures, tokens and cookies, so `Debug` prints only names.
#[derive(Clone, Default)]
pub struct Headers {
    /// The names and values, concatenated.
    text: Vec<u8>,
    fields: Vec<Field>,
}

/// The ends of a name and its value in the text. Each starts where the one before ends.
#[derive(Clone, Copy)]
struct Field {
    name_end: usize,
    value_end: usize,
}

/// A header that may be there at most once is there more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Headers {
    /// No headers, with capacity for `fields` headers of `bytes` in total.
    pub(crate) fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), fields: Vec::with_capacity(fields) }
    }

    /// Adds a header at the end.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        self.text.extend_from_slice(name.as_bytes());
        let name_end = self.text.len();
        self.text.extend_from_slice(value);
        self.fields.push(Field { name_end, value_end: self.text.len() });
    }

    /// The value of the first header `name` that is valid UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// The bytes of every header `name`.
    pub fn all<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        let mut start = 0;
        self.fields.iter().filter_map(move |field| {
            let name_start = std::mem::replace(&mut start, field.value_end);
            // Most names differ in length.
            if name_start.saturating_add(name.len()) != field.name_end {
                return None;
            }
            let found = self.text.get(name_start..field.name_end)?;
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                return None;
            }
            self.text.get(field.name_end..field.value_end)
        })
    }

    /// Every name and the bytes of its value, in the order they arrived.
    pub fn iter(&self) -> Iter<'_> {
        Iter { text: &self.text, start: 0, fields: self.fields.iter() }
    }

    /// The header `name`, which may be there at most once.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(value) }
    }
}

/// The headers of [`Headers::iter`].
#[derive(Clone)]
pub struct Iter<'h> {
    text: &'h [u8],
    /// Where the next name starts.
    start: usize,
    fields: std::slice::Iter<'h, Field>,
}

impl<'h> Iterator for Iter<'h> {
    type Item = (&'h str, &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        let name = self.text.get(self.start..field.name_end).unwrap_or_default();
        let value = self.text.get(field.name_end..field.value_end).unwrap_or_default();
        self.start = field.value_end;
        Some((std::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'h> IntoIterator for &'h Headers {
    type Item = (&'h str, &'h [u8]);
    type IntoIter = Iter<'h>;

    fn into_iter(self) -> Iter<'h> {
        self.iter()
    }
}

/// Leaves out what a `HeaderMap` cannot hold; a delivery over HTTP has no such headers.
impl From<&Headers> for HeaderMap {
    fn from(headers: &Headers) -> Self {
        let pairs = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        pairs.collect()
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        map.iter().collect()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut all = Self::default();
        for (name, value) in headers {
            all.push(name.as_ref(), value.as_ref());
        }
        all
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Headers {
        [("A", "1"), ("b", ""), ("a", "2"), ("C", "3")].into_iter().collect()
    }

    #[test]
    fn names_are_compared_without_case_and_order_is_kept() {
        let headers = headers();
        assert_eq!(headers.get("A"), Some("1"));
        assert_eq!(headers.all("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "b", "a", "C"]);
    }

    #[test]
    fn a_repeated_header_is_not_a_single_one() {
        let headers = headers();
        assert_eq!(headers.only("a"), Err(Repeated));
        assert_eq!(headers.only("B"), Ok(Some(&b""[..])));
        assert_eq!(headers.only("c"), Ok(Some(&b"3"[..])));
        assert_eq!(headers.only("d"), Ok(None));
    }

    #[test]
    fn values_that_are_not_utf8_are_kept_as_bytes() {
        let headers: Headers = [("a", b"\xff".as_slice()), ("a", b"ok")].into_iter().collect();
        assert_eq!(headers.get("a"), Some("ok"));
        assert_eq!(headers.all("a").next(), Some(b"\xff".as_slice()));
    }

    #[test]
    fn headers_convert_to_a_header_map_and_back() {
        let mut headers = headers();
        headers.push("not a name", b"x");
        headers.push("bad-value", b"a\nb");
        let map = HeaderMap::from(&headers);
        assert_eq!(map.get_all("a").iter().map(HeaderValue::as_bytes).collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(map.len(), 4);
        let back = Headers::from(&map);
        assert_eq!((back.get("C"), back.all("a").count()), (Some("3"), 2));
        let names: Vec<_> = (&headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), headers.iter().len()), (6, 6));
    }

    #[test]
    fn values_are_not_printed() {
        let headers: Headers = [("Authorization", "canary")].into_iter().collect();
        assert_eq!(format!("{headers:?}"), r#"["Authorization"]"#);
    }
}
