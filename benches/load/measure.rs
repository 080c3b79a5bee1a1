//! The measurements, and nothing of how they are printed.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    client,
    deliveries::SIZES,
    options::Options,
    process::ServerProcess,
    round::{Round, median},
};

/// The servers that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// Ours, as it runs in production with `RUST_LOG=warn`.
    Ours,
    Limit,
    /// Ours with a log line for each delivery.
    Logging,
}

impl Contestant {
    const ALL: [Self; 3] = [Self::Limit, Self::Ours, Self::Logging];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Limit => "limit",
            Self::Logging => "ours, log at info",
        }
    }

    fn start(self, workers: usize) -> io::Result<ServerProcess> {
        match self {
            Self::Ours => ServerProcess::start("serve-ours", workers, "warn"),
            Self::Limit => ServerProcess::start("serve-limit", workers, "warn"),
            Self::Logging => ServerProcess::start("serve-ours", workers, "info"),
        }
    }

    /// The log is the same for every size.
    fn takes(self, size: usize) -> bool {
        self != Self::Logging || size == SIZES[0].0
    }
}

/// Everything that was found out.
pub(crate) struct Measured {
    pub(crate) options: Options,
    pub(crate) servers: Vec<MeasuredServer>,
}

pub(crate) struct MeasuredServer {
    pub(crate) contestant: Contestant,
    /// From the start of the process to the first response; the median.
    pub(crate) start: Duration,
    /// In bytes, after the first response.
    pub(crate) idle_memory: u64,
    /// In bytes, after all the load.
    pub(crate) loaded_memory: u64,
    /// By size, as in [`SIZES`].
    pub(crate) rounds: [Vec<Round>; SIZES.len()],
}

struct Running {
    server: ServerProcess,
    measured: MeasuredServer,
}

/// Measures all servers in turn.
pub(crate) fn all(options: Options) -> io::Result<Measured> {
    let mut running = Contestant::ALL
        .map(|contestant| start(contestant, options))
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    for round in 0..=options.rounds {
        for (position, (size, _)) in SIZES.into_iter().enumerate() {
            for Running { server, measured } in &mut running {
                if !measured.contestant.takes(size) {
                    continue;
                }
                let found = Round::of(server, size, options)?;
                // The first round warms up.
                if round > 0 {
                    measured.rounds[position].push(found);
                }
            }
        }
        // Who comes first is last the next time.
        running.reverse();
        eprintln!("round {round} of {} done", options.rounds);
    }
    let mut servers = Vec::new();
    for Running { server, mut measured } in running {
        measured.loaded_memory = server.resident_memory()?;
        servers.push(measured);
    }
    servers
        .sort_by_key(|server| Contestant::ALL.iter().position(|contestant| *contestant == server.contestant));
    Ok(Measured { options, servers })
}

/// Starts a server several times and keeps the last one.
fn start(contestant: Contestant, options: Options) -> io::Result<Running> {
    let mut starts = Vec::new();
    loop {
        let from = Instant::now();
        let server = contestant.start(options.workers)?;
        client::send_one(server.address(), SIZES[0].0)?;
        starts.push(from.elapsed());
        if starts.len() >= options.starts {
            let idle_memory = server.resident_memory()?;
            let start = median(starts);
            let rounds = SIZES.map(|_| Vec::new());
            let measured =
                MeasuredServer { contestant, start, idle_memory, loaded_memory: idle_memory, rounds };
            return Ok(Running { server, measured });
        }
    }
}
