//! What calls to Kiket cost: a handler that makes one beside the same with plain `reqwest`, and telemetry on, off, and
//! with an address that hangs.
//!
//! ```text
//! cargo bench --bench outbound [-- [--rounds 5] [--seconds 2.5] [--connections 16] [--workers 1]]
//! ```
//!
//! As in the bench `load`, everything runs in processes of its own over loopback, and the servers are loaded in turn.
//! The bench fails on a wrong response, never on a time.

#[path = "../load/client.rs"]
mod client;
#[path = "../deliveries/mod.rs"]
mod deliveries;
#[path = "../load/options.rs"]
mod options;
#[path = "../load/process.rs"]
mod process;
#[path = "../load/round.rs"]
mod round;
mod serve;

use std::{error::Error, time::Duration};

use client::{Load, Scheme};
use options::Options;
use process::ServerProcess;
use round::{Round, median};

/// A pair of servers, and what their ratio should be at most.
struct Comparison {
    title: &'static str,
    /// The server, and the one it is compared with, each by its role.
    ours: Role,
    other: Role,
    target: f64,
}

type Role = (&'static str, &'static str);

const COMPARISONS: [Comparison; 3] = [
    Comparison {
        title: "one GET for each delivery",
        ours: ("kiket's client", "serve-kiket"),
        other: ("plain reqwest", "serve-reqwest"),
        target: 1.10,
    },
    Comparison {
        title: "telemetry",
        ours: ("on", "serve-telling"),
        other: ("off", "serve-silent"),
        target: 1.03,
    },
    Comparison {
        title: "telemetry whose address hangs",
        ours: ("on", "serve-telemetry-refused"),
        other: ("off", "serve-silent"),
        target: 1.03,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [role, workers] if role.starts_with("serve-") => Ok(serve::serve(role, workers.parse()?)?),
        ["load", ref load @ ..] => {
            print!("{}", client::send(Load::read(load)?)?);
            Ok(())
        }
        _ => compare(&Options::read(&arguments)?),
    }
}

fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    let kiket = ServerProcess::start(None, "serve-sink", 1, &[], "warn", false)?;
    let refusing = ServerProcess::start(None, "serve-nothing", 1, &[], "warn", false)?;
    println!(
        "{:32} {:>16} {:>12} {:>10} {:>10} {:>10} {:>8}",
        "", "", "CPU µs", "req/s", "p50 µs", "p99 µs", "MiB"
    );
    for Comparison { title, ours, other, target } in COMPARISONS {
        let start = |(_, role): Role| {
            let callee = if role.ends_with("refused") { &refusing } else { &kiket };
            ServerProcess::start(
                None,
                &format!("{role}={}", callee.address()),
                options.workers,
                &[],
                "warn",
                false,
            )
        };
        let servers = [start(ours)?, start(other)?];
        for server in &servers {
            client::send_one(server.address(), Scheme::Kiket, deliveries::SIZES[0].0)?;
        }
        let mut rounds = [Vec::new(), Vec::new()];
        for round in 0..=options.rounds {
            // Who comes first is last the next time.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for position in order {
                let measured = Round::of(&servers[position], Scheme::Kiket, deliveries::SIZES[0].0, options)?;
                if round > 0 {
                    rounds[position].push(measured);
                }
            }
        }
        for (((name, _), rounds), server) in [ours, other].into_iter().zip(&rounds).zip(&servers) {
            let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
            let [cpu, rate] =
                [middle(|round| round.cpu), middle(|round| round.answered.requests_per_second())];
            let [p50, p99] =
                [middle(|round| micros(round.answered.p50)), middle(|round| micros(round.answered.p99))];
            let memory = server.resident_memory()? / (1024 * 1024);
            println!("{title:32} {name:>16} {cpu:12.1} {rate:10.0} {p50:10.0} {p99:10.0} {memory:8}");
        }
        let ratio = |of: fn(&Round, &Round) -> f64| {
            median(rounds[0].iter().zip(&rounds[1]).map(|(ours, other)| of(ours, other)).collect())
        };
        let cpu = ratio(|ours, other| ours.cpu / other.cpu);
        let rate =
            ratio(|ours, other| other.answered.requests_per_second() / ours.answered.requests_per_second());
        let p50 = ratio(|ours, other| micros(ours.answered.p50) / micros(other.answered.p50));
        println!(
            "{title:32} {:>16} {cpu:12.3} {rate:10.3} {p50:10.3} {:>10}\n",
            "ratio",
            format!("≤ {target}")
        );
    }
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
