//! What must hold after all the trouble, and what it says where it does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kiket::inbox::{DeadReason, InboxRow, RowState};

use crate::{
    engine::Engine,
    fleet::History,
    sender::Seen,
    steps::{Run, Steps, id_in},
    trouble::TIMEOUT,
    work::Work,
};

/// Why a run had an effect, and another one had it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Excuse {
    /// Its process died inside the handler, or before the end of the attempt was stored.
    Died,
    /// Its process stood still.
    Stopped,
    /// Its deadline came after the effect, on a machine that is busy.
    TimedOut,
    /// The database, or the connections of the process, were gone when the end of the attempt was to be stored.
    Disconnected,
}

/// How long it may take until the end of an attempt is stored, on a machine that is busy, in microseconds.
const STORING: u64 = 10_000_000;

/// A machine that is busy may hold up a run until its lease is over.
const LEASE: u64 = 5_000_000;

/// Figures of a fault test that went as it should.
#[derive(Default)]
pub(crate) struct Verdict {
    sent: usize,
    attempts: usize,
    acknowledged: usize,
    known: usize,
    lost: usize,
    done: usize,
    poison: usize,
    redriven: usize,
    runs: usize,
    lanes: usize,
    doubles: BTreeMap<Excuse, usize>,
    rolled_back: usize,
    doubles_with_transaction: usize,
}

/// All that is known of a run of the test.
pub(crate) struct Evidence<'t> {
    pub(crate) works: &'t [Work],
    pub(crate) seen: &'t Seen,
    pub(crate) history: &'t History,
    pub(crate) rows: Vec<InboxRow>,
    pub(crate) steps: Steps,
    /// The effects of transactions.
    pub(crate) effects: Vec<(String, String)>,
    /// Deliveries that crashed too often by chance, and were redriven.
    pub(crate) redriven: BTreeSet<String>,
}

impl<'t> Evidence<'t> {
    pub(crate) fn of(
        engine: &Engine,
        works: &'t [Work],
        seen: &'t Seen,
        history: &'t History,
        redriven: BTreeSet<String>,
    ) -> Self {
        let (rows, effects) = (engine.rows(), engine.effects());
        Self { works, seen, history, rows, steps: Steps::read(&engine.steps()), effects, redriven }
    }

    /// Judges.
    ///
    /// # Panics
    ///
    /// When anything was lost, done twice without an excuse, or done out of order.
    #[track_caller]
    pub(crate) fn judge(&self) -> Verdict {
        let (mut verdict, mut wrong) = (Verdict::default(), self.seen.wrong.clone());
        let rows: BTreeMap<&str, &InboxRow> =
            self.rows.iter().map(|row| (id_in(row.key.as_str()), row)).collect();
        let runs: BTreeMap<&str, &[Run]> =
            self.steps.runs.iter().map(|(key, runs)| (id_in(key), &**runs)).collect();
        let mut committed = BTreeMap::<&str, Vec<&str>>::new();
        for (key, run) in &self.effects {
            committed.entry(id_in(key)).or_default().push(run);
        }
        let acknowledged: BTreeSet<usize> = self.seen.acknowledged.iter().copied().collect();
        let mut lanes = BTreeMap::<u8, Vec<(usize, &InboxRow)>>::new();
        for (position, work) in self.works.iter().enumerate() {
            let id = &*work.id;
            let Some(row) = rows.get(id) else {
                if acknowledged.contains(&position) {
                    verdict.lost += 1;
                    wrong.push(format!("{id} was acknowledged, and is lost"));
                }
                continue;
            };
            let (runs, committed) = (runs.get(id).copied().unwrap_or_default(), committed.get(id));
            let committed = committed.map(Vec::as_slice).unwrap_or_default();
            let judged = match work.poison {
                Some(reason) => died_of(row, reason).map(|()| verdict.poison += 1),
                None if row.state != RowState::Done => Err("is not done".to_owned()),
                None if work.event == "work.tx" => verdict.judge_transaction(runs, committed),
                None => verdict.judge_plain(self, row, runs),
            };
            if let Err(why) = judged {
                wrong.push(format!("{id} {why}: {row:?}, {runs:#?}, {committed:?}"));
            }
            // One that was dead for a while is overtaken.
            if let Some(lane) = work.lane.filter(|_| !self.redriven.contains(id)) {
                let counts = |run: &&Run| work.event != "work.tx" || committed.contains(&&*run.name);
                let runs = runs.iter().filter(counts).filter(|run| !self.has_stood_still(run));
                let effects = runs.filter_map(|run| Some((run.effect?.1, *row)));
                lanes.entry(lane).or_default().extend(effects);
            }
            verdict.runs += runs.len();
            verdict.done += usize::from(row.state == RowState::Done);
        }
        for (lane, mut effects) in lanes {
            effects.sort_by_key(|(position, _)| *position);
            verdict.lanes += 1;
            for pair in effects.windows(2).filter(|pair| pair[0].1.id > pair[1].1.id) {
                wrong.push(format!("lane {lane} has {:?} after {:?}", pair[1].1, pair[0].1));
            }
        }
        verdict.sent = self.works.len();
        verdict.attempts = self.seen.attempts;
        verdict.acknowledged = acknowledged.len();
        verdict.known = self.seen.known;
        verdict.redriven = self.redriven.len();
        let shown = wrong.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "{} of {} went wrong:\n{shown}", wrong.len(), self.works.len());
        assert_eq!((verdict.acknowledged, verdict.lost), (verdict.sent, 0));
        verdict
    }

    /// Why another run may have had the effect of `run` again.
    fn excuse(&self, run: &Run) -> Option<Excuse> {
        let dead = self.history.killed.iter().chain(&self.steps.aborted);
        let mut dead = dead.filter(|(process, _)| *process == run.process);
        let (from, until) = (run.begins, run.ends.unwrap_or(run.begins) + STORING);
        if dead.any(|(_, at)| from <= *at && *at <= until) {
            return Some(Excuse::Died);
        }
        if self.has_stood_still(run) {
            return Some(Excuse::Stopped);
        }
        if timed_out(run) {
            return Some(Excuse::TimedOut);
        }
        let mut cut = self.history.cut.iter();
        let its = |process: &Option<usize>| process.is_none_or(|process| process == run.process);
        let cut = cut.any(|(process, begins, ends)| its(process) && from <= *ends && *begins <= until);
        cut.then_some(Excuse::Disconnected)
    }

    /// Whether its process stood still when it was about to begin, ran, or was about to end.
    fn has_stood_still(&self, run: &Run) -> bool {
        let last = run.ends.or(run.dropped).or(run.effect.map(|(at, _)| at)).unwrap_or(run.begins);
        let is_late = last - run.begins >= LEASE;
        is_late
            || self.history.stopped.iter().any(|(process, from, to)| {
                *process == run.process && run.begins <= to + STORING && *from <= last + STORING
            })
    }
}

fn timed_out(run: &Run) -> bool {
    let timeout = u64::try_from(TIMEOUT.as_micros()).expect("it is short");
    run.ends.is_none() && run.dropped.is_some_and(|at| at - run.begins >= timeout)
}

/// Whether a row died of what makes it poison, or of three crashes, which may come first.
fn died_of(row: &InboxRow, reason: &str) -> Result<(), String> {
    let died = row.state == RowState::Dead && row.reason.is_some_and(|found| found.as_str() == reason);
    let crashed = row.reason == Some(DeadReason::Crashed) && row.crashes >= 3;
    if died || crashed { Ok(()) } else { Err(format!("is not dead of `{reason}`")) }
}

impl Verdict {
    /// Each effect but one needs an excuse, and a crash that the inbox has counted, unless it came before the deadline.
    fn judge_plain(&mut self, evidence: &Evidence<'_>, row: &InboxRow, runs: &[Run]) -> Result<(), String> {
        let effects: Vec<_> = runs.iter().filter(|run| run.effect.is_some()).collect();
        let excuses: Vec<_> = effects.iter().filter_map(|run| evidence.excuse(run)).collect();
        let Some(doubles) = effects.len().checked_sub(1) else {
            return Err("is done without an effect".to_owned());
        };
        if excuses.len() < doubles {
            return Err("has an effect twice, and nothing broke".to_owned());
        }
        let timed_out = effects.iter().filter(|run| timed_out(run)).count();
        if doubles > row.crashes as usize + timed_out && !evidence.redriven.contains(id_in(row.key.as_str()))
        {
            return Err("has an effect more often than its lease expired".to_owned());
        }
        for excuse in excuses.into_iter().take(doubles) {
            *self.doubles.entry(excuse).or_default() += 1;
        }
        Ok(())
    }

    /// Exactly one run is committed.
    fn judge_transaction(&mut self, runs: &[Run], committed: &[&str]) -> Result<(), String> {
        let tried = runs.iter().filter(|run| run.effect.is_some() && !run.fails).count();
        match committed {
            [] => Err("is done without an effect".to_owned()),
            [run] if !runs.iter().any(|found| found.name == *run) => Err("has an unknown run".to_owned()),
            [_] => {
                self.rolled_back += tried.saturating_sub(1);
                Ok(())
            }
            [_, doubles @ ..] => {
                self.doubles_with_transaction += doubles.len();
                Err("has an effect twice with a transaction".to_owned())
            }
        }
    }

    /// That effects could be doubled at all.
    #[track_caller]
    pub(crate) fn was_hard_won(&self, has_transactions: bool) {
        assert!(self.doubles.values().sum::<usize>() > 0, "no effect came twice without a transaction");
        assert!(!has_transactions || self.rolled_back > 0, "no transaction was rolled back");
    }

    /// The table of figures.
    pub(crate) fn table(&self, engine: &Engine, history: &History, took: Duration) -> String {
        let Self { sent, attempts, acknowledged, known, lost, done, poison, redriven, .. } = self;
        let doubles = |excuse| self.doubles.get(&excuse).copied().unwrap_or_default();
        let mut lines = vec![
            ("deliveries sent", format!("{sent}, in {attempts} attempts")),
            ("acknowledged", format!("{acknowledged}; {known} of the responses: known already")),
            ("acknowledged and lost", lost.to_string()),
            ("done", format!("{done}, in {} runs of poison and all others", self.runs)),
            ("dead", format!("{poison}, all of them poison; {redriven} crashed by chance and were redriven")),
            ("lanes in order", self.lanes.to_string()),
            (
                "doubles without `Tx`",
                format!(
                    "{}: {} its process died, {} it stood still, {} it timed out, {} it was disconnected",
                    self.doubles.values().sum::<usize>(),
                    doubles(Excuse::Died),
                    doubles(Excuse::Stopped),
                    doubles(Excuse::TimedOut),
                    doubles(Excuse::Disconnected)
                ),
            ),
        ];
        if engine.has_transactions() {
            let with = self.doubles_with_transaction;
            lines.push((
                "doubles with `Tx`",
                format!("{with}; {} effects of runs that did not end were rolled back", self.rolled_back),
            ));
        }
        let stopped: Vec<_> =
            history.stopped.iter().map(|(_, from, to)| format!("{} s", (to - from) / 1_000_000)).collect();
        lines.extend([
            ("processes killed", format!("{}; {} aborted by poison", history.killed.len(), history.aborted)),
            ("processes stopped", format!("{}, for {}", stopped.len(), stopped.join(", "))),
        ]);
        if engine.has_transactions() {
            lines.extend([
                ("database killed", format!("{}, and started again", history.databases_killed)),
                ("connections cut", history.connections_cut.to_string()),
            ]);
        }
        lines.push(("time", format!("{} s", took.as_secs())));
        let lines = lines.iter().map(|(name, figure)| format!("  {name:<24}{figure}\n"));
        format!("{}, {} process(es)\n{}", engine.name, engine.places, lines.collect::<String>())
    }
}
