//! What was measured, to be read by a person.

use std::fmt::{self, Write as _};

use crate::{
    deliveries::SIZES,
    measure::{Contestant, Measured, MeasuredServer},
    options::Options,
    round::{Round, median},
};

/// Everything as text.
pub(crate) fn of(measured: &Measured) -> String {
    let mut text = String::new();
    write(&mut text, measured).expect("a string takes every text");
    text
}

fn write(text: &mut String, measured: &Measured) -> fmt::Result {
    let Options { rounds, seconds, connections, workers, starts, .. } = &measured.options;
    writeln!(
        text,
        "\n{rounds} rounds of {seconds} s for each server and size, {connections} connections, {workers} worker(s); \
         medians of rounds, and of {starts} starts\n"
    )?;
    row(text, ["", "CPU/request", "requests/s", "p50", "p99"])?;
    for (position, (_, size)) in SIZES.into_iter().enumerate() {
        for server in &measured.servers {
            loaded(text, size, server.contestant, &server.rounds[position])?;
        }
    }
    writeln!(text)?;
    row(text, ["", "first response", "memory, idle", "memory, loaded", ""])?;
    for server in &measured.servers {
        let MeasuredServer { contestant, start, idle_memory, loaded_memory, .. } = server;
        let start = format!("{:.1} ms", start.as_secs_f64() * 1e3);
        row(text, [contestant.name(), &start, &mebibytes(*idle_memory), &mebibytes(*loaded_memory), ""])?;
    }
    writeln!(text, "\nCPU/request, ratio to the limit in the same round: median and least..most")?;
    for (position, (_, size)) in SIZES.into_iter().enumerate() {
        for server in &measured.servers {
            ratio(text, measured, server.contestant, position, size)?;
        }
    }
    writeln!(text, "\ntargets: first response below 50 ms, idle memory below 15 MiB")
}

fn loaded(text: &mut String, size: &str, contestant: Contestant, rounds: &[Round]) -> fmt::Result {
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    let cpu = middle(|round| round.cpu);
    let rate = middle(|round| round.answered.requests_per_second());
    let p50 = middle(|round| round.answered.p50.as_secs_f64() * 1e6);
    let p99 = middle(|round| round.answered.p99.as_secs_f64() * 1e6);
    row(
        text,
        [
            &format!("{size}, {}", contestant.name()),
            &format!("{cpu:.1} µs"),
            &format!("{rate:.0}"),
            &format!("{p50:.0} µs"),
            &format!("{p99:.0} µs"),
        ],
    )
}

fn ratio(
    text: &mut String,
    measured: &Measured,
    contestant: Contestant,
    position: usize,
    size: &str,
) -> fmt::Result {
    let rounds = |wanted| {
        let server = measured.servers.iter().find(|server| server.contestant == wanted);
        server.map_or(&[][..], |server| &server.rounds[position])
    };
    let pairs = rounds(contestant).iter().zip(rounds(Contestant::Limit));
    let ratios: Vec<f64> = pairs.map(|(ours, limit)| ours.cpu / limit.cpu).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let target = contestant.targets().map(|targets| format!("at most {:.2}", targets[position]));
    row(
        text,
        [
            &format!("{size}, {}", contestant.name()),
            &format!("{:.3}", median(ratios)),
            &format!("{least:.3}..{most:.3}"),
            &target.unwrap_or_default(),
            "",
        ],
    )
}

fn row(text: &mut String, [name, cells @ ..]: [&str; 5]) -> fmt::Result {
    let mut line = format!("{name:26}");
    for cell in cells {
        write!(line, "{cell:>16}")?;
    }
    writeln!(text, "{}", line.trim_end())
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is printed")]
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    format!("{mebibytes:.1} MiB")
}
