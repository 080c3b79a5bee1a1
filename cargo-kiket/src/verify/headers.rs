//! Headers as people have them: lines, what `curl -v` prints, the JSON of `sign`, a whole HTTP request.

use serde::Deserialize;

use crate::exit::{Error, Result};

type Header = (String, String);

/// Headers, and a body.
pub(super) struct Request {
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
}

/// The header of a line; white space around its value does not count, as in HTTP.
pub(super) fn of_line(line: &str) -> Option<Header> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "/\"{}".contains(c));
    is_name.then(|| (name.to_owned(), value.trim_matches([' ', '\t', '\r', '\n']).to_owned()))
}

/// JSON with headers: `sign --json`, an object, or pairs in their order.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    Pairs(Vec<Header>),
    Signed { headers: std::collections::BTreeMap<String, String> },
    Object(std::collections::BTreeMap<String, String>),
}

/// The headers of a file.
pub(super) fn of_file(text: &[u8]) -> Result<Vec<Header>> {
    if text.trim_ascii_start().starts_with(b"{") || text.trim_ascii_start().starts_with(b"[") {
        let json = serde_json::from_slice(text)
            .map_err(|_| Error::input("the file of headers is no JSON of headers").help(FORMS))?;
        return Ok(match json {
            Json::Pairs(pairs) => pairs,
            Json::Signed { headers } | Json::Object(headers) => headers.into_iter().collect(),
        });
    }
    let headers = of_lines(&String::from_utf8_lossy(text));
    if headers.is_empty() {
        return Err(Error::input("the file of headers has none").help(FORMS));
    }
    Ok(headers)
}

const FORMS: &str = "write a line `Name: value` for each, or what `cargo kiket sign` prints";

/// The headers of lines. Other lines, like that of the request, do not count, nor the marks that `curl -v` puts before lines.
fn of_lines(text: &str) -> Vec<Header> {
    let lines = text.lines().filter(|line| !line.starts_with(['*', '<', '{', '}']));
    let lines = lines.map(|line| line.strip_prefix("> ").unwrap_or(line));
    lines.filter(|line| !is_first_line(line)).filter_map(of_line).collect()
}

fn is_first_line(line: &str) -> bool {
    let end = line.rsplit(' ').next().unwrap_or_default();
    end.trim_end().starts_with("HTTP/") || line.starts_with("HTTP/")
}

/// The headers and the body of a request, as it was on the wire.
pub(super) fn of_request(bytes: &[u8]) -> Result<Request> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let ends = ends.iter().filter_map(|end| {
        let at = bytes.windows(end.len()).position(|window| window == *end)?;
        Some((at, at + end.len()))
    });
    let (head, body) = ends.min().ok_or_else(|| {
        Error::input("the request has no empty line between its headers and its body")
            .help("give headers alone with `--headers`, and the body to standard input")
    })?;
    let headers = of_lines(&String::from_utf8_lossy(&bytes[..head]));
    let value = |name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let mut body = &bytes[body..];
    if value("transfer-encoding").is_some_and(|value| !value.eq_ignore_ascii_case("identity")) {
        return Err(Error::input("the body of the request is in chunks")
            .help("give its headers with `--headers`, and the body itself to standard input"));
    }
    if let Some(announced) = value("content-length").and_then(|value| value.parse::<usize>().ok()) {
        // Programs that save a request may add a line end.
        body = body.get(..announced).ok_or_else(|| {
            Error::input(format!("the body has {} bytes, and the request announces {announced}", body.len()))
                .help("save the request as it was on the wire, with all line ends")
        })?;
    }
    Ok(Request { body: body.to_vec(), headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(headers: &[Header]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    #[test]
    fn headers_are_read_in_every_form() {
        let expected = [("X-Kiket-Signature", "ab"), ("X-Kiket-Timestamp", "1")];
        for text in [
            "X-Kiket-Signature: ab\nX-Kiket-Timestamp: 1\n",
            "X-Kiket-Signature:ab\r\nX-Kiket-Timestamp:   1  \r\n\r\n",
            "POST /v/v1/webhooks/a:b HTTP/1.1\r\nX-Kiket-Signature: ab\r\nX-Kiket-Timestamp: 1\r\n",
            "* Connected to a\n> POST / HTTP/1.1\n> X-Kiket-Signature: ab\n> X-Kiket-Timestamp: 1\n> \n< HTTP/1.1 401\n< a: b\n{ [5 bytes data]",
            r#"{"timestamp":1,"headers":{"X-Kiket-Timestamp":"1","X-Kiket-Signature":"ab"}}"#,
            r#"{"X-Kiket-Timestamp":"1","X-Kiket-Signature":"ab"}"#,
            r#" [["X-Kiket-Signature","ab"],["X-Kiket-Timestamp","1"]]"#,
        ] {
            assert_eq!(pairs(&of_file(text.as_bytes()).unwrap()), expected, "{text}");
        }
        for text in ["", "no header", "{\"a\":1}", "[1]", "{"] {
            assert!(of_file(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_on_the_wire() {
        #[track_caller]
        fn check(text: &str, body: &str) {
            let request = of_request(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(request.body).unwrap(), body);
            assert_eq!(request.headers[0], ("A".to_owned(), "b".to_owned()));
        }
        check("POST / HTTP/1.1\r\nA: b\r\n\r\n{}\n", "{}\n");
        check("POST / HTTP/1.1\r\nA: b\r\nContent-Length: 2\r\n\r\n{}\n", "{}");
        check("POST / HTTP/1.1\nA: b\n\n{\r\n\r\n}", "{\r\n\r\n}");
        check("A: b\n\n", "");
        for text in ["A: b\n", "A: b\nContent-Length: 3\n\n{}", "A: b\nTransfer-Encoding: chunked\n\n2\n{}"] {
            assert!(of_request(text.as_bytes()).is_err(), "{text}");
        }
    }
}
