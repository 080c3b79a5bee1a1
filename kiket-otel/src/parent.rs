//! The headers of trace contexts: `traceparent` and `tracestate`, as the W3C wrote them down.

use std::str::FromStr as _;

use http::{HeaderMap, HeaderValue};
use kiket_runtime::Headers;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00; later versions may be longer.
const LENGTH: usize = 55;
/// The longest `tracestate` that is passed on; a longer one is dropped.
const LONGEST_STATE: usize = 512;

/// The span that a sender names; `None` if its headers name none or are not valid.
pub(crate) fn remote(headers: &Headers) -> Option<SpanContext> {
    let mut parents = headers.all(TRACEPARENT);
    let (trace, span, flags) = parse(parents.next()?.trim_ascii())?;
    if parents.next().is_some() {
        return None;
    }
    let states: Vec<_> = headers.all(TRACESTATE).collect();
    let state = std::str::from_utf8(&states.join(&b',')).ok().and_then(state).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}

fn state(text: &str) -> Option<TraceState> {
    if text.trim().is_empty() || text.len() > LONGEST_STATE { None } else { TraceState::from_str(text).ok() }
}

/// `VERSION-TRACE-SPAN-FLAGS` in lower-case hex.
fn parse(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let (this, rest) = text.split_at_checked(LENGTH)?;
    let shape =
        |(at, byte): (usize, &u8)| if [2, 35, 52].contains(&at) { *byte == b'-' } else { is_hex(byte) };
    let text = std::str::from_utf8(this).ok().filter(|_| this.iter().enumerate().all(shape))?;
    let is_known = match text.get(..2)? {
        "ff" => false,
        "00" => rest.is_empty(),
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    let trace = TraceId::from(u128::from_str_radix(text.get(3..35)?, 16).ok()?);
    let span = SpanId::from(u64::from_str_radix(text.get(36..52)?, 16).ok()?);
    let flags = u8::from_str_radix(text.get(53..)?, 16).ok()?;
    let is_valid = is_known && trace != TraceId::INVALID && span != SpanId::INVALID;
    is_valid.then_some((trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED))
}

/// Adds the headers that name this span.
pub(crate) fn inject(context: &SpanContext, headers: &mut HeaderMap) {
    if !context.is_valid() {
        return;
    }
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    if let Ok(parent) = HeaderValue::from_str(&format!("00-{trace}-{span}-{flags:02x}")) {
        headers.insert(TRACEPARENT, parent);
    }
    let state = context.trace_state().header();
    if let Some(state) = HeaderValue::from_str(&state).ok().filter(|state| !state.is_empty()) {
        headers.insert(TRACESTATE, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(headers: &[(&str, &str)]) -> Option<SpanContext> {
        remote(&headers.iter().copied().collect())
    }

    #[test]
    fn what_is_read_is_what_is_written() {
        let context = of(&[("Traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]).unwrap();
        assert!(context.is_remote() && context.is_sampled());
        let mut headers = HeaderMap::new();
        inject(&context, &mut headers);
        assert_eq!(
            (&headers["traceparent"], &headers["tracestate"]),
            (&PARENT.parse().unwrap(), &"a=1,b=2".parse().unwrap())
        );
        let later = format!("cc{}-what-comes", &PARENT[2..]);
        assert!(of(&[("traceparent", &later)]).is_some());
    }

    #[test]
    fn what_is_not_a_traceparent_is_none() {
        let cut = |at: usize, by: &str| format!("{}{by}{}", &PARENT[..at], &PARENT[at + by.len()..]);
        for wrong in [
            String::new(),
            "-".repeat(55),
            "é".repeat(28),
            PARENT[..54].to_owned(),
            format!("{PARENT}-00"),
            format!("{PARENT}0"),
            PARENT.to_uppercase(),
            cut(0, "ff"),
            cut(0, "+0"),
            cut(3, "+af7"),
            cut(3, &"0".repeat(32)),
            cut(36, &"0".repeat(16)),
            cut(35, "_"),
            cut(53, "0g"),
        ] {
            assert_eq!(of(&[("traceparent", &wrong)]), None, "{wrong}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
    }

    #[test]
    fn a_wrong_tracestate_costs_only_itself() {
        for wrong in ["a", &format!("a={}", "x".repeat(600)), " "] {
            let context = of(&[("traceparent", PARENT), ("tracestate", wrong)]).unwrap();
            assert_eq!(context.trace_state().header(), "", "{wrong}");
        }
        let none = SpanContext::empty_context();
        let mut headers = HeaderMap::new();
        inject(&none, &mut headers);
        assert!(headers.is_empty());
    }
}
