//! Activations -> whole numbers, block by block: the greatest magnitude of a block becomes 127.

use crate::lanes::{LANES, Lanes};
use crate::op::{BLOCK, Quantised, Rows};
use crate::run::Share;

const REGISTERS: usize = BLOCK / LANES;

/// `y[t] = x[t]` in blocks; what a last block lacks counts as zero.
#[inline(always)]
pub unsafe fn quantise<L: Lanes>(x: Rows, y: Quantised, rows: usize, share: Share) {
    let blocks = y.blocks as usize;
    for item in share.of(rows * blocks) {
        let (t, block) = (item / blocks, item % blocks);
        let (from, left) = (x.row(t).add(block * BLOCK), x.width as usize - block * BLOCK);
        let mut tail = [0.0; BLOCK];
        let from = if left < BLOCK {
            core::ptr::copy_nonoverlapping(from, tail.as_mut_ptr(), left);
            tail.as_ptr()
        } else {
            from
        };
        let to = (y.values + item * y.planes as usize * BLOCK) as *mut i8;
        let [scale, sum] = block_of::<L>(from, to, y.planes == 2);
        *((y.scales + 4 * item) as *mut f32) = scale;
        *((y.sums + 4 * item) as *mut f32) = sum;
    }
}

/// One block: its scale, and the sum of what its numbers stand for.
#[inline(always)]
unsafe fn block_of<L: Lanes>(from: *const f32, to: *mut i8, two: bool) -> [f32; 2] {
    let mut x = [L::splat(0.0); REGISTERS];
    let mut most = L::splat(0.0);
    for (i, x) in x.iter_mut().enumerate() {
        *x = L::floats(from.add(LANES * i));
        most = L::max(most, L::max(*x, L::sub(L::splat(0.0), *x)));
    }
    let most = L::greatest(most);
    let scale = most / 127.0;
    // A block of zeros stays one; so does one whose scale's inverse would be infinite.
    let inverse = if most > 1e-30 { 127.0 / most } else { 0.0 };
    let (mut sum, mut rest_sum) = (L::splat(0.0), L::splat(0.0));
    for (i, x) in x.into_iter().enumerate() {
        let scaled = L::mul(x, L::splat(inverse));
        let whole = L::nearest(scaled);
        L::store_ints(to.add(LANES * i), whole);
        sum = L::add(sum, whole);
        if two {
            let rest = L::nearest(L::mul(L::sub(scaled, whole), L::splat(254.0)));
            L::store_ints(to.add(BLOCK + LANES * i), rest);
            rest_sum = L::add(rest_sum, rest);
        }
    }
    [scale, scale * (L::sum(sum) + L::sum(rest_sum) / 254.0)]
}
