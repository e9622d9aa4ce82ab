//! A prepared plan -> what each of its dispatches takes, by timestamp queries.
//!
//! WebGPU reads the device's clock only where a pass begins and where it ends, so each dispatch is given a pass of its
//! own. That adds to a run what ordinary runs, which are one pass, don't pay: the times of the dispatches are to be
//! believed, the gaps between them are not.

use super::device::{Buffer, Device};
use super::prepared::Lowered;
use super::readback::Staging;
use super::{Gpu, Weight};
use crate::executor::{KernelTime, Prepared, check_tokens};
use crate::kernels::{Setting, Work};
use crate::plan::Live;
use crate::{Error, Result};

/// Runs that are timed, after one that is not.
const RUNS: usize = 5;

/// The same where the clock is coarse: a mean of several is finer than its grain.
const COARSE_RUNS: usize = 20;

/// Browsers read the clock in steps of this many nanoseconds, lest it tell too much.
const COARSE_NS: u64 = 100_000;

/// Most queries in a set, by WebGPU's limit.
const MOST_QUERIES: u32 = 4096;

impl Gpu {
    /// What each dispatch of a run takes, in order.
    pub async fn profile(&mut self, prepared: Prepared, tokens: &[u32], position: u32) -> Result<Vec<KernelTime>> {
        self.device.check()?;
        if !self.device.has_timestamps() {
            let message =
                "this GPU, or the browser, gives no timestamps (`timestamp-query`): kernels can't be timed one by one";
            return Err(Error::Unsupported(message.into()));
        }
        let lowered = &self.prepared[prepared.0];
        let live = lowered.plan.live(tokens.len(), position)?;
        if let Some(vocab) = lowered.vocab {
            check_tokens(tokens, vocab)?;
        }
        let works = self.works(prepared, tokens.len(), position)?;
        self.device.write(&self.tokens, 0, bytemuck::cast_slice(tokens));
        let clock = Clock::new(&self.device, works.len() as u32);
        clock.run(&self.device, &self.weights, lowered, live).await?;
        let mut runs = Vec::new();
        while runs.len() < wanted(&runs) {
            runs.push(clock.run(&self.device, &self.weights, lowered, live).await?);
        }
        let period_us = f64::from(self.device.queue.get_timestamp_period()) / 1000.0;
        let ticks = |place: usize, read: fn(&[u64; 2], u64) -> u64| -> f64 {
            let times = runs.iter().map(|run| read(&run[place], run[0][0])).collect();
            typical(times, is_coarse(&runs)) * period_us
        };
        let timed = works.into_iter().enumerate().map(|(place, work)| KernelTime {
            work,
            start_us: ticks(place, |[begin, _], first| begin.saturating_sub(first)),
            us: ticks(place, |[begin, end], _| end.saturating_sub(*begin)),
        });
        Ok(timed.collect())
    }

    /// What each dispatch of a run of so many tokens has to do, in order.
    pub fn works(&self, prepared: Prepared, tokens: usize, position: u32) -> Result<Vec<Work>> {
        let lowered = &self.prepared[prepared.0];
        let (plan, live) = (&lowered.plan, lowered.plan.live(tokens, position)?);
        let setting = Setting {
            plan,
            weight: &|weight| (&self.weights[weight.0].name, &self.weights[weight.0].layout),
            cache: self.cache_format(),
            live,
        };
        let ready = lowered.live_dispatches(live);
        Ok(ready.map(|ready| Work::new(&setting, &plan.steps[ready.step], &ready.dispatch)).collect())
    }
}

/// Two readings of the device's clock for each dispatch: where its pass begins and ends, in ticks.
type Times = Vec<[u64; 2]>;

fn wanted(runs: &[Times]) -> usize {
    if runs.len() >= RUNS && is_coarse(runs) { COARSE_RUNS } else { RUNS }
}

/// Whether every time is a whole number of a browser's steps. On the web a tick is a nanosecond.
fn is_coarse(runs: &[Times]) -> bool {
    runs.iter().flatten().flatten().all(|time| time.is_multiple_of(COARSE_NS))
}

/// The middle one, which a disturbed run does not move; of coarse ones the mean, which is finer than they are.
fn typical(mut times: Vec<u64>, coarse: bool) -> f64 {
    if times.is_empty() {
        return 0.0;
    }
    if coarse {
        return times.iter().sum::<u64>() as f64 / times.len() as f64;
    }
    times.sort_unstable();
    times[times.len() / 2] as f64
}

/// Queries for the dispatches of a plan.
struct Clock {
    sets: Vec<wgpu::QuerySet>,
    resolved: Buffer,
    back: Staging,
}

impl Clock {
    fn new(device: &Device, dispatches: u32) -> Clock {
        let (queries, most) = (dispatches * 2, MOST_QUERIES);
        let set = |first: u32| {
            let count = most.min(queries - first);
            let ty = wgpu::QueryType::Timestamp;
            device.raw.create_query_set(&wgpu::QuerySetDescriptor { label: Some("profile"), ty, count })
        };
        let sets = (0..queries).step_by(most as usize).map(set).collect();
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let words = queries * 2;
        let resolved = device.buffer("timestamps", u64::from(words) * 4, usage);
        Clock { sets, resolved, back: Staging::new(device, "timestamps", 1, words, words) }
    }

    /// One run, each dispatch timed.
    async fn run(&self, device: &Device, weights: &[Weight], lowered: &Lowered, live: Live) -> Result<Times> {
        lowered.write_live(device, std::iter::once(live));
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for (place, ready) in lowered.live_dispatches(live).enumerate() {
            let query = place as u32 * 2;
            let at = query % MOST_QUERIES;
            let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.sets[(query / MOST_QUERIES) as usize],
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            });
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            lowered.encode(&mut pass, [ready], weights, (live, 0));
        }
        for (number, set) in self.sets.iter().enumerate() {
            let bytes = u64::from(MOST_QUERIES) * 8 * number as u64;
            encoder.resolve_query_set(set, 0..set.count(), &self.resolved, bytes);
        }
        self.back.copy(&mut encoder, &self.resolved, 0..1);
        device.submit(encoder);
        let words = self.back.read(device, 1).await?;
        let tick = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair[1]) << 32;
        Ok(words.chunks_exact(4).map(|words| [tick(&words[..2]), tick(&words[2..])]).collect())
    }
}

impl Drop for Clock {
    /// Frees what a garbage collector would take its time to.
    fn drop(&mut self) {
        self.sets.iter().for_each(wgpu::QuerySet::destroy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_clock_is_read_more_often_and_averaged() {
        let coarse: Vec<Times> = (0..RUNS as u64).map(|run| vec![[0, COARSE_NS * (run % 2)]]).collect();
        assert_eq!(wanted(&coarse), COARSE_RUNS);
        let fine = vec![vec![[12_345, 45_678]]; RUNS];
        assert_eq!(wanted(&fine), RUNS);
        assert_eq!(typical(vec![1, 900, 2], false), 2.0);
        assert_eq!(typical(vec![0, COARSE_NS], true), 50_000.0);
    }
}
