//! A profile of a model's pass -> a table and a timeline for people.

use oriel::executor::KernelTime;
use oriel::session::Profile;
use std::fmt::Write;

/// Columns of the longest bar of a timeline.
const LONGEST_BAR: f64 = 48.0;

/// A table by kernel and shape, and a bar for each dispatch.
pub fn page(profile: &Profile) -> String {
    let Profile { rows, position, run_us, kernels, dispatches } = profile;
    let (kernels_ms, run_ms) = (profile.kernels_us() / 1e3, run_us / 1e3);
    let tokens = if *rows == 1 { "token" } else { "tokens" };
    let mut page = format!(
        "\n{rows} {tokens} after {position}: {} dispatches, {kernels_ms:.2} ms in kernels; an ordinary run takes {run_ms:.2} ms\n\n\
         share  us each  times  format    GB/s  kernel and shape\n",
        dispatches.len(),
    );
    for row in kernels {
        let rate = row.bytes as f64 / row.us.max(1e-3) / 1e3;
        let (share, format) = (row.time_share * 100.0, row.format.unwrap_or(""));
        let (us, times, kernel, shape) = (row.us, row.times, row.kernel, &row.shape);
        let variant = if row.variant.is_empty() { String::new() } else { format!(" ({})", row.variant) };
        let line = format!("{share:4.1}% {us:8.1} {times:6}  {format:<6} {rate:7.2}  {kernel} {shape}{variant}");
        let _ = writeln!(page, "{line}");
    }
    page + "\n" + &timeline(dispatches)
}

/// One bar for each dispatch in order, under the sum of each layer.
fn timeline(dispatches: &[KernelTime]) -> String {
    let longest = dispatches.iter().map(|dispatch| dispatch.us).fold(1e-3, f64::max);
    let mut lines = String::new();
    for dispatches in dispatches.chunk_by(|a, b| layer(a) == layer(b)) {
        let (at, sum) = (dispatches[0].start_us, dispatches.iter().map(|dispatch| dispatch.us).sum::<f64>());
        let layer = layer(&dispatches[0]).map_or("around the layers".into(), |number| format!("layer {number}"));
        let _ = writeln!(lines, "{layer}, {:.2} ms, from {:.2} ms on", sum / 1e3, at / 1e3);
        for KernelTime { work, us, .. } in dispatches {
            let bar = "#".repeat((us / longest * LONGEST_BAR).ceil() as usize);
            let name = work.name.rsplit_once('.').map_or(work.name.as_str(), |(_, name)| name);
            let _ = writeln!(lines, "  {name:<20} {:<16} {us:8.1} us  {bar}", work.kernel);
        }
    }
    lines
}

/// The 3 of `blk.3.qkv` and of `cache.3.keys`.
fn layer(dispatch: &KernelTime) -> Option<u32> {
    dispatch.work.name.split('.').nth(1)?.parse().ok()
}
