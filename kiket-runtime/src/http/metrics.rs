//! The listener of metrics: `GET /metrics` and nothing else, on an address and a thread of its own.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::CONTENT_TYPE},
    web::{self, Payload, ServiceConfig},
};

use super::{
    listener::{Listener, Listening},
    respond::{leave_unread, method_not_allowed, not_found},
};
use crate::{
    error::{Problem, ProblemId, StartupError},
    metrics,
    pipeline::Pipeline,
    types::ListenAddress,
};

/// How many connections are served at the same time; others wait.
const CONNECTIONS: usize = 16;
/// How long the head of a request may take to arrive.
const HEAD: Duration = Duration::from_secs(5);

pub(super) fn bind(address: &ListenAddress, pipeline: &Arc<Pipeline>) -> Result<Listening, StartupError> {
    let listener =
        Listener { name: "kiket-metrics", workers: Some(1), connections: Some(CONNECTIONS), head_wait: HEAD };
    let pipeline = Arc::clone(pipeline);
    let configure = move |config: &mut ServiceConfig| configure(pipeline, config);
    listener.bind(&address.host, address.port, configure, |_| {}).map_err(|error| {
        let what = format!("cannot listen on {address} for metrics: {error}");
        let mend =
            "set `KIKET_METRICS_ADDR` to a free address of this machine, like `127.0.0.1:9464`, or unset it";
        StartupError::new(vec![Problem::new(ProblemId::CannotListen, what).mend(mend)])
    })
}

fn configure(pipeline: Arc<Pipeline>, config: &mut ServiceConfig) {
    let page = move |request: HttpRequest, payload: Payload| {
        let pipeline = Arc::clone(&pipeline);
        async move {
            let response = if *request.method() == Method::GET {
                HttpResponse::Ok()
                    .insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE))
                    .body(pipeline.exposition().await)
            } else {
                method_not_allowed("GET")
            };
            leave_unread(response, payload)
        }
    };
    config.route("/metrics", web::to(page)).default_service(web::to(not_found));
}
