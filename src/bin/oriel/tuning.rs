//! Which kernels are taken: from the cache of earlier measurements, a file or a measurement, into a load; and from a
//! measurement of everything into a table.

use crate::arguments::{Tune as Arguments, TuningFrom};
use crate::{load, output};
use oriel::executor::AdapterInfo;
use oriel::kernels::Tuning;
use oriel::kernels::tuning::{Kind, Measured, VERSION, is_of};
use oriel::session::{LoadOptions, Loading, Model, Speeds, Tune};
use oriel::{Error, Result};
use pollster::block_on;
use serde_json::{Value, json};
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Opens the device. A software adapter is measured against the processor once: that is kept as well.
pub fn open(options: LoadOptions, from: &TuningFrom) -> Result<Loading> {
    let keeps = matches!(from, TuningFrom::Auto);
    let place = |adapter: &AdapterInfo| {
        let threads = options.threads.map_or(String::new(), |threads| format!(" threads {threads}"));
        place_of("speeds", &format!("{} {}{threads}", adapter.id(), options.activations.name())).filter(|_| keeps)
    };
    let known =
        |adapter: &AdapterInfo| -> Option<Speeds> { serde_json::from_slice(&fs::read(place(adapter)?).ok()?).ok() };
    let loading = block_on(Loading::knowing(options, &known))?;
    if let Some((adapter, speeds)) = loading.speeds()
        && let Some(path) = place(adapter)
        && known(adapter).is_none()
        && let Err(error) = write(&path, &json!(speeds))
    {
        output::note(&format!("note: what was measured is not kept: {error}"));
    }
    Ok(loading)
}

/// Tells a load how kernels are chosen.
pub fn begin(loading: &mut Loading, from: &TuningFrom) -> Result<()> {
    match from {
        TuningFrom::Start => loading.tune(&Tune::Start),
        TuningFrom::Auto => {
            let kept = place(&loading.adapter()).and_then(|path| fs::read(path).ok());
            // What can't be read is no tuning, and said to be damaged.
            loading.tune(&Tune::Measure(kept.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default())))
        }
        TuningFrom::File(path) => {
            let bytes = fs::read(path).map_err(|error| load::io(path, &error))?;
            let at = |error: Error| error.at(path.display());
            let tuning: Value = serde_json::from_slice(&bytes)
                .map_err(|error| at(Error::Option(format!("tuning: expected JSON: {error}"))))?;
            loading.tune(&Tune::Given(tuning)).map_err(at)
        }
    }
}

/// What to do before a kernel is tried that the device may not survive: to keep the tuning without it.
pub fn keeps(adapter: &AdapterInfo, from: &TuningFrom) -> impl AsyncFn(Value) + use<> {
    let path = place(adapter).filter(|_| matches!(from, TuningFrom::Auto));
    async move |tuning| {
        // Where nothing can be kept, that is said once all is measured.
        let _ = path.as_ref().map(|path| write(path, &beside(path, tuning)));
    }
}

/// A tuning with what is kept of other models' shapes.
fn beside(path: &Path, tuning: Value) -> Value {
    let kept = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    kept.and_then(|kept| over(&kept, &tuning)).unwrap_or(tuning)
}

/// Keeps what a load has measured, beside what was measured over other models' shapes.
pub fn keep(model: &Model, from: &TuningFrom) {
    let (adapter, tuning) = (model.info().adapter, model.tuning());
    let (TuningFrom::Auto, Some(tuning), false) = (from, tuning, model.tuned().is_empty()) else { return };
    let Some(path) = place(&adapter) else { return };
    if let Err(error) = write(&path, &beside(&path, tuning)) {
        output::note(&format!("note: what was measured is not kept: {error}"));
    }
}

/// A tuning with the shapes of a kept one that it says nothing of; none where that is damaged, or about something else.
fn over(kept: &Value, tuning: &Value) -> Option<Value> {
    let adapter = tuning["adapter"].as_str()?;
    let mut both = Tuning::default();
    let applied = is_of(kept, adapter).then(|| both.apply_json(kept).and_then(|()| both.apply_json(tuning)));
    applied?.ok().map(|()| both.to_json(adapter))
}

/// Whole or not at all: another load may read it meanwhile.
fn write(path: &Path, tuning: &Value) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let unfinished = path.with_extension(format!("{}", std::process::id()));
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&unfinished, format!("{tuning:#}\n")))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|error| load::io(path, &error))
}

/// Where the tuning of an adapter is kept, by its driver and our version; nowhere for the processor, or without a home.
fn place(adapter: &AdapterInfo) -> Option<PathBuf> {
    place_of("tuning", &adapter.id()).filter(|_| adapter.backend != "cpu")
}

/// Where something about an adapter is kept, by our version.
fn place_of(what: &str, about: &str) -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || folder("HOME");
    let cache = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
    };
    let name = format!("{about} {VERSION}").to_lowercase();
    let words: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').collect();
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let file = format!("{what}-{}.json", words.join("-"));
    cache.map(|cache| cache.join("oriel").join(file))
}

/// Measures everything.
pub fn run(arguments: &Arguments) -> Result<()> {
    let from = match &arguments.model.tuning {
        TuningFrom::Auto => TuningFrom::Start,
        other => other.clone(),
    };
    let mut model = load::model(&crate::arguments::Model { tuning: from, ..arguments.model.on_gpu() })?;
    let measured = block_on(model.tune())?.to_vec();
    keep(&model, &arguments.model.tuning);
    let adapter = model.info().adapter;
    let tuning = model.tuning().unwrap_or_default();
    if let Some(path) = &arguments.out {
        write(path, &tuning)?;
    }
    if arguments.json {
        return output::print_json(&json!({ "adapter": adapter, "measured": measured, "tuning": tuning }));
    }
    output::print(&page(&adapter.id(), &measured))
}

/// A table for each kind, of microseconds by shape and way.
fn page(adapter: &str, measured: &[Measured]) -> String {
    let mut page = format!(
        "{adapter}\nmicroseconds of one step by each way; * is taken, ( ) is what adapters of its kind begin with\n"
    );
    for kind in Kind::ALL {
        let rows: Vec<_> = measured.iter().filter(|row| row.kind == kind.name()).collect();
        let names = Tuning::default().names(kind);
        let names: Vec<_> = names
            .into_iter()
            .filter(|name| rows.iter().any(|row| row.ways.iter().any(|way| way.name == *name)))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let heads: String = names.iter().map(|name| format!("{name:>14}")).collect();
        let _ = writeln!(page, "\n{:<20}{heads}", kind.name());
        for row in rows {
            let cell = |name: &&str| {
                let way = row.ways.iter().find(|way| way.name == *name);
                let time = match way.map(|way| (way.fault, way.us)) {
                    Some((Some(fault), _)) => fault.name().into(),
                    Some((None, Some(us))) if us < 1000.0 => format!("{us:.1}"),
                    Some((None, Some(us))) => format!("{us:.0}"),
                    _ => "-".into(),
                };
                let time = if row.start == *name { format!("({time})") } else { time };
                format!("{time:>13}{}", if row.chosen == *name { '*' } else { ' ' })
            };
            let _ = writeln!(page, "{:<20}{}", row.shape, names.iter().map(cell).collect::<String>().trim_end());
        }
    }
    page
}
