//! The load of one server, and what it cost.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    client::{Load, Responses},
    options::Options,
    process::{self, ServerProcess},
};

/// The processor time of a store's own processes so far.
pub(crate) type StoreTime<'s> = &'s dyn Fn() -> Option<Duration>;

/// What one load cost, in microseconds of processor time for a delivery, bytes, and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu: f64,
    /// That of the store's processes; 0 if it is not known.
    pub(crate) store: f64,
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The most memory in use meanwhile.
    pub(crate) memory: u64,
    pub(crate) deliveries: u64,
}

/// Loads a server in rounds, with each of the loads in turn, and forward and back, so that whatever else the machine does, and
/// whatever a store remembers by then, meets all of them. The first round warms up.
pub(crate) fn rounds(
    server: &ServerProcess,
    loads: &[Load],
    store: StoreTime<'_>,
    options: &Options,
) -> io::Result<Vec<Cost>> {
    let mut costs: Vec<Vec<Cost>> = loads.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        let mut turns: Vec<_> = loads.iter().zip(&mut costs).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (load, costs) in turns {
            let cost = once(server, *load, store)?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    Ok(costs.iter().map(|costs| median(costs)).collect())
}

/// Has the role `load` of this program load a server.
pub(crate) fn once(server: &ServerProcess, load: Load, store: StoreTime<'_>) -> io::Result<Cost> {
    let ended = AtomicBool::new(false);
    let before = (server.cpu_time()?, store());
    let (answered, memory) = thread::scope(|scope| {
        let most = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(server.resident_memory()?);
                thread::sleep(Duration::from_millis(20));
            }
            io::Result::Ok(most.max(server.resident_memory()?))
        });
        let answered = process::run("load", &load.arguments());
        ended.store(true, Ordering::Relaxed);
        (answered, most.join().expect("it does not panic"))
    });
    let answered: Responses = answered?.parse()?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / answered.requests_f64();
    let cpu = each(server.cpu_time()?.saturating_sub(before.0));
    let store = before.1.zip(store()).map_or(0.0, |(from, to)| each(to.saturating_sub(from)));
    let [p50, p99] = [answered.p50, answered.p99].map(|time| time.as_secs_f64() * 1e3);
    let (rate, deliveries) = (answered.requests_per_second(), answered.requests);
    Ok(Cost { cpu, store, rate, p50, p99, memory: memory?, deliveries })
}

/// Each figure's median, and the most memory.
fn median(costs: &[Cost]) -> Cost {
    let of = |figure: fn(&Cost) -> f64| {
        let mut figures: Vec<_> = costs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Cost {
        cpu: of(|cost| cost.cpu),
        store: of(|cost| cost.store),
        rate: of(|cost| cost.rate),
        p50: of(|cost| cost.p50),
        p99: of(|cost| cost.p99),
        memory: costs.iter().map(|cost| cost.memory).max().unwrap_or_default(),
        deliveries: costs.iter().map(|cost| cost.deliveries).sum(),
    }
}
