//! The fault test: deliveries flow while everything breaks.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use kiket::inbox::{DeadReason, RowState};

use crate::{
    SEED,
    engine::Engine,
    fleet::{Build, Fleet, Places},
    number,
    sender::Sender,
    steps::id_in,
    verdict::Evidence,
    work::Work,
};

/// How much there is to do, and for how long everything breaks.
struct Size {
    deliveries: usize,
    is_full: bool,
    /// How long deliveries come in.
    seconds: u32,
    /// How long a process stands still: longer than its leases.
    stopped: Duration,
    /// Rows that end their process.
    crashes: usize,
}

impl Size {
    fn new() -> Self {
        let deliveries = number("FAULTS_DELIVERIES", 600);
        let is_full = deliveries >= 10_000;
        let seconds = u32::try_from(deliveries / 150).expect("they are fewer").max(9);
        let stopped = Duration::from_secs(if is_full { 40 } else { 7 });
        Self { deliveries, is_full, seconds, stopped, crashes: if is_full { 5 } else { 1 } }
    }

    /// In the order of sending: the poison that takes longest comes early.
    fn works(&self, engine: &Engine, random: &mut fastrand::Rng) -> Vec<Work> {
        let event = |position, random: &mut fastrand::Rng| match random.u8(..100) {
            _ if (10..10 + self.crashes).contains(&position) => "poison.crashed",
            0 => "poison.permanent",
            1 => "poison.attempts",
            2..50 if engine.has_transactions() => "work.tx",
            _ => "work.plain",
        };
        let lanes = u8::try_from(self.deliveries / 100).unwrap_or(u8::MAX).max(20);
        let works = (0..self.deliveries).map(|position| {
            let event = event(position, random);
            Work::new(position, event, lanes, random)
        });
        works.collect()
    }
}

/// How long a handler may take. Its lease ends 5 s later.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

fn build(engine: &Engine) -> Build {
    let handlers = if engine.has_transactions() {
        "work.plain work.tx poison.crashed poison.attempts poison.permanent"
    } else {
        "work.plain poison.crashed poison.attempts poison.permanent"
    };
    Build { number: 0, handlers, timeout: TIMEOUT }
}

#[track_caller]
pub(crate) fn check(mut engine: Engine) {
    let (size, mut random, from) = (Size::new(), fastrand::Rng::with_seed(SEED), Instant::now());
    let works = size.works(&engine, &mut random);
    let places = Places::default();
    let sender = Sender::new(&places, engine.places, &mut random);
    let mut fleet = Fleet::new(&engine, &places);
    for place in 0..fleet.len() {
        fleet.start(&engine, place, build(&engine));
    }
    thread::scope(|scope| {
        let sending =
            scope.spawn(|| sender.send(&works, Duration::from_secs(size.seconds.into()), |_, _| true));
        let _watched = places.watch();
        make_trouble(&size, &mut engine, &mut fleet, &mut random, || sending.is_finished());
    });
    let mut redriven = BTreeSet::new();
    loop {
        engine.wait_until_ended("", || {
            start_ended(&engine, &mut fleet);
            if !size.is_full {
                engine.end_leases_without_an_owner();
            }
        });
        let unlucky = unlucky(&engine, &works);
        if unlucky.is_empty() {
            break;
        }
        redriven.extend(unlucky);
    }
    let seen = sender.seen();
    let took = from.elapsed();
    let evidence = Evidence::of(&engine, &works, &seen, &fleet.history, redriven);
    let verdict = evidence.judge();
    print!("{}", verdict.table(&engine, &fleet.history, took));
    if size.is_full {
        verdict.was_hard_won(engine.has_transactions());
    }
    fleet.end();
}

/// Breaks something each second, until all is sent.
#[track_caller]
fn make_trouble(
    size: &Size,
    engine: &mut Engine,
    fleet: &mut Fleet<'_>,
    random: &mut fastrand::Rng,
    is_over: impl Fn() -> bool,
) {
    let begun = Instant::now();
    let part = |of: u32| size.seconds * of / 8;
    let mut resumes: Option<(usize, Instant)> = None;
    for second in 1.. {
        thread::sleep(Duration::from_secs(second.into()).saturating_sub(begun.elapsed()));
        if let Some((place, _)) = resumes.take_if(|(_, at)| Instant::now() >= *at) {
            fleet.resume(place);
        }
        if is_over() && second >= size.seconds && resumes.is_none() {
            return;
        }
        start_ended(engine, fleet);
        // The only process has to do something before.
        if second == part(if fleet.len() == 1 { 7 } else { 1 }).max(1) {
            let place = random.usize(..fleet.len());
            fleet.stop(place);
            resumes = Some((place, Instant::now() + size.stopped));
        }
        if [2, 4, 6].map(part).contains(&second) {
            fleet.kill_database(engine);
        }
        if second % 2 == 0 {
            fleet.cut(engine, random.usize(..fleet.len()));
        }
        let running: Vec<_> = (0..fleet.len()).filter(|place| !fleet.is_stopped(*place)).collect();
        if let Some(&place) = random.choice(&running) {
            fleet.kill(place);
            fleet.start(engine, place, build(engine));
        }
    }
}

/// Poison ends its process.
fn start_ended(engine: &Engine, fleet: &mut Fleet<'_>) {
    for place in fleet.ended() {
        fleet.start(engine, place, build(engine));
    }
}

/// Redrives rows whose process the test killed three times, as their operator does. Returns their ids.
fn unlucky(engine: &Engine, works: &[Work]) -> Vec<String> {
    let is_poison = |id: &str| works.iter().any(|work| work.id == id && work.poison.is_some());
    let crashed = |reason| reason == Some(DeadReason::Crashed);
    let rows = engine.rows();
    let rows = rows.iter().filter(|row| row.state == RowState::Dead && crashed(row.reason));
    let rows = rows.filter(|row| !is_poison(id_in(row.key.as_str())));
    rows.inspect(|row| engine.redrive(row)).map(|row| id_in(row.key.as_str()).to_owned()).collect()
}
