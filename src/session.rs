//! A model's files in, tokens and text out: loading, the cache, prompts and the loop that answers them.
//!
//! The session does no input or output itself. Whoever fetches a model hands its bytes to [`Loading`], chunk by chunk,
//! and gets a [`Model`]; [`Model::start`] and [`Model::next`] then give an answer token by token:
//!
//! ```no_run
//! # async fn answer(chunks: impl Iterator<Item = Vec<u8>>) -> oriel::Result<()> {
//! use oriel::session::{GenerateOptions, LoadOptions, Loading};
//!
//! let mut loading = Loading::new(LoadOptions::default()).await?;
//! loading.begin("model.gguf", None)?;
//! for chunk in chunks {
//!     loading.push(&chunk)?;
//! }
//! loading.end()?;
//! let mut model = loading.finish().await?;
//!
//! let prompt = model.text().prompt("The world is a beautiful place")?;
//! let mut answer = model.start(&prompt, GenerateOptions::default())?;
//! while let Some(chunk) = model.next(&mut answer).await? {
//!     print!("{}", chunk.text);
//! }
//! # Ok(())
//! # }
//! ```

mod assembly;
pub mod bench;
mod chunks;
mod files;
mod generation;
mod incoming;
mod kept;
mod ledger;
mod loading;
mod model;
mod options;
mod pace;
pub mod predict;
mod profile;
mod roofline;
mod side;
mod speed;
mod survey;
#[cfg(test)]
mod tests;
mod text;

pub use assembly::FormatUse;
pub use generation::{Chunk, FinishReason, Generation, Step, Timings};
pub use ledger::{Change, Pass};
pub use loading::Loading;
pub use model::{Info, Model};
pub use options::{CachePrecision, DEFAULT_CONTEXT, Device, GenerateOptions, LoadOptions, Tune};
pub use profile::{KernelRow, Profile};
pub use roofline::{BoundedKernel, BoundedPass, Roofline};
pub use side::SIDE_FILES;
pub use speed::{Speeds, speed};
pub use survey::{Heads, Survey};
pub use text::Text;
