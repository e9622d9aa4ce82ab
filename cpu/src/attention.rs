//! Softmax attention: queries that share a head of the cache, a few at a time, against eight positions at once.

use crate::lanes::{LANES, Lanes};
use crate::op::{BLOCK, Cache, CacheFormat, Live, Rows};
use crate::run::Share;

/// Queries that are compared at once: each key and value that is read serves as many.
const TILE: usize = 4;

/// Bytes of scratch that a thread needs: a score for every position of every query of a tile.
pub const fn scratch_bytes(capacity: u32) -> u64 {
    (TILE * size_of::<f32>()) as u64 * capacity as u64
}

/// `y[t]` = each query of row `t`, mixed from the cache up to the row's own position.
#[inline(always)]
pub unsafe fn attention<L: Lanes>(
    q: Rows,
    cache: &Cache,
    scale: f32,
    scratch: usize,
    y: Rows,
    live: Live,
    share: Share,
) {
    let (width, kv_heads) = (cache.head_width as usize, cache.kv_heads as usize);
    let group = q.width as usize / width / kv_heads;
    let tiles = (live.rows as usize * group).div_ceil(TILE);
    for item in share.of(kv_heads * tiles) {
        let (head, first) = (item / tiles, item % tiles * TILE);
        let count = (live.rows as usize * group - first).min(TILE);
        let work = Tile { cache, head, scale, scratch: scratch as *mut f32 };
        let mut queries = [Query { q: core::ptr::null(), y: core::ptr::null_mut(), positions: 0 }; TILE];
        for (i, query) in queries.iter_mut().take(count).enumerate() {
            let place = first + i;
            let (t, at) = (place / group, (head * group + place % group) * width);
            *query = Query { q: q.row(t).add(at), y: y.row(t).add(at), positions: live.position as usize + t + 1 };
        }
        match count {
            1 => work.mix::<L, 1>([queries[0]]),
            2 => work.mix::<L, 2>([queries[0], queries[1]]),
            3 => work.mix::<L, 3>([queries[0], queries[1], queries[2]]),
            _ => work.mix::<L, TILE>(queries),
        }
    }
}

/// A query, where its result goes, and how many positions it sees.
#[derive(Clone, Copy)]
struct Query {
    q: *const f32,
    y: *mut f32,
    positions: usize,
}

struct Tile<'a> {
    cache: &'a Cache,
    head: usize,
    scale: f32,
    scratch: *mut f32,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn mix<L: Lanes, const N: usize>(&self, queries: [Query; N]) {
        let (most, scaled) = (queries[N - 1].positions, self.cache.format == CacheFormat::Q8);
        if scaled {
            self.compare_scaled::<L, N>(&queries, most);
        } else {
            self.compare::<L, N>(&queries, most);
        }
        let mut totals = [0.0; N];
        for (i, query) in queries.iter().enumerate() {
            totals[i] = self.soften::<L>(i, query.positions, most);
        }
        if scaled {
            self.gather_scaled::<L, N>(&queries, totals, most);
        } else {
            self.gather::<L, N>(&queries, totals, most);
        }
    }

    /// Scores of query `i`, by position.
    #[inline(always)]
    unsafe fn scores(&self, i: usize) -> *mut f32 {
        self.scratch.add(i * self.cache.capacity as usize)
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(&self, table: usize, place: usize) -> L::Floats {
        if self.cache.format == CacheFormat::F16 {
            L::halves((table + 2 * place) as *const u16)
        } else {
            L::floats((table + 4 * place) as *const f32)
        }
    }

    /// Every score up to `most` positions, eight at a time.
    #[inline(always)]
    unsafe fn compare<L: Lanes, const N: usize>(&self, queries: &[Query; N], most: usize) {
        let (width, capacity) = (self.cache.head_width as usize, self.cache.capacity as usize);
        for position in (0..most).step_by(LANES) {
            let first = (self.head * capacity + position) * width;
            let mut sums = [L::splat(0.0); N];
            for d in 0..width {
                let keys = self.load::<L>(self.cache.keys, first + d * LANES);
                for (sum, query) in sums.iter_mut().zip(queries) {
                    *sum = L::mul_add(keys, L::splat(*query.q.add(d)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                L::store(self.scores(i).add(position), L::mul(sum, L::splat(self.scale)));
            }
        }
    }

    /// The same of i8: a block's products are summed before its scale.
    #[inline(always)]
    unsafe fn compare_scaled<L: Lanes, const N: usize>(&self, queries: &[Query; N], most: usize) {
        let (width, capacity) = (self.cache.head_width as usize, self.cache.capacity as usize);
        for position in (0..most).step_by(LANES) {
            let eight = self.cache.keys + (self.head * capacity + position) * self.cache.scaled_bytes();
            let scales = (eight + LANES * width) as *const f32;
            let mut sums = [L::splat(0.0); N];
            for block in 0..self.cache.blocks() {
                let keys = (eight + block * BLOCK * LANES) as *const i8;
                let mut parts = [L::splat(0.0); N];
                for d in 0..BLOCK {
                    let keys = L::signed(keys.add(d * LANES));
                    for (part, query) in parts.iter_mut().zip(queries) {
                        *part = L::mul_add(keys, L::splat(*query.q.add(block * BLOCK + d)), *part);
                    }
                }
                let scale = L::floats(scales.add(block * LANES));
                for (sum, part) in sums.iter_mut().zip(parts) {
                    *sum = L::mul_add(part, scale, *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                L::store(self.scores(i).add(position), L::mul(sum, L::splat(self.scale)));
            }
        }
    }

    /// Scores of query `i` -> shares, not yet divided by their sum, which is returned; 0 from its own position on.
    #[inline(always)]
    unsafe fn soften<L: Lanes>(&self, i: usize, positions: usize, most: usize) -> f32 {
        let scores = self.scores(i);
        let whole = positions / LANES * LANES;
        let mut greatest = L::splat(f32::MIN);
        for position in (0..whole).step_by(LANES) {
            greatest = L::max(greatest, L::floats(scores.add(position)));
        }
        let rest = (whole..positions).map(|position| *scores.add(position));
        let greatest = rest.fold(L::greatest(greatest), f32::max);
        let end = most.next_multiple_of(LANES);
        for position in positions..end {
            // So far below that its share is none; it is set to zero after all.
            *scores.add(position) = greatest - 87.0;
        }
        for position in (0..positions).step_by(LANES) {
            let at = scores.add(position);
            L::store(at, L::exp(L::sub(L::floats(at), L::splat(greatest))));
        }
        for position in positions..end {
            *scores.add(position) = 0.0;
        }
        let mut total = L::splat(0.0);
        for position in (0..positions).step_by(LANES) {
            total = L::add(total, L::floats(scores.add(position)));
        }
        L::sum(total)
    }

    /// Values by their shares.
    #[inline(always)]
    unsafe fn gather<L: Lanes, const N: usize>(&self, queries: &[Query; N], totals: [f32; N], most: usize) {
        let (width, capacity) = (self.cache.head_width as usize, self.cache.capacity as usize);
        let first = self.head * capacity * width;
        for from in (0..width).step_by(LANES) {
            let mut sums = [L::splat(0.0); N];
            for position in 0..most {
                let values = self.load::<L>(self.cache.values, first + position * width + from);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::mul_add(values, L::splat(*self.scores(i).add(position)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                let mixed = L::array(L::div(sum, L::splat(totals[i])));
                let count = LANES.min(width - from);
                core::ptr::copy_nonoverlapping(mixed.as_ptr(), queries[i].y.add(from), count);
            }
        }
    }

    /// The same of i8, whose scales go into the shares.
    #[inline(always)]
    unsafe fn gather_scaled<L: Lanes, const N: usize>(&self, queries: &[Query; N], totals: [f32; N], most: usize) {
        let (width, bytes) = (self.cache.head_width as usize, self.cache.scaled_bytes());
        let first = self.cache.values + self.head * self.cache.capacity as usize * bytes;
        for from in (0..width).step_by(LANES) {
            let mut sums = [L::splat(0.0); N];
            for position in 0..most {
                let row = first + position * bytes;
                let values = L::signed((row + from) as *const i8);
                let scale = *((row + width) as *const f32).add(from / BLOCK);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::mul_add(values, L::splat(*self.scores(i).add(position) * scale), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                L::store(queries[i].y.add(from), L::div(sum, L::splat(totals[i])));
            }
        }
    }
}
