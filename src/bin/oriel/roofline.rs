//! A roofline -> a table for people: what the adapter gives, and how close each kernel comes to it.

use oriel::session::{BoundedPass, Roofline};
use std::fmt::Write;

/// What the adapter gives at best, and the kernels of each pass against it.
pub fn page(roofline: &Roofline) -> String {
    let probes = &roofline.probes;
    let giga = |rate: f64| format!("{:.2} G", rate / 1e9);
    let mut page =
        format!("\nat best: reads {}B/s; multiply-adds a second, in registers:", giga(probes.read_bytes_per_s));
    for (format, rate) in &probes.weights_per_s {
        let _ = write!(page, " {format} {},", giga(*rate));
    }
    let packed = probes.packed_per_s.map_or("unknown".into(), giga);
    let _ = writeln!(
        page,
        " packed i8 {packed}\n         a dispatch {:.1} us, a submit {:.1} us, a read-back {:.0} us",
        probes.dispatch_us, probes.submit_us, probes.readback_us
    );
    roofline.passes.iter().fold(page, |page, pass| page + &table(pass))
}

fn table(pass: &BoundedPass) -> String {
    let BoundedPass { rows, position, run_us, kernels } = pass;
    let tokens = if *rows == 1 { "token" } else { "tokens" };
    let mut table = format!(
        "\n{rows} {tokens} after {position}: {:.0} % of what the adapter could do; an ordinary run takes {:.2} ms\n\n \
         time  us each  times  at best  share  by          format  kernel and shape\n",
        pass.share() * 100.0,
        run_us / 1e3
    );
    for kernel in kernels {
        let (row, bound_us, bound) = (&kernel.row, kernel.bound_us, kernel.bound.name());
        let (time, share) = (row.time_share * 100.0, kernel.share * 100.0);
        let (us, times, format) = (row.us, row.times, row.format.unwrap_or(""));
        let variant = if row.variant.is_empty() { String::new() } else { format!(" ({})", row.variant) };
        let what = format!("{} {}{variant}", row.kernel, row.shape);
        let _ = writeln!(
            table,
            "{time:4.1}% {us:8.1} {times:6} {bound_us:8.1} {share:5.0}%  {bound:<10}  {format:<6}  {what}"
        );
    }
    table
}
