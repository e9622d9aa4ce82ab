//! Prepared plans -> for every kind of step and shape in them the fastest of the ways to carry it out here, by timing each
//! over the model's own weights.
//!
//! A way is timed by many dispatches in one pass, so that a browser's coarse clock does not decide, and over the weights of
//! several layers in turn, so that a cache which holds fewer of them helps less than it would with one. What counts and who
//! wins is [`Race`]'s to say.

use super::Gpu;
use super::device::Buffer;
use super::prepared::{Lowered, Ready};
use super::probe::Prober;
use crate::cpu::Activations;
use crate::kernels::Tuning;
use crate::kernels::tuning::{self, FAR, Fault, Kind, Measured, Race, Subject, Way};
use crate::plan::{Live, Plan};
use crate::weights::Catalogue;
use crate::{Error, Result};
use serde_json::Value;
use web_time::Instant;

/// What is timed should take this many seconds at least: thirty steps of a browser's clock.
const WORTH_S: f64 = 0.003;

/// Units in a pass that is timed, at most.
const MOST_UNITS: usize = 1024;

/// Layers whose weights are gone through in turn.
const LAYERS: usize = 8;

/// Where an empty submit takes longer to be heard of, nothing can be measured in time.
const DEAF_S: f64 = 0.02;

/// Rows of a prompt that are timed, whatever the plan has room for.
const ROWS: u32 = 64;

/// Positions in the cache when attention is timed, with the rows that are timed.
const POSITIONS: u32 = 512;

/// A subject, and where it stands.
pub(super) struct Contest {
    subject: Subject,
    /// Its plan, by its place.
    plan: usize,
    /// Steps of the plan, and a part of each.
    pub(super) parts: Vec<(usize, usize)>,
    /// The run that is timed.
    live: Live,
    start: &'static str,
}

/// A way, ready to be timed.
pub(super) struct Entrant {
    pub(super) ready: Vec<Ready>,
    /// Units of a pass that is timed.
    units: usize,
    /// Dispatches of one part of a step.
    pub(super) unit: usize,
    _buffers: [Buffer; 3],
}

impl Gpu {
    /// The adapter by another name than it gives itself, and what adapters of that name begin with.
    pub fn rename(&mut self, name: &str) {
        self.device.adapter.name = name.to_string();
        self.tuning = self.start();
    }

    /// The choices, to be kept.
    pub fn tuning(&self) -> Value {
        self.tuning.to_json(&self.id())
    }

    /// Ways that are left out for that reason, in words.
    pub fn left_out_for(&self, fault: Fault) -> Option<String> {
        self.tuning.left_out_for(fault)
    }

    /// Whether a kept tuning was measured on this adapter, with these kernels.
    pub fn knows(&self, tuning: &Value) -> bool {
        tuning::is_of(tuning, &self.id())
    }

    /// What the device begins with, under what was asked of activations.
    pub(super) fn start(&self) -> Tuning {
        Tuning::start(self.device.vendor()).under(self.device.features().activations)
    }

    /// What tunings are kept by: other activations allow other ways.
    fn id(&self) -> String {
        let id = self.device.info().id();
        match self.device.features().activations {
            Activations::Auto => id,
            other => format!("{id}, activations {}", other.name()),
        }
    }

    /// Takes over a tuning, for plans that are still to be prepared.
    pub fn take_tuning(&mut self, value: &Value) -> Result<()> {
        let mut tuning = self.tuning.clone();
        tuning.apply_json(value)?;
        tuning.avoid(self.device.features());
        tuning.check(self.device.features())?;
        self.tuning = tuning;
        Ok(())
    }

    /// Times the ways to carry out each subject of the plans that was not chosen for yet, takes the best, and prepares the
    /// plans anew. After `budget_s` seconds what is left does as its nearest neighbour. Without a budget everything is
    /// timed, and to the end. What the plans have too little room for stays as it is. Nothing of use is left in the cache.
    /// Before a way is tried `keep` is told of the tuning without it, as the device may not survive it.
    pub async fn tune(
        &mut self,
        catalogue: &Catalogue,
        budget_s: Option<f64>,
        keep: &impl AsyncFn(Value),
    ) -> Result<Vec<Measured>> {
        self.device.check()?;
        let mut contests = self.contests(catalogue);
        if budget_s.is_some() {
            contests.retain(|contest| self.tuning.chosen(&contest.subject).is_none());
        }
        if contests.is_empty() || budget_s.is_some() && self.is_deaf().await? {
            return Ok(Vec::new());
        }
        let plans = std::mem::take(&mut self.prepared);
        let measured = self.hold(&plans, catalogue, contests, (budget_s, keep)).await;
        let as_before = |measured: &Measured| {
            let found_wrong = measured.ways.iter().any(|way| way.fault == Some(Fault::Wrong));
            measured.chosen == measured.start && !found_wrong
        };
        self.prepared = match &measured {
            Ok(all) if all.iter().all(as_before) => plans,
            _ => plans.iter().map(|lowered| self.lower(&lowered.plan, catalogue)).collect::<Result<_>>()?,
        };
        self.clear_cache();
        self.device.settle().await?;
        measured
    }

    /// Whether it takes too long to hear of the device. It is asked twice, as anything may delay a single answer.
    async fn is_deaf(&self) -> Result<bool> {
        let prober = Prober::with(&self.device, 0.0);
        Ok(prober.pass(|_| ()).await? > DEAF_S && prober.pass(|_| ()).await? > DEAF_S)
    }

    /// Every subject of the plans once, if there is room for the run that is timed.
    fn contests(&self, catalogue: &Catalogue) -> Vec<Contest> {
        let mut contests: Vec<Contest> = Vec::new();
        for (plan, lowered) in self.prepared.iter().enumerate() {
            for (step, recorded) in lowered.plan.steps.iter().enumerate() {
                for (part, subject) in Subject::of(&lowered.plan, catalogue, recorded).into_iter().enumerate() {
                    let start = self.tuning.taken(&lowered.plan, catalogue, recorded, part);
                    let start = start.zip(live(&lowered.plan, subject.kind));
                    match (contests.iter_mut().find(|contest| contest.subject == subject), start) {
                        (None, Some((start, live))) => {
                            contests.push(Contest { subject, plan, parts: vec![(step, part)], live, start });
                        }
                        (Some(contest), _) if contest.plan == plan && contest.parts.len() < LAYERS => {
                            contest.parts.push((step, part));
                        }
                        _ => {}
                    }
                }
            }
        }
        tuning::order(&mut contests, |contest| &contest.subject);
        contests
    }

    async fn hold(
        &mut self,
        plans: &[Lowered],
        catalogue: &Catalogue,
        contests: Vec<Contest>,
        (budget_s, keep): (Option<f64>, &impl AsyncFn(Value)),
    ) -> Result<Vec<Measured>> {
        let begun = Instant::now();
        let time_left = || budget_s.is_none_or(|budget| begun.elapsed().as_secs_f64() < budget);
        let empty_s = Prober::new(&self.device).await?.empty_s;
        let (mut far, mut all): (Vec<(Kind, &str)>, Vec<Measured>) = (Vec::new(), Vec::new());
        let mut known: Vec<(Subject, &'static str)> = Vec::new();
        for contest in contests {
            let Contest { subject, start, .. } = &contest;
            let ways = self.tuning.ways(subject, self.device.features());
            // What begins a shape may be left out, as the size of a shape has a say in it.
            let is_left_out = self.tuning.fault(subject.kind, start).is_some();
            let first = if is_left_out { ways.first().unwrap_or(start) } else { start };
            let others = ways.iter().copied().filter(|name| name != first);
            let others = others.filter(|name| budget_s.is_none() || !far.contains(&(subject.kind, *name)));
            let names: Vec<_> = std::iter::once(*first).chain(others).collect();
            let mut race = Race::new(names.len(), budget_s.is_none());
            let chosen = if time_left() {
                let trying = (&mut race, empty_s, keep);
                self.race(&plans[contest.plan], catalogue, (&contest, &names), trying, &time_left).await?;
                let lost = (1..names.len()).filter(|way| race.is_far_behind(*way));
                far.extend(lost.map(|way| (subject.kind, names[way])));
                for way in (0..names.len()).filter(|way| race.is_wrong(*way)) {
                    self.tuning.leave_out(subject.kind, names[way], Fault::Wrong)?;
                }
                self.tuning.avoid(self.device.features());
                names[race.winner()]
            } else {
                known.retain(|(subject, name)| self.tuning.fault(subject.kind, name).is_none());
                tuning::nearest(subject, known.iter().map(|(subject, name)| (subject, *name))).unwrap_or(first)
            };
            self.tuning.choose(subject, chosen)?;
            let us = |way| race.least(way).map(|seconds| seconds * 1e6);
            let fault = |name| self.tuning.fault(subject.kind, name);
            let ways = names.iter().enumerate().map(|(way, name)| Way { name, us: us(way), fault: fault(name) });
            let untried = self.tuning.left_out(subject.kind).filter(|(name, _)| !names.contains(name));
            let untried = untried.map(|(name, fault)| Way { name, us: None, fault: Some(fault) });
            let ways = ways.chain(untried).collect();
            let (kind, shape) = (subject.kind.name(), subject.shape.clone());
            all.push(Measured { kind, shape, start, chosen, ways });
            known.push((contest.subject, chosen));
        }
        Ok(all)
    }

    /// Lets the ways to carry out one subject run against each other.
    async fn race(
        &mut self,
        lowered: &Lowered,
        catalogue: &Catalogue,
        (contest, names): (&Contest, &[&'static str]),
        (race, empty_s, keep): (&mut Race, f64, &impl AsyncFn(Value)),
        time_left: &dyn Fn() -> bool,
    ) -> Result<()> {
        let live = contest.live;
        lowered.write_live(&self.device, std::iter::once(live));
        let (mut entrants, mut units) = (Vec::new(), 1);
        for (way, name) in names.iter().enumerate() {
            // Compiling takes most of the time there is where compilers are slow.
            let is_tried = way == 0 || time_left();
            if !is_tried {
                race.fails(way);
                entrants.push(None);
                continue;
            }
            let kind = contest.subject.kind;
            keep(self.tuning.if_ended(kind, name)?.to_json(&self.id())).await;
            let trial = self.enter(lowered, catalogue, contest, name)?;
            let tried = self.try_out((lowered, live), trial, (race.best(), &mut units), empty_s).await;
            if let Err(error) = &tried {
                // The device is lost, and there is no doubt by what; one without room for more says nothing of the way.
                if !matches!(error, Error::Memory(_)) {
                    self.tuning.leave_out(kind, name, Fault::Lost)?;
                }
                keep(self.tuning()).await;
            }
            let entrant = match tried? {
                Some((entrant, seconds)) => {
                    race.took(way, seconds);
                    Some(entrant)
                }
                None => {
                    race.fails(way);
                    None
                }
            };
            self.tuning.survived(kind, name);
            entrants.push(entrant);
        }
        keep(self.tuning()).await;
        while time_left()
            && let Some(way) = race.next()
        {
            let Some(entrant) = &entrants[way] else { break };
            let seconds = self.time(lowered, live, (entrant, entrant.units), empty_s).await?;
            race.took(way, seconds);
        }
        self.prove((lowered, live), contest, &entrants, race).await
    }

    /// Runs a way for the first times, and as many units of it as are timed: whatever it may do to the device, it does now.
    /// Says what one unit takes; none where the device refuses it.
    async fn try_out(
        &self,
        (lowered, live): (&Lowered, Live),
        trial: Option<Trial>,
        (best, units): (f64, &mut usize),
        empty_s: f64,
    ) -> Result<Option<(Entrant, f64)>> {
        let Some((mut entrant, alone)) = self.warm(lowered, live, trial, empty_s).await? else { return Ok(None) };
        if best.is_infinite() {
            let seconds = self.worth(lowered, live, &mut entrant, (alone, empty_s)).await?;
            *units = entrant.units;
            return Ok(Some((entrant, seconds)));
        }
        entrant.units = *units;
        let seconds = match self.slow(lowered, live, &mut entrant, (alone, best, empty_s)).await? {
            Some(seconds) => seconds,
            None => self.time(lowered, live, (&entrant, *units), empty_s).await?,
        };
        Ok(Some((entrant, seconds)))
    }

    /// Makes a way ready; none where the kernels don't reach so far.
    fn enter(
        &mut self,
        lowered: &Lowered,
        catalogue: &Catalogue,
        contest: &Contest,
        name: &str,
    ) -> Result<Option<Trial>> {
        let mut tuning = self.tuning.clone();
        tuning.choose(&contest.subject, name)?;
        let outer = self.device.raw.push_error_scope(wgpu::ErrorFilter::Internal);
        let inner = self.device.raw.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = lowered.otherwise(self, catalogue, &contest.parts, &tuning);
        let scopes = [inner, outer];
        let Ok((ready, buffers)) = made else { return Ok(None) };
        let unit = ready.len() / contest.parts.len();
        Ok(Some(Trial { entrant: Entrant { ready, units: 1, unit, _buffers: buffers }, scopes }))
    }

    /// Runs a way for the first time, which may compile it, and says what that took; none where the device refuses it.
    async fn warm(
        &self,
        lowered: &Lowered,
        live: Live,
        trial: Option<Trial>,
        empty_s: f64,
    ) -> Result<Option<(Entrant, f64)>> {
        let Some(Trial { entrant, scopes }) = trial else { return Ok(None) };
        // An error may not keep the scopes from being popped in order.
        let first = self.time(lowered, live, (&entrant, 1), empty_s).await;
        let [inner, outer] = scopes;
        let refused = [inner.pop().await, outer.pop().await];
        let first = first?;
        Ok(refused.iter().all(Option::is_none).then_some((entrant, first)))
    }

    /// Finds how many units of a way are worth timing, and says what one takes.
    async fn worth(
        &self,
        lowered: &Lowered,
        live: Live,
        entrant: &mut Entrant,
        (first, empty_s): (f64, f64),
    ) -> Result<f64> {
        let alone = first.min(self.time(lowered, live, (entrant, 1), empty_s).await?);
        let more = |each: f64| (1.5 * WORTH_S / each.max(1e-9)).ceil() as usize;
        let (mut units, mut each) = (1, alone);
        while each * (units as f64) < WORTH_S && units < MOST_UNITS {
            units = more(each).clamp(2 * units, 16 * units).min(MOST_UNITS);
            each = self.time(lowered, live, (entrant, units), empty_s).await?;
        }
        entrant.units = units;
        Ok(each)
    }

    /// Finds fewer units for a way that is far behind, which would take long with those of a fast one, and says what one
    /// takes; none where it is not so far behind, once it is compiled.
    async fn slow(
        &self,
        lowered: &Lowered,
        live: Live,
        entrant: &mut Entrant,
        (first, best, empty_s): (f64, f64, f64),
    ) -> Result<Option<f64>> {
        if first <= FAR * best {
            return Ok(None);
        }
        let alone = first.min(self.time(lowered, live, (entrant, 1), empty_s).await?);
        if alone <= FAR * best {
            return Ok(None);
        }
        let units = ((WORTH_S / alone).ceil() as usize).min(entrant.units);
        let each = self.time(lowered, live, (entrant, units), empty_s).await?;
        // What a coarse clock makes of few units must not win.
        if each <= FAR * best {
            return Ok(None);
        }
        entrant.units = units;
        Ok(Some(each))
    }

    /// Seconds that a unit takes, of so many in a pass.
    async fn time(
        &self,
        lowered: &Lowered,
        live: Live,
        (entrant, units): (&Entrant, usize),
        empty_s: f64,
    ) -> Result<f64> {
        let prober = Prober::with(&self.device, empty_s);
        let dispatches = entrant.ready.chunks(entrant.unit).cycle().take(units).flatten();
        let seconds = prober.pass(|pass| {
            lowered.encode(pass, dispatches, &self.weights, (live, 0));
        });
        Ok(seconds.await? / units as f64)
    }

    /// Zeros again: what was measured with may be no numbers.
    fn clear_cache(&self) {
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for layer in self.cache.iter().flat_map(|cache| &cache.layers) {
            encoder.clear_buffer(layer, 0, None);
        }
        self.device.submit(encoder);
    }
}

/// A way that the device may still refuse.
struct Trial {
    entrant: Entrant,
    /// The inner one first: what is dropped first has to be.
    scopes: [wgpu::ErrorScopeGuard; 2],
}

/// The run by which a kind of step is timed: the same for every model and context, as what is found is kept for others.
/// None where the plan has no room for it.
fn live(plan: &Plan, kind: Kind) -> Option<Live> {
    let (rows, position) = match kind {
        Kind::Matvec => (1, 0),
        Kind::Matmul => (ROWS, 0),
        Kind::AttentionDecode => (1, POSITIONS - 1),
        Kind::Attention => (ROWS, POSITIONS - ROWS),
    };
    plan.live(rows as usize, position).ok()
}
