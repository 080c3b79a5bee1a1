//! Records deliveries in the log and in telemetry.

use std::{sync::Arc, time::Duration};

use super::{outcome::Stop, respond::Ended};
use crate::{
    error::Rejection,
    handler::Route,
    metrics::{OK, traces::traced},
    telemetry::{Telemetry, TelemetryEvent},
    types::{Clock, milliseconds},
};

/// Records deliveries in the log and in telemetry.
pub(crate) struct Recorder {
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Clock,
}

impl Recorder {
    pub(super) fn record(&self, route: &Route, ended: &Ended, duration: Duration) {
        let (failure, ran) = match &ended.stop {
            None => (None, true),
            Some(Stop::Failed(failure)) => (Some(failure), true),
            Some(Stop::Replayed(_) | Stop::Refused(_)) => (None, false),
        };
        let code = || ended.stop.as_ref().map_or(OK, Stop::code);
        traced(|traces| traces.end(ended.response.status, code()));
        if let Some(metrics) = &route.metrics {
            let code = code();
            metrics.add(ended.response.status.as_u16(), code, ran.then_some(duration));
        }
        if !ran {
            return log(ended, duration);
        }
        self.telemetry.record(|| TelemetryEvent {
            key: Arc::clone(&route.key),
            duration,
            ended_at: self.clock.unix_seconds(),
            failure: failure.map(|failure| failure.reported(|text| ended.redacted(text))),
        });
        log(ended, duration);
    }
}

fn log(ended: &Ended, duration: Duration) {
    let Ended { response, stop, .. } = ended;
    // Present in the log of a stored reply only.
    let (status, replayed) = (response.status.as_u16(), response.replayed.then_some(true));
    let duration_ms = milliseconds(duration);
    let Some((code, error)) = stop.as_ref().and_then(Stop::logged) else {
        return tracing::info!(status, duration_ms, replayed, "delivery answered");
    };
    let error = ended.redacted(error);
    if code == Rejection::STILL_RUNNING {
        tracing::info!(status, code, duration_ms, error, "delivery rejected");
    } else if response.status.is_server_error() {
        tracing::error!(status, code, duration_ms, error, "delivery failed");
    } else {
        tracing::warn!(status, code, duration_ms, error, "delivery rejected");
    }
}
