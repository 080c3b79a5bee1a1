//! The measurements, and nothing of how they are printed.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    client::{self, Scheme},
    deliveries::SIZES,
    options::Options,
    ours,
    process::ServerProcess,
    round::{Round, median},
};

/// The servers that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Limit,
    /// The limit with a log line for each request.
    LimitLogging,
    /// Ours without deduplication, and with `RUST_LOG=warn`.
    Bare,
    /// Ours as it is shipped: with deduplication, and a log line for each delivery.
    Shipped,
    /// The same with a log that is a file.
    ShippedToFile,
    /// The same with a typed event of kiket's.
    ShippedTyped,
    /// The same with any JSON.
    ShippedValue,
    /// The crate `webhook-verify`, with its extractor. It neither deduplicates nor logs.
    WebhookVerify,
    /// The crate `webhooksmith-actix`, with its extractor. It neither deduplicates nor logs.
    Webhooksmith,
}

impl Contestant {
    pub(crate) const ALL: [Self; 9] = [
        Self::Limit,
        Self::LimitLogging,
        Self::Bare,
        Self::Shipped,
        Self::ShippedToFile,
        Self::ShippedTyped,
        Self::ShippedValue,
        Self::WebhookVerify,
        Self::Webhooksmith,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::LimitLogging => "limit, with a line",
            Self::Bare => "ours, bare",
            Self::Shipped => "ours, as shipped",
            Self::ShippedToFile => "  to a file",
            Self::ShippedTyped => "  typed event",
            Self::ShippedValue => "  any JSON",
            Self::WebhookVerify => "webhook-verify",
            Self::Webhooksmith => "webhooksmith-actix",
        }
    }

    /// The most that the ratio of its processor time to the limit's should be, by size.
    pub(crate) fn targets(self) -> Option<[f64; SIZES.len()]> {
        match self {
            Self::Bare => Some([1.08, 1.02]),
            Self::Shipped => Some([1.75, 1.10]),
            _ => None,
        }
    }

    fn is_peer(self) -> bool {
        matches!(self, Self::WebhookVerify | Self::Webhooksmith)
    }

    fn scheme(self) -> Scheme {
        if self == Self::Webhooksmith { Scheme::Webhooksmith } else { Scheme::Kiket }
    }

    fn start(self, options: &Options) -> io::Result<ServerProcess> {
        let log = if matches!(self, Self::Limit | Self::Bare) { "warn" } else { "info" };
        let (role, arguments) = match self {
            Self::Limit => ("serve-limit", ["false"].as_slice()),
            Self::LimitLogging => ("serve-limit", ["true"].as_slice()),
            Self::Bare => ("serve-ours", [ours::OWN, "false"].as_slice()),
            Self::Shipped | Self::ShippedToFile => ("serve-ours", [ours::OWN, "true"].as_slice()),
            Self::ShippedTyped => ("serve-ours", [ours::TYPED, "true"].as_slice()),
            Self::ShippedValue => ("serve-ours", [ours::VALUE, "true"].as_slice()),
            Self::WebhookVerify | Self::Webhooksmith => (self.name(), [].as_slice()),
        };
        let program = options.peers.as_deref().filter(|_| self.is_peer());
        ServerProcess::start(program, role, options.workers, arguments, log, self == Self::ShippedToFile)
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
        .into_iter()
        .filter(|contestant| options.peers.is_some() || !contestant.is_peer())
        .map(|contestant| start(contestant, &options))
        .collect::<io::Result<Vec<_>>>()?;
    for round in 0..=options.rounds {
        for (position, (size, _)) in SIZES.into_iter().enumerate() {
            for Running { server, measured } in &mut running {
                let found = Round::of(server, measured.contestant.scheme(), size, &options)?;
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
fn start(contestant: Contestant, options: &Options) -> io::Result<Running> {
    let mut starts = Vec::new();
    loop {
        let from = Instant::now();
        let server = contestant.start(options)?;
        client::send_one(server.address(), contestant.scheme(), SIZES[0].0)?;
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
