//! Which of a kernel's ways suits a shape on an adapter: what was measured there and, where nothing was, what is usual on
//! adapters of its kind.

mod json;
mod race;
mod starts;

pub use json::{VERSION, is_of};
pub use race::{FAR, Fault, Measured, Race, Way, agree, nearest, order};
pub use starts::Vendor;

use super::matmul::Tile;
use super::matvec::Team;
use super::{RowVariant, Variant};
use crate::cpu::Activations;
use crate::format::{BLOCK, Format};
use crate::plan::{CacheShape, Plan, Step};
use crate::weights::{Catalogue, Layout, Part};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A way to carry out a kind of step, of which a measurement takes one.
pub trait Choice: Copy + PartialEq + Debug + 'static {
    /// Every one that there is.
    const ALL: &'static [Self];

    /// Tunings are kept and forced by it: it stays what it is.
    fn name(self) -> &'static str;

    /// Whether a device with these features can take it.
    fn is_available(self, _features: Features) -> bool {
        true
    }
}

/// What a device has beyond WebGPU's defaults, as far as a choice may need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Halves in shaders.
    pub f16: bool,
    /// Lanes of a subgroup see each other's values.
    pub subgroups: bool,
    /// Shaders may name products of packed bytes. Natively they always may: where a device has no unit for them, the
    /// compiler takes them apart.
    pub packed: bool,
    /// What activations of several rows may be turned into: who opened the device says so.
    pub activations: Activations,
}

/// The kinds of steps that can be carried out in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A matrix times one row, with whatever is joined to it.
    Matvec,
    /// A matrix times several rows.
    Matmul,
    /// Attention of one row.
    AttentionDecode,
    /// Attention of several rows.
    Attention,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Kind; 4] = [Kind::Matvec, Kind::Matmul, Kind::AttentionDecode, Kind::Attention];

    /// As tunings name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Matvec => "matvec",
            Kind::Matmul => "matmul",
            Kind::AttentionDecode => "attention_decode",
            Kind::Attention => "attention",
        }
    }
}

/// One thing to choose for: a kind of step over a shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The kind.
    pub kind: Kind,
    /// `q4 1536x576`, outputs before inputs, of a matrix; `9/3x64`, heads, those of the cache and their width, of attention.
    pub shape: String,
}

impl Subject {
    /// A part of a matrix that multiplies `rows` rows.
    pub fn matrix(rows: u32, part: &Part, inputs: u32) -> Subject {
        let kind = if rows == 1 { Kind::Matvec } else { Kind::Matmul };
        Subject { kind, shape: format!("{} {}x{inputs}", part.format.name(), part.outputs) }
    }

    /// Attention of `rows` rows of `heads` heads.
    pub fn attention(rows: u32, heads: u32, cache: CacheShape) -> Subject {
        let kind = if rows == 1 { Kind::AttentionDecode } else { Kind::Attention };
        Subject { kind, shape: format!("{heads}/{}x{}", cache.kv_heads, cache.head_width) }
    }

    /// What has to be chosen to carry out a step: of a matrix in parts, for each.
    pub fn of(plan: &Plan, catalogue: &Catalogue, step: &Step) -> Vec<Subject> {
        if let Step::Attention { heads, y, .. } = step {
            return vec![Subject::attention(plan.rows_of(*y), *heads, plan.cache)];
        }
        let (Some(matrix), Some(y)) = (step.matrix(), step.output()) else { return Vec::new() };
        let layout = catalogue.layout(matrix);
        layout.parts.iter().map(|part| Subject::matrix(plan.rows_of(y), part, layout.inputs)).collect()
    }
}

/// What is taken for each shape of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices<C> {
    /// For a shape that was not measured.
    pub usual: C,
    /// By [`Subject::shape`].
    by_shape: BTreeMap<String, C>,
}

impl<C: Choice> Choices<C> {
    /// The same for every shape.
    pub fn all(usual: C) -> Choices<C> {
        Choices { usual, by_shape: BTreeMap::new() }
    }

    fn get(&self, subject: &Subject) -> C {
        self.by_shape.get(&subject.shape).copied().unwrap_or(self.usual)
    }
}

/// The choices of a kind, by their names.
trait Table {
    fn names(&self) -> Vec<&'static str>;
    fn available(&self, features: Features) -> Vec<&'static str>;
    fn usual(&self) -> &'static str;
    fn by_shape(&self) -> Vec<(&str, &'static str)>;
    /// For one shape or, without one, for all that were not measured; false for a name that there is not.
    fn choose(&mut self, shape: Option<&str>, name: &str) -> bool;
    /// Shapes that take the choice of that name are as if they had not been measured.
    fn forget(&mut self, name: &str);
}

impl<C: Choice> Table for Choices<C> {
    fn names(&self) -> Vec<&'static str> {
        C::ALL.iter().map(|choice| choice.name()).collect()
    }

    fn available(&self, features: Features) -> Vec<&'static str> {
        C::ALL.iter().filter(|choice| choice.is_available(features)).map(|choice| choice.name()).collect()
    }

    fn usual(&self) -> &'static str {
        self.usual.name()
    }

    fn by_shape(&self) -> Vec<(&str, &'static str)> {
        self.by_shape.iter().map(|(shape, choice)| (shape.as_str(), choice.name())).collect()
    }

    fn choose(&mut self, shape: Option<&str>, name: &str) -> bool {
        let Some(choice) = C::ALL.iter().find(|choice| choice.name() == name) else { return false };
        match shape {
            Some(shape) => drop(self.by_shape.insert(shape.to_string(), *choice)),
            None => self.usual = *choice,
        }
        true
    }

    fn forget(&mut self, name: &str) {
        self.by_shape.retain(|_, choice| choice.name() != name);
    }
}

/// The choices on an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Of [`Kind::Matvec`].
    pub matvec: Choices<Team>,
    /// Of [`Kind::Matmul`].
    pub matmul: Choices<Tile>,
    /// Of [`Kind::AttentionDecode`].
    pub attention_decode: Choices<RowVariant>,
    /// Of [`Kind::Attention`].
    pub attention: Choices<Variant>,
    /// Ways that are not tried, or once more only, and why.
    left_out: BTreeMap<(Kind, &'static str), Fault>,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning::all(Variant::Shared)
    }
}

impl Tuning {
    /// One kind of kernels throughout.
    pub fn all(variant: Variant) -> Tuning {
        Tuning {
            matvec: Choices::all(if variant == Variant::Lane { Team::T1 } else { Team::default() }),
            matmul: Choices::all(if variant == Variant::Lane { Tile::Lane } else { Tile::default() }),
            attention_decode: Choices::all(variant.into()),
            attention: Choices::all(variant),
            left_out: BTreeMap::new(),
        }
    }

    /// The same with other teams for matrices that multiply one row.
    #[must_use]
    pub fn with_team(self, team: Team) -> Tuning {
        Tuning { matvec: Choices::all(team), ..self }
    }

    /// The same with another tile for matrices that multiply several rows.
    #[must_use]
    pub fn with_tile(self, tile: Tile) -> Tuning {
        Tuning { matmul: Choices::all(tile), ..self }
    }

    /// The same with tiles for activations of that kind.
    #[must_use]
    pub fn under(mut self, activations: Activations) -> Tuning {
        self.matmul.usual = self.matmul.usual.under(activations);
        self.matmul.by_shape.values_mut().for_each(|tile| *tile = tile.under(activations));
        self
    }

    /// The same with another kind of kernel for attention of one row and the choice of a token.
    #[must_use]
    pub fn with_row_variant(self, variant: RowVariant) -> Tuning {
        Tuning { attention_decode: Choices::all(variant), ..self }
    }

    /// Lanes for four rows of a part of a matrix; where it was not measured, no more than there are blocks in a row.
    pub fn team(&self, layout: &Layout, part: &Part) -> Team {
        let subject = Subject::matrix(1, part, layout.inputs);
        match self.matvec.by_shape.get(&subject.shape) {
            Some(team) => *team,
            None => self.matvec.usual.within(layout.inputs.div_ceil(BLOCK)),
        }
    }

    /// For a part of a matrix that multiplies several rows.
    pub fn tile(&self, layout: &Layout, part: &Part) -> Tile {
        self.matmul.get(&Subject::matrix(2, part, layout.inputs))
    }

    /// For attention of one row.
    pub fn attention_decode(&self, heads: u32, cache: CacheShape) -> RowVariant {
        self.attention_decode.get(&Subject::attention(1, heads, cache))
    }

    /// For attention of several rows.
    pub fn attention(&self, heads: u32, cache: CacheShape) -> Variant {
        self.attention.get(&Subject::attention(2, heads, cache))
    }

    /// For the choice of a token, which is not measured: what a barrier costs decides, as in attention of one row.
    pub fn choosing(&self) -> RowVariant {
        self.attention_decode.usual
    }

    /// The names to choose from.
    pub fn names(&self, kind: Kind) -> Vec<&'static str> {
        self.table(kind).names()
    }

    /// Those that a device with these features can take.
    pub fn available(&self, kind: Kind, features: Features) -> Vec<&'static str> {
        self.table(kind).available(features)
    }

    /// Those of them that are worth timing over a subject: not what would be the same as another, nor what is left out.
    pub fn ways(&self, subject: &Subject, features: Features) -> Vec<&'static str> {
        let mut names = self.available(subject.kind, features);
        names.retain(|name| self.fault(subject.kind, name).is_none());
        if subject.kind == Kind::Matmul && features.activations == Activations::Auto {
            let format = Format::ALL.into_iter().find(|format| subject.shape.split(' ').next() == Some(format.name()));
            let suits = |tile: &&Tile| format.is_none_or(|format| tile.suits(format));
            names.retain(|name| Tile::ALL.iter().filter(suits).any(|tile| tile.name() == *name));
        }
        names
    }

    /// Leaves a way out from now on; [`avoid`](Tuning::avoid) sees to what was chosen already.
    ///
    /// # Errors
    /// As [`choose`](Tuning::choose).
    pub fn leave_out(&mut self, kind: Kind, name: &str, fault: Fault) -> Result<()> {
        let known = self.names(kind).into_iter().find(|known| *known == name);
        let known = known.ok_or_else(|| self.no_way(kind, "left_out", name))?;
        self.left_out.insert((kind, known), fault);
        Ok(())
    }

    /// The tuning that is right if the load ends when it tries a way: the next tries it once more, and no other after that.
    ///
    /// # Errors
    /// As [`choose`](Tuning::choose).
    pub fn if_ended(&self, kind: Kind, name: &'static str) -> Result<Tuning> {
        let again = self.left_out.contains_key(&(kind, name));
        let mut then = self.clone();
        then.leave_out(kind, name, if again { Fault::Lost } else { Fault::Tried })?;
        Ok(then)
    }

    /// A way was tried, and nothing ended: what it was suspected of was not its doing.
    pub fn survived(&mut self, kind: Kind, name: &'static str) {
        self.left_out.retain(|way, fault| *way != (kind, name) || *fault != Fault::Tried);
    }

    /// Why a way is left out, if it is.
    pub fn fault(&self, kind: Kind, name: &str) -> Option<Fault> {
        self.left_out(kind).find(|(other, _)| *other == name).map(|(_, fault)| fault)
    }

    /// What is left out of a kind.
    pub fn left_out(&self, kind: Kind) -> impl Iterator<Item = (&'static str, Fault)> {
        self.suspects(kind).filter(|(_, fault)| *fault != Fault::Tried)
    }

    /// The same with what is tried once more.
    fn suspects(&self, kind: Kind) -> impl Iterator<Item = (&'static str, Fault)> {
        self.left_out.iter().filter(move |((of, _), _)| *of == kind).map(|((_, name), fault)| (*name, *fault))
    }

    /// Nothing that is left out is taken: a shape that took it is as if it had not been measured, and what was usual gives
    /// way to the first that the device can take, if there is one.
    pub fn avoid(&mut self, features: Features) {
        let out = |kind: Kind| self.left_out(kind).map(move |(name, _)| (kind, name));
        for (kind, name) in Kind::ALL.into_iter().flat_map(out).collect::<Vec<_>>() {
            let other = self.available(kind, features).into_iter().find(|other| self.fault(kind, other).is_none());
            let table = self.table_mut(kind);
            table.forget(name);
            if let Some(other) = other.filter(|_| table.usual() == name) {
                table.choose(None, other);
            }
        }
    }

    /// What is left out for that reason, in words.
    pub fn left_out_for(&self, fault: Fault) -> Option<String> {
        let names: Vec<_> = self.left_out.iter().filter(|(_, why)| **why == fault).collect();
        let names: Vec<_> = names.iter().map(|((kind, name), _)| format!("{} {name}", kind.name())).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Refuses choices that a device with these features can't take.
    ///
    /// # Errors
    /// [`Error::Option`] with the kind and what is available.
    pub fn check(&self, features: Features) -> Result<()> {
        for kind in Kind::ALL {
            let (table, available) = (self.table(kind), self.available(kind, features));
            let chosen = table.by_shape().into_iter().map(|(_, name)| name).chain([table.usual()]);
            if let Some(name) = chosen.into_iter().find(|name| !available.contains(name)) {
                let (kind, available) = (kind.name(), available.join(", "));
                let activations = features.activations.name();
                let message = format!(
                    "tuning: {kind}: this adapter can't take {name:?}, with activations {activations}; available: {available}"
                );
                return Err(Error::Option(message));
            }
        }
        Ok(())
    }

    /// What is taken for a part of a step; of attention all is one part.
    pub fn taken(&self, plan: &Plan, catalogue: &Catalogue, step: &Step, part: usize) -> Option<&'static str> {
        if let Step::Attention { heads, y, .. } = step {
            return Some(match plan.rows_of(*y) {
                1 => self.attention_decode(*heads, plan.cache).name(),
                _ => self.attention(*heads, plan.cache).name(),
            });
        }
        let layout = catalogue.layout(step.matrix()?);
        Some(match plan.rows_of(step.output()?) {
            1 => self.team(layout, &layout.parts[part]).name(),
            _ => self.tile(layout, &layout.parts[part]).name(),
        })
    }

    /// What is taken where nothing was measured.
    pub fn usual(&self, kind: Kind) -> &'static str {
        self.table(kind).usual()
    }

    /// What was chosen, if anything was.
    pub fn chosen(&self, subject: &Subject) -> Option<&'static str> {
        let chosen = self.table(subject.kind).by_shape();
        chosen.into_iter().find(|(shape, _)| *shape == subject.shape).map(|(_, name)| name)
    }

    /// Takes the choice of that name for a shape.
    ///
    /// # Errors
    /// [`Error::Option`] for a name that there is not; it says which there are.
    pub fn choose(&mut self, subject: &Subject, name: &str) -> Result<()> {
        self.choose_for(subject.kind, Some(&subject.shape), name)
    }

    /// Takes the choice of that name for shapes of the kind that were not measured.
    ///
    /// # Errors
    /// As [`choose`](Tuning::choose).
    pub fn choose_usual(&mut self, kind: Kind, name: &str) -> Result<()> {
        self.choose_for(kind, None, name)
    }

    fn choose_for(&mut self, kind: Kind, shape: Option<&str>, name: &str) -> Result<()> {
        if self.table_mut(kind).choose(shape, name) {
            return Ok(());
        }
        Err(self.no_way(kind, shape.unwrap_or("usual"), name))
    }

    fn no_way(&self, kind: Kind, place: &str, name: &str) -> Error {
        let (kind, names) = (kind.name(), self.names(kind).join(", "));
        Error::Option(format!("tuning: {kind}, {place}: {name:?} is no way to do it; supported: {names}"))
    }

    fn table(&self, kind: Kind) -> &dyn Table {
        match kind {
            Kind::Matvec => &self.matvec,
            Kind::Matmul => &self.matmul,
            Kind::AttentionDecode => &self.attention_decode,
            Kind::Attention => &self.attention,
        }
    }

    fn table_mut(&mut self, kind: Kind) -> &mut dyn Table {
        match kind {
            Kind::Matvec => &mut self.matvec,
            Kind::Matmul => &mut self.matmul,
            Kind::AttentionDecode => &mut self.attention_decode,
            Kind::Attention => &mut self.attention,
        }
    }

    /// In words: what is taken of each kind, the usual first.
    pub fn summary(&self) -> String {
        let kind = |kind: Kind| {
            let table = self.table(kind);
            let mut names = vec![table.usual()];
            for (_, name) in table.by_shape() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            format!("{} {}", kind.name(), names.join("/"))
        };
        Kind::ALL.map(kind).join(", ")
    }
}
