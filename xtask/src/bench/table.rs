//! Reports of one model from several places -> one table, a place a column.

use serde_json::{Map, Value};
use std::fmt::Write;

/// What a row of counts shows of a report: its title, the report's key, and what the number is divided by.
const COUNTS: [(&str, &str, f64); 14] = [
    ("first token, ms", "first_token_ms", 1.0),
    ("load, s", "load_ms", 1e3),
    ("load to first token, s", "load_to_token_ms", 1e3),
    ("dispatches a token", "dispatches_per_token", 1.0),
    ("submits a token", "submits_per_token", 1.0),
    ("readbacks a token", "readbacks_per_token", 1.0),
    ("buffers made a token", "buffers_created_per_token", 1.0),
    ("bind groups made a token", "bind_groups_created_per_token", 1.0),
    ("weights read a token, MB", "weight_bytes_read_per_token", 1e6),
    ("the same over all weights", "weight_read_ratio", 1.0),
    ("GPU memory at most, MB", "gpu_bytes_peak", 1e6),
    ("WebAssembly memory, MB", "wasm_bytes", 1e6),
    ("Oriel's memory, MB", "memory_bytes", 1e6),
    ("the page's process, MB", "process_bytes_peak", 1e6),
];

const TITLE: usize = 26;
const CELL: usize = 22;

/// A list of a report, the size of each of its rows, and what leads a row's title.
const LISTS: [(&str, &str, &str); 2] = [("prefill", "tokens", "prefill of"), ("decode", "positions", "decode at")];

/// The table: tokens a second as `median (least-greatest)`, then the counts, then what the adapters are.
pub fn of(reports: &Map<String, Value>) -> String {
    let mut table = row("tokens a second", reports.keys().cloned());
    for (list, size, title) in LISTS {
        for at in sizes(reports, list, size) {
            let cells = reports.values().map(|report| timed(report, list, size, at).map(speed).unwrap_or_default());
            table += &row(&format!("{title} {at}"), cells);
        }
    }
    table += &ratios(reports);
    table.push('\n');
    for (title, key, unit) in COUNTS {
        if reports.values().any(|report| report[key].is_number()) {
            table += &row(title, reports.values().map(|report| number(&report[key], unit)));
        }
    }
    table.push('\n');
    for (name, report) in reports {
        let adapter = &report["adapter"];
        let text = |key: &str| adapter[key].as_str().unwrap_or("-");
        let _ = writeln!(table, "{name}: {}; {}; {}", text("name"), text("driver"), text("variants"));
    }
    table
}

fn row(title: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: String = cells.map(|cell| format!("{cell:>CELL$}")).collect();
    format!("{title:<TITLE$}{cells}\n")
}

/// How many times as fast ours is as each of those that name one of ours to stand `against`.
fn ratios(reports: &Map<String, Value>) -> String {
    let ours = |report: &Value| reports.get(report["against"].as_str()?);
    if reports.values().all(|report| ours(report).is_none()) {
        return String::new();
    }
    let mut lines = String::from("\nOriel over each\n");
    for (list, size, title) in LISTS {
        for at in sizes(reports, list, size) {
            let median = |report| timed(report, list, size, at)?["tokens_per_s"]["median"].as_f64();
            let ratio = |report| Some(format!("x {}", digits(median(ours(report)?)? / median(report)?)));
            let cells = reports.values().map(|report| ratio(report).unwrap_or_default());
            lines += &row(&format!("{title} {at}"), cells);
        }
    }
    lines
}

/// The row of a report's list for a size.
fn timed<'a>(report: &'a Value, list: &str, size: &str, at: u64) -> Option<&'a Value> {
    report[list].as_array()?.iter().find(|row| row[size] == at)
}

/// Every size that any report has, in order.
fn sizes(reports: &Map<String, Value>, list: &str, size: &str) -> Vec<u64> {
    let rows = reports.values().filter_map(|report| report[list].as_array()).flatten();
    let mut sizes: Vec<u64> = rows.filter_map(|row| row[size].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// `4.33 (4.10-4.50)`; a dash where nothing was timed.
fn speed(row: &Value) -> String {
    let [median, min, max] = ["median", "min", "max"].map(|key| row["tokens_per_s"][key].as_f64());
    match (median, min, max) {
        (Some(median), Some(min), Some(max)) => {
            format!("{} ({}-{})", digits(median), digits(min), digits(max))
        }
        _ => "-".into(),
    }
}

fn number(value: &Value, unit: f64) -> String {
    value.as_f64().map_or("-".into(), |value| digits(value / unit))
}

/// Three digits that count: a rasteriser's 0.15 and a graphics card's 4500 stand in one table.
fn digits(value: f64) -> String {
    match value {
        _ if value == value.trunc() => format!("{value:.0}"),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn peers_are_compared_with_us() {
        let report = |median: f64, against: Option<&str>| {
            let spread = json!({ "median": median, "min": median, "max": median });
            json!({ "prefill": [], "decode": [{ "positions": 64, "tokens_per_s": spread }], "against": against })
        };
        let [ours, peer] = [report(3.0, None), report(0.15, Some("oriel"))];
        let reports = Map::from_iter([("oriel".to_string(), ours), ("peer".to_string(), peer)]);
        let table = of(&reports);
        let last = table.lines().rfind(|line| line.starts_with("decode at 64"));
        assert_eq!(last.map(|line| line.trim_end().ends_with("x 20")), Some(true), "{table}");
    }

    #[test]
    fn places_stand_side_by_side_and_what_one_lacks_is_left_open() {
        let spread = |median: f64| json!({ "median": median, "min": 1.0, "max": 250.4 });
        let one = json!({
            "prefill": [{ "tokens": 32, "tokens_per_s": spread(100.0) }, { "tokens": 512, "tokens_per_s": null }],
            "decode": [{ "positions": 64, "tokens_per_s": spread(4.567) }], "load_ms": 1234.0,
            "adapter": { "name": "card", "driver": "x 1", "variants": "lane" },
        });
        let two = json!({ "prefill": [], "decode": [], "gpu_bytes_peak": 2_500_000 });
        let reports = Map::from_iter([("lavapipe".to_string(), one), ("chromium".to_string(), two)]);
        let table = of(&reports);
        let line = |title: &str| table.lines().find(|line| line.starts_with(title)).map(str::trim_end);
        assert_eq!(line("prefill of 32").map(|line| line.ends_with("100 (1-250)")), Some(true), "{table}");
        assert_eq!(line("prefill of 512").map(|line| line.ends_with('-')), Some(true), "{table}");
        assert_eq!(line("decode at 64").map(|line| line.contains("4.57 (1-250)")), Some(true), "{table}");
        assert_eq!(line("GPU memory").map(|line| line.ends_with("2.50")), Some(true), "{table}");
        assert!(line("submits").is_none() && table.contains("lavapipe: card; x 1; lane"), "{table}");
    }
}
