//! Rolling deploys: an old and a new build take turns under load, one process after the other.

use std::{
    thread,
    time::{Duration, Instant},
};

use kiket::inbox::RowState;

use crate::{
    PATIENCE, SEED,
    engine::Engine,
    fleet::{Build, Fleet, Place, Places},
    number,
    sender::Sender,
    steps::{Steps, id_in},
    work::Work,
};

/// The old build, and the new one: that has one handler more, and one less. No attempt has to end early.
const BUILDS: [Build; 2] = [build(0, "work.plain work.removed"), build(1, "work.plain work.added")];

const fn build(number: usize, handlers: &'static str) -> Build {
    Build { number, handlers, timeout: PATIENCE }
}

/// The event that only one of them handles.
const OWN: [&str; 2] = ["work.removed", "work.added"];

/// How many deliveries come in while processes are replaced, and how long that takes them.
const DURING: usize = 150;
const SPREAD: Duration = Duration::from_secs(2);

/// How many of a handler come in just before it is removed.
const BEFORE: usize = 40;

/// How many of those wait for a build that handles them.
const WAITING: usize = 10;

/// A test of deploys.
struct Deploys<'t> {
    engine: &'t Engine,
    places: &'t Places,
    random: fastrand::Rng,
    works: Vec<Work>,
    attempts: usize,
    waited: usize,
}

#[track_caller]
pub(crate) fn check(engine: &Engine) {
    let (count, from) = (number("FAULTS_DEPLOYS", 2), Instant::now());
    let (places, random) = (Places::default(), fastrand::Rng::with_seed(SEED));
    let mut fleet = Fleet::new(engine, &places);
    let mut deploys = Deploys { engine, places: &places, random, works: Vec::new(), attempts: 0, waited: 0 };
    for place in 0..fleet.len() {
        fleet.start(engine, place, BUILDS[0]);
    }
    let mut log = String::new();
    for deploy in 0..count {
        deploys.roll(&mut fleet, deploy % 2, &mut log);
    }
    // A build is back that handles what waits.
    for place in 0..fleet.len() {
        replace(engine, &mut fleet, place, (count + 1) % 2, &mut log);
    }
    engine.wait_until_ended("", || ());
    log.push_str(&fleet.end());
    deploys.judge(&log);
    println!(
        "{}, {} process(es)\n  {:<24}{count}\n  {:<24}{}, in {} attempts\n  {:<24}{} deliveries, until there was one again\n  {:<24}0\n  {:<24}{} s",
        engine.name,
        engine.places,
        "rolling deploys",
        "deliveries done",
        deploys.works.len(),
        deploys.attempts,
        "waited for a handler",
        deploys.waited,
        "failed",
        "time",
        from.elapsed().as_secs(),
    );
}

/// Starts a process of a build, and lets the one end that it replaces.
#[track_caller]
fn replace(engine: &Engine, fleet: &mut Fleet<'_>, place: usize, build: usize, log: &mut String) {
    let gone = fleet.start(engine, place, BUILDS[build]).expect("a process is there");
    let ended = gone.stop();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    log.push_str(&ended.stdout);
}

impl Deploys<'_> {
    /// From one build to the other.
    #[track_caller]
    fn roll(&mut self, fleet: &mut Fleet<'_>, old: usize, log: &mut String) {
        let (engine, places, new) = (self.engine, self.places, 1 - old);
        self.send(BEFORE, Duration::ZERO, |_| OWN[old]);
        engine.pause(OWN[old], true); // so that these are left over
        self.send(WAITING, Duration::ZERO, |_| OWN[old]);
        let plain_or_new =
            |random: &mut fastrand::Rng| if random.u8(..5) == 0 { OWN[new] } else { "work.plain" };
        thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(DURING, SPREAD, plain_or_new));
            let _watched = places.watch();
            for place in 0..fleet.len() {
                replace(engine, fleet, place, new, log);
            }
            sending.join().expect("it sends all");
        });
        engine.pause(OWN[old], false);
        // What waited since the last deploy is done, too.
        engine.wait_until_ended(OWN[old], || ());
        // Rows were claimed since the pause was over.
        self.send(1, Duration::ZERO, |_| "work.plain");
        engine.wait_until_ended(OWN[old], || ());
        let rows = engine.rows();
        let rows: Vec<_> = rows.iter().filter(|row| row.state != RowState::Done).collect();
        assert!(rows.len() >= WAITING, "{rows:#?}");
        self.waited += rows.len();
        for row in rows {
            let (state, attempts, event) = (row.state, row.attempts, &*row.handler.event);
            assert_eq!((state, attempts, event), (RowState::Waiting, 0, OWN[old]), "{row:?}");
        }
    }

    /// Sends deliveries until they are acknowledged. What one build alone handles goes to a process of that: Kiket sends no event
    /// that an extension does not declare.
    #[track_caller]
    fn send(&mut self, count: usize, over: Duration, event: impl Fn(&mut fastrand::Rng) -> &'static str) {
        let from = self.works.len();
        for number in from..from + count {
            let event = event(&mut self.random);
            let mut work = Work::new(number, event, 20, &mut self.random);
            work.fails = false;
            if OWN.contains(&event) {
                work.lane = None; // it would wait for its handler with it
            }
            self.works.push(work);
        }
        let sender = Sender::new(self.places, self.engine.places, &mut self.random);
        let own = |work: &Work| OWN.iter().position(|own| *own == work.event);
        let is_for = |work: &Work, place: Place| own(work).is_none_or(|build| build == place.build);
        sender.send(&self.works[from..], over, is_for);
        let seen = sender.seen();
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        self.attempts += seen.attempts;
    }

    /// Nothing failed, and everything was done once.
    #[track_caller]
    fn judge(&self, log: &str) {
        let errors: Vec<_> = log.lines().filter(|line| line.contains(r#""level":"ERROR""#)).take(5).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let (rows, steps) = (self.engine.rows(), Steps::read(&self.engine.steps()));
        assert_eq!(rows.len(), self.works.len());
        for row in &rows {
            assert_eq!((row.state, row.attempts, row.crashes), (RowState::Done, 1, 0), "{row:?}");
        }
        let effects = steps.runs.values().flatten().filter(|run| run.effect.is_some()).count();
        assert_eq!((steps.runs.len(), effects), (rows.len(), rows.len()));
        assert!(self.works.iter().all(|work| rows.iter().any(|row| id_in(row.key.as_str()) == work.id)));
    }
}
