//! One load of one server, and what it cost.

use std::{io, time::Duration};

use crate::{
    client::{Load, Responses, Scheme},
    options::Options,
    process::{self, ServerProcess},
};

/// One load of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) answered: Responses,
    /// Processor time for a request, in microseconds.
    pub(crate) cpu: f64,
}

impl Round {
    /// Has the role `load` of this program load a server with bodies of `size` bytes.
    pub(crate) fn of(
        server: &ServerProcess,
        scheme: Scheme,
        size: usize,
        options: &Options,
    ) -> io::Result<Self> {
        let &Options { connections, seconds, .. } = options;
        let time = Duration::from_secs_f64(seconds);
        let load = Load { address: server.address(), scheme, size, connections, time };
        let before = server.cpu_time()?;
        let answered: Responses = process::run("load", &load.arguments())?.parse()?;
        let cpu = server.cpu_time()?.saturating_sub(before);
        Ok(Self { answered, cpu: cpu.as_secs_f64() * 1e6 / answered.requests_f64() })
    }
}

/// The middle one; there is at least one.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[values.len() / 2]
}
