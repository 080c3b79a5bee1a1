//! Records deliveries in the log and in telemetry.

use std::{sync::Arc, time::Duration};

use super::{outcome::Stop, respond::Ended};
use crate::{
    error::Rejection,
    handler::Route,
    metrics::traces::traced,
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
        let ran = matches!(ended.stop, None | Some(Stop::Failed(_)));
        let (status, code) = (ended.response.status, ended.code());
        traced(|traces| traces.end(status, code));
        if let Some(metrics) = &route.metrics {
            metrics.add(status.as_u16(), code, ran.then_some(duration));
        }
        if ran {
            self.report(route, ended, duration);
        }
        log(ended, duration);
    }

    /// Records an attempt at a delivery that was accepted before: there is no response. Its worker logs it.
    #[cfg(feature = "inbox")]
    pub(super) fn record_deferred(&self, route: &Route, ended: &Ended, duration: Duration) {
        traced(|traces| traces.end(ended.response.status, ended.code()));
        if let Some(metrics) = &route.metrics {
            metrics.ran(duration);
        }
        self.report(route, ended, duration);
    }

    fn report(&self, route: &Route, ended: &Ended, duration: Duration) {
        let failure = match &ended.stop {
            Some(Stop::Failed(failure)) => Some(failure),
            _ => None,
        };
        self.telemetry.record(|| TelemetryEvent {
            key: Arc::clone(&route.key),
            duration,
            ended_at: self.clock.unix_seconds(),
            failure: failure.map(|failure| failure.reported(|text| ended.redacted(text))),
        });
    }
}

fn log(ended: &Ended, duration: Duration) {
    let Ended { response, stop, .. } = ended;
    // Present in the log of a stored reply only.
    let (status, replayed) = (response.status.as_u16(), response.replayed.then_some(true));
    let duration_ms = milliseconds(duration);
    let Some((code, error)) = stop.as_ref().and_then(Stop::logged) else {
        return tracing::info!(status, duration_ms, replayed, "delivery handled");
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
