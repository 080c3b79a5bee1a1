//! The settings: the variables of the OpenTelemetry standard.

use std::{fmt::Display, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::{export::Target, queue::Limits};

/// What the environment asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) limits: Limits,
    /// What is not as it was asked for.
    pub(crate) warnings: Vec<String>,
    /// Whether no variable names a collector.
    pub(crate) by_default: bool,
}

/// Where the standard has a collector.
const DEFAULT: &str = "http://localhost:4318";
const PATH: &str = "v1/traces";
/// What values count, at most.
const MOST_SPANS: usize = 1_000_000;

impl Settings {
    /// Reads the environment; `None` where it turns traces off.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let variable = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let either = |name: &str| {
            let specific = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
            let general = format!("OTEL_EXPORTER_OTLP_{name}");
            variable(&specific)
                .map(|value| (specific, value))
                .or_else(|| Some((general.clone(), variable(&general)?)))
        };
        let exporter = variable("OTEL_TRACES_EXPORTER");
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_off || exporter.as_deref() == Some("none") {
            return Ok(None);
        }
        let mut warnings = Vec::new();
        if exporter.is_some_and(|exporter| exporter != "otlp") {
            warnings.push(
                "`OTEL_TRACES_EXPORTER` names an exporter that is not known: `otlp` is used".to_owned(),
            );
        }
        if let Some((name, _)) = either("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            warnings.push(format!(
                "`{name}` names a protocol that is not known: `http/protobuf` is used, for which collectors have port 4318"
            ));
        }
        let (url, by_default) = match either("ENDPOINT") {
            Some((name, text)) => (endpoint(&name, &text)?, false),
            None => (endpoint("the default", DEFAULT)?, true),
        };
        let mut headers = HeaderMap::new();
        if let Some((name, text)) = either("HEADERS") {
            headers_of(&name, &text, &mut headers, &mut warnings);
        }
        let milliseconds = |name: &str, default: u64, warnings: &mut Vec<String>| {
            Duration::from_millis(number(name, variable(name), default, warnings).clamp(1, 600_000))
        };
        let timeout =
            either("TIMEOUT").map_or_else(|| "OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(), |(name, _)| name);
        let timeout = milliseconds(&timeout, 10_000, &mut warnings);
        let delay = milliseconds("OTEL_BSP_SCHEDULE_DELAY", 1_000, &mut warnings);
        let mut count = |name: &str, default: usize| {
            number(name, variable(name), default, &mut warnings).clamp(1, MOST_SPANS)
        };
        let spans = count("OTEL_BSP_MAX_QUEUE_SIZE", 8_192);
        let batch = count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).min(spans);
        let target = Target { url, headers, timeout };
        Ok(Some(Self { target, limits: Limits { spans, batch, delay }, warnings, by_default }))
    }
}

/// The address of traces: as it is in the variable of traces, else below the one of all signals.
fn endpoint(name: &str, text: &str) -> Result<Url, String> {
    let wrong = || {
        format!(
            "`{name}` is not the address of a collector, like `{DEFAULT}`: traces are off; it has port 4318 for HTTP"
        )
    };
    let mut url: Url = text.parse().map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if !name.contains("_TRACES_") {
        let path = format!("{}/{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

/// Reads `name=value,name=value`, percent-encoded. No value is printed.
fn headers_of(variable: &str, text: &str, headers: &mut HeaderMap, warnings: &mut Vec<String>) {
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let read = pair.split_once('=').and_then(|(name, value)| {
            let name = HeaderName::from_str(name.trim()).ok()?;
            let value: Vec<u8> = percent_decode_str(value.trim()).collect();
            let mut value = HeaderValue::from_bytes(&value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        match read {
            Some((name, value)) => drop(headers.insert(name, value)),
            None => {
                warnings.push(format!("`{variable}` has a header that is not `name=value`: it is not sent"));
            }
        }
    }
}

fn number<T: FromStr + Display>(
    name: &str,
    text: Option<String>,
    default: T,
    warnings: &mut Vec<String>,
) -> T {
    let Some(text) = text else { return default };
    text.parse().unwrap_or_else(|_| {
        warnings.push(format!("`{name}` is not a whole number: it is {default}"));
        default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[track_caller]
    fn settings(variables: &[(&str, &str)]) -> Settings {
        read(variables).unwrap().unwrap()
    }

    #[test]
    fn without_variables_it_is_the_standards_collector() {
        let Settings { target, limits, warnings, by_default } =
            settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]);
        assert_eq!(target.url.as_str(), "http://localhost:4318/v1/traces");
        assert_eq!((target.timeout, target.headers.len()), (Duration::from_secs(10), 0));
        assert_eq!(limits, Limits { spans: 8_192, batch: 512, delay: Duration::from_secs(1) });
        assert!(warnings.is_empty() && by_default);
    }

    #[test]
    fn the_variables_of_traces_come_before_the_general_ones() {
        let url = |variables: &[(&str, &str)]| settings(variables).target.url.to_string();
        let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example.com/in/");
        assert_eq!(url(&[general]), "https://otel.example.com/in/v1/traces");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:9/own?key=k");
        assert_eq!(url(&[general, traces]), "http://traces:9/own?key=k");
        let found = settings(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20canary, x-key = k=v ,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "8"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ]);
        let Target { headers, timeout, .. } = &found.target;
        assert_eq!(
            (&headers["authorization"], &headers["x-key"], headers.len()),
            (&"Bearer canary".parse().unwrap(), &"k=v".parse().unwrap(), 2)
        );
        assert_eq!((timeout.as_millis(), found.limits.spans, found.limits.batch), (8, 10, 10));
        assert_eq!(found.limits.delay.as_millis(), 20);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        assert!(!format!("{found:?}").contains("canary"));
    }

    #[test]
    fn what_turns_traces_off_is_the_standards() {
        for off in
            [("OTEL_SDK_DISABLED", "true"), ("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")]
        {
            assert!(read(&[off]).unwrap().is_none(), "{off:?}");
        }
        assert!(read(&[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")]).unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_is_said_without_values() {
        for wrong in ["canary", "localhost:4317", "ftp://canary", "http://", "unix:/canary"] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]).unwrap_err();
            assert!(error.starts_with("`OTEL_EXPORTER_OTLP_ENDPOINT` is not the address"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let found = settings(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "canary,a b=canary,x=canary%0A"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ]);
        assert_eq!(found.warnings.len(), 7, "{:?}", found.warnings);
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        assert_eq!((found.limits.spans, found.target.timeout.as_secs()), (8_192, 10));
    }
}
