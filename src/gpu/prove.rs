//! Ways to carry out a step, over the same made-up numbers -> which of them come to what the start comes to.

use super::measure::{Contest, Entrant};
use super::prepared::Lowered;
use super::probe::Prober;
use super::{Cache, Gpu};
use crate::Result;
use crate::kernels::CacheFormat;
use crate::kernels::tuning::{Race, agree};
use crate::plan::{Live, Step, Tensor};

/// Words that are written to the cache at once: whole tiles of keys, with their scales.
const PIECE: u32 = 64 * 9 * 16;

impl Gpu {
    /// Lets the way that would win prove itself, and the next best where it does not.
    pub(super) async fn prove(
        &self,
        (lowered, live): (&Lowered, Live),
        contest: &Contest,
        entrants: &[Option<Entrant>],
        race: &mut Race,
    ) -> Result<()> {
        let (step, _) = contest.parts[0];
        let mut by_start = None;
        while let Some(way) = race.to_prove()
            && let (Some(start), Some(other)) = (&entrants[0], &entrants[way])
        {
            let by_start = match &mut by_start {
                Some(values) => values,
                none => none.insert(self.outcome(lowered, live, step, start).await?),
            };
            let by_other = self.outcome(lowered, live, step, other).await?;
            race.proves(way, agree(by_start, &by_other));
        }
        Ok(())
    }

    /// What a way of a step, the first of those that it runs over, writes to the rows in use of the step's tensor.
    async fn outcome(&self, lowered: &Lowered, live: Live, step: usize, entrant: &Entrant) -> Result<Vec<f32>> {
        let plan = &lowered.plan;
        let made = &plan.steps[step];
        // What a step adds to, or does not write, is the same before every way.
        for (seed, tensor) in made.input().into_iter().chain(made.output()).enumerate() {
            let values = live.rows.min(plan.rows_of(tensor)) * plan.info(tensor).width;
            let values: Vec<f32> = (0..values).map(|i| number(i ^ (seed as u32) << 30)).collect();
            lowered.write_tensor(&self.device, tensor, &values);
        }
        if let (Step::Attention { layer, .. }, Some(cache)) = (made, &self.cache)
            && plan.cache.head_width.is_multiple_of(4)
        {
            self.fill(cache, *layer);
        }
        let prober = Prober::with(&self.device, 0.0);
        let one = &entrant.ready[..entrant.unit];
        let ran = prober.pass(|pass| {
            lowered.encode(pass, one, &self.weights, (live, 0));
        });
        ran.await?;
        let y = made.output().unwrap_or(Tensor(0));
        lowered.read_rows(&self.device, y, plan.live_rows(y, live)).await
    }

    /// Keys and values of a layer, at every position. Heads whose last word has padding are left as they are.
    fn fill(&self, cache: &Cache, layer: u32) {
        let words = (2 * cache.half / 4) as u32;
        let half = words / 2;
        for side in [0, half] {
            // Keys of a tile stand word by word, values position by position.
            let place = |word: u32| if side == 0 { word / 64 % 9 } else { word % 9 };
            let piece: Vec<u32> = (0..PIECE.min(half)).map(|word| cell(cache.format, word, place(word))).collect();
            for first in (0..half).step_by(PIECE as usize) {
                let piece = &piece[..PIECE.min(half - first) as usize];
                let offset = u64::from(side + first) * 4;
                self.device.write(&cache.layers[layer as usize], offset, bytemuck::cast_slice(piece));
            }
        }
    }
}

/// A word of the cache; `place`: which of the nine of a block it is, where blocks have scales.
fn cell(format: CacheFormat, word: u32, place: u32) -> u32 {
    let part = |i: u32| number(4 * word + i);
    match format {
        CacheFormat::F32 => part(0).to_bits(),
        CacheFormat::F16 => {
            let half = |i| u32::from(half::f16::from_f32(part(i)).to_bits());
            half(0) | half(1) << 16
        }
        CacheFormat::Q8 if place == 8 => (1.0f32 / 127.0).to_bits(),
        CacheFormat::Q8 => u32::from_le_bytes([0, 1, 2, 3].map(|i| (part(i) * 127.0) as i8 as u8)),
    }
}

/// A number from -1 to 1 for each place, with no order to them.
fn number(place: u32) -> f32 {
    let mut x = place.wrapping_add(1);
    for factor in [0x7feb_352d, 0x846c_a68b] {
        x = (x ^ x >> 16).wrapping_mul(factor);
    }
    (x >> 8) as f32 / (1 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_numbers_fill_their_range() {
        let numbers: Vec<f32> = (0..10_000).map(number).collect();
        let mean = numbers.iter().sum::<f32>() / 1e4;
        let square = numbers.iter().map(|x| x * x).sum::<f32>() / 1e4;
        assert!(numbers.iter().all(|x| (-1.0..1.0).contains(x)), "{numbers:?}");
        assert!(mean.abs() < 0.03 && (square - 1.0 / 3.0).abs() < 0.02, "{mean}, {square}");
        let packed = (0..9).map(|place| cell(CacheFormat::Q8, place, place)).collect::<Vec<_>>();
        assert!(f32::from_bits(packed[8]) > 0.0 && packed[..8].iter().any(|word| *word > 0));
    }
}
